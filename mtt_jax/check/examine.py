"""The examination: every file of a config read, with all faults listed, before any training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config.resolve import put_labels
from mtt_jax.config.schema import Config
from mtt_jax.data import check
from mtt_jax.data.check import ERROR, WARNING, Finding
from mtt_jax.data.encode import ExampleSet, encode_records
from mtt_jax.data.labels import count_labels, find_labels
from mtt_jax.data.prepare import open_tokenizer
from mtt_jax.data.readers import expand, read_file
from mtt_jax.data.readers.labels import Loaded
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.data.sampling import expected_draws, lengths_read, parts_by_task
from mtt_jax.data.sources import read_records
from mtt_jax.data.splits import SPLITS, Joined, with_dev
from mtt_jax.errors import UserError
from mtt_jax.types import Record


class Examined(NamedTuple):
    """What is known of the data of a config.

    Attributes:
      config: with labels that were left to the data filled in.
      records: split -> records that could be read.
      notes: what was recognized and as what, a line per file.
      findings: what is wrong or may be, errors first.
      counts: task -> split -> label -> how often it occurs.
      figures: split -> lengths and shares of its texts.
      mixture: task -> sentences that training draws, and how often it sees each of them.
    """

    config: Config
    records: Mapping[str, Sequence[Record]]
    notes: Sequence[str]
    findings: Sequence[Finding]
    counts: Mapping[str, Mapping[str, Counter]]
    figures: Mapping[str, Mapping[str, float]]
    mixture: Mapping[str, Mapping[str, float]]

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == ERROR for finding in self.findings)

    def rows(self) -> list[tuple[str, str, dict[str, int]]]:
        """(task, label, split -> how often it occurs) of all labels, most frequent first."""
        rows = []
        for task, by_split in self.counts.items():
            names = [n for split in SPLITS if split in by_split for n in _by_count(by_split[split])]
            for label in dict.fromkeys(names):
                rows.append((task, label, {s: by_split[s][label] for s in by_split}))
        return rows

    def as_json(self) -> dict[str, Any]:
        """The examination as JSON holds it."""
        return {
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "findings": [finding.as_json() for finding in self.findings],
            "counts": self.counts,
            "figures": self.figures,
            "mixture": self.mixture,
            "notes": list(self.notes),
        }


def examine(config: Config) -> Examined:
    """Reads the data of a config and says what is wrong with it.

    Args:
      config: with the pretrained encoder's tokenizer filled in.

    Raises:
      UserError: if there is nothing to check, or for a fault of the config rather than the data.
    """
    findings: list[Finding] = []
    read = _read_files if config.data.source == "files" else _read_others
    config, records, notes = read(config, findings)
    found = check.inspect(records, config.task_list)
    figures: dict[str, dict[str, float]] = {}
    mixture: dict[str, dict[str, float]] = {}
    if records["train"]:
        tokenizer = open_tokenizer(config, records["train"])
        encoded = {
            split: encode_records(part, tokenizer, config.task_list, config.data.clean)
            for split, part in records.items()
        }
        figures, more = check.measure(records, encoded, tokenizer, config.data.max_length)
        found += more
        mixture = _mixture(encoded["train"], config)
    findings += found
    findings.sort(key=lambda finding: finding.severity != ERROR)
    counts = check.counts(records, config.task_list)
    return Examined(config, records, notes, findings, counts, figures, mixture)


Read = tuple[Config, dict[str, list[Record]], list[str]]


def _read_others(config: Config, findings: list[Finding]) -> Read:
    """The records of the embedded corpus, or of TFDS."""
    records, notes = read_records(config)
    return _with_labels(config, records, findings), records, notes


def _read_files(config: Config, findings: list[Finding]) -> Read:
    """The records of all files, their faults among the findings."""
    joined = {split: Joined() for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        fields = config.tasks[task.name].data
        findings += _same_files(config, task.name)
        loaded, unknown = {}, Unknown()
        for split in SPLITS:
            spec = getattr(fields, split)
            if not spec:
                continue
            flag = f"--config.data.{task.name}.{split}"
            faults: list[UserError] = []
            try:
                loaded[split] = read_file(spec, task, config.data, fields, flag, unknown, faults)
                notes += loaded[split].notes
                findings += _harmless(loaded[split], task.name, split)
            except UserError as error:
                faults.append(error)
            findings += [
                Finding(ERROR, "fault in a file", task.name, split, str(fault)) for fault in faults
            ]
        try:
            unknown.check(task.labels, task.name, fields.label_map)
        except UserError as error:
            findings.append(Finding(ERROR, "unknown label", task.name, "", str(error)))
        if "train" in loaded:
            loaded = with_dev(loaded, task, config, notes)
        for split, found in loaded.items():
            joined[split].add(getattr(fields, split) or fields.train, found.records)
    records = {split: joined[split].records() for split in SPLITS}
    config = _with_labels(config, records, findings)
    known = {task.name: frozenset(task.labels) for task in config.task_list}
    return (
        config,
        {s: [_only(r, known, config) for r in part] for s, part in records.items()},
        notes,
    )


def _harmless(loaded: Loaded, task: str, split: str) -> list[Finding]:
    """The faults that a run counts and survives."""
    return [
        Finding(
            WARNING, fault, task, split, f"{task}: {split} has {len(places):,} {fault}.",
            tuple(map(str, places)),
        )
        for fault, places in loaded.faults.items()
    ]  # fmt: skip


def _with_labels(
    config: Config, records: Mapping[str, Sequence[Record]], findings: list[Finding]
) -> Config:
    """The config with labels left to the data filled in, whatever is wrong with them."""
    found = {}
    for task in config.task_list:
        if task.labels:
            continue
        try:
            found[task.name] = find_labels(task, records, config)
        except UserError as error:
            findings.append(Finding(ERROR, "labels", task.name, "", str(error)))
            names = count_labels(task, [record for split in SPLITS for record in records[split]])
            found[task.name] = tuple(sorted(names)) or ("?", "-")
    return put_labels(config, found)


def _only(record: Record, known: Mapping[str, frozenset[str]], config: Config) -> Record:
    """A record without the labels that hold a name which their task does not have."""
    kept = {
        task.name: record.labels[task.name]
        for task in config.task_list
        if task.name in record.labels
        and set(task.names(record.labels[task.name])) <= known[task.name]
    }
    return record._replace(labels=kept)


def _same_files(config: Config, name: str) -> list[Finding]:
    """Files that are named for two splits of one task."""
    fields = config.tasks[name].data
    of_split: dict[Path, str] = {}
    found = []
    for split in SPLITS:
        spec = getattr(fields, split)
        for path in expand(spec, f"--config.data.{name}.{split}") if spec else ():
            other = of_split.setdefault(path.resolve(), split)
            if other != split:
                found.append(
                    Finding(
                        ERROR, "one file for two splits", name, split,
                        f"{name}: {path} is both {other} and {split}, so that the score on "
                        f"{split} is that of sentences the model has seen.",
                        (str(path),),
                    )
                )  # fmt: skip
    return found


def _mixture(train: ExampleSet, config: Config) -> dict[str, dict[str, float]]:
    """What training draws, by task."""
    parts = parts_by_task(train, config)
    if not parts:
        return {}
    draws = expected_draws(parts, lengths_read(train, config), config)
    return {
        name: {
            "sentences": len(part),
            "share": round(draws[name] / sum(draws.values()), 4),
            "epochs": round(draws[name] / len(part), 2),
        }
        for name, part in parts.items()
    }


def _by_count(counter: Counter) -> list[str]:
    return [label for label, _ in counter.most_common()]
