"""Preparation: files, the embedded corpus and TFDS become encoded splits, cached on disk."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtt_jax.config import files
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.data.pack import piece_of
from mtt_jax.data.prepare import prepare, with_labels
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.errors import UserError
from tests.helpers import ROOT, assert_trees_equal, written

TOPICS = "1,Vote,Rome voted .\n2,Day 7,Tom ran .\n3,Shares,Acme fell .\n"
TAGS = "Tom B-PER\nFry I-PER\nran O\n\nRome B-LOC\nvoted O\n\nAcme B-ORG\nfell O\n"


def topic_rows(first, last):
    return "".join(f"{1 + i % 3},Day {i},Tom ran {i} miles .\n" for i in range(first, last))


def tag_rows(first, last):
    return "".join(f"Ann B-PER\nwon O\n{i} O\n\n" for i in range(first, last))


class Workspace:
    """A folder with files and the config that reads them."""

    def __init__(self, folder):
        self.folder = folder
        self.raw = default_config()
        self.raw.data.source = "files"
        self.raw.data.cache_dir = str(folder / "cache")
        self.raw.tokenizer.vocab_size = 200
        self.raw.data.topic.update(text="2,3", label="1", label_map="1=politics, 2=sports")
        self.raw.data.topic.label_map += ", 3=others"
        for split, first, last in (("train", 0, 30), ("dev", 30, 36), ("test", 36, 45)):
            self.give("topic", split, f"{split}.csv", topic_rows(first, last))
            self.give("ner", split, f"{split}.conll", tag_rows(first, last))

    def give(self, task, split, name, text):
        """Writes a file and names it in the config; without a text, names none."""
        self.raw.data[task][split] = str(written(self.folder, name, text)) if text else ""

    def give_both(self, split, rows):
        """Writes objects to one JSONL file that both tasks read."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        for task in ("topic", "ner"):
            self.give(task, split, f"{split}.jsonl", text)
            self.raw.data[task].update(text="auto", label="auto")

    def prepare(self, run=None, given=None):
        return prepare(resolve(self.raw), run, given)

    def complaint(self, run=None):
        with pytest.raises(UserError) as error:
            self.prepare(run)
        return str(error.value)

    def cached(self):
        """The cache's folders."""
        return sorted((self.folder / "cache" / "encoded").iterdir())


@pytest.fixture
def place(tmp_path):
    return Workspace(tmp_path)


def assert_same(ours, theirs):
    assert ours.notes == theirs.notes
    assert ours.tokenizer.to_str() == theirs.tokenizer.to_str()
    for split in ("train", "dev", "test"):
        assert_trees_equal(ours.splits[split].arrays, theirs.splits[split].arrays)


def test_dev_and_test_keep_their_texts_and_train_does_not(place):
    for data in (place.prepare(), place.prepare()):  # encoded, and from the cache
        texts = [data.splits["dev"].text(i) for i in range(len(data.splits["dev"]))]
        assert "Day 30 Tom ran 30 miles ." in [" ".join(text.split()) for text in texts]
        assert data.splits["test"].text(0)
        assert data.splits["train"].text(0) is None


# From files


def entities_of(example, config, task="ner"):
    """(first word, one past the last, type) of each entity of an example."""
    (found,) = (each for each in config.task_list if each.name == task)
    spans = example.labels[task].spans.tolist()
    return [(start, end, found.entity_types[kind]) for start, end, kind in spans]


def test_files_become_encoded_splits(place):
    place.give("topic", "test", "test.csv", TOPICS)
    place.give("ner", "test", "test.conll", TAGS)
    prepared, config = place.prepare(), resolve(place.raw)
    assert {name: split.counts() for name, split in prepared.splits.items()} == {
        "train": {"topic": 30, "ner": 30},
        "dev": {"topic": 6, "ner": 6},
        "test": {"topic": 3, "ner": 3},
    }
    test = [prepared.splits["test"][i] for i in range(6)]
    topics = [config.tasks["topic"].labels[example.labels["topic"]] for example in test[:3]]
    assert topics == ["politics", "sports", "others"]
    found = [entity for example in test[3:] for entity in entities_of(example, config)]
    assert found == [(0, 2, "PER"), (0, 1, "LOC"), (0, 1, "ORG")]
    assert [list(example.labels) for example in test] == [["topic"]] * 3 + [["ner"]] * 3
    assert prepared.tokenizer.decode(test[1].tokens) == "Day 7 Tom ran."


