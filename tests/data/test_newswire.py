"""The embedded corpus: reproducible, versioned, imbalanced, ambiguous; new names in test."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtt_jax.data.newswire import VERSION, grammar, patterns
from mtt_jax.data.newswire.builder import load, rows
from mtt_jax.data.words import split_words

SIZES = {"train": 13_200, "dev": 1_000, "test": 2_000}
# Version -> SHA-256 of the rows of each split. A change of content needs a new version.
CHECKSUMS = {
    "a99bd10d603d": {
        "train": "c10b5c67806863c5312fd6d8f1e287a8716f0abf69bf718d7c8b2962f98a3e3e",
        "dev": "db8e4486289473220818876c99258bdfdaea540a0353fe18c152a78c299d3ce5",
        "test": "6695d6c75f0ca0152725dd934c99b1dcea26b15310e493dfe03ef9497d90e4d1",
    },
}
PRINT_CHECKSUMS = """
import hashlib, json
from mtt_jax.data.newswire.builder import rows
for split in ("train", "dev", "test"):
    print(hashlib.sha256(json.dumps(list(rows(split))).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def corpus():
    """Split -> (text, topic or None, entities or None) per sentence."""
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


def entities_of(sentences):
    """(entity text, label) for every entity."""
    return [
        (text[start:end], label)
        for text, _, entities in sentences
        for start, end, label in entities or ()
    ]


def checksums():
    return {
        split: hashlib.sha256(json.dumps(list(rows(split))).encode()).hexdigest() for split in SIZES
    }


def test_checksum_of_the_sentences_is_that_of_their_version():
    assert VERSION in CHECKSUMS, "a new VERSION: add the checksums of its sentences here"
    assert checksums() == CHECKSUMS[VERSION], (
        "the sentences changed: change VERSION in mtt_jax/data/newswire/__init__.py too, so that "
        "old runs are not resumed on other data"
    )


def test_sentences_are_the_same_in_every_process_whatever_its_hash_seed():
    here = list(checksums().values())
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        output = subprocess.run(
            [sys.executable, "-c", PRINT_CHECKSUMS],
            env=environment,
            capture_output=True,
            check=True,
        ).stdout
        assert output.decode().split() == here


def test_split_sizes_and_no_duplicate_sentences(corpus):
    assert {split: len(sentences) for split, sentences in corpus.items()} == SIZES
    for sentences in corpus.values():
        assert len({text for text, _, _ in sentences}) == len(sentences)


def test_train_has_ten_topic_labels_per_entity_label_and_dev_and_test_have_both(corpus):
    topics, entities = (
        sum(sentence[place] is not None for sentence in corpus["train"]) for place in (1, 2)
    )
    assert topics == 10 * entities
    assert topics + entities == len(corpus["train"])
    for split in ("dev", "test"):
        assert all(None not in sentence for sentence in corpus[split])


@pytest.mark.parametrize("split", SIZES)
def test_entity_offsets_fall_on_word_boundaries(split, corpus):
    for text, _, entities in corpus[split]:
        starts, ends = (set(edges) for edges in zip(*split_words(text), strict=True))
        for start, end, _ in entities or ():
            assert text[start:end].strip() == text[start:end] != ""
            assert start in starts
            assert end in ends


@pytest.mark.parametrize("split", SIZES)
def test_entities_are_sorted_and_do_not_overlap(split, corpus):
    assert any(len(entities or ()) > 2 for _, _, entities in corpus[split])
    for _, _, entities in corpus[split]:
        edges = [edge for start, end, _ in entities or () for edge in (start, end)]
        assert edges == sorted(edges)
        assert len(set(edges)) == len(edges)


@pytest.mark.parametrize("split", SIZES)
def test_every_topic_and_entity_type_has_at_least_a_tenth_of_the_labels(split, corpus):
    topics = Counter(topic for _, topic, _ in corpus[split] if topic)
    types = Counter(label for _, label in entities_of(corpus[split]))
    assert set(topics) == {"sports", "politics", "others"}
    assert set(types) == {"PER", "ORG", "LOC", "MISC"}
    for counts in (topics, types):
        assert min(counts.values()) >= 0.1 * sum(counts.values())


def test_there_are_at_least_300_distinct_patterns():
    clauses = [clause for topic in patterns.TOPICS.values() for clause in topic]
    assert len(set(clauses)) == len(clauses) >= 300


def test_every_slot_of_every_pattern_is_filled():
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


def test_most_names_in_dev_and_test_are_not_in_train(corpus):
    known = {text for text, _ in entities_of(corpus["train"])}
    for split in ("dev", "test"):
        names = [text for text, _ in entities_of(corpus[split])]
        assert np.mean([name not in known for name in names]) > 0.5


@pytest.mark.parametrize("split", SIZES)
def test_ambiguous_names_are_persons_and_also_places_or_organizations(split, corpus):
    roles: dict[str, set[str]] = {}
    for name, label in entities_of(corpus[split]):
        roles.setdefault(name, set()).add(label)
    ambiguous = [
        name for name, labels in roles.items() if "PER" in labels and labels & {"LOC", "ORG"}
    ]
    assert len(ambiguous) >= 10


def test_no_single_word_determines_the_topic_of_a_sentence_with_two_clauses(corpus):
    topics: dict[str, Counter] = {}
    joined = [(text, topic) for text, topic, _ in corpus["test"] if ", " in text]
    for text, topic in joined:
        for word in set(text.split()):
            topics.setdefault(word, Counter())[topic] += 1
    frequent = {
        word: counts for word, counts in topics.items() if counts.total() > 0.02 * len(joined)
    }
    assert len(frequent) > 20
    purest = max(max(counts.values()) / counts.total() for counts in frequent.values())
    assert purest < 0.8


def test_tfds_returns_the_sentences_that_the_grammar_generated(corpus, tmp_path):
    for split in SIZES:
        read = [(row["text"], row["topic"], row["entities"]) for row in load(split, str(tmp_path))]
        assert sorted(read, key=str) == sorted(corpus[split], key=str)
