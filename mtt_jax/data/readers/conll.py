"""CoNLL columns: a word a line with its tag, an empty line behind each sentence."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.clean import clean
from mtt_jax.data.readers.records import LabelReader, Loaded, Place, Tally, lines, words_record
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import detect_scheme, illegal_tags


class _Sentence(NamedTuple):
    """Words and tags of one sentence, and the line of its first word."""

    line: int
    words: list[str]
    tags: list[str]


def read_conll(
    file: Path, labels: LabelReader, data: DataConfig, task_data: TaskDataConfig, tally: Tally
) -> Loaded:
    """Reads sentences of a word a line, ended by an empty line."""
    sentences = list(_conll_sentences(file, data, task_data, labels.task.name))
    tags = [sentence.tags for sentence in sentences]
    scheme = detect_scheme(tags).scheme if task_data.scheme == "auto" else task_data.scheme
    notes = [f"{file}: {len(sentences):,} sentences, tags in scheme {scheme}."]
    for row, word in illegal_tags(tags, scheme):
        tally.add(
            f"tags that cannot follow the tag before them in {scheme}, read as the start of "
            "an entity",
            Place(file, sentences[row].line + word),
        )
    records = []
    for sentence in sentences:
        place = Place(file, sentence.line)
        words = [(clean(word) or word) if data.clean else word for word in sentence.words]
        words = ["".join(word.split()) or "?" for word in words]
        places = [place._replace(line=place.line + i) for i in range(len(words))]
        records.append(words_record(words, sentence.tags, scheme, labels, places))
    return Loaded(records, notes)


def _conll_sentences(
    file: Path, data: DataConfig, task_data: TaskDataConfig, task: str
) -> Iterator[_Sentence]:
    """Yields the sentences of a file; -DOCSTART- lines and comments are left out."""
    width, first = 0, 0
    words: list[str] = []
    tags: list[str] = []
    for number, line in lines(file, data.encoding):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == "-DOCSTART-":
            if words:
                yield _Sentence(number - len(words), words, tags)
            words, tags = [], []
            continue
        if not words and line.startswith("# ") and len(cells) != width:
            continue
        place = f"{file}, line {number}"
        if not width:
            width, first = len(cells), number
            if width < 2:
                raise UserError(f"{place}: one column; expected a word and a tag, as 'Oslo B-LOC'.")
        if len(cells) != width:
            raise UserError(
                f"{place}: {len(cells)} columns, but line {first} has {width}; columns are "
                "divided by tabs, or by blanks where a line has no tab."
            )
        word_column = _conll_column(str(task_data.word), width, f"config.data.{task}.word", place)
        spec = "-1" if task_data.label == "auto" else task_data.label
        tag_column = _conll_column(spec, width, f"config.data.{task}.label", place)
        words.append(cells[word_column])
        tags.append(cells[tag_column].strip())
    if words:
        yield _Sentence(number - len(words) + 1, words, tags)


def _conll_column(spec: str, width: int, flag: str, place: str) -> int:
    """Index of a column given from 1, or from the end as -1."""
    number = int(spec) if spec.removeprefix("-").isdecimal() else 0
    if not 1 <= abs(number) <= width:
        raise UserError(
            f"{place}: {spec!r} is no column of {width}; set --{flag} to a number from 1 to "
            f"{width}, or -1 for the last."
        )
    return number - 1 if number > 0 else width + number