def test_notes_on_every_file_are_passed_on(place):
    place.give("topic", "dev", "dev.csv", "1,Rome,voted\n2,,\n")
    place.give("ner", "test", "test.conll", "Tom I-PER\nran O\n\nRome B-LOC\n")
    notes = "\n".join(place.prepare().notes)
    assert "dev.csv: 1 empty texts, left out (first: line 2)" in notes
    assert "train.conll: 30 texts, CoNLL columns" in notes
    assert "tags in scheme iob2" in notes
    assert "test.conll: 1 tags that cannot follow" in notes


def test_without_dev_a_share_of_train_is_held_out_and_stated_and_stays_the_same(place):
    place.give("topic", "dev", "", "")
    place.raw.data.dev_share = 0.2
    first = place.prepare()
    held_out = first.splits["dev"].counts()["topic"]
    assert 2 <= held_out <= 10
    assert first.splits["train"].counts() == {"topic": 30 - held_out, "ner": 30}
    assert first.splits["dev"].counts() == {"topic": held_out, "ner": 6}
    assert f"topic: no dev given; {held_out} training sentences held out as dev." in first.notes
    place.raw.data.cache_dir += "-2"
    assert_same(first, place.prepare())
    place.raw.seed = 1
    other = place.prepare()
    assert not np.array_equal(
        other.splits["dev"].arrays["tokens"], first.splits["dev"].arrays["tokens"]
    )


def test_train_that_is_too_small_to_hold_out_dev_asks_for_a_file(place):
    place.give("ner", "dev", "", "")
    place.give("ner", "train", "train.conll", "Tom B-PER\nran O\n\nTom B-PER\nran O\n")
    message = place.complaint()
    assert "config.data.ner.train: too few different sentences" in message
    assert "give --config.data.ner.dev=" in message


def test_without_test_the_test_split_is_empty(place):
    for task in ("topic", "ner"):
        place.give(task, "test", "", "")
    assert len(place.prepare().splits["test"]) == 0


def test_sentences_of_a_file_that_two_tasks_read_have_both_labels(place):
    rows = [
        {
            "text": f"Tom &amp; Ann ran {i} miles in Rome-based shoes .",
            "label": "sports",
            "entities": [{"start": 0, "end": 3, "label": "PER"}],
        }
        for i in range(20)
    ]
    start = rows[0]["text"].index("Rome")
    rows[0]["entities"].append({"start": start, "end": start + 4, "label": "LOC"})
    for split in ("train", "dev", "test"):
        place.give_both(split, rows)
    half = [{"text": "Ann ran .", "label": "others"}, {"text": "Tom ran .", "entities": []}]
    place.give_both("dev", half)
    prepared = place.prepare()
    train = prepared.splits["train"]
    assert len(train) == 20
    assert train.counts() == {"topic": 20, "ner": 20}
    config = resolve(place.raw)
    assert config.tasks["topic"].labels[train[0].labels["topic"]] == "sports"
    assert entities_of(train[0], config) == [(0, 1, "PER"), (7, 8, "LOC")]
    assert [list(prepared.splits["dev"][i].labels) for i in (0, 1)] == [["topic"], ["ner"]]


def test_one_file_named_by_different_paths_is_read_as_one(place, monkeypatch):
    rows = [{"text": f"Tom ran {i} .", "label": "sports", "entities": []} for i in range(30)]
    for split in ("train", "dev", "test"):
        place.give_both(split, rows)
    whole = place.prepare()
    assert len(whole.splits["train"]) == 30
    monkeypatch.chdir(place.folder)
    (place.folder / "link.jsonl").symlink_to(place.folder / "train.jsonl")
    for path in ("train.jsonl", "./train.jsonl", "cache/../train.jsonl", "link.jsonl"):
        place.raw.data.ner.train = path
        again = place.prepare()
        assert again.splits["train"].counts() == {"topic": 30, "ner": 30}
        assert_trees_equal(again.splits["train"].arrays, whole.splits["train"].arrays)


def test_held_out_sentences_of_a_common_file_are_the_same_for_both_tasks(place):
    rows = [{"text": f"Tom ran {i} miles .", "label": "sports", "entities": []} for i in range(30)]
    place.give_both("train", rows)
    for split in ("dev", "test"):
        for task in ("topic", "ner"):
            place.give(task, split, "", "")
    splits = place.prepare().splits
    assert splits["train"].counts() == {"topic": 27, "ner": 27}
    assert splits["dev"].counts() == {"topic": 3, "ner": 3}
    assert len(splits["train"]) == 27


