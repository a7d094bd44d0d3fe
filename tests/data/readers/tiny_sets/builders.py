"""Two TFDS data sets of a few sentences; TFDS wants them in a package."""

import numpy as np
import tensorflow_datasets as tfds


class TinyTopics(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "title": tfds.features.Text(),
                    "description": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["World", "Sports"]),
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(30), "test": self._generate_examples(4)}

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"title": f"Title {i}", "description": "AT&amp;T", "label": i % 2}


class TinyNames(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        tags = tfds.features.ClassLabel(names=["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "tokens": tfds.features.Sequence(tfds.features.Text()),
                    "ner": tfds.features.Sequence(tags),
                    "id": np.int64,
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(10),
            "dev": self._generate_examples(3),
            "test": self._generate_examples(2),
        }

    def _generate_examples(self, count):
        for i in range(count):
            yield i, {"tokens": ["Ann", "Lee", "left", f"Oslo{i}"], "ner": [1, 2, 0, 3], "id": i}
