"""CoNLL columns: one word per line with its tag, and an empty line after each sentence."""

from collections.abc import Iterator
from pathlib import Path

from mtt_jax.data.readers.records import Place, Source, Tagged, lines, records_of
from mtt_jax.errors import UserError
from mtt_jax.types import Record


def read_conll(file: Path, source: Source) -> list[Record]:
    """Reads sentences that end with an empty line."""
    return records_of(list(_sentences(file, source)), source, str(file))


def _sentences(file: Path, source: Source) -> Iterator[Tagged]:
    """Yields the sentences of a file; -DOCSTART- lines and comments are left out."""
    width, first = 0, 0
    words: list[str] = []
    tags: list[str] = []
    places: list[Place] = []
    flag = source.flag.removeprefix("--")
    spec = source.task.fields["conll"] if source.fields.label == "auto" else source.fields.label
    for number, line in lines(file, source.data.encoding):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == "-DOCSTART-":
            if words:
                yield Tagged(places, words, tags)
            words, tags, places = [], [], []
            continue
        if not words and line.startswith("# ") and (len(cells) != width or cells[2:3] == ["="]):
            continue  # a comment, such as "# id = 7"
        place = Place(file, number)
        if not width:
            width, first = len(cells), number
            if width < 2:
                raise UserError(
                    f"{place}: one column; expected a word and a tag, as in 'Oslo B-LOC'."
                )
        if len(cells) != width:
            raise UserError(
                f"{place}: {len(cells)} columns, but line {first} has {width}; columns are "
                "separated by tabs, or by spaces if a line has no tab."
            )
        word = _column(str(source.fields.word), width, f"{flag}.word", place)
        tag = _column(spec, width, f"{flag}.label", place)
        if word == tag:
            raise UserError(
                f"{place}: column {word + 1} is named for the word and for the tag; set "
                f"--{flag}.word or --{flag}.label."
            )
        words.append(cells[word])
        tags.append(cells[tag].strip())
        places.append(place)
    if words:
        yield Tagged(places, words, tags)


def _column(spec: str, width: int, flag: str, place: Place) -> int:
    """Index of a column given from 1, or from the end as -1."""
    number = int(spec) if spec.removeprefix("-").isdecimal() else 0
    if not 1 <= abs(number) <= width:
        raise UserError(
            f"{place}: {spec!r} is not one of {width} columns; set --{flag} to a number from 1 to "
            f"{width}, or -1 for the last."
        )
    return number - 1 if number > 0 else width + number
