"""Suspects: wrong labels stand first, each judged by a model that was not trained on it."""

import dataclasses
import json

import numpy as np
import pytest

from mtt_jax.check.examine import examine
from mtt_jax.check.suspects import fold_of_text, ranked, suspects_of, write_suspects
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.errors import UserError
from mtt_jax.predict.engines import load_for
from mtt_jax.report.console import silent
from tests.check.test_page import shown, suspect
from tests.check.trained import WRONG, trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("suspects"))


@pytest.fixture(scope="module")
def model(run):
    return load_for("jax", run)


@pytest.fixture(scope="module")
def records(model):
    return examine(model.config, model.tokenizer).records


@pytest.fixture(scope="module")
def out(run):
    return run / "check"


@pytest.fixture(scope="module")
def suspects(model, records, out):
    return suspects_of(model, records, "train", 2, out, silent())


def lines_of(suspects, task):
    """The lines of a task's suspects, in their order."""
    return [int(s.place.rpartition(" ")[2]) for s in suspects if s.task == task]


# Folds


def test_duplicates_are_in_the_same_fold():
    for text in ("Rome wins", "Tom ran home", "Ein schöner Tag"):
        folds = {fold_of_text(t, 7) for t in (text, text.upper(), f" {text}\n")}
        assert len(folds) == 1


def test_a_text_is_in_the_same_fold_on_every_machine():
    assert [fold_of_text(f"Tom ran {n} miles", 3) for n in range(12)] == FOLDS


FOLDS = [1, 1, 1, 1, 0, 2, 2, 1, 0, 2, 0, 0]


def test_folds_are_about_equally_large():
    sizes = np.bincount([fold_of_text(f"text {n}", 3) for n in range(3000)])
    assert sizes.min() > 900


def test_more_folds_than_sentences_are_refused(model, records, tmp_path):
    few = {**records, "train": records["train"][:3]}
    with pytest.raises(UserError, match=r"--folds: 3 training sentences cannot be divided into 20"):
        suspects_of(model, few, "train", 20, tmp_path, silent())


# Ranking


def test_wrong_labels_stand_first(suspects):
    wrong = {"topic": range(1, 241, WRONG), "ner": range(1 + WRONG // 2, 241, WRONG)}
    for task, lines in wrong.items():
        first = lines_of(suspects, task)[: len(lines)]
        assert len(set(lines) & set(first)) >= 0.8 * len(lines)


def test_every_label_is_judged_once(suspects):
    for task in ("topic", "ner"):
        assert sorted(lines_of(suspects, task)) == list(range(1, 241))


def test_the_least_likely_label_is_first(suspects):
    probabilities = [s.probability for s in suspects]
    assert probabilities == sorted(probabilities)
    assert all(0 <= p <= 1 for p in probabilities)


def test_suspects_of_the_same_probability_keep_their_order():
    found = [suspect(n, probability=p) for n, p in enumerate((0.5, 0.1, 0.5, 0.1))]
    assert lines_of(ranked(found), "topic") == [1, 3, 0, 2]


def test_a_suspect_holds_the_label_and_the_answer(suspects):
    topic = next(s for s in suspects if s.task == "topic")
    assert topic.wrong
    assert topic.given in ("sports", "politics")
    assert topic.found["label"] != topic.given
    ner = next(s for s in suspects if s.task == "ner")
    assert [set(span) for span in ner.given] == [{"text", "start", "end", "label"}] * 2
    for span in ner.given:
        assert ner.text[span["start"] : span["end"]] == span["text"]


def test_folds_that_are_there_are_not_trained_again(suspects, model, records, out):
    folds = sorted(out.iterdir())
    before = [(fold / "metrics.json").stat().st_mtime_ns for fold in folds]
    text = shown(lambda c: again.extend(suspects_of(model, records, "train", 2, out, c)))
    assert again == suspects
    assert "Fold" not in text
    assert [(fold / "metrics.json").stat().st_mtime_ns for fold in folds] == before


again: list = []


def test_dev_and_test_are_judged_by_the_run_itself(model, records, tmp_path):
    found = suspects_of(model, records, "test", 2, tmp_path, silent())
    assert len(found) == 120
    assert list(tmp_path.iterdir()) == []
    assert np.mean([s.wrong for s in found]) < 0.1


def test_a_split_without_sentences_is_refused_with_those_that_there_are(model, records, tmp_path):
    with pytest.raises(UserError, match="the data has no test sentences; it has train, dev"):
        suspects_of(model, {**records, "test": []}, "test", 2, tmp_path, silent())


def test_sentences_without_labels_are_left_out(model, records, tmp_path):
    bare = [record._replace(labels={}) for record in records["test"][:5]]
    found = suspects_of(model, {**records, "test": [*bare, *records["test"]]}, "test", 2, tmp_path,
                        silent())  # fmt: skip
    assert len(found) == 120


# Files


def test_suspects_and_mistakes_are_written_by_task(suspects, tmp_path):
    write_suspects(suspects, "train", tmp_path / "new", silent())
    for task in ("topic", "ner"):
        own = [s for s in suspects if s.task == task]
        for name, part in (("suspects", own), ("mistakes", [s for s in own if s.wrong])):
            lines = (tmp_path / "new" / f"{name}-train-{task}.jsonl").read_text().splitlines()
            assert [json.loads(line)["place"] for line in lines] == [s.place for s in part]
            assert set(json.loads(lines[0])) == {
                "task", "place", "text", "given", "found", "probability", "wrong"
            }  # fmt: skip


def test_the_file_of_suspects_can_be_trained_on(suspects, model, records, tmp_path):
    write_suspects(suspects, "train", tmp_path, silent())
    dev = suspects_of(model, records, "dev", 2, tmp_path, silent())
    write_suspects(dev, "dev", tmp_path, silent())
    raw = default_config()
    raw.data.update(source="files", cache_dir=str(tmp_path))
    raw.tasks.topic.labels = raw.tasks.ner.labels = ()
    for task in ("topic", "ner"):
        raw.data[task].label = "given"
        for split in ("train", "dev"):
            raw.data[task][split] = str(tmp_path / f"suspects-{split}-{task}.jsonl")
    back = examine(resolve(raw), model.tokenizer)
    assert back.errors == 0
    for task in ("topic", "ner"):
        for split in ("train", "dev"):
            ours = {r.text: r.labels[task] for r in records[split]}
            read = {r.text: r.labels[task] for r in back.records[split] if task in r.labels}
            assert read == ours


def test_a_fold_belongs_to_its_data_and_its_model(suspects, model, records, out):
    from mtt_jax.check.suspects import _digest

    train = records["train"]
    digests = {
        _digest(model.config, train, ()),
        _digest(model.config, train[1:], ()),
        _digest(dataclasses.replace(model.config, seed=9), train, ()),
    }
    assert len(digests) == 3
