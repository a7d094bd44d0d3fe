"""TFDS: any of its data sets by name, read without TensorFlow."""

import contextlib
import importlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.readers.records import (
    Loaded,
    Place,
    Source,
    Tagged,
    Tally,
    tagged_records,
    text_record,
)
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
        loaded = {}
        for split in SPLITS:
            name = getattr(fields, split) or {"train": "train"}.get(split, "")
            if name:
                loaded[split] = _split(builder, name, split, task, config)
                notes += loaded[split].notes
        for split, found in with_dev(loaded, task, config, notes).items():
            records[split] += found.records
    return records, notes


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps TFDS's progress bars and notices from the terminal."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _builder(name: str, home: Path, task: str) -> Any:
    """A TFDS data set, downloaded if need be.

    Raises:
      UserError: for an unknown name, or if it cannot be downloaded, with a way around it.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import downloader

    downloader.MAX_RETRIES = 4  # seconds without a network, where its own ten take minutes
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


def _split(builder: Any, name: str, split: str, task: Task, config: Config) -> Loaded:
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
    source = Source(task, fields, config.data, Tally())
    with quiet():
        rows = list(builder.as_data_source(split=name))
    where = Path(f"{fields.name}/{name}")
    if tagged:
        sentences = [
            _tagged(row, texts, [_label(x, names) for x in row[label]], Place(where, line))
            for line, row in enumerate(rows, start=1)
        ]
        return Loaded(tagged_records(sentences, source, str(where)), source.tally.notes())
    records = []
    for line, row in enumerate(rows, start=1):
        place = Place(where, line)
        value = row[label]
        many = not isinstance(value, (str, bytes)) and np.ndim(value) > 0
        shown = [_label(x, names) for x in value] if many else _label(value, names)
        text = " ".join(_string(row[feature]) for feature in texts)
        found = source.read_value(shown, "the label", place) if text.strip() else None
        records.append(text_record(text, found, source, place))
    return Loaded([record for record in records if record], source.tally.notes())


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


def _tagged(row: Any, texts: Sequence[str], tags: list[str], place: Place) -> Tagged:
    words = [_string(word) for feature in texts for word in row[feature]]
    if len(words) != len(tags):
        raise UserError(f"{place}: {len(words)} words, but {len(tags)} tags.")
    return Tagged([place] * len(words), words, tags)


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
