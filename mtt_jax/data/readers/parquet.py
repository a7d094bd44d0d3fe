"""Parquet and Arrow: tables in columns, read batch by batch.

Integer ids of a column that Hugging Face `datasets` wrote as ClassLabel become names: the file
itself says which.
"""

import base64
import datetime
import decimal
import json
import math
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mtt_jax.data.readers.files import open_binary
from mtt_jax.data.readers.objects import row_of
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_PARQUET, _ARROW_FILE, _FEATHER_1 = b"PAR1", b"ARROW1", b"FEA1"
_ARROW_STREAM = b"\xff\xff\xff\xff"  # then the length of the schema
_LISTS = ("Sequence", "List", "LargeList")
_ROWS_PER_BATCH = 1024
_PANDAS_INDEX = "__index_level_"


def recognize(head: Head) -> str | None:
    """A description of a Parquet or Arrow file, by its first bytes."""
    if head.raw.startswith(_PARQUET):
        return "Parquet"
    if head.raw.startswith((_ARROW_FILE, _FEATHER_1)):
        return "Arrow file (Feather)"
    # Lengths of Arrow's metadata are multiples of 8.
    if head.raw.startswith(_ARROW_STREAM) and len(head.raw) > 8 and head.raw[4] % 8 == 0:
        return "Arrow stream"
    return None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each row of a table; its place is its number from 1.

    Raises:
      UserError: if the file is damaged, or an id has no name.
    """
    del layout  # such a file says everything itself
    number = 0
    for batch in batches(path):
        yield from rows_of(batch, path, number)
        number += batch.num_rows


def batches(path: Path) -> Iterator[Any]:
    """The record batches of a file, as pyarrow has them.

    Raises:
      UserError: if the file is damaged, or two columns have the same name.
    """
    for index, batch in enumerate(_batches(path)):
        if not index:
            _check_columns(batch.schema.names, path)
        yield batch


def rows_of(batch: Any, path: Path, before: int, only: Collection[str] = ()) -> Iterator[Row]:
    """The rows of a record batch.

    Args:
      batch: as `batches` yields it.
      path: of its file.
      before: rows of the file before it.
      only: columns to read; () for all but the index of pandas.

    Raises:
      UserError: if an id has no name.
    """
    classes = class_features(batch.schema.metadata)
    names = [
        name
        for name in batch.schema.names
        if (name in only if only else not name.startswith(_PANDAS_INDEX))
    ]
    columns = [_read(batch, name, path) for name in names]
    for number, values in enumerate(zip(*columns, strict=True), start=before + 1):
        place = Place(path, number, "row")
        fields = dict(zip(names, values, strict=True))
        for name in classes.keys() & fields.keys():
            fields[name] = _named(fields[name], classes[name], name, place)
        yield row_of(place, fields)


def is_text(kind: Any) -> bool:
    """Whether a type of pyarrow is that of strings."""
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind)


def class_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """Column -> feature, of the columns that contain ClassLabel ids, by a schema's metadata."""
    try:
        info = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = info.get("info", {}).get("features") or {}
        return {name: feature for name, feature in features.items() if _has_names(feature)}
    except (ValueError, AttributeError):
        return {}  # metadata of another program under the same key


def _has_names(feature: Any) -> bool:
    if isinstance(feature, list):
        return any(map(_has_names, feature))
    if not isinstance(feature, dict):
        return False
    return feature.get("_type") == "ClassLabel" or any(map(_has_names, feature.values()))


def _named(value: Any, feature: Any, column: str, place: Place) -> Any:
    """A value with names in place of ids, inside lists and objects too; -1 is no label."""
    if value is None or not feature:
        return value
    if isinstance(feature, list):
        return _named(value, feature[0], column, place)
    kind = feature.get("_type")
    if kind in _LISTS:
        return _named(value, feature.get("feature"), column, place)
    if isinstance(value, list):
        return [_named(item, feature, column, place) for item in value]
    if kind == "ClassLabel":
        return _name(value, feature.get("names"), column, place)
    if isinstance(value, dict):
        return {key: _named(item, feature.get(key), column, place) for key, item in value.items()}
    return value


