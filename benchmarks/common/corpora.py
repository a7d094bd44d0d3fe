"""Texts: generated ones, as lists, files and subword ids, and the first sentences of real files."""

import csv
from itertools import islice
from typing import NamedTuple

import numpy as np

from mtt_jax.data.clean import clean
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.words import split_words

# Labels of topic.csv, as `AG_NEWS` in configs.py maps them.
_TOPICS = {"politics": "1", "sports": "2", "others": "3"}


def generated_texts(count):
    """Sentences of the embedded corpus's grammar."""
    return [sentence.text for sentence in generate("test", count, seed=0)]


def texts_of_file(path, count):
    """The first texts of a file: the last column of a CSV file, or one text per line."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file) if path.suffix == ".csv" else ([line.strip()] for line in file)
        return [row[-1] for row in islice(rows, count) if row and row[-1]]


def write_corpus(folder, count):
    """Generated sentences in topic.csv, laid out as AG News, and ner.conll."""
    sentences = list(generate("train", 2 * count))
    with (folder / "topic.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(_TOPICS[s.topic], "", s.text) for s in sentences[:count]]
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    blocks = ["\n".join(_tagged(sentence)) for sentence in sentences[count:]]
    (folder / "ner.conll").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _tagged(sentence):
    """Yields `word TAG` lines; words are separated by spaces."""
    place = 0
    for word in sentence.text.split(" "):
        inside = [e for e in sentence.entities if e.start < place + len(word) and place < e.end]
        tag = "O"
        if inside:
            tag = ("B-" if place <= inside[0].start else "I-") + inside[0].label
        yield f"{word} {tag}"
        place += len(word) + 1


def cut_files(topic, ner, topics, entities, folder):
    """Writes the first sentences of a CSV and of a CoNLL file to topic.csv and ner.conll.

    Args:
      topic: the CSV file.
      ner: the CoNLL file.
      topics: sentences to keep of the first.
      entities: sentences to keep of the second.
      folder: where to write.

    Returns:
      The two paths.
    """
    lines = topic.read_text(encoding="utf-8").splitlines(keepends=True)
    blocks = ner.read_text(encoding="utf-8").strip().split("\n\n")
    heads = folder / "topic.csv", folder / "ner.conll"
    heads[0].write_text("".join(lines[:topics]), encoding="utf-8")
    heads[1].write_text("\n\n".join(blocks[:entities]) + "\n", encoding="utf-8")
    return heads


class Reading(NamedTuple):
    """A record as a run reads it, before any tokenizer.

    Attributes:
      text: cleaned.
      words: of the cleaned text.
      places: int32 [w, 2] where they are in the text as given, in which labels are.
    """

    text: str
    words: list[str]
    places: np.ndarray


def reading_of(record):
    """What a peer is given of a record: the text and the words that our model sees."""
    found = clean(record.text)
    units = split_words(found.text)
    places = [(found.starts[start], found.ends[end - 1]) for start, end in units]
    words = [found.text[start:end] for start, end in units]
    return Reading(found.text, words, np.array(places, np.int32).reshape(-1, 2))


def labelled(records, task):
    """The records that carry a label of a task."""
    return [record for record in records if task in record.labels]


def generated_ids(count, vocab_size, longest):
    """Random subword ids of sentences with news-like lengths, 50 on average, at most `longest`."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(47), 0.4, count), 8, longest)
    return [rng.integers(1000, vocab_size, int(length), dtype=np.int32) for length in lengths]
