"""The examination: every file of a config read, with all faults listed, before any training."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from mtt_jax.config.resolve import put_labels
from mtt_jax.config.schema import Config
from mtt_jax.data.check import inspect
from mtt_jax.data.check.counts import label_counts
from mtt_jax.data.check.findings import ERROR, WARNING, Finding, merged, number
from mtt_jax.data.check.subwords import measure
from mtt_jax.data.encode import ExampleSet, encode_records, reading_of
from mtt_jax.data.labels import find_labels
from mtt_jax.data.prepare import open_tokenizer, training_records
from mtt_jax.data.readers import expand, read_file
from mtt_jax.data.readers.tally import Loaded
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.data.sampling import expected_draws, lengths_read, parts_by_task
from mtt_jax.data.sources import read_records
from mtt_jax.data.splits import SPLITS, Joined, with_dev
from mtt_jax.errors import UserError
from mtt_jax.types import Record

# Where a fault is, as readers begin their messages, and the rest.
_PLACE = re.compile(r"(.+?, [a-z]+ \d+): (.*)", re.DOTALL)
# What differs between faults of one kind: names, values and numbers.
_VARYING = re.compile(r"'[^']*'|\"[^\"]*\"|\w* at \d+:\d+|\d[\d,.]*")


class Examined(NamedTuple):
    """What is known of the data of a config.

    Attributes:
      config: with labels that were left to the data filled in.
      records: split -> records that could be read.
      notes: as what each file was recognized, a line per file.
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


def examine(config: Config, given_tokenizer: Tokenizer | None = None) -> Examined:
    """Reads the data of a config and says what is wrong with it.

    Args:
      config: with the pretrained encoder's tokenizer filled in.
      given_tokenizer: of a run; used instead of training or loading one.

    Raises:
      UserError: if there is nothing to check, or for a fault of the config rather than the data.
    """
    findings: list[Finding] = []
    found = {task.name for task in config.task_list if not task.labels}
    read = _read_files if config.data.source == "files" else _read_others
    config, records, notes = read(config, findings)
    findings += (
        finding
        for finding in inspect(records, config.task_list)
        if finding.name != "label without examples" or finding.task not in found
    )
    figures: dict[str, dict[str, float]] = {}
    mixture: dict[str, dict[str, float]] = {}
    if records["train"]:
        real, drawn = training_records(records, config, notes)
        tokenizer = given_tokenizer or open_tokenizer(config, real)
        tasks, reading = config.task_list, reading_of(config)
        encoded = {
            split: encode_records(part, tokenizer, tasks, reading)
            for split, part in records.items()
        }
        figures, more = measure(records, encoded, tokenizer, config.data.max_length)
        findings += more
        same = drawn == records["train"]
        train = encoded["train"] if same else encode_records(drawn, tokenizer, tasks, reading)
        mixture = _mixture(train, config)
    counts = label_counts(records, config.task_list)
    told = merged(_without_repeats(findings))
    return Examined(config, records, notes, told, counts, figures, mixture)


# Finding -> findings that follow from it and are not reported in addition.
_FOLLOWS = {
    "one file for two splits": ("train text", "dev text"),
    "labels": ("no labels", "one label"),
}


def _without_repeats(findings: Sequence[Finding]) -> list[Finding]:
    """The findings without those that only follow from another one.

    What is found in one file that is named for two splits is reported for the first.
    """
    implied = {
        (name, finding.task, finding.split)
        for finding in findings
        for name in _FOLLOWS.get(finding.name, ())
    }
    told: dict[tuple, str] = {}
    for f in findings:
        told.setdefault((f.name, f.task, f.places), f.split)
    return [
        f
        for f in findings
        if not all((f.name, task, f.split) in implied for task in f.task.split(", "))
        and (not f.places or told[f.name, f.task, f.places] == f.split)
    ]


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
            findings += _faults(faults, task.name, split)
        try:
            unknown.check(task.labels, task.name, fields.label_map)
        except UserError as error:
            places = tuple(map(str, unknown.places()))
            findings.append(Finding(ERROR, "unknown label", task.name, "", str(error), places))
        try:
            if "train" in loaded and loaded["train"].records and not fields.dev:
                loaded = with_dev(loaded, task, config, notes)
        except UserError as error:
            findings.append(Finding(ERROR, "too few sentences", task.name, "train", str(error)))
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


def _faults(faults: Sequence[UserError], task: str, split: str) -> list[Finding]:
    """The faults of a split's lines, those of one kind in one finding."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for fault in faults:
        found = _PLACE.match(str(fault))
        place, text = (found[1], found[2]) if found else ("", str(fault))
        groups.setdefault(_VARYING.sub("", text), []).append((place, text))
    findings = []
    for group in groups.values():
        places = tuple(place for place, _ in group if place)
        (_, first), more = group[0], len(group) - 1
        verb = "is" if more == 1 else "are"
        others = number(more, "other line", "other lines")
        text = f"{task}: {split}: {first}" + (f" So {verb} {others}." if more else "")
        findings.append(Finding(ERROR, "fault in a file", task, split, text, places))
    return findings


def _harmless(loaded: Loaded, task: str, split: str) -> list[Finding]:
    """The faults that a run counts and survives."""
    findings = []
    for fault, places in loaded.faults.items():
        times = "once" if len(places) == 1 else f"{len(places):,} times"
        text = f"{task}: {split}: {fault}: {times}. Correct the file if that is not meant."
        name = fault.partition(",")[0]
        findings.append(Finding(WARNING, name, task, split, text, tuple(map(str, places))))
    return findings


def _with_labels(
    config: Config, records: Mapping[str, Sequence[Record]], findings: list[Finding]
) -> Config:
    """The config with labels left to the data filled in, whatever is wrong with them.

    Labels of dev and test that train lacks are included; `inspect` says where they are.
    """
    found = {}
    for task in config.task_list:
        if task.labels:
            continue
        names = label_counts(records, [task])[task.name]
        every = sum(names.values(), Counter())
        held_out = config.data.source != "newswire" and not config.tasks[task.name].data.dev
        own = {
            s: records[s] if s == "train" or (s, held_out) == ("dev", True) else [] for s in SPLITS
        }
        try:
            first = find_labels(task, own, config)
        except UserError as error:
            first = tuple(_by_count(names.get("train", Counter())))
            unread = {
                ("fault in a file", task.name, "train"),
                ("too few sentences", task.name, "train"),
            }
            if names.get("train") or not unread & {(f.name, f.task, f.split) for f in findings}:
                findings.append(Finding(ERROR, "labels", task.name, "train", str(error)))
        labels = list(dict.fromkeys((*first, *_by_count(every))))
        spare = ["?", "-"]  # for a task with too few labels to be one
        while len(task.all_labels(labels)) < task.fewest_labels:
            labels.append(spare.pop())
        found[task.name] = labels
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
                        f"{split} is that of sentences the model has seen; name another file.",
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
            "share": round(float(draws[name] / sum(draws.values())), 4),
            "epochs": round(float(draws[name] / len(part)), 2),
        }
        for name, part in parts.items()
    }


def _by_count(counter: Counter) -> list[str]:
    return [label for label, _ in counter.most_common()]
