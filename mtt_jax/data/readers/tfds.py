"""TFDS: any of its data sets by name, read without TensorFlow."""

import contextlib
import dataclasses
import importlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.readers.records import records_of
from mtt_jax.data.readers.rows import Place, Row
from mtt_jax.data.readers.source import Source
from mtt_jax.data.readers.tally import Loaded
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.data.splits import SPLITS, with_dev
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.types import Record


def read_tfds(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of TFDS data sets, one for each task; and notes.

    Raises:
      UserError: if a data set, a split or a feature does not exist.
    """
    records: dict[str, list[Record]] = {split: [] for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        fields = config.tasks[task.name].data
        builder = _builder(fields.name, cache / "tfds", task.name)
        loaded, unknown = {}, Unknown()
        for split in SPLITS:
            name = getattr(fields, split) or {"train": "train"}.get(split, "")
            if name:
                loaded[split] = _split(builder, name, split, task, config, unknown)
                notes += loaded[split].notes
        unknown.check(task.labels, task.name, fields.label_map)
        for split, found in with_dev(loaded, task, config, notes).items():
            records[split] += found.records
    return records, notes


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's progress bars and messages off the terminal."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _builder(name: str, home: Path, task: str) -> Any:
    """A TFDS data set, downloaded if need be.

    Raises:
      UserError: for an unknown name, or if it cannot be downloaded, with a workaround.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = 4  # fails within seconds without a network; its own ten take minutes
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Without TensorFlow, TFDS does not find data sets of its older layout.
    with contextlib.suppress(ImportError):
        importlib.import_module(f"tensorflow_datasets.text.{name.split('/')[0].split(':')[0]}")
    try:
        builder = tfds.builder(name, data_dir=str(home), file_format="array_record", try_gcs=False)
        builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever its downloads raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"config.data.{task}.name: TFDS cannot provide {name!r}: {reason}\n"
            "Without it, use files: --config=configs/news_files.py with "
            f"--config.data.{task}.train=FILE and --config.data.{task}.test=FILE, or copy a "
            f"prepared data set into {home}."
        ) from None
    return builder


def _split(
    builder: Any, name: str, split: str, task: Task, config: Config, unknown: Unknown
) -> Loaded:
    """Records of one split."""
    fields = config.tasks[task.name].data
    flag = f"config.data.{task.name}"
    if name not in builder.info.splits and "[" not in name:
        known = ", ".join(builder.info.splits)
        raise UserError(f"{flag}.{split}: {fields.name} has no split {name!r}; it has {known}.")
    tagged = "tags" in task.reads
    texts = (fields.text if fields.text != "auto" else "tokens" if tagged else "text").split(",")
    texts = [feature.strip() for feature in texts]
    label = fields.label if fields.label != "auto" else task.fields["tfds"]
    _check_features({"text": texts, "label": [label]}, builder.info.features, fields.name, flag)
    names = _label_names(builder.info.features[label])
    # The features that hold text and label are known by now.
    source = Source(task, dataclasses.replace(fields, text="auto", label=label), unknown)
    with quiet():
        data = list(builder.as_data_source(split=name))
    where = Path(f"{fields.name}/{name}")
    rows = [
        (_tagged if tagged else _whole)(
            Place(where, number), [row[feature] for feature in texts], label, row[label], names
        )
        for number, row in enumerate(data, start=1)
    ]
    records = records_of(rows, source, where, "TFDS")
    return Loaded(records, source.tally.notes(), source.labels)


def _check_features(wanted: dict[str, list[str]], features: Any, data_set: str, flag: str) -> None:
    for field, names in wanted.items():
        for name in names:
            if name not in features:
                known = ", ".join(features)
                raise UserError(
                    f"{flag}.{field}: {data_set} has no feature {name!r}; it has {known}."
                )


def _label_names(feature: Any) -> Any:
    """The function from a class id of a feature to its name; None if labels are texts."""
    return getattr(getattr(feature, "feature", feature), "int2str", None)


def _label(value: Any, names: Any) -> str:
    return names(int(value)) if names else _string(value)


def _whole(place: Place, parts: Sequence[Any], key: str, value: Any, names: Any) -> Row:
    """The row of a text with a label for the whole of it."""
    many = not isinstance(value, (str, bytes)) and np.ndim(value) > 0
    shown: Any = None
    if many:
        shown = [_label(item, names) for item in value]
    elif not (names and value < 0):  # -1 is TFDS's "no label"
        shown = _label(value, names)
    return Row(place, {key: shown}, text=" ".join(map(_string, parts)))


def _tagged(place: Place, parts: Sequence[Any], key: str, tags: Sequence[Any], names: Any) -> Row:
    """The row of words with a tag each."""
    words = [_string(word) for part in parts for word in part]
    return Row(place, {key: [_label(tag, names) for tag in tags]}, tokens=words)


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