def test_entities_of_a_common_file_are_kept_if_two_tasks_cut_its_words_differently(tmp_path):
    text = "the Rome-based Tom ran"
    row = {
        "text": text,
        "places": [{"start": 4, "end": 8, "label": "LOC"}],
        "people": [{"start": 15, "end": 18, "label": "PER"}],
    }
    rows = [row, {"text": "Ann ran", "places": [], "people": []}]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    tasks = {
        "people": TaskConfig(kind="entities", labels=("O", "PER")),
        "places": TaskConfig(kind="entities", labels=("O", "LOC")),
    }
    for order in (("people", "places"), ("places", "people")):
        names = dict(zip(("alpha", "beta"), order, strict=True))
        raw = default_config({name: tasks[wanted] for name, wanted in names.items()})
        raw.data.source, raw.data.cache_dir = "files", str(tmp_path / order[0])
        raw.tokenizer.vocab_size = 200
        for name, wanted in names.items():
            raw.data[name].update(train=str(file), dev=str(file), label=wanted)
        prepared = prepare(resolve(raw))
        train = prepared.splits["train"]
        read: dict[str, set[str]] = {wanted: set() for wanted in order}
        for example in (train[i] for i in range(len(train))):
            edges = [*example.starts, len(example.tokens) - 1]
            for name, spans in example.labels.items():
                read[names[name]] |= {
                    prepared.tokenizer.decode(example.tokens[edges[start] : edges[end]])
                    for start, end, _ in spans.spans
                }
        assert read == {"people": {"Tom"}, "places": {"Rome"}}


def test_fault_in_a_file_is_reported(place):
    place.give("ner", "test", "test.conll", "Tom B-PERS\n")
    assert "test.conll, line 1: 'B-PERS' is not a label" in place.complaint()
    place.raw.data.ner.test = str(place.folder / "tset.conll")
    assert "tset.conll: no such file. Did you mean" in place.complaint()


@pytest.mark.parametrize("task", ["topic", "ner"])
def test_task_without_a_label_in_train_is_refused(task, place):
    place.give_both("train", [{"text": f"Tom ran {i} ."} for i in range(9)])
    other = {"topic": "ner", "ner": "topic"}[task]
    rows = topic_rows(0, 9) if other == "topic" else tag_rows(0, 9)
    place.give(other, "train", f"train.{'csv' if other == 'topic' else 'conll'}", rows)
    if other == "topic":
        place.raw.data.topic.update(text="2,3", label="1")
    for split in ("dev", "test"):
        place.give("topic", split, "", "")
    message = place.complaint()
    assert "train.jsonl: no line has the key" in message
    assert f"--config.data.{task}.label" in message


def test_duplicates_and_sentences_that_leak_from_train_are_counted(place):
    place.give("topic", "train", "train.csv", topic_rows(0, 30) + topic_rows(0, 4))
    place.give("topic", "dev", "dev.csv", topic_rows(28, 36))
    place.give("ner", "test", "test.conll", tag_rows(25, 40))
    notes = place.prepare().notes
    (copies,) = (note for note in notes if "repeat" in note)
    assert copies.startswith(
        "topic: 4 train texts repeat an earlier one; remove the copies. First:"
    )
    assert "train.csv, line 31" in copies
    leaks = [note for note in notes if "also in train" in note]
    assert leaks[0].startswith("topic: 2 of 8 dev sentences are also in train")
    assert leaks[1].startswith("ner: 5 of 15 test sentences are also in train")
    assert len(leaks) == 2


def test_labels_are_counted_by_task_and_split(place):
    notes = place.prepare().notes
    counted = [note for note in notes if " sentences: " in note]
    assert counted == [
        "topic: 30 train sentences: politics 10, sports 10, others 10.",
        "topic: 6 dev sentences: politics 2, sports 2, others 2.",
        "topic: 9 test sentences: politics 3, sports 3, others 3.",
        "ner: 30 train sentences: PER 30.",
        "ner: 6 dev sentences: PER 6.",
        "ner: 9 test sentences: PER 9.",
    ]


def test_files_without_faults_give_no_other_note(place):
    place.give("topic", "train", "train.csv", topic_rows(0, 60))
    place.give("ner", "train", "train.conll", tag_rows(0, 60))
    for split, first in (("dev", 100), ("test", 200)):
        place.give("topic", split, f"{split}.csv", topic_rows(first, first + 60))
        place.give("ner", split, f"{split}.conll", tag_rows(first, first + 60))
    place.raw.tasks.ner.labels = ("O", "PER")
    expected = (" texts, C", " sentences: ")  # what was recognized, and the counts
    assert [note for note in place.prepare().notes if not any(e in note for e in expected)] == []


