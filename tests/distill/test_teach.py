"""Training sentences with their teachers' answers: computed once, resumed, and trained on."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console as RichConsole

from mtt_jax.config.files import load_config
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.prepare import prepare, texts_of
from mtt_jax.data.sampling import UNLABELLED, mixing_weights, parts_by_task
from mtt_jax.distill import cache, teach
from mtt_jax.distill.teachers import FileTeacher
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.tasks import Score
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.train.loop import train
from mtt_jax.train.run_directory import RUN, open_folder
from mtt_jax.train.setup import open_directory
from mtt_jax.train.stop import InterruptedRunError
from mtt_jax.weights import saved_model
from tests.distill.conftest import sentence, write
from tests.helpers import ROOT, assert_trees_equal


def answer_row(number):
    """What a good teacher says about a sentence."""
    text, topic, spans = sentence(number)
    scores = {name: 0.9 if name == topic else 0.1 for name in ("sports", "politics")}
    found = [{"start": s, "end": e, "label": x, "score": 0.9} for s, e, x in spans]
    return {"text": text, "topic": {"scores": scores}, "ner": found}


@pytest.fixture(scope="module")
def answers(folder):
    """A file with answers to all sentences but the last five of training and the last of test."""
    return write(folder / "answers.jsonl", map(answer_row, [*range(55), *range(60, 90)]))


def taught(config, run=None):
    """(the training split with answers, what was said)."""
    said = []
    data = teach.with_teachers(config, prepare(config), run, said.append)
    return data.splits["train"], said


def test_a_run_without_teachers_is_what_it_was(configured):
    config = configured()
    train_split, said = taught(config)
    assert (train_split.answers, said) == (None, [])
    batch = next(iter(training_stream(train_split, config)))
    assert batch.teacher is None
    assert batch.teacher_masks is None


def test_every_sentence_carries_the_answers_to_both_tasks(configured, answers):
    train_split, said = taught(configured(distill__teachers=answers))
    example = train_split[0]
    assert set(example.labels) == {"topic"}
    np.testing.assert_allclose(example.teacher["topic"], [0.1, 0.9], atol=1e-3)
    assert example.teacher["ner"].shape == (len(example.words), 5)
    assert set(train_split[55].teacher) == set(), "the file does not have this text"
    assert said[-2:] == [
        "Teachers answer topic for 55 of 60 training sentences; 15 of these have no label of it.",
        "Teachers answer ner for 55 of 60 training sentences; 40 of these have no label of it.",
    ]


def test_a_batch_has_weights_where_a_label_is_missing_and_drops_what_is_below_the_floor(
    configured, answers
):
    options = {"distill__teachers": answers, "distill__weight": 0.5, "distill__floor": 0.95}
    config = configured(**options)
    batch = next(iter(training_stream(taught(config)[0], config)))
    topic, ner = (batch.teacher_masks[name] for name in ("topic", "ner"))
    labelled = batch.masks["topic"] > 0
    assert set(topic[labelled]) == {1.0}
    assert set(topic[~labelled]) == {0.0}, "0.9 is below the floor"
    labelled = batch.masks["ner"] > 0
    assert set(ner[labelled]) <= {0.0, 1.0}
    assert set(ner[~labelled]) == {0.0, 0.5}, "words outside entities are sure"
    entities = batch.teacher["ner"][..., 0] < 0.5
    assert not ner[entities & ~labelled].any()
    assert batch.teacher["topic"].shape == (*batch.masks["topic"].shape, 2)


def test_a_computation_that_was_killed_goes_on_after_the_last_whole_file(
    configured, answers, monkeypatch, tmp_path
):
    config = configured(distill__teachers=answers, data__cache_dir=str(tmp_path))
    monkeypatch.setattr(cache, "CHUNK", 16)
    whole, asked = FileTeacher.answer, []

    def killed(self, texts, words):
        asked.append(len(texts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return whole(self, texts, words)

    monkeypatch.setattr(FileTeacher, "answer", killed)
    with pytest.raises(KeyboardInterrupt):
        taught(config)
    train_split, said = taught(config)
    assert asked == [16, 16, 16, 16, 12]
    assert said[0].endswith("topic, ner for 60 training texts, 32 of them before.")
    elsewhere, _ = taught(configured(distill__teachers=answers))
    for index in range(60):
        assert_trees_equal(train_split[index].teacher, elsewhere[index].teacher)
    (folder,) = (tmp_path / "teachers").iterdir()
    assert sorted(file.name for file in folder.iterdir()) == [
        "answered.npz", "index.json", "ner.npy", "topic.npy",
    ]  # fmt: skip
    taught(config)
    assert len(asked) == 5, "read from the cache"


def test_a_teacher_that_takes_long_says_how_long_it_will_take(
    configured, answers, tmp_path, monkeypatch
):
    monkeypatch.setattr(cache, "CHUNK", 16)
    monkeypatch.setattr(cache, "_SILENCE", -1.0)  # so that every file is long
    _, said = taught(configured(distill__teachers=answers, data__cache_dir=str(tmp_path)))
    assert re.fullmatch(r"  16 of 60 texts; about \d+ s left", said[1])


def test_texts_that_the_file_does_not_have_at_all_are_an_error(configured, tmp_path):
    file = write(tmp_path / "a.jsonl", [{"text": "Another text.", "topic": "sports"}])
    with pytest.raises(UserError, match="has no answer of topic to any of the 60 training texts"):
        taught(configured(distill__teachers=file))


def test_several_teachers_of_a_task_are_averaged_where_they_answer(configured, answers, tmp_path):
    rows = [{"text": sentence(n)[0], "topic": {"label": "sports", "score": 0.5}} for n in (0, 57)]
    other = write(tmp_path / "b.jsonl", rows)
    train_split, _ = taught(configured(distill__teachers=f"{answers}, {other}"))
    np.testing.assert_allclose(train_split[0].teacher["topic"], [0.3, 0.7], atol=1e-3)
    np.testing.assert_allclose(train_split[1].teacher["topic"], [0.9, 0.1], atol=1e-3)
    np.testing.assert_allclose(train_split[57].teacher["topic"], [0.5, 0.5], atol=1e-3)


def test_a_changed_teacher_is_noticed_when_a_run_is_resumed(configured, answers, tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(Path(answers).read_text())
    config, run = configured(distill__teachers=str(file)), tmp_path / "run"
    (run / "checkpoints" / "4").mkdir(parents=True)
    taught(config, run)
    taught(config, run)
    file.write_text(file.read_text().replace("0.9", "0.8"))
    with pytest.raises(UserError, match=r"a.jsonl has changed since the run started"):
        taught(config, run)


def test_a_finished_run_needs_its_teachers_no_more(configured, tmp_path):
    config, run = configured(distill__teachers=str(tmp_path / "gone")), tmp_path / "run"
    with pytest.raises(UserError, match="gone: no such directory or file"):
        open_directory(run, config)
    assert not run.exists()
    open_folder(run, config, RUN)
    finished = json.loads((ROOT / "tests/old_runs/format_4/finished/metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(finished))
    assert open_directory(run, config) == finished


@pytest.fixture
def unlabelled(folder):
    """A file of texts without labels, one of which is a sentence of dev."""
    file = folder / "more.txt"
    file.write_text("".join(sentence(number)[0] + "\n" for number in [*range(72, 90), 60]))
    return str(file)


def test_unlabelled_texts_are_drawn_in_their_share_and_never_those_of_dev(
    configured, answers, unlabelled
):
    options = {"distill__teachers": answers, "data__unlabelled": unlabelled}
    config = configured(**options, distill__unlabelled=0.25)
    train_split, said = taught(config)
    assert "18 texts without labels, which only teachers label." in said
    assert len(train_split) == 78
    assert train_split[60].labels == {}
    assert set(train_split[60].teacher) == {"topic", "ner"}
    assert len(train_split[60].teacher["ner"]) == len(train_split[60].words)
    parts = parts_by_task(train_split, config)
    assert parts[UNLABELLED].tolist() == list(range(60, 78))
    sizes = {name: len(part) for name, part in parts.items()}
    assert mixing_weights(sizes, config) == {"topic": 0.5, "ner": 0.25, UNLABELLED: 0.25}
    one = configured(**options, train__tasks=("ner",))
    parts = parts_by_task(train_split, one)
    assert parts[UNLABELLED].tolist() == [*range(40), *range(60, 78)], "topic is no task of its"
    assert UNLABELLED not in parts_by_task(
        train_split, configured(**options, distill__unlabelled=0.0)
    )
    batch = next(iter(training_stream(train_split, config)))
    assert batch.teacher_masks["topic"].any()


def test_unlabelled_texts_that_are_all_in_dev_are_refused(configured, answers, folder):
    for text in (sentence(60)[0], ""):
        (folder / "scored.txt").write_text(f"{text}\n")
        config = configured(distill__teachers=answers, data__unlabelled=str(folder / "scored.txt"))
        with pytest.raises(UserError, match="^--config.data.unlabelled: .*no text .* dev or test"):
            taught(config)


def test_hidden_words_and_teachers_train_on_the_same_texts_in_one_run(
    configured, answers, unlabelled
):
    config = configured(distill__teachers=answers, data__unlabelled=unlabelled, train__mlm=0.5)
    train_split, _ = taught(config)
    assert (train_split.sentences, train_split.for_teachers) == (78, 18)
    parts = parts_by_task(train_split, config)
    assert parts[UNLABELLED].tolist() == list(range(60, 78))
    texts = parts["mlm"].tolist()
    assert not set(range(60, 78)) & set(texts), "they are there once more, without those held out"
    assert set(range(60)) < set(texts)
    assert max(texts) == len(train_split) - 1
    batch = next(iter(training_stream(train_split, config)))
    assert batch.masks["mlm"].any()
    assert batch.teacher_masks["ner"].any()
    assert set(batch.teacher) == {"topic", "ner"}


def quiet():
    return Console(RichConsole(file=io.StringIO(), width=120))


@pytest.mark.peers  # slow: several runs
def test_a_student_learns_a_task_that_has_no_labels_and_is_compared_with_its_teacher(
    configured, answers, unlabelled, tmp_path
):
    config = configured(
        distill__teachers=f"ner={answers}", data__unlabelled=unlabelled, distill__temperature=2.0,
        data__ner__limit=1, train__steps=60, train__eval_every=60, train__learning_rate=2e-2,
    )  # fmt: skip
    console = quiet()
    final = train(config, tmp_path / "run", console)
    scores = {task: Score.from_json(score).headline for task, score in final["dev"].items()}
    assert scores["ner"] > 0.9
    assert "dev score of teachers and student" in console.rich.file.getvalue()
    distill = final["distill"]
    assert distill["filled"] == {"ner": 58}
    (teacher,) = distill["teachers"]
    assert (teacher["path"], teacher["tasks"]) == ("answers.jsonl", ["ner"])
    assert Score.from_json(teacher["dev"]["ner"]).headline == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Teachers" in page
    assert str(tmp_path.parent) not in page
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["distill"] == distill


@pytest.mark.peers  # slow: several runs
def test_a_run_that_was_stopped_resumes_to_the_same_bits(
    configured, answers, tmp_path, monkeypatch
):
    config = configured(distill__teachers=answers, train__save_every=1)
    train(config, tmp_path / "whole", quiet())
    save = Checkpoints.save

    def stop(self, step, *arguments):
        save(self, step, *arguments)
        if step == 2:
            self.wait()
            raise InterruptedRunError(step, 15)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", stop)
        with pytest.raises(InterruptedRunError):
            train(config, tmp_path / "stopped", quiet())
    train(config, tmp_path / "stopped", quiet())
    whole, stopped = (saved_model.load(tmp_path / name).params for name in ("whole", "stopped"))
    assert_trees_equal(whole, stopped)


def test_texts_are_those_of_the_examples_in_their_order(configured):
    config = configured()
    data, texts = prepare(config), texts_of(config)
    assert texts["train"] == [sentence(number)[0] for number in range(60)]
    assert [len(split) for split in data.splits.values()] == [len(t) for t in texts.values()]


def test_a_shipped_config_takes_teachers_from_the_command_line():
    config = load_config("balanced", [("config.distill.teachers", "runs/a,ner=runs/b")])
    assert config.distill.teachers == (("", "runs/a"), ("ner", "runs/b"))
