"""Files: every file is found, opened, decompressed and decoded here, and nowhere else."""

import codecs
import glob
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from mtt_jax.data.readers.rows import Head
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.untrusted.folder import exists, user_path

# Prefix of a data set on the hub, which can be named instead of a file: `hub:owner/name`.
HUB = "hub:"
_PACKED = (".gz", ".zst", ".zip")
_HEAD = 1 << 16
# How a Git LFS pointer begins, which a clone without Git LFS holds instead of the data.
_LFS = b"version https://git-lfs.github.com/spec/"
# What the encoding of a file without a mark is guessed from.
_SAMPLE = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Supersets: what is called by the first name on the web is written in the second.
_WIDER = {"latin_1": "cp1252", "iso8859_1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}
# A word without a Latin letter, in any encoding.
_OTHER_SCRIPT = re.compile(rb"(?<![A-Za-z])[\x80-\xff]{4,}(?![A-Za-z])")
# How files that are not text begin, even if most of what follows is.
_MAGIC = (b"%PDF", b"{\\rtf", b"\x7fELF", b"PK\x03\x04", b"\x89PNG", b"GIF8", b"\xff\xd8\xff")
# Control characters that texts do not hold.
_BINARY = re.compile(b"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_MULTIBYTE = ("gb", "big5", "shift", "euc", "cp932", "cp949", "cp950", "johab", "hz", "iso2022")


class Encoding(NamedTuple):
    """The encoding of a file.

    Attributes:
      name: as Python calls it.
      guessed: whether it is a guess, which the user should hear of.
    """

    name: str
    guessed: bool = False


# Finding


def expand(spec: str, flag: str) -> list[Path]:
    """The files and folders that a path, a glob or several of them with commas name.

    Args:
      spec: as in `a.jsonl`, `data/*.csv.gz` or `a.conll, b.conll`.
      flag: that it comes from, for messages.

    Raises:
      UserError: if nothing is there, or if a file is empty or can be read only once.
    """
    if spec.startswith(HUB) or exists(spec):
        return [_checked(spec, flag)]
    found: list[Path] = []
    for part in (part.strip() for part in spec.split(",")):
        if not part:
            continue
        path = user_path(part, flag)
        if not part.startswith(HUB) and not path.exists() and glob.has_magic(part):
            matches = sorted(glob.glob(str(path), recursive=True))
            if not matches:
                raise UserError(f"{flag}: no file matches {part!r}.")
            found += [_checked(match, flag) for match in matches]
        else:
            found.append(_checked(part, flag))
    if not found:
        raise UserError(f"{flag}: names no file.")
    return list(dict.fromkeys(found))


def _checked(name: str, flag: str) -> Path:
    path = user_path(name, flag)
    if name.startswith(HUB) or path.is_dir():
        return path
    if path.is_symlink() and not path.exists():
        raise UserError(f"{flag}: {name}: is a link to {path.readlink()}, which does not exist.")
    if not path.exists():
        siblings = path.parent.iterdir() if path.parent.is_dir() else ()
        near = did_you_mean(name, (str(Path(name).parent / other.name) for other in siblings))
        raise UserError(f"{flag}: {name}: no such file.{near}")
    if not path.is_file():
        raise UserError(
            f"{flag}: {name} is a device or a pipe, which can be read only once; name a file."
        )
    if not path.stat().st_size and extension(path) != ".ann":  # of a text without entities
        raise UserError(f"{flag}: {name}: the file is empty.")
    if path.stat().st_size < _HEAD and path.read_bytes().startswith(_LFS):
        raise UserError(
            f"{flag}: {name} is a Git LFS pointer, not the data; run `git lfs pull` in its folder."
        )
    return path


# Bytes


def open_binary(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed if it is packed with gzip, Zstandard or zip.

    Raises:
      UserError: if it cannot be opened, or if a zip file holds several files.
    """
    with _faults(path):
        stream = path.open("rb")
        start = stream.read(4)
        stream.seek(0)
        if start[:2] == b"\x1f\x8b":
            return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
        if start == b"\x28\xb5\x2f\xfd":
            import zstandard  # not needed for most files

            reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader)))
        if path.suffix.lower() == ".zip":
            return _member(path, stream)
        return stream


def _member(path: Path, stream: BinaryIO) -> BinaryIO:
    """The one file in a zip file."""
    archive = zipfile.ZipFile(stream)
    names = _names(archive)
    if len(names) != 1:
        shown = ", ".join(names[:5]) or "none"
        raise UserError(
            f"{path}: a zip file with {len(names)} files ({shown}); unpack it and name the files."
        )
    return cast(BinaryIO, io.BufferedReader(archive.open(names[0])))


def _names(archive: zipfile.ZipFile) -> list[str]:
    """The files in a zip file, without those that an operating system adds."""
    return [
        info.filename
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
        if not Path(info.filename).name.startswith(".")
    ]


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Turns what reading a file may raise into one line."""
    try:
        yield
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: the file is damaged: {str(error).rstrip('.')}.") from None
    except RuntimeError as error:  # a zip file with a password
        raise UserError(f"{path}: cannot be read: {str(error).rstrip('.')}.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # known only where zstandard was imported
            raise
        raise UserError(f"{path}: the file is damaged: {error}.") from None


def extension(path: Path) -> str:
    """The extension in lower case, without that of the compression: `.csv` of `News.CSV.gz`.

    A zip file may have any name; that of the file in it counts.
    """
    name = Path(path.name.lower())
    inside = name.with_suffix("") if name.suffix in _PACKED else name
    if name.suffix == ".zip" and not inside.suffix and path.is_file():
        with _faults(path), zipfile.ZipFile(path) as archive:
            inside = Path("".join(_names(archive)[:1]).lower())
    return inside.suffix


def _raw_head(path: Path) -> bytes:
    with _faults(path), open_binary(path) as stream:
        return stream.read(_HEAD)


def head(path: Path) -> Head:
    """The beginning of a file, by which its format is recognized; whole lines where possible."""
    if not path.is_file():
        return Head(path, extension(path), "", b"")
    raw = _raw_head(path)
    name = marked(raw) or "utf-8"
    try:
        text = codecs.getincrementaldecoder(name)().decode(raw)
    except UnicodeDecodeError:
        text = raw.decode("cp1252" if name == "utf-8" else name, "replace")
    if "\0" in text:
        text = ""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(raw) == _HEAD and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    return Head(path, extension(path), text, raw)


# Text


def not_text(head: Head) -> UserError | None:
    """What is wrong with a file that is not text, or with a NUL byte in a text; None for a text.

    Args:
      head: the beginning of the file.
    """
    if not head.path.is_file() or head.text or not head.raw:
        return None
    at = head.raw.find(b"\0")
    plain = head.raw.replace(b"\0", b"")
    count = head.raw.count(b"\0")
    few = count == 1 or 0 < count * 20 <= len(head.raw)
    if not few or head.raw.startswith(_MAGIC) or _BINARY.search(plain) or marked(head.raw):
        return UserError(f"{head.path}: is not a text file, and its format is unknown.")
    before = head.raw[:at]
    column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    line = before.count(b"\n") + 1
    return UserError(
        f"{head.path}, line {line}: column {column} is a NUL byte, which no text holds; the file "
        "may be damaged. Remove it, as with tr -d '\\000' < OLD > NEW, or export the file again."
    )


def marked(raw: bytes) -> str:
    """The encoding that a byte order mark or the zeros of UTF-16 tell; "" if there are none."""
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return name
    start = raw[:512]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if len(start) >= 8 and b"\0\0" not in start and max(even, odd) > len(start) * 0.4:
        return "utf-16-be" if even > odd else "utf-16-le"
    return ""


def encoding_of(path: Path, encoding: str = "auto") -> Encoding:
    """The encoding of a file: the one that is given, or the one that its bytes are written in.

    Args:
      path: of the file.
      encoding: a name, or "auto".

    Raises:
      UserError: if there is no such encoding, or if the lines of a file are in different ones.
    """
    if encoding.lower() != "auto":
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise UserError(f"config.data.encoding: unknown encoding {encoding!r}.") from None
        return Encoding("utf-8-sig" if name == "utf-8" else name)
    with _faults(path):
        status = path.stat()
    return _recognized(path, status.st_mtime_ns, status.st_size, _raw_head(path))


def encoding_notes(path: Path, encoding: str) -> list[str]:
    """The note that the encoding of a file was guessed; none if it was not, and none for a folder.

    Args:
      path: of the file.
      encoding: a name, or "auto".
    """
    if not path.is_file() or not head(path).text:
        return []
    found = encoding_of(path, encoding)
    if not found.guessed:
        return []
    return [
        f"{path}: not UTF-8; read as {found.name}, a guess from its bytes. "
        "--config.data.encoding sets another."
    ]


@lru_cache(maxsize=64)
def _recognized(path: Path, modified: int, size: int, start: bytes) -> Encoding:
    """The encoding of a file that is as it was; reading all of it takes a while."""
    del modified, size
    found = marked(start)
    if found:
        return Encoding(found)
    utf8, others, sample, first = 0, 0, b"", (0, 0)
    with _faults(path), open_binary(path) as stream:
        for number, line in enumerate(stream, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                utf8 += 1
            except UnicodeDecodeError as error:
                others += 1
                first = first if first[0] else (number, error.start + 1)
                if len(sample) < _SAMPLE:
                    sample += line
    if not others:
        return Encoding("utf-8-sig")
    name = _guess(sample)
    # In an encoding with several bytes per character a short line may look like UTF-8 by chance.
    if utf8 and (not name.startswith(_MULTIBYTE) or utf8 > others):
        raise UserError(
            f"{path}, line {first[0]}: byte {first[1]} is not UTF-8, and {utf8:,} other "
            f"{'line is' if utf8 == 1 else 'lines are'}; "
            "the file is written in several encodings. Save it as UTF-8, or name the one to read "
            "all of it with: --config.data.encoding=cp1252"
        )
    return Encoding(name, guessed=True)


def _guess(sample: bytes) -> str:
    """The most probable encoding of bytes that are not UTF-8."""
    from charset_normalizer import from_bytes  # not needed for most files

    found = [match for match in from_bytes(sample) if not match.encoding.startswith("utf")]
    if not found:
        return "cp1252" if _decodes(sample, "cp1252") else "latin-1"
    best = found[0]
    # In a few words of a Latin script most encodings of Europe read alike. If none of them is
    # clearly more like a language than the one that most files are in, it is that one.
    western = [m for m in found if {"cp1252", "latin_1"} & {m.encoding, *m.could_be_from_charset}]
    if not _OTHER_SCRIPT.search(sample):
        chaos, like = (western[0].chaos, western[0].coherence) if western else (1.0, 0.0)
        alike = [m.coherence for m in found if m.chaos <= max(chaos, best.chaos) + 0.02]
        if not max(alike) or (chaos <= best.chaos + 0.02 and like >= max(alike) - 0.1):
            return "cp1252" if _decodes(sample, "cp1252") else "latin-1"
    name = _WIDER.get(best.encoding, best.encoding)
    return name if _decodes(sample, name) else best.encoding


def _decodes(sample: bytes, name: str) -> bool:
    try:
        sample.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def lines_with_ends(path: Path, encoding: str = "auto") -> Iterator[str]:
    r"""The lines of a text file with their ends: \n, \r\n or \r, and no other character.

    Raises:
      UserError: if the file cannot be read, naming line and byte if it is not in the encoding.
    """
    name = encoding_of(path, encoding).name
    with _faults(path), open_binary(path) as raw:
        stream = io.TextIOWrapper(raw, encoding=name, newline="")
        try:
            yield from stream
        except UnicodeDecodeError as error:
            raise _fault(path, name, error) from None
        except UnicodeError as error:
            raise UserError(
                f"{path}: not {_shown(name)}: {error}. See --config.data.encoding."
            ) from None


def lines(path: Path, encoding: str = "auto") -> Iterator[tuple[int, str]]:
    r"""(number from 1, line without its end) of a text file; lines end with \n, \r\n or \r.

    Raises:
      UserError: as `lines_with_ends`.
    """
    for number, line in enumerate(lines_with_ends(path, encoding), start=1):
        yield number, line.rstrip("\r\n")


def read_text(path: Path, encoding: str = "auto") -> str:
    """The text of a file, its line ends as they are.

    Raises:
      UserError: as `lines_with_ends`.
    """
    return "".join(lines_with_ends(path, encoding))


def _shown(name: str) -> str:
    return "utf-8" if name == "utf-8-sig" else name


def _fault(path: Path, name: str, error: UnicodeDecodeError) -> UserError:
    """The message on a byte that is not of the encoding, with its line."""
    shown, where, byte = _shown(name), f"{path}", error.start + 1
    if "16" not in name and "32" not in name:  # whose line ends are not a single byte
        with _faults(path), open_binary(path) as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    line.decode(name if number == 1 else shown)
                except UnicodeDecodeError as exact:
                    where, byte = f"{path}, line {number}", exact.start + 1
                    break
    other = "cp1252" if shown == "utf-8" else "auto"
    return UserError(
        f"{where}: byte {byte} is not {shown}; save the file as {shown} or name its encoding: "
        f"--config.data.encoding={other}"
    )
