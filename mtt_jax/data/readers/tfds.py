"""TFDS: any of its data sets by name, read without TensorFlow."""

import contextlib
import importlib
import logging
from pathlib import Path
from typing import Any

from mtt_jax.config.schema import Config
from mtt_jax.data.readers.records import (
    LabelReader,
    Loaded,
    Place,
    Tally,
    offsets_record,
    words_record,
)
from mtt_jax.data.sources import SPLITS, quiet, with_dev
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import Task, detect_scheme
from mtt_jax.types import Record


def read_tfds(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of TFDS data sets, one for each task; and notes.

    Raises:
      UserError: where a data set, a split or a feature is not there.
    """
    records: dict[str, list[Record]] = {split: [] for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        task_data = config.task_data[task.name]
        builder = _tfds_builder(task_data.name, cache / "tfds", task.name)
        loaded = {}
        for split in SPLITS:
            name = getattr(task_data, split) or {"train": "train"}.get(split, "")
            if name:
                loaded[split] = _tfds_split(builder, name, split, task, config)
                notes += loaded[split].notes
        for split, found in with_dev(loaded, task, config, notes).items():
            records[split] += found.records
    return records, notes


def _tfds_builder(name: str, home: Path, task: str):
    """A TFDS data set, downloaded if need be.

    Raises:
      UserError: for an unknown name, or where it cannot be downloaded, with the way round it.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = 4  # seconds without a network, where its own ten take minutes
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Without TensorFlow, TFDS does not find data sets of its older layout by itself.
    with contextlib.suppress(ImportError):
        importlib.import_module(f"tensorflow_datasets.text.{name.split('/')[0].split(':')[0]}")
    try:
        builder = tfds.builder(name, data_dir=str(home), file_format="array_record", try_gcs=False)
        builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever its downloads raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"config.data.{task}.name: TFDS cannot give {name!r}: {reason}\n"
            "Without it, use files: --config=configs/news_files.py with "
            f"--config.data.{task}.train=FILE and --config.data.{task}.test=FILE, or copy a "
            f"prepared data set into {home}."
        ) from None
    return builder


def _tfds_split(builder, name: str, split: str, task: Task, config: Config) -> Loaded:
    """Records of one split."""
    task_data = config.task_data[task.name]
    flag = f"config.data.{task.name}"
    if name not in builder.info.splits and "[" not in name:
        known = ", ".join(builder.info.splits)
        raise UserError(f"{flag}.{split}: {task_data.name} has no split {name!r}; it has {known}.")
    token = task.kind == "token"
    text_field = task_data.text if task_data.text != "auto" else ("tokens" if token else "text")
    label_field = task_data.label if task_data.label != "auto" else ("ner" if token else "label")
    features = builder.info.features
    for field, spec in (("text", text_field), ("label", label_field)):
        for part in spec.split(","):
            if part.strip() not in features:
                known = ", ".join(features)
                raise UserError(
                    f"{flag}.{field}: {task_data.name} has no feature {part!r}; it has {known}."
                )
    label_feature = features[label_field]
    classes = getattr(label_feature, "feature", label_feature)
    name_of = getattr(classes, "int2str", None)
    reader, tally = LabelReader(task, task_data), Tally()
    records, tagged = [], []
    with quiet():
        rows = list(builder.as_data_source(split=name))
    for line, row in enumerate(rows, start=1):
        place = Place(Path(f"{task_data.name}/{name}"), line)
        if token:
            words = [_string(word) for word in row[text_field]]
            tagged.append(
                (
                    place,
                    words,
                    [name_of(int(x)) if name_of else _string(x) for x in row[label_field]],
                )
            )
            continue
        text = " ".join(_string(row[part.strip()]) for part in text_field.split(","))
        record = offsets_record(text, [], reader, config.data, tally, place)
        if record:
            label = name_of(int(row[label_field])) if name_of else _string(row[label_field])
            named = reader.read(label, label, place)
            records.append(record._replace(labels={task.name: named}, spans={}))
    scheme = task_data.scheme
    if token and scheme == "auto":
        scheme = detect_scheme(tags for _, _, tags in tagged).scheme
    for place, words, tags in tagged:
        records.append(words_record(words, tags, scheme, reader, [place] * len(tags)))
    return Loaded(records, tally.notes())


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
