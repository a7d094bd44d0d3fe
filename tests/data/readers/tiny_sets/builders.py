"""TFDS data sets of a few sentences; TFDS wants them in a package."""

import numpy as np
import tensorflow_datasets as tfds


class _Tiny(tfds.core.GeneratorBasedBuilder):
    """A data set whose FEATURES and SPLITS, name -> rows, are class attributes."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(self.FEATURES))

    def _split_generators(self, dl_manager):
        return {name: enumerate(rows) for name, rows in self.SPLITS.items()}

    def _generate_examples(self):
        raise NotImplementedError


def topics(count):
    return [
        {"title": f"Title {i}", "description": "AT&amp;T", "label": i % 2} for i in range(count)
    ]


class TinyTopics(_Tiny):
    """Two of the texts of the split odd are unlabelled or empty."""

    FEATURES = {
        "title": tfds.features.Text(),
        "description": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["World", "Sports"]),
    }
    SPLITS = {
        "train": topics(30),
        "test": topics(4),
        "odd": [
            *topics(1),
            {"title": "Title 1", "description": "", "label": -1},
            {"title": "&nbsp;", "description": "", "label": 0},
        ],
    }


def names(count):
    return [
        {"tokens": ["Ann", "Lee", "left", f"Oslo{i}"], "ner": [1, 2, 0, 3], "id": i}
        for i in range(count)
    ]


class TinyNames(_Tiny):
    """The split odd has markup in words, illegal tags in its rows 2 and 3, and an empty row."""

    TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    FEATURES = {
        "tokens": tfds.features.Sequence(tfds.features.Text()),
        "ner": tfds.features.Sequence(tfds.features.ClassLabel(names=TAGS)),
        "id": np.int64,
    }
    SPLITS = {
        "train": names(10),
        "dev": names(3),
        "test": names(2),
        "odd": [
            {"tokens": ["AT&amp;T", "'s", "<b>Ann</b>"], "ner": [0, 0, 1], "id": 0},
            {"tokens": ["in", "New", "York"], "ner": [0, 4, 4], "id": 1},
            {"tokens": ["Ann", "Oslo"], "ner": [1, 4], "id": 2},
            {"tokens": [], "ner": [], "id": 3},
        ],
        "unequal": [{"tokens": ["Ann", "left"], "ner": [1], "id": 0}],
    }


class TinySubjects(_Tiny):
    """Sets of subjects as class ids and as texts, and a part of speech per word."""

    FEATURES = {
        "text": tfds.features.Text(),
        "labels": tfds.features.Sequence(tfds.features.ClassLabel(names=["money", "law"])),
        "names": tfds.features.Sequence(tfds.features.Text()),
        "tokens": tfds.features.Sequence(tfds.features.Text()),
        "tags": tfds.features.Sequence(tfds.features.ClassLabel(names=["I-NP", "I-VP"])),
    }
    SPLITS = {
        "train": [
            {
                "text": f"Ann &amp; Lee {i}",
                "labels": [0, 1][: i % 3],
                "names": ["law", "people"][: i % 3],
                "tokens": [f"Ann{i}", "left"],
                "tags": [0, 1],
            }
            for i in range(12)
        ]
    }
