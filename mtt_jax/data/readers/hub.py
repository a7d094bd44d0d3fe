"""Data sets of the Hugging Face hub by name: `hub:owner/name`, `hub:owner/name/config:split`.

The hub keeps a Parquet conversion of each public data set, CONFIG/SPLIT/0000.parquet in its branch
`refs/convert/parquet`, so that no code of the data set is run here.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.files import HUB
from mtt_jax.data.readers.parquet import read as read_parquet
from mtt_jax.data.readers.rows import Head, Layout, Row
from mtt_jax.errors import UserError, did_you_mean

_REVISION = "refs/convert/parquet"
_FILE = re.compile(r"(?P<config>[^/]+)/(?P<split>[^/]+)/[^/]+\.parquet")
_FORM = "hub:OWNER/NAME:SPLIT or hub:OWNER/NAME/CONFIG:SPLIT"
_SECONDS = 20.0
# Above 5 GB the hub converts only the beginning of a split.
_PARTIAL = "partial-"


class _Spec(NamedTuple):
    """What a user wrote: the data set, and "" for what is left open."""

    name: str
    config: str
    split: str


def recognize(head: Head) -> str | None:
    """A description of a name that stands for a data set of the hub."""
    return "Hugging Face hub" if str(head.path).startswith(HUB) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the rows of a split; its files are downloaded to the hub's cache, each once.

    Raises:
      UserError: if there is no network or no such data set, config or split, naming what there is.
    """
    for file in _fetched(str(path), layout.flag):
        yield from read_parquet(file, layout)


def _fetched(spec: str, flag: str) -> list[Path]:
    wanted = _parsed(spec, flag)
    found = _conversion(wanted.name, flag)
    config = _chosen(wanted.config, [config for config, _ in found], "config", wanted, flag)
    splits = [split for other, split in found if other == config]
    split = _chosen(wanted.split, splits, "split", wanted._replace(config=config), flag)
    return [_downloaded(wanted.name, file, flag) for file in found[config, split]]


def _parsed(spec: str, flag: str) -> _Spec:
    name, _, split = spec.removeprefix(HUB).partition(":")
    parts = name.split("/")
    if len(parts) > 3 or not all(parts):
        raise UserError(f"{flag}: {spec!r} is not a data set of the hub; write {_FORM}.")
    return _Spec("/".join(parts[:2]), "".join(parts[2:]), split)


def _conversion(name: str, flag: str) -> dict[tuple[str, str], list[str]]:
    """(config, split) -> its Parquet files, in order."""
    with _hub(name, flag) as hub:
        # Unlike the list of files, this is not asked for again and again without a network.
        info = hub.HfApi().dataset_info(name, revision=_REVISION, timeout=_SECONDS)
    found: dict[tuple[str, str], list[str]] = {}
    for file in sorted(entry.rfilename for entry in info.siblings or ()):
        if match := _FILE.fullmatch(file):
            found.setdefault((match["config"], match["split"]), []).append(file)
    if not found:
        raise UserError(_no_conversion(name, flag))
    return found


def _chosen(given: str, there: list[str], what: str, spec: _Spec, flag: str) -> str:
    """The config or split that was named, or the only one there is."""
    there = sorted(set(there))
    if given in there or (not given and len(there) == 1):
        return given or there[0]
    if given and _PARTIAL + given in there:
        raise UserError(
            f"{flag}: the hub's Parquet conversion holds only the first 5 GB of split {given!r}; "
            f"name it {HUB}{spec.name}/{spec.config}:{_PARTIAL}{given}, or download all files."
        )
    forms = {"config": f"{spec.name}/CONFIG:SPLIT", "split": f"{spec.name}/{spec.config}:SPLIT"}
    problem = f"no {what} {given!r}" if given else f"several {what}s"
    raise UserError(
        f"{flag}: {spec.name} has {problem}: it has {', '.join(there)}."
        f"{did_you_mean(given, there) if given else ''} Write {HUB}{forms[what]}."
    )


def _downloaded(name: str, file: str, flag: str) -> Path:
    with _hub(name, flag) as hub:
        return Path(hub.hf_hub_download(name, file, repo_type="dataset", revision=_REVISION))


@contextmanager
def _hub(name: str, flag: str) -> Iterator[Any]:
    """The hub's library, whose errors become one line each."""
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError
    except ImportError:
        raise UserError(
            f"{flag}: {HUB}{name} needs the hub's library: pip install huggingface_hub"
        ) from None
    try:
        yield hub
    except RevisionNotFoundError:
        raise UserError(_no_conversion(name, flag)) from None
    except RepositoryNotFoundError:  # also of one that needs a login
        raise UserError(
            f"{flag}: the hub has no public data set {name!r}; look it up at "
            "https://huggingface.co/datasets, or log in with `hf auth login` if it is private."
        ) from None
    except Exception as error:  # whatever its HTTP library raises, which changes with its version
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(
            f"{flag}: cannot read {name!r} from the hub: {reason}. Without a network, name files: "
            f"{_cached(name, hub) or 'download its Parquet files elsewhere and copy them here'}."
        ) from None


def _no_conversion(name: str, flag: str) -> str:
    return (
        f"{flag}: the hub has no Parquet conversion of {name!r}; download the files of the data "
        "set and name them."
    )


def _cached(name: str, hub: Any) -> str:
    """A pattern of the files that were downloaded before; "" if there are none."""
    folder = Path(hub.constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    file = next(iter(sorted(folder.glob("snapshots/*/*/*/*.parquet"))), None)
    return f"{file.parent}/*.parquet was downloaded before" if file else ""