def test_training_sentences_longer_than_max_length_are_counted(place):
    long = "".join(f"2,Long,{'Tom ran ' * 70}{i}\n" for i in range(3))
    place.give("topic", "train", "train.csv", topic_rows(0, 30) + long)
    place.give("topic", "test", "test.csv", long)
    (note,) = (note for note in place.prepare().notes if "max_length" in note)
    assert note.startswith("3 training sentences are longer than data.max_length (128 subwords)")
    assert "are cut" in note
    assert place.prepare().splits["train"].lengths().max() > 140


# Tokenizers


def test_given_tokenizer_is_used_and_none_is_trained(place, tokenizer):
    assert place.prepare(given=tokenizer).tokenizer.to_str() == tokenizer.to_str()


def test_tokenizer_is_loaded_from_its_file_and_loaded_again_if_that_changes(place, tokenizer):
    file = place.folder / "tokenizer.json"
    tokenizer.save(str(file))
    place.raw.tokenizer.file = str(file)
    assert place.prepare().tokenizer.get_vocab() == tokenizer.get_vocab()
    other = train_tokenizer(["Other words entirely"] * 3, resolve(place.raw).tokenizer)
    other.save(str(file))
    assert place.prepare().tokenizer.get_vocab() == other.get_vocab()


# The cache


def stamps(place):
    """When each file and folder of the cache was last written."""
    home = place.folder / "cache" / "encoded"
    return {path: path.stat().st_mtime_ns for path in (home, *home.rglob("*"))}


def test_cache_gives_the_same_at_the_second_start_and_is_not_written_again(place):
    first, before = place.prepare(), stamps(place)
    assert_same(first, place.prepare())
    assert stamps(place) == before
    assert len(place.cached()) == 1


def test_cache_is_read_without_encoding_again(place):
    """The second start is not only equal to a fresh one: nothing is encoded again."""
    first = place.prepare()
    (folder,) = place.cached()
    (folder / "notes.json").write_text('["from the cache"]')
    assert place.prepare().notes == ("from the cache",)
    assert first.notes != ("from the cache",)


def test_cache_is_reused_if_a_setting_that_does_not_affect_the_encoding_changes(place):
    place.prepare()
    place.raw.encoder.layers, place.raw.train.steps, place.raw.data.overlap = 1, 700, 8
    place.raw.tasks.ner.weight = 2.0
    place.prepare()
    assert len(place.cached()) == 1


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize("task", ["topic", "ner"])
def test_changed_content_of_any_file_is_encoded_again(task, split, place):
    first = place.prepare()
    path = place.raw.data[task][split]
    text = Path(path).read_text(encoding="utf-8")
    written(
        place.folder, path, text + (topic_rows(90, 91) if task == "topic" else tag_rows(90, 91))
    )
    second = place.prepare()
    assert len(second.splits[split]) == len(first.splits[split]) + 1
    assert len(place.cached()) == 2


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        ("topic", "label_map", "1=others, 2=sports, 3=others"),
        ("topic", "word", 1),
        ("ner", "scheme", "iob1"),
        (None, "clean", False),
        (None, "max_length", 64),
    ],
)
def test_changed_settings_for_reading_the_same_files_encode_them_again(group, field, value, place):
    place.prepare()
    node = place.raw.data[group] if group else place.raw.data
    node[field] = value
    place.prepare()
    assert len(place.cached()) == 2


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-30])


def scribble(path):
    path.write_bytes(b"scribble")


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut_short, scribble, empty, remove])
@pytest.mark.parametrize("name", ["tokenizer.json", "train.npz", "test.npz", "notes.json"])
def test_damaged_cache_is_reported_and_created_again_after_it_is_deleted(name, damage, place):
    first = place.prepare()
    (folder,) = place.cached()
    damage(folder / name)
    message = place.complaint()
    assert f"config.data.cache_dir: {folder} is damaged" in message
    assert "delete it and start again" in message
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert_same(first, place.prepare())


def test_cache_folder_that_cannot_be_written_is_reported(place):
    blocked = written(place.folder, "blocked", "a file")
    place.raw.data.cache_dir = str(blocked)
    message = place.complaint()
    assert "config.data.cache_dir: cannot write to" in message
    assert str(blocked) in message
    assert "name another folder" in message