def _name(value: Any, names: Any, column: str, place: Place) -> Any:
    if not names or not isinstance(value, int) or value == -1:
        return None if value == -1 else value
    found = names.get(str(value)) if isinstance(names, dict) else _at(names, value)
    if found is None:
        raise UserError(
            f"{place}: {column!r} holds the id {value}, but the file names {len(names)} classes, "
            f"from 0 to {len(names) - 1}; correct it where the file was written."
        )
    return found


def _at(names: Sequence[str], value: int) -> str | None:
    return names[value] if 0 <= value < len(names) else None


def _check_columns(names: Sequence[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{path}: two columns have the name {twice[0]!r}; rename one of them.")


def _batches(path: Path) -> Iterator[Any]:
    """The record batches of a file of any of the three layouts.

    Raises:
      UserError: if it is not a whole file.
    """
    try:
        with _opened(path) as (kind, stream):
            for batch in _record_batches(kind, stream):
                # pyarrow believes the offsets in an Arrow file, and reads wherever they lead:
                # https://arrow.apache.org/docs/format/Security.html
                batch.validate(full=True)
                for begin in range(0, max(batch.num_rows, 1), _ROWS_PER_BATCH):
                    yield batch.slice(begin, _ROWS_PER_BATCH)
    except UserError:
        raise
    except Exception as error:  # pyarrow, zlib, zipfile and zstandard each have their own
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise UserError(
            f"{path}: cannot be read as Parquet or Arrow: {reason}. The file may be cut off or "
            "damaged; compare its size with the original's, or write it again."
        ) from None


def _record_batches(kind: bytes, stream: BinaryIO) -> Iterator[Any]:
    import pyarrow.feather
    import pyarrow.ipc
    import pyarrow.parquet

    if kind.startswith(_PARQUET):
        yield from pyarrow.parquet.ParquetFile(stream).iter_batches(_ROWS_PER_BATCH)
    elif kind.startswith(_ARROW_FILE):
        file = pyarrow.ipc.open_file(stream)
        yield from (file.get_batch(index) for index in range(file.num_record_batches))
    elif kind.startswith(_FEATHER_1):
        yield from pyarrow.feather.read_table(stream).to_batches(_ROWS_PER_BATCH)
    else:
        yield from pyarrow.ipc.open_stream(stream)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[bytes, BinaryIO]]:
    """The first bytes of a file and the file, which can be read from any position.

    Parquet begins at the end; a compressed file is written out for that, not kept in memory.
    """
    with path.open("rb") as plain, open_binary(path) as stream:
        magic = stream.read(8)
        begins_alike = plain.read(8) == magic
    if begins_alike:
        with path.open("rb") as plain:
            yield magic, plain
        return
    with open_binary(path) as stream, tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(stream, whole)
        whole.seek(0)
        yield magic, whole


def _read(batch: Any, name: str, path: Path) -> list[Any]:
    """The values of a column by name.

    Raises:
      UserError: for values that Python does not have, such as a date in the year 300,000.
    """
    try:
        return _values(batch.column(name))
    except Exception as error:  # pyarrow's own, or ValueError, OverflowError, ...
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(f"{path}: column {name!r} cannot be read: {reason}.") from None


def _values(column: Any) -> list[Any]:
    """The values of a column as JSON holds them."""
    import pyarrow.types as types

    values = column.to_pylist()
    kind = column.type
    simple = types.is_integer(kind) or types.is_string(kind) or types.is_boolean(kind)
    if simple or (types.is_list(kind) and types.is_string(kind.value_type)):
        return values
    return [_as_json(value) for value in values]


def _as_json(value: Any) -> Any:
    """A value as JSON holds it: NaN is null, dates are ISO 8601, bytes UTF-8 or else base64."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return _text_of(value)
    if isinstance(value, decimal.Decimal):
        return float(value) if value.is_finite() else None
    return str(value)


def _text_of(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")
