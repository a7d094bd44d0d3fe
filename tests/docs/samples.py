"""The files that the pages name, small, with sentences of the embedded corpus."""

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq

from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.words import split_words

SIZES = {"train": 120, "dev": 30, "test": 30}
# The numbers of the classes of AG News.
_NUMBERS = {"politics": "1", "sports": "2", "others": "3"}
_SUBJECTS = {"PER": "health", "ORG": "money", "LOC": "crime", "MISC": "crime"}


def write(folder):
    """Writes all of them into a folder."""
    sentences = {split: list(generate(split, size)) for split, size in SIZES.items()}
    train = sentences["train"]
    topics(folder / "topics.csv", train)
    topics(folder / "topics_test.csv", sentences["test"])
    for name in ("ag_news", "wikineural", "wnut17", "in", "news", "texts"):
        (folder / name).mkdir()
    for split in ("train", "test"):
        ag_news(folder / "ag_news" / f"{split}.csv", sentences[split])
    for split, some in sentences.items():
        for name in ("", "wikineural/", "wnut17/"):
            conll(folder / f"{name}{split}.conll", some)
    conll(folder / "other.conll", sentences["dev"])
    lines(folder / "news.jsonl", map(labelled, train))
    lines(folder / "more.jsonl", ({"text": s.text} for s in train))
    lines(folder / "subjects.jsonl", ({"text": s.text, "labels": subjects(s)} for s in train))
    lines(folder / "answers.jsonl", map(answer, train))
    conll(folder / "entities.conll", train, kinds=("PER", "ORG"))
    tags(folder / "tags.conll", train)
    table(folder / "subjects.csv", "text,labels", ([s.text, ";".join(subjects(s))] for s in train))
    table(
        folder / "comments.csv",
        "id,text,toxic,insult,threat",
        ([i, s.text, i % 2, i % 3 // 2, i % 5 // 4] for i, s in enumerate(train)),
    )
    table(folder / "reviews.csv", "id,review", ([i, s.text] for i, s in enumerate(train[:20])))
    # Unlike the embedded corpus, whose dev and test would leave them out.
    texts = "".join(s.text + "\n" for s in generate("test", 30, seed=1))
    for name in ("news.txt", "texts.txt", "news/a.txt"):
        (folder / name).write_text(texts, encoding="utf-8")
    for name in ("news/a.txt.gz", "texts/a.txt.gz"):
        (folder / name).write_bytes(gzip.compress(texts.encode()))
    pq.write_table(pa.Table.from_pylist(list(map(tokens, train))), folder / "train.parquet")
    for split in ("train", "dev"):
        docbin(folder / f"{split}.spacy", sentences[split])
    columns = {"id": range(30), "text": [s.text for s in sentences["test"]]}
    pq.write_table(pa.table(columns), folder / "in" / "a.parquet")
    # configs that pages describe in words
    (folder / "texts.py").write_text(TEXTS, encoding="utf-8")
    (folder / "comments.py").write_text(COMMENTS, encoding="utf-8")


# docs/unlabelled.md: "Its config declares no other task", and the encoder is that of balanced.
TEXTS = """
from mtt_jax.config import TaskConfig, default_config


def get_config():
    config = default_config({"mlm": TaskConfig(kind="mlm")})
    config.data.source = "files"
    config.encoder.positions = "rotary"
    return config
"""
# docs/tasks.md: a 0/1 column per label.
COMMENTS = """
from mtt_jax.config import TaskConfig, default_config


def get_config():
    labels = ("toxic", "insult", "threat")
    config = default_config({"comments": TaskConfig(kind="multilabel", labels=labels)})
    config.data.source = "files"
    return config
"""


def lines(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def table(file, header, rows):
    with open(file, "w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        if header:
            writer.writerow(header.split(","))
        writer.writerows(rows)


def topics(file, sentences):
    table(file, "text,label", ([s.text, s.topic] for s in sentences))


def ag_news(file, sentences):
    """Rows of "1","title","description"; every tenth is of the fourth class."""
    rows = enumerate(sentences)
    table(file, "", (["4" if i % 10 == 0 else _NUMBERS[s.topic], f"News {i}", s.text]
                     for i, s in rows))  # fmt: skip


def words_and_tags(sentence, kinds=("PER", "ORG", "LOC", "MISC")):
    bounds = split_words(sentence.text)
    tags = ["O"] * len(bounds)
    for start, end, label in sentence.entities:
        for index, (a, _) in enumerate(bounds):
            if start <= a < end and label in kinds:
                tags[index] = ("B-" if a == start else "I-") + label
    return [sentence.text[a:b] for a, b in bounds], tags


def part_of_speech(word):
    return "OTHER" if not word.isalpha() else "NOUN" if word[0].isupper() else "VERB"


def conll(file, sentences, kinds=("PER", "ORG", "LOC", "MISC")):
    """The columns word, part of speech and entity tag."""
    rows = (zip(*words_and_tags(s, kinds), strict=True) for s in sentences)
    file.write_text(
        "\n".join("".join(f"{w} {part_of_speech(w)} {t}\n" for w, t in row) for row in rows),
        encoding="utf-8",
    )


def tags(file, sentences):
    """The columns word and part of speech."""
    rows = (words_and_tags(s)[0] for s in sentences)
    file.write_text(
        "\n".join("".join(f"{w} {part_of_speech(w)}\n" for w in row) for row in rows),
        encoding="utf-8",
    )


def tokens(sentence):
    """A row of a data set with a tag per word, as Hugging Face has it."""
    words, found = words_and_tags(sentence)
    return {"tokens": words, "ner_tags": found}


def docbin(file, sentences):
    """A DocBin of spaCy with entities and categories."""
    import spacy
    from spacy.tokens import DocBin

    nlp = spacy.blank("en")
    packed = DocBin()
    for sentence in sentences:
        doc = nlp.make_doc(sentence.text)
        found = (doc.char_span(e.start, e.end, label=e.label) for e in sentence.entities)
        doc.ents = [span for span in found if span is not None]
        doc.cats = {name: float(name == sentence.topic) for name in _NUMBERS}
        packed.add(doc)
    packed.to_disk(file)


def subjects(sentence):
    return sorted({_SUBJECTS[label] for _, _, label in sentence.entities})


def spans(sentence, kinds=("PER", "ORG", "LOC", "MISC")):
    return [entity._asdict() for entity in sentence.entities if entity.label in kinds]


def labelled(sentence):
    """Labels under the names of the tasks of configs/four_tasks.py and of docs/data.md."""
    words, found = words_and_tags(sentence)
    return {
        "text": sentence.text,
        "tokens": words,
        "topic": sentence.topic,
        "subjects": subjects(sentence),
        "ner": found,
        "pos": [part_of_speech(word) for word in words],
        "tone": "good" if sentence.topic == "sports" else "bad",
        "people": spans(sentence, ("PER",)),
    }


def answer(sentence):
    """A line of a file with predictions."""
    return {"text": sentence.text, "ner": spans(sentence)}
