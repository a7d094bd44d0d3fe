"""The embedded corpus: the same everywhere, unbalanced, ambiguous, and new in its test split."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtt_jax.data.newswire import grammar, patterns
from mtt_jax.data.newswire.builder import load, rows
from mtt_jax.data.words import split_words

SIZES = {"train": 13_200, "dev": 1_000, "test": 2_000}
CHECKSUM = """
import hashlib, json
from mtt_jax.data.newswire.builder import rows
for split in ("train", "dev", "test"):
    print(hashlib.sha256(json.dumps(list(rows(split))).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def corpus():
    """Split -> (text, topic or None, entities or None) of each sentence."""
    return {
        split: [
            (
                row["text"],
                row["topic"] or None,
                json.loads(row["entities"]) if row["annotated"] else None,
            )
            for row in rows(split)
        ]
        for split in SIZES
    }


def found(sentences):
    """(entity text, label) of every entity."""
    return [
        (text[start:end], label)
        for text, _, entities in sentences
        for start, end, label in entities or ()
    ]


def test_every_process_writes_the_same_bytes():
    here = [hashlib.sha256(json.dumps(list(rows(split))).encode()).hexdigest() for split in SIZES]
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        output = subprocess.run(
            [sys.executable, "-c", CHECKSUM], env=environment, capture_output=True, check=True
        ).stdout
        assert output.decode().split() == here


def test_the_splits_have_their_sizes_and_repeat_no_sentence(corpus):
    assert {split: len(sentences) for split, sentences in corpus.items()} == SIZES
    for sentences in corpus.values():
        assert len({text for text, _, _ in sentences}) == len(sentences)


def test_in_train_topics_are_ten_times_as_many_as_entities_and_elsewhere_all_have_both(corpus):
    topics, entities = (
        sum(sentence[place] is not None for sentence in corpus["train"]) for place in (1, 2)
    )
    assert topics == 10 * entities
    assert topics + entities == len(corpus["train"])
    for split in ("dev", "test"):
        assert all(None not in sentence for sentence in corpus[split])


@pytest.mark.parametrize("split", SIZES)
def test_every_entity_is_a_stretch_of_whole_words(split, corpus):
    for text, _, entities in corpus[split]:
        starts, ends = (set(edges) for edges in zip(*split_words(text), strict=True))
        for start, end, _ in entities or ():
            assert text[start:end].strip() == text[start:end] != ""
            assert start in starts
            assert end in ends


@pytest.mark.parametrize("split", SIZES)
def test_entities_come_in_order_and_do_not_overlap(split, corpus):
    assert any(len(entities or ()) > 2 for _, _, entities in corpus[split])
    for _, _, entities in corpus[split]:
        edges = [edge for start, end, _ in entities or () for edge in (start, end)]
        assert edges == sorted(edges)
        assert len(set(edges)) == len(edges)


@pytest.mark.parametrize("split", SIZES)
def test_every_topic_and_every_type_has_its_share(split, corpus):
    topics = Counter(topic for _, topic, _ in corpus[split] if topic)
    types = Counter(label for _, label in found(corpus[split]))
    assert set(topics) == {"sports", "politics", "others"}
    assert set(types) == {"PER", "ORG", "LOC", "MISC"}
    for counts in (topics, types):
        assert min(counts.values()) >= 0.1 * sum(counts.values())


def test_there_are_three_hundred_patterns_and_more(corpus):
    clauses = [clause for topic in patterns.TOPICS.values() for clause in topic]
    assert len(set(clauses)) == len(clauses) >= 300


def test_every_slot_of_every_pattern_can_be_filled():
    kinds = {kind for clause in sum(patterns.TOPICS.values(), []) for kind in slots(clause)}
    kinds |= {kind for opening in patterns.OPENINGS for kind in slots(opening)} - {"main"}
    written = " ".join(s.text for split in ("train", "dev") for s in grammar.generate(split, 3000))
    assert "{" not in written
    assert "}" not in written
    assert {"per", "city", "club", "day"} <= kinds
    for fillers in patterns.FILLERS.values():
        assert any(f" {word}" in written for word in fillers)


def slots(pattern):
    return [part.split("}")[0].rstrip("2") for part in pattern.split("{")[1:]]


def test_most_names_of_the_test_split_are_new_to_the_model(corpus):
    known = {text for text, _ in found(corpus["train"])}
    for split in ("dev", "test"):
        names = [text for text, _ in found(corpus[split])]
        assert np.mean([name not in known for name in names]) > 0.5


@pytest.mark.parametrize("split", SIZES)
def test_one_name_is_a_person_here_and_a_place_or_an_organisation_there(split, corpus):
    roles: dict[str, set[str]] = {}
    for name, label in found(corpus[split]):
        roles.setdefault(name, set()).add(label)
    torn = [name for name, labels in roles.items() if "PER" in labels and labels & {"LOC", "ORG"}]
    assert len(torn) >= 10


def test_no_single_word_tells_the_topic_of_a_sentence_of_two_clauses(corpus):
    topics: dict[str, Counter] = {}
    joined = [(text, topic) for text, topic, _ in corpus["test"] if ", " in text]
    for text, topic in joined:
        for word in set(text.split()):
            topics.setdefault(word, Counter())[topic] += 1
    usual = {word: counts for word, counts in topics.items() if counts.total() > 0.02 * len(joined)}
    assert len(usual) > 20
    purest = max(max(counts.values()) / counts.total() for counts in usual.values())
    assert purest < 0.8


def test_what_tfds_gives_back_is_what_the_grammar_wrote(corpus, tmp_path):
    for split in SIZES:
        read = [(row["text"], row["topic"], row["entities"]) for row in load(split, str(tmp_path))]
        assert sorted(read, key=str) == sorted(corpus[split], key=str)
