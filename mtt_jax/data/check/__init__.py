"""The check of labeled data: what is wrong with it, or may be, before anything is trained on it.

findings     what a finding is: an error, with which a run would be wrong, or a warning
counts       task -> split -> how often each label occurs; what every run prints of that
inspect      what the sentences show: spellings, labels, duplicates, texts
subwords     what the tokenizer shows: lengths, scripts, unknown subwords, entities cut by words
"""

from collections.abc import Sequence

from mtt_jax.data.check.counts import Records, labelled
from mtt_jax.data.check.duplicates import find_duplicates, plain
from mtt_jax.data.check.findings import Finding, merged
from mtt_jax.data.check.labels import find_scarce_labels, find_unused_labels
from mtt_jax.data.check.spellings import find_headers, find_spellings
from mtt_jax.data.check.texts import find_damaged_texts
from mtt_jax.data.labels import count_labels
from mtt_jax.tasks import Task


def inspect(splits: Records, tasks: Sequence[Task]) -> list[Finding]:
    """What the sentences and their labels show, errors first.

    Args:
      splits: "train", "dev" and "test" -> records, as the files give them.
      tasks: whose labels to check.
    """
    found: list[Finding] = []
    texts = {split: [plain(record.text) for record in part] for split, part in splits.items()}
    for task in tasks:
        by_split = {s: labelled(task, part, texts[s]) for s, part in splits.items()}
        by_split = {split: part for split, part in by_split.items() if part.records}
        by_label = {split: count_labels(task, part.records) for split, part in by_split.items()}
        found += find_unused_labels(task, by_split, by_label)
        found += find_headers(task, by_split, by_label)  # these two change the counts,
        found += find_spellings(task, by_split, by_label)  # so that nothing is reported twice
        found += find_scarce_labels(task, by_split, by_label)
        found += find_duplicates(task, by_split)
    for split, records in splits.items():
        found += find_damaged_texts(split, records, tasks)
    return merged(found)
