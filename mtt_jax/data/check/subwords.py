"""What the tokenizer shows: lengths, unknown subwords, and labels that end inside a word."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.data.check.counts import Records
from mtt_jax.data.check.findings import WARNING, Finding, finding_in_texts, number
from mtt_jax.data.check.scripts import script_of, usual_scripts
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.tokenizer import UNKNOWN
from mtt_jax.tasks.ragged import part_of
from mtt_jax.types import Record

# Cut training sentences are a finding if their share is at least this.
_CUT = 0.1
# A text of which the tokenizer knows less than half is in another script, or is not text.
_STRANGE = 0.5


def measure(
    splits: Records, encoded: Mapping[str, ExampleSet], tokenizer: Tokenizer, max_length: int
) -> tuple[dict[str, dict[str, float]], list[Finding]]:
    """What the tokenizer shows: (split -> figures, findings).

    Args:
      splits: records.
      encoded: the same records, encoded.
      tokenizer: that encoded them.
      max_length: subwords of the longest sentence that is read whole.
    """
    figures: dict[str, dict[str, float]] = {}
    found: list[Finding] = []
    scripts = {split: [script_of(r.text) for r in splits[split]] for split in encoded}
    usual = usual_scripts(script for part in scripts.values() for script in part)
    for split, examples in encoded.items():
        if not len(examples):
            continue
        records, lengths = splits[split], examples.lengths()
        shares, long = _unknown_shares(examples, tokenizer), lengths > max_length
        figures[split] = {
            "sentences": len(examples),
            "subwords_mean": round(float(lengths.mean()), 1),
            "subwords_max": int(lengths.max()),
            "cut_share": round(float(long.mean()), 4),
            "unknown_share": round(float(np.average(shares, weights=lengths)), 4),
        }
        stray = np.array([script != "" and script not in usual for script in scripts[split]])
        found += _strange(split, records, stray, shares)
        if split == "train":
            found += _cut_sentences(records, long, examples, max_length)
        found += cut_labels(split, records, examples)
    return figures, found


def _cut_sentences(
    records: Sequence[Record], long: np.ndarray, examples: ExampleSet, max_length: int
) -> Iterator[Finding]:
    """A task of whose training sentences many are longer than what is read of them."""
    for task in examples.tasks:
        labelled = examples.labelled(task)
        share = long[labelled].mean() if labelled.any() else 0.0
        if share > _CUT:
            yield Finding(
                WARNING, "cut sentences", task.name, "train",
                f"{task.name}: {share:.0%} of the train sentences are longer than {max_length} "
                "subwords and are cut; raise --config.data.max_length.",
                tuple(record.place for record in compress(records, long & labelled)),
            )  # fmt: skip


def _strange(
    split: str, records: Sequence[Record], stray: np.ndarray, shares: np.ndarray
) -> Iterator[Finding]:
    """Texts in a script that few others are in, and those of unknown characters."""
    foreign = list(compress(records, stray))
    yield from finding_in_texts(
        split,
        "another script",
        foreign,
        f"{number(len(foreign), 'text is', 'texts are')} in another script than the rest",
        "a model learns it from many examples only.",
        example=_beginning,
    )
    unknown = list(compress(records, (shares > _STRANGE) & ~stray))
    yield from finding_in_texts(
        split,
        "unknown characters",
        unknown,
        f"of {number(len(unknown), 'text', 'texts')} the tokenizer knows less than half",
        "are they damaged, or in another language than train?",
        example=_beginning,
    )


def _unknown_shares(examples: ExampleSet, tokenizer: Tokenizer) -> np.ndarray:
    """[n] share of each sentence's subwords that are unknown."""
    unknown = tokenizer.token_to_id(UNKNOWN)
    if unknown is None:
        unknown = tokenizer.token_to_id("<unk>")
    ends = examples.arrays["token_ends"]
    total = np.concatenate([[0], np.cumsum(examples.arrays["tokens"] == unknown)])
    inside = total[ends] - total[np.concatenate([[0], ends[:-1]])]
    return inside / np.maximum(examples.lengths() - 2, 1)


def cut_labels(split: str, records: Sequence[Record], examples: ExampleSet) -> Iterator[Finding]:
    """Yields a finding for each task with spans that begin or end inside a word.

    Args:
      split: of the records.
      records: as the files give them.
      examples: the same records, encoded.
    """
    for task in examples.tasks:
        places: list[str] = []
        cut, total = 0, 0
        for index, record in enumerate(records):
            label = record.labels.get(task.name)
            if not label or task.unit != "word":
                continue
            here = task.cut(label, part_of(examples.arrays, "word", index))
            cut, total = cut + here, total + len(label)
            places += [record.place] * (here > 0)
        if places:
            yield Finding(
                WARNING, "label inside a word", task.name, split,
                f"{task.name}: {cut:,} of {number(total, 'label', 'labels', split)} "
                f"{'begins or ends' if cut == 1 else 'begin or end'} inside a word, so that no "
                "answer can match; are the offsets right?",
                tuple(places),
            )  # fmt: skip


def _beginning(text: str) -> str:
    """The first characters of a text, for a message."""
    return repr(text if len(text) <= 30 else f"{text[:30]}...")