def test_cache_folder_is_created_before_the_corpus_is_written(place):
    place.raw.data.source = "newswire"
    place.raw.data.cache_dir = "/proc/nowhere"
    assert "config.data.cache_dir: cannot write to /proc/nowhere" in place.complaint()


# Limits, synthetic sentences and the embedded corpus in addition


def labelled(data, task, split="train"):
    return data.splits[split].counts()[task]


def test_limit_keeps_that_many_labels_and_changes_no_other_task(place):
    before = place.prepare()
    place.raw.data.ner.limit = 5
    data = place.prepare()
    assert (labelled(before, "ner"), labelled(data, "ner")) == (30, 5)
    assert labelled(data, "topic") == labelled(before, "topic")
    assert labelled(data, "ner", "test") == labelled(before, "ner", "test")
    assert "ner: 5 of 30 labeled training sentences are used (data.ner.limit)." in data.notes
    place.raw.seed = 1
    assert place.prepare().splits["train"].arrays["tokens"].tolist() != (
        data.splits["train"].arrays["tokens"].tolist()
    )


def test_limit_removes_only_its_own_label_of_a_sentence_with_two(place):
    rows = [{"text": f"Tom ran {i} .", "label": "others", "entities": []} for i in range(8)]
    for split in ("train", "dev", "test"):
        place.give_both(split, rows)
    place.raw.data.ner.limit = 3
    data = place.prepare()
    assert (labelled(data, "topic"), labelled(data, "ner")) == (8, 3)


def test_unlabelled_sentences_are_kept_if_there_is_no_limit(place):
    rows = [{"text": f"Tom ran {i} .", "label": "others", "entities": []} for i in range(8)]
    for split in ("train", "dev", "test"):
        place.give_both(split, rows)
    place.give_both("train", [*rows, {"text": "Zebras graze ."}])
    assert len(place.prepare().splits["train"]) == 9


def test_synthetic_sentences_are_added_to_train_alone_and_counted(place):
    place.raw.data.ner.update(limit=10, synthetic=1.5)
    data = place.prepare()
    made = labelled(data, "ner") - 10
    assert 5 < made <= 15
    assert labelled(data, "topic") == 30
    assert labelled(data, "ner", "dev") == 6
    note = f"ner: {made} synthetic training sentences from 10 (mention, token, shuffle, case)."
    assert note in data.notes
    place.raw.data.ner.synthetic_methods = "shuffle"
    assert any("(shuffle)" in note for note in place.prepare().notes)


def test_changed_gazetteer_is_read_again(place):
    names = written(place.folder, "names.tsv", "PER\tZzyx Qqrt\n")
    place.raw.data.ner.update(synthetic=2.0, synthetic_methods="mention", gazetteer=str(names))
    first = place.prepare()
    written(place.folder, "names.tsv", "PER\tUuvw\n")
    second = place.prepare()
    assert len(place.cached()) == 2
    assert first.splits["train"].arrays["tokens"].tolist() != (
        second.splits["train"].arrays["tokens"].tolist()
    )


def test_sentences_of_the_embedded_corpus_are_added_to_train(place):
    place.raw.data.ner.newswire = 20
    place.raw.data.topic.newswire = 7
    data = place.prepare()
    assert (labelled(data, "ner"), labelled(data, "topic")) == (50, 37)
    assert "ner: 20 sentences of the embedded corpus in addition to 30." in data.notes


def test_task_that_the_embedded_corpus_does_not_label_is_refused(place):
    place.raw.tasks.ner.labels = ("O", "PER", "LOC", "ORG")
    place.raw.data.ner.label_map = "MISC=O"
    place.raw.data.ner.newswire = 20
    assert "config.data.ner.newswire: the corpus labels PER, ORG, LOC, MISC" in place.complaint()


# Resuming a run


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_run_is_resumed_on_the_same_data(place, run):
    first = place.prepare(run)
    assert (run / "data.json").is_file()
    assert [path.name for path in run.iterdir()] == ["data.json"]
    before = (run / "data.json").read_bytes()
    assert_same(first, place.prepare(run))
    assert (run / "data.json").read_bytes() == before


@pytest.mark.parametrize(("task", "split"), [("topic", "train"), ("ner", "test")])
def test_resume_on_a_changed_file_is_refused_with_the_field_of_the_file(task, split, place, run):
    first = place.prepare(run)
    path = place.raw.data[task][split]
    text = Path(path).read_text(encoding="utf-8")
    written(place.folder, path, text.replace("1", "2", 1))
    message = place.complaint(run)
    assert (
        f"{run}: the content of config.data.{task}.{split} has changed since the run started"
        in message
    )
    assert message.count("config.data") == 1
    assert "--workdir=" in message
    written(place.folder, path, text)
    assert_same(first, place.prepare(run))


