"""Faults that are planted in copies of real data: each is found where it is, and nothing else is.

The folder is MTT_DATA, by default ../shared/data beside the repository; without it these tests are
skipped.
"""

import copy
import csv
import io
import json
import os
from pathlib import Path

import pytest

from mtt_jax.check.examine import examine
from mtt_jax.config import default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig
from mtt_jax.data.check.findings import ERROR, WARNING
from mtt_jax.data.tokenizer import train as train_tokenizer
from tests.helpers import ROOT, written

DATA = Path(os.environ.get("MTT_DATA") or ROOT.parent / "shared" / "data")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA}")

CLASSES = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}
SPLITS = {"train": 300, "dev": 100, "test": 200}
ENDINGS = {"news": "csv", "words": "conll", "spans": "jsonl"}


def news():
    """Split -> rows (class, title, description) of AG News."""
    with (DATA / "ag_news_csv" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [[CLASSES[row[0]], *row[1:]] for row in csv.reader(file)]
    different = list({"\n".join(row[1:]).casefold(): row for row in rows}.values())
    return parts(different)


def columns(split):
    """Sentences of WikiNEuRal, each a list of [word, tag]; none that repeats or breaks IOB2."""
    text = (DATA / "wikineural_en" / f"{split}.conll").read_text(encoding="utf-8")
    blocks = [
        [line.split("\t") for line in block.split("\n")] for block in text.strip().split("\n\n")
    ]
    kept = {" ".join(word for word, _ in block): block for block in blocks}
    return [block for block in kept.values() if 5 < len(block) < 60 and legal(block)]


def legal(block):
    tags = ["O", *(tag for _, tag in block)]
    return all(
        not tag.startswith("I-") or before[2:] == tag[2:]
        for before, tag in zip(tags, tags[1:], strict=False)
    )


def parts(rows):
    found, at = {}, 0
    for split, size in SPLITS.items():
        found[split] = rows[at : at + size]
        at += size
    return found


def with_offsets(block):
    """A sentence as an object with a text and entities by offset."""
    text, entities = "", []
    for word, tag in block:
        start = len(text) + bool(text)
        text = f"{text} {word}".lstrip()
        if tag.startswith("B-"):
            entities.append({"start": start, "end": len(text), "label": tag[2:]})
        elif tag.startswith("I-"):
            entities[-1]["end"] = len(text)
    return {"text": text, "entities": entities}


class Corpus:
    """Three tasks with files of their own, which `write` puts into a folder.

    Attributes:
      news: split -> rows of a CSV file; a string is a line as it is.
      words: split -> blocks of a CoNLL file, of lines, of cells.
      spans: split -> objects of a JSONL file; a string is a line as it is.
      fields: changes of the config.
    """

    def __init__(self):
        blocks = {split: columns(split) for split in SPLITS}
        self.news = news()
        self.words = {split: blocks[split][: SPLITS[split]] for split in SPLITS}
        self.spans = {
            split: [with_offsets(block) for block in blocks[split][-SPLITS[split] :]]
            for split in SPLITS
        }
        self.fields = {}

    def write(self, folder):
        """Writes the files."""
        for split in SPLITS:
            written(folder, f"news-{split}.csv", "".join(map(csv_line, self.news[split])))
            written(folder, f"words-{split}.conll", "\n".join(map(conll_block, self.words[split])))
            written(folder, f"spans-{split}.jsonl", "".join(map(json_line, self.spans[split])))

    def place(self, task, split, index, word=0):
        """The line of a row, of a word of a block or of an object in its file."""
        rows = {"news": self.news, "words": self.words, "spans": self.spans}[task][split]
        make = {"news": csv_line, "words": conll_block, "spans": json_line}[task]
        ends = "\n" if task == "words" else ""
        line = 1 + word + sum((make(row) + ends).count("\n") for row in rows[:index])
        return f"{task}-{split}.{ENDINGS[task]}, line {line}"


def csv_line(row):
    if isinstance(row, str):
        return row
    cells = io.StringIO()
    csv.writer(cells, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(row)
    return cells.getvalue()


def conll_block(block):
    return "".join("\t".join(cells) + "\n" for cells in block)


def json_line(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) + "\n"


@pytest.fixture(scope="module")
def clean():
    return Corpus()


@pytest.fixture
def corpus(clean):
    return copy.deepcopy(clean)


@pytest.fixture(scope="module")
def tokenizer_file(clean, tmp_path_factory):
    corpus = clean
    texts = [" ".join(row[1:]) for row in corpus.news["train"]]
    texts += [value["text"] for value in corpus.spans["train"]]
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(texts, default_config().tokenizer).save(str(file))
    return file


def examined(corpus, folder, tokenizer_file, tasks=tuple(ENDINGS)):
    """What is found in the files of a corpus."""
    corpus.write(folder)
    kinds = {"news": "classes", "words": "entities", "spans": "entities"}
    raw = default_config({task: TaskConfig(kind=kinds[task], labels=()) for task in tasks})
    raw.data.source, raw.data.cache_dir = "files", str(folder / "cache")
    raw.tokenizer.file = str(tokenizer_file)
    for task in tasks:
        for split in SPLITS:
            raw.data[task][split] = str(folder / f"{task}-{split}.{ENDINGS[task]}")
    if "news" in tasks:
        raw.data.news.update(text="2,3", label="1")
    for path, value in corpus.fields.items():
        section, _, name = path.rpartition(".")
        node = raw
        for part in section.split("."):
            node = node[part]
        node[name] = value.format(folder=folder) if isinstance(value, str) else value
    return examine(resolve(raw))


def found(examination):
    """{(severity, name, task, split, place)} with places as `file, line`."""
    return {
        (f.severity, f.name, f.task, f.split, place.rpartition("/")[2])
        for f in examination.findings
        for place in f.places or ("",)
    }


# The faults: each changes a corpus in place, without moving a line, and says what is to be found


def first(rows, fits, start):
    """The index of the first row, from one on, that fits."""
    return next(i for i in range(start, len(rows)) if fits(rows[i]))


def edited(corpus, start, change, fits=lambda value: value["entities"], split="train"):
    """Changes an object of the task spans; returns its index."""
    rows = corpus.spans[split]
    index = first(rows, fits, start)
    change(rows[index])
    return index


def offset_fault(start, change, fits=lambda value: len(value["entities"]) == 1):
    def plant(corpus):
        index = edited(corpus, start, change, fits)
        return {(ERROR, "fault in a file", "spans", "train", corpus.place("spans", "train", index))}

    return plant


def ends_in_letters(value):
    start, end, _ = value["entities"][0].values() if value["entities"] else (0, 0, "")
    return end - start > 3 and value["text"][end - 2 : end].isalpha()


def before_a_space(value):
    return value["entities"] and value["text"][value["entities"][0]["end"] :][:1] == " "


def cut_word(corpus):
    index = edited(corpus, 110, lambda v: v["entities"][0].update(end=v["entities"][0]["end"] - 1),
                   ends_in_letters)  # fmt: skip
    place = corpus.place("spans", "train", index)
    return {(WARNING, "label inside a word", "spans", "train", place)}


def space_at_the_end(corpus):
    index = edited(corpus, 120, lambda v: v["entities"][0].update(end=v["entities"][0]["end"] + 1),
                   before_a_space)  # fmt: skip
    place = corpus.place("spans", "train", index)
    return {(WARNING, "entities with spaces at their ends", "spans", "train", place)}


def other_text_given(corpus):
    index = edited(corpus, 130, lambda v: v["entities"][0].update(text="Somebody Else"))
    place = corpus.place("spans", "train", index)
    return {
        (WARNING, "entities whose text is not the one at their offsets", "spans", "train", place)
    }


def entity_twice(corpus):
    index = edited(corpus, 140, lambda v: v["entities"].append(v["entities"][0]))
    place = corpus.place("spans", "train", index)
    return {(WARNING, "duplicate entities", "spans", "train", place)}


def unknown_type(corpus):
    corpus.fields["tasks.spans.labels"] = ("O", "PER", "LOC", "ORG", "MISC")
    index = edited(corpus, 150, lambda v: v["entities"][0].update(label="PERS"))
    return {(ERROR, "unknown label", "spans", "", corpus.place("spans", "train", index))}


def broken_json(corpus):
    corpus.spans["dev"][20] = json_line(corpus.spans["dev"][20])[:30] + "\n"
    return {(ERROR, "fault in a file", "spans", "dev", corpus.place("spans", "dev", 20))}


def no_text(corpus):
    corpus.spans["dev"][30] = {"entities": []}
    return {(ERROR, "fault in a file", "spans", "dev", corpus.place("spans", "dev", 30))}


def one_file_for_two_splits(corpus):
    corpus.fields["data.spans.test"] = "{folder}/spans-train.jsonl"
    return {(ERROR, "one file for two splits", "spans", "test", "spans-train.jsonl")}


def retagged(corpus, fits, change, start):
    """Changes a tag of the task words; the place of it."""
    blocks = corpus.words["train"]
    for index in range(start, len(blocks)):
        tags = ["O", *(tag for _, tag in blocks[index]), "O"]
        for at in range(len(blocks[index])):
            if fits(tags[at : at + 3]):
                blocks[index][at] = [blocks[index][at][0], change]
                return corpus.place("words", "train", index, at)
    raise AssertionError


def inside_after_outside(corpus):
    place = retagged(corpus, lambda tags: tags == ["O", "O", "O"], "I-PER", 10)
    return {(WARNING, ILLEGAL, "words", "train", place)}


def other_type_inside(corpus):
    place = retagged(corpus, lambda tags: tags == ["B-PER", "I-PER", "O"], "I-LOC", 20)
    return {(WARNING, ILLEGAL, "words", "train", place)}


def missing_column(corpus):
    corpus.words["train"][30][2] = [corpus.words["train"][30][2][0]]
    place = corpus.place("words", "train", 30, 2)
    return {(ERROR, "fault in a file", "words", "train", place)}


def no_entity_in_dev(corpus):
    corpus.words["dev"] = [[[word, "O"] for word, _ in block] for block in corpus.words["dev"]]
    return {(ERROR, "no labels", "words", "dev", "words-dev.conll")}


def class_absent_from_dev(corpus):
    for row in corpus.news["dev"]:
        row[0] = "World" if row[0] == "Sports" else row[0]
    return {(WARNING, "absent label", "news", "dev", "news-dev.csv")}


def dominant_class(corpus):
    for row in corpus.news["test"][4:]:
        row[0] = "Business"
    for row, name in zip(corpus.news["test"], CLASSES.values(), strict=False):
        row[0] = name
    return {(WARNING, "dominant label", "news", "test", "news-test.csv")}


def cut_sentences(corpus):
    rows = range(240, 285)
    for index in rows:
        corpus.news["train"][index][2] = " ".join([corpus.news["train"][index][2]] * 20)[:1200]
    corpus.fields |= {"data.max_length": 200, "train.row_length": 200}
    return {
        (WARNING, "cut sentences", "news", "train", corpus.place("news", "train", i)) for i in rows
    }


def news_fault(severity, name, split, index, change, task="news"):
    """A fault in a row of the table."""

    def plant(corpus):
        made = change(corpus.news[split][index])
        corpus.news[split][index] = made
        return {(severity, name, task, split, corpus.place("news", split, index))}

    return plant


def duplicate(corpus):
    corpus.news["train"][41] = corpus.news["train"][40]
    return {(WARNING, "duplicates", "news", "train", corpus.place("news", "train", 41))}


def conflicting(corpus):
    label, *text = corpus.news["train"][50]
    corpus.news["train"][51] = ["World" if label == "Business" else "Business", *text]
    return {
        (WARNING, "conflicting duplicates", "news", "", corpus.place("news", "train", index))
        for index in (50, 51)
    }


def leaked(corpus):
    label, title, text = corpus.news["train"][60]
    corpus.news["test"][60] = [label, title.upper(), text.replace(" ", "  ")]
    return {(WARNING, "train text", "news", "test", corpus.place("news", "test", 60))}


def other_spelling(corpus):
    index = first(corpus.news["train"], lambda row: row[0] == "Sports", 70)
    corpus.news["train"][index][0] = "sports"
    place = corpus.place("news", "train", index)
    return {(ERROR, "one label in several spellings", "news", "", place)}


def swallowed_row(corpus):
    label, title, _ = corpus.news["test"][-1]
    corpus.news["test"][-1] = f'"{label}","{title}","The end\nSports,Another,and its text"\n'
    place = corpus.place("news", "test", len(corpus.news["test"]) - 1)
    return {(ERROR, "rows inside a text", "", "test", place)}


ILLEGAL = "tags that cannot follow the tag before them in iob2"
THAI = "สวัสดีชาวโลกทุกคนในวันนี้"
FAULTS = {
    "one class dominates": dominant_class,
    "a class absent from dev": class_absent_from_dev,
    "no entity in dev": no_entity_in_dev,
    "an offset outside the text": offset_fault(
        10, lambda v: v["entities"][0].update(end=len(v["text"]) + 9)
    ),
    "swapped offsets": offset_fault(
        20,
        lambda v: v["entities"][0].update(
            start=v["entities"][0]["end"], end=v["entities"][0]["start"]
        ),
    ),
    "overlapping entities": offset_fault(
        30, lambda v: v["entities"].append({**v["entities"][0], "start": 0, "label": "MISC"})
    ),
    "an entity without words": offset_fault(
        40,
        lambda v: v["entities"][0].update(
            start=v["text"].index(" "), end=v["text"].index(" ") + 1
        ),
    ),
    "an entity without offsets": offset_fault(50, lambda v: v["entities"][0].pop("start")),
    "an offset that cuts a word": cut_word,
    "a space at the end of an entity": space_at_the_end,
    "another text than that at the offsets": other_text_given,
    "an entity twice": entity_twice,
    "an unknown label": unknown_type,
    "a broken line of JSON": broken_json,
    "an object without a text": no_text,
    "train named as test": one_file_for_two_splits,
    "I after O": inside_after_outside,
    "another type inside an entity": other_type_inside,
    "a line without a tag": missing_column,
    "a duplicate": duplicate,
    "a text with two labels": conflicting,
    "a train text in test, in capitals": leaked,
    "a label in another spelling": other_spelling,
    "a row that a quote has swallowed": swallowed_row,
    "cut sentences": cut_sentences,
    "a label that train lacks": news_fault(
        ERROR, "label that train lacks", "test", 70, lambda row: ["Weather", *row[1:]]
    ),
    "names of columns": news_fault(
        ERROR, "header as data", "test", 80, lambda row: ["label", "title", "description"]
    ),
    "an empty text": news_fault(
        WARNING, "empty texts", "train", 100, lambda row: [row[0], "", " "]
    ),
    "no label": news_fault(
        WARNING, "sentences without a label of news", "train", 110, lambda row: ["", *row[1:]]
    ),
    "a quote that is never closed": news_fault(
        ERROR, "fault in a file", "dev", 12, lambda row: csv_line(row)[:-2] + "\n"
    ),
    "a line with a column too few": news_fault(
        ERROR, "fault in a file", "dev", 13, lambda row: csv_line(row[:2])
    ),
    "UTF-8 read as Latin-1": news_fault(
        WARNING, "misread characters", "dev", 14,
        lambda row: [*row[:2], f"{row[2]} au café".encode().decode("cp1252")], "",
    ),
    "U+FFFD": news_fault(
        WARNING, "misread characters", "train", 150, lambda row: [*row[:2], f"{row[2]} \ufffd"], ""
    ),
    "a control character": news_fault(
        WARNING, "control characters", "train", 160, lambda row: [*row[:2], f"{row[2]}\x08."], ""
    ),
    "another script": news_fault(
        WARNING, "another script", "dev", 17, lambda row: [row[0], THAI, THAI[::-1]], ""
    ),
    "an overlong text": news_fault(
        WARNING, "overlong text", "dev", 18,
        lambda row: [row[0], row[1], " ".join(f"{row[2]} {n}" for n in range(40))], "",
    ),
}  # fmt: skip


def test_nothing_is_found_in_clean_files(corpus, tmp_path, tokenizer_file):
    assert found(examined(corpus, tmp_path, tokenizer_file)) == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(fault, corpus, tmp_path, tokenizer_file):
    expected = FAULTS[fault](corpus)
    tasks = {task or "news" for _, _, task, _, _ in expected}  # the others are read below
    assert found(examined(corpus, tmp_path, tokenizer_file, tasks)) == expected


def test_all_faults_at_once_are_found(corpus, tmp_path, tokenizer_file):
    expected = set().union(*(plant(corpus) for plant in FAULTS.values()))
    examination = examined(corpus, tmp_path, tokenizer_file)
    assert found(examination) == expected
    assert examination.errors == sum(f.severity == ERROR for f in examination.findings)
