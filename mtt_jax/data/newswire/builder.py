"""The corpus as a TFDS data set, written as ArrayRecord files and read without TensorFlow."""

import json
import os
from functools import cache

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow_datasets as tfds

from mtt_jax.data.newswire import grammar

# Many topic labels and few entity labels, so that there is something to balance.
_TRAIN_TOPIC, _TRAIN_NER, _DEV, _TEST = 12_000, 1_200, 1_000, 2_000


class Newswire(tfds.core.GeneratorBasedBuilder):
    """News-like sentences with a topic, entities, or both.

    Splits: train (12,000 sentences with a topic, 1,200 with entities), dev (1,000 with both) and
    test (2,000 with both). A missing label is an empty topic, or `annotated` set to false.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First."}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "topic": tfds.features.Text(),
                    "annotated": np.bool_,
                    "entities": tfds.features.Text(),  # JSON: [[start, end, label], ...]
                }
            ),
            description="News-like sentences, written by a grammar.",
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "dev", "test")}

    def _generate_examples(self, split):
        for index, row in enumerate(rows(split)):
            yield f"{split}{index:06}", row


@cache
def _sentences(split: str) -> tuple[grammar.Sentence, ...]:
    """The sentences of a split, none of which is in an earlier split."""
    sizes = {"train": _TRAIN_TOPIC + _TRAIN_NER, "dev": _DEV, "test": _TEST}
    earlier = list(sizes)[: list(sizes).index(split)]
    taken = frozenset(sentence.text for name in earlier for sentence in _sentences(name))
    return tuple(grammar.generate(split, sizes[split], taken=taken))


def rows(split: str):
    """Yields the rows of a split in order."""
    for index, sentence in enumerate(_sentences(split)):
        with_topic = split != "train" or index < _TRAIN_TOPIC
        with_entities = split != "train" or index >= _TRAIN_TOPIC
        yield {
            "text": sentence.text,
            "topic": sentence.topic if with_topic else "",
            "annotated": with_entities,
            "entities": json.dumps(sentence.entities if with_entities else []),
        }


def load(split: str, data_dir: str) -> list[dict]:
    """The rows of a split as {"text", "topic" or None, "entities" or None}; built if missing.

    Args:
      split: "train", "dev" or "test".
      data_dir: directory in which TFDS keeps its data sets.
    """
    builder = Newswire(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    found = []
    for row in builder.as_data_source(split=split):
        entities = json.loads(_text(row["entities"])) if row["annotated"] else None
        found.append(
            {"text": _text(row["text"]), "topic": _text(row["topic"]) or None, "entities": entities}
        )
    return found


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