def test_resume_with_changed_settings_for_reading_is_refused(place, run):
    place.prepare(run)
    place.raw.data.topic.label_map = "1=others, 2=sports, 3=others"
    message = place.complaint(run)
    assert f"{run}: the data has changed since the run started" in message
    assert "--workdir=" in message


# A run of version 0.1


@pytest.fixture
def old_run(tmp_path, monkeypatch):
    """A copy of the finished run of version 0.1 next to its files, which is the current folder."""
    folder = tmp_path / "old"
    shutil.copytree(ROOT / "tests" / "old_runs" / "v0_1", folder)
    monkeypatch.chdir(folder)
    return folder / "finished"


def test_run_of_an_earlier_version_is_not_resumed_on_other_words(old_run):
    config = files.from_json((old_run / "config.json").read_text())
    with pytest.raises(UserError, match="was started by another version of mtt_jax, which divides"):
        prepare(config, old_run)


# Tasks of all four kinds


@pytest.fixture
def four(tmp_path):
    """The config of four tasks with files in tmp_path: ner and pos share one of two columns."""
    raw = default_config(
        {
            "topic": TaskConfig(kind="classes", labels=("sports", "others")),
            "subjects": TaskConfig(kind="multilabel", labels=("money", "law", "people")),
            "ner": TaskConfig(kind="entities", labels=("O", "PER", "LOC")),
            "pos": TaskConfig(kind="tags", labels=("NOUN", "VERB", "OTHER")),
        }
    )
    raw.data.update(source="files", cache_dir=str(tmp_path / "cache"))
    raw.tokenizer.vocab_size = 200
    words = "".join(
        f"Ann NOUN B-PER\nLee NOUN I-PER\nleft VERB O\nOslo{i} NOUN B-LOC\n. OTHER O\n\n"
        for i in range(20)
    )
    conll = str(written(tmp_path, "words.conll", words))
    raw.data.ner.update(train=conll, test=conll)
    raw.data.pos.update(train=conll, test=conll, label="2")
    csv = "".join(f"Tom ran {i} .,{'sports' if i % 2 else 'others'}\n" for i in range(20))
    raw.data.topic.update(train=str(written(tmp_path, "topic.csv", csv)), text="1", label="2")
    sets = [["money"], [], ["law", "people"], None]
    rows = [{"text": f"Shares fell {i} .", "labels": sets[i % 4]} for i in range(20)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    raw.data.subjects.train = str(written(tmp_path, "subjects.jsonl", lines))
    return raw


def test_files_of_all_four_kinds_become_encoded_splits(four):
    prepared, config = prepare(resolve(four)), resolve(four)
    train, dev, test = (prepared.splits[name] for name in ("train", "dev", "test"))
    for name, count in (("topic", 20), ("subjects", 15), ("ner", 20), ("pos", 20)):
        assert train.counts()[name] + dev.counts()[name] == count
        assert dev.counts()[name] > 0
    assert test.counts() == {"subjects": 0, "topic": 0, "ner": 20, "pos": 20}
    assert len(test) == 20, "ner and pos read one file"
    assert test[3].labels["pos"].tolist() == [0, 0, 1, 0, 2]
    assert entities_of(test[3], config) == [(0, 2, "PER"), (3, 4, "LOC")]
    (subjects,) = (task for task in config.task_list if task.name == "subjects")
    found = {}
    for split in (train, dev):
        for i in np.flatnonzero(split.labelled(subjects)):
            text = prepared.tokenizer.decode(split[int(i)].tokens)
            found[text] = split[int(i)].labels["subjects"].tolist()
    assert found["Shares fell 4."] == [1.0, 0.0, 0.0]
    assert found["Shares fell 5."] == [0.0, 0.0, 0.0]
    assert found["Shares fell 6."] == [0.0, 1.0, 1.0]
    assert "Shares fell 7." not in found
    note = "subjects.jsonl: 5 sentences without a label of subjects (first: line 4)."
    assert any(n.endswith(note) for n in prepared.notes)


def test_entities_and_tags_of_one_jsonl_file_that_cut_words_differently_are_joined(four, tmp_path):
    """Offsets end in the middle of a token; the tokens leave the last character out."""
    row = {
        "text": "the Rome-based Tom ran!",
        "tokens": ["the", "Rome-based", "Tom", "ran"],
        "tags": ["OTHER", "NOUN", "NOUN", "VERB"],
        "entities": [{"start": 4, "end": 8, "label": "LOC"}],
    }
    rows = [row, {**row, "text": "the Rome-based Tom ran home!"}]
    file = str(written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    four.data.ner.update(train=file, dev=file, test="")
    four.data.pos.update(train=file, dev=file, test="", label="auto")
    config = resolve(four)
    prepared = prepare(config)
    dev = prepared.splits["dev"]
    example = next(dev[i] for i in range(len(dev)) if "pos" in dev[i].labels)
    # the Rome - based Tom ran !
    assert example.labels["pos"].tolist()[:6] == [2, 0, 0, 0, 0, 1]
    assert example.labels["pos"].tolist()[-1] == -1
    assert entities_of(example, config) == [(1, 2, "LOC")]
    piece = piece_of(example, config.task_list, 32)
    assert piece.targets["pos"][1].sum() == 6
    assert piece.targets["ner"][1].sum() == len(example.words)


def test_run_of_all_four_kinds_is_resumed_on_the_same_data_and_refused_on_other_labels(four, run):
    first = prepare(resolve(four), run)
    assert_same(first, prepare(resolve(four), run))
    four.tasks.pos.labels = ("VERB", "NOUN", "OTHER")
    with pytest.raises(UserError, match="the data has changed since the run started"):
        prepare(resolve(four), run)


# Other sources


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A cache folder in which the embedded corpus is built once."""
    return tmp_path_factory.mktemp("corpus")


def newswire(corpus, tasks=None, **fields):
    raw = default_config(tasks)
    raw.data.update(cache_dir=str(corpus), **fields)
    raw.tokenizer.vocab_size = 1000
    return resolve(raw)


def test_embedded_corpus_needs_no_files(corpus):
    prepared = prepare(newswire(corpus))
    splits = prepared.splits
    assert all(" sentences: " in note for note in prepared.notes), "nothing is wrong with it"
    assert {name: split.counts() for name, split in splits.items()} == {
        "train": {"topic": 12_000, "ner": 1_200},
        "dev": {"topic": 1_000, "ner": 1_000},
        "test": {"topic": 2_000, "ner": 2_000},
    }
    assert len(splits["train"]) == 13_200
    assert len(splits["test"]) == 2_000


def test_embedded_corpus_has_no_labels_of_other_tasks(corpus):
    tasks = {"mood": TaskConfig(kind="classes", labels=("good", "bad"))}
    with pytest.raises(UserError) as error:
        prepare(newswire(corpus, tasks))
    message = str(error.value)
    assert "config.tasks.mood: no training sentence carries a label" in message
    assert "the tasks topic and ner" in message
    assert "data.source=files" in message


@pytest.mark.peers  # slow: the corpus is read whole
def test_embedded_corpus_labels_a_multilabel_task_called_topic(corpus):
    topics = ("sports", "politics", "others")
    tasks = {"topic": TaskConfig(kind="multilabel", labels=topics)}
    config = newswire(corpus, tasks)
    test = prepare(config).splits["test"]
    assert test.counts() == {"topic": 2_000}
    assert all(test[i].labels["topic"].sum() == 1 for i in range(20))


@pytest.mark.parametrize("name", ["no_such_set", "no_such_set/config:1.0.0"])
def test_unavailable_tfds_data_set_is_reported_with_how_to_use_files(name, tmp_path):
    raw = default_config()
    raw.data.update(source="tfds", cache_dir=str(tmp_path))
    raw.data.topic.update(name=name, label_map="World=politics")
    raw.data.ner.name = "conll2003"
    with pytest.raises(UserError) as error:
        prepare(resolve(raw))
    message = str(error.value)
    assert f"config.data.topic.name: TFDS cannot provide '{name}'" in message
    assert "--config=configs/news_files.py" in message
    assert "--config.data.topic.train=FILE" in message


# Labels that the config leaves to the data


@pytest.fixture
def auto(place):
    """A workspace whose config names no labels."""
    place.raw.tasks.topic.labels = ()
    place.raw.tasks.ner.labels = ()
    place.raw.data.topic.label_map = "1=politics, 2=sports"
    place.give("topic", "train", "train.csv", topic_rows(0, 30) + "2,Cup,Ann ran .\n")
    place.give("ner", "train", "train.conll", TAGS + "Rome B-LOC\n")
    place.give("ner", "dev", "dev.conll", TAGS)
    place.give("ner", "test", "test.conll", TAGS)
    return place


def labels_of(config):
    return {name: task.labels for name, task in config.tasks.items()}


FOUND = {"topic": ("sports", "3", "politics"), "ner": ("O", "LOC", "ORG", "PER")}


def test_labels_left_to_the_data_are_those_of_train(auto):
    config = with_labels(resolve(auto.raw))
    assert labels_of(config) == FOUND
    assert with_labels(config) is config


def test_without_labels_data_are_encoded_as_with_the_labels_that_are_found(auto):
    ours = auto.prepare()
    auto.raw.tasks.topic.labels, auto.raw.tasks.ner.labels = FOUND["topic"], FOUND["ner"]
    assert_same(ours, auto.prepare())
    assert len(auto.cached()) == 1
    shutil.rmtree(auto.folder / "cache")
    assert_same(ours, auto.prepare())


def test_labels_are_found_once_and_again_when_the_data_change(auto, monkeypatch):
    config = resolve(auto.raw)
    first = with_labels(config)
    with monkeypatch.context() as patched:
        patched.setattr("mtt_jax.data.prepare.read_records", None)  # nothing is read again
        assert with_labels(config) == first
        prepare(first)
    auto.give("topic", "train", "train.csv", topic_rows(0, 30) + "1,Vote,Ann ran .\n")
    assert with_labels(resolve(auto.raw)).tasks["topic"].labels == ("politics", "3", "sports")


def test_damaged_labels_in_the_cache_are_reported(auto):
    config = resolve(auto.raw)
    first = with_labels(config)
    (file,) = (auto.folder / "cache" / "labels").iterdir()
    file.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"labels/.* is damaged .*; delete it and start again"):
        with_labels(config)
    file.unlink()
    assert with_labels(config) == first


def test_labels_of_one_task_may_be_named_and_those_of_another_left_to_the_data(auto):
    auto.raw.tasks.topic.labels = ("3", "politics", "sports", "spare")
    found = labels_of(with_labels(resolve(auto.raw)))
    assert found == {"topic": ("3", "politics", "sports", "spare"), "ner": FOUND["ner"]}


def test_a_rare_label_that_is_held_out_as_dev_belongs_to_the_labels(auto):
    auto.give("topic", "dev", "", "")
    auto.raw.data.topic.label_map = ""
    auto.give("topic", "test", "test.csv", "")
    for n in range(0, 60, 7):  # wherever it is, in train or in the dev share
        rows = "".join(f"{'x' if i == n else 1 + i % 2},Day {i},Tom ran .\n" for i in range(60))
        auto.give("topic", "train", "train.csv", rows)
        assert set(with_labels(resolve(auto.raw)).tasks["topic"].labels) == {"1", "2", "x"}


def test_class_weights_of_a_label_that_is_not_in_the_data_are_refused(auto):
    auto.raw.tasks.ner.class_weights = "MISC=2"
    message = auto.complaint()
    assert message.startswith("config.tasks.ner.class_weights: 'MISC' is not one of O, LOC, ORG, ")


def test_a_label_of_test_that_train_does_not_have_is_refused(auto):
    auto.give("ner", "test", "test.conll", TAGS + "\nMay B-DATE\n")
    message = auto.complaint()
    assert "'DATE'" in message
    assert "--config.tasks.ner.labels=O,LOC,ORG,PER,DATE" in message


def test_a_run_records_the_labels_that_were_found(auto, run):
    auto.prepare(run)
    tasks = json.loads((run / "data.json").read_text(encoding="utf-8"))["tasks"]
    assert {task["name"]: tuple(task["labels"]) for task in tasks} == FOUND
    auto.prepare(run)  # and is resumed with them


def test_labels_of_all_four_kinds_are_found(four):
    named = {name: set(task.labels) for name, task in resolve(four).tasks.items()}
    for name in named:
        four.tasks[name].labels = ()
    found = labels_of(with_labels(resolve(four)))
    assert found.keys() == named.keys()
    for name, labels in found.items():
        assert set(labels) <= named[name]
        assert len(labels) >= 2
    assert found["ner"][0] == "O"


@pytest.mark.peers  # slow: the corpus is read whole
def test_the_embedded_corpus_has_labels_too(tmp_path):
    raw = default_config({"topic": TaskConfig(), "ner": TaskConfig(kind="entities")})
    raw.data.cache_dir = str(tmp_path)
    found = labels_of(with_labels(resolve(raw)))
    assert set(found["topic"]) == {"sports", "politics", "others"}
    assert found["ner"][0] == "O"
    assert set(found["ner"]) == {"O", "PER", "ORG", "LOC", "MISC"}
