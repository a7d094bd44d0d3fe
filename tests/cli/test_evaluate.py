"""`mtt evaluate` on other files: files by task, their layout, and what is refused."""

import json

import pytest

from mtt_jax import Predictor
from mtt_jax.cli import evaluate, main
from mtt_jax.errors import UserError
from mtt_jax.train.lock import locked
from mtt_jax.weights import saved_model
from tests.helpers import SENTENCES, make_config, model_and_params, record, save_untrained, written


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture
def ner(tmp_path):
    return written(tmp_path, "ner.conll", "Ann B-PER\nspoke O\n\nRome B-LOC\n. O\n")


@pytest.fixture
def topic(tmp_path):
    text = "label\ttext\nsports\tRovers win again\nothers\tShares fell\n"
    return written(tmp_path, "topic.tsv", text)


def evaluated(capsys, *arguments):
    """(scores by split and task, standard error) of `mtt evaluate --json`."""
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


def refused(capsys, *arguments):
    assert main(["evaluate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    return err


@pytest.mark.parametrize(
    ("has", "message"),
    [
        (["dev"], "its config names no test data; score its dev data with --split=dev, or give a "),
        ([], "its config names no dev and no test data; give a "),
    ],
)
def test_a_run_without_test_data_says_what_it_has_and_how_a_file_is_given(has, message):
    splits = {name: "some" if name in has else "" for name in ("train", "dev", "test")}
    with pytest.raises(UserError) as caught:
        evaluate._need_examples("runs/a", "test", splits, ["topic", "ner"])
    assert str(caught.value) == (
        f"runs/a: {message}file by task, as in mtt evaluate runs/a --topic=FILE"
    )


@pytest.mark.parametrize("form", ["--ner={}", "--ner {}"])
def test_a_file_of_one_task_is_scored_for_that_task_alone(run, ner, form, capsys):
    found, err = evaluated(capsys, run, *form.format(ner).split())
    assert list(found) == [str(ner)]
    assert list(found[str(ner)]) == ["ner"]
    score = found[str(ner)]["ner"]
    assert score["count"] == 2
    assert score["headline"] == "f1"
    assert {name: row["support"] for name, row in score["per_entity"].items()} == {
        "PER": 1, "ORG": 0, "LOC": 1, "MISC": 0
    }  # fmt: skip
    assert "tags in scheme iob2" in err


def test_files_of_both_tasks_are_scored_together(run, ner, topic, capsys):
    layout = ["--config.data.topic.header=true", "--config.data.topic.text=text"]
    found, _ = evaluated(capsys, run, f"--topic={topic}", f"--ner={ner}", *layout)
    (scores,) = found.values()
    assert {name: score["count"] for name, score in scores.items()} == {"topic": 2, "ner": 2}


def test_overrides_describe_the_layout_of_a_file(run, topic, capsys):
    layout = ["--config.data.topic.text", "2", "--config.data.topic.label=1"]
    layout.append("--config.data.topic.header=false")
    err = refused(capsys, run, f"--topic={topic}", *layout)
    assert "'label' is not a label of task 'topic'" in err
    layout.append("--config.data.topic.label_map=label=others")
    found, _ = evaluated(capsys, run, f"--topic={topic}", *layout)
    assert found[str(topic)]["topic"]["count"] == 3


def test_without_json_the_scores_are_a_table(run, ner, capsys):
    assert main(["evaluate", str(run), f"--ner={ner}"]) == 0
    out = capsys.readouterr().out
    assert "PER" in out
    assert "F1" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--nre=x"],
            "--nre: no such option; this run has --topic=FILE, --ner=FILE. Did you mean '--ner'?",
        ),
        (["more"], "unexpected argument 'more'; see mtt evaluate --help."),
        (
            ["--ner=x", "--config.tasks.ner.labels=('O','X')"],
            "--config.tasks.ner.labels: a trained model keeps its config; only --config.data... "
            "can be given, to describe other files.",
        ),
        (["--ner"], "--ner: needs a file, as in --ner=FILE."),
        (["--ner="], "--ner: needs a file, as in --ner=FILE."),
        (["--ner=none.conll"], "none.conll: no such file."),
        (
            ["--config.data.topic.text=2"],
            "--config.data.topic.text: describes other files; give one: --TASK=FILE.",
        ),
        (
            ["--ner=x", "--config.data.nre.word=2"],
            "--config.data.nre: no such field. Did you mean 'ner'?",
        ),
    ],
)
def test_a_mistake_is_refused(run, arguments, message, capsys):
    assert message in refused(capsys, run, *arguments)


def test_a_file_without_labels_is_refused(run, tmp_path, capsys):
    file = written(tmp_path, "none.jsonl", '{"text": "Rovers win again"}\n')
    assert main(["evaluate", str(run), f"--topic={file}"]) == 2
    assert "no line has the key 'label'; keys there: text." in capsys.readouterr().err


# A precision


@pytest.fixture
def run_with_dev(tokenizer, tmp_path):
    """A run on files with dev and test data, whose answers are wrong more often than right."""
    overrides = {"data__source": "files", "data__cache_dir": str(tmp_path / "cache")}
    for split, count in (("train", 4), ("dev", 24), ("test", 12)):
        lines = []
        for index in range(count):
            text, label, spans = SENTENCES[index % len(SENTENCES)]
            found = record(text, entities=spans).labels["ner"]
            spans = [{"start": start, "end": end, "label": name} for start, end, name in found]
            lines.append(
                json.dumps({"text": f"{text} {index}", "label": label, "entities": spans}) + "\n"
            )
        file = str(written(tmp_path, f"{split}.jsonl", "".join(lines)))
        overrides |= {f"data__topic__{split}": file, f"data__ner__{split}": file}
    config = make_config(**overrides)
    _, params = model_and_params(config, tokenizer)
    for head in params["heads"].values():
        head["logits"]["kernel"] *= 100
    saved_model.save(tmp_path / "run" / "model", config, params, tokenizer, "")
    return tmp_path / "run"


def test_a_precision_gives_a_threshold_per_label_and_what_it_does_on_dev_and_test(
    run_with_dev, capsys
):
    found, _ = evaluated(capsys, run_with_dev, "--precision=0.3")
    assert found["precision"].pop("target") == 0.3
    assert set(found["precision"]) == {"topic", "ner"}
    topics = found["precision"]["topic"]
    assert list(topics) == ["sports", "politics", "others"]
    reached = [label for label in topics.values() if label["threshold"] is not None]
    assert reached
    for label in reached:
        assert label["dev"]["precision"] >= 0.3
        assert {"precision", "recall", "support"} <= label["test"].keys()
    assert not (run_with_dev / "model" / "fitted.json").exists(), "without --save nothing changes"
    assert "calibration" in found["test"]["topic"]


def test_a_file_named_like_a_split_is_scored_beside_the_runs_own_dev(
    run_with_dev, tmp_path, monkeypatch, capsys
):
    written(tmp_path, "dev", '{"text": "Rovers win", "label": "sports"}\n')
    monkeypatch.chdir(tmp_path)
    found, _ = evaluated(capsys, run_with_dev, "--topic=dev", "--precision=0.3")
    assert found["./dev"]["topic"]["per_class"]["sports"]["support"] == 1
    labels = found["precision"]["topic"].values()
    assert sum(label["dev"]["support"] for label in labels) == 24
    assert sum(label["./dev"]["support"] for label in labels) == 1


def test_thresholds_are_not_saved_while_another_process_writes_into_the_run(run_with_dev, capsys):
    (run_with_dev / "config.json").write_text("{}")
    with locked(run_with_dev):
        assert main(["evaluate", str(run_with_dev), "--precision=1", "--save"]) == 2
        assert main(["verify", str(run_with_dev), "--accept"]) == 2
    for line in capsys.readouterr().err.splitlines()[-2:]:
        assert line.startswith(f"error: {run_with_dev} is in use by process ")
    assert not (run_with_dev / "model" / "fitted.json").exists()


def test_saved_thresholds_are_used_in_prediction_and_evaluation_and_can_be_taken_away(
    run_with_dev, tmp_path, capsys
):
    assert main(["evaluate", str(run_with_dev), "--precision=1", "--save"]) == 0
    out, err = capsys.readouterr()
    assert "thresholds for a precision of 1, from dev" in out
    assert f"Wrote {run_with_dev / 'model' / 'fitted.json'}." in err
    fitted = json.loads((run_with_dev / "model" / "fitted.json").read_text())["topic"]
    needed = {name: 2 if at is None else at for name, at in fitted["thresholds"].items()}
    predictor = Predictor.load(run_with_dev)
    results = predictor([f"{text} {index}" for index, (text, *_) in enumerate(SENTENCES)])
    abstained = 0
    for result in results:
        topic = result["topic"]
        best = max(topic["scores"], key=topic["scores"].get)
        assert topic["score"] == topic["scores"][best]
        assert topic["label"] == (best if topic["score"] >= needed[best] else None)
        abstained += topic["label"] is None
    assert abstained
    found, _ = evaluated(capsys, run_with_dev, "--split=dev")
    rows = found["dev"]["topic"]["per_class"].values()
    assert all(row["precision"] in (0.0, 1.0) for row in rows)
    assert main(["evaluate", str(run_with_dev), "--precision=0", "--save"]) == 0
    fitted = json.loads((run_with_dev / "model" / "fitted.json").read_text())["topic"]
    assert set(fitted) == {"temperature"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision=95"], "--precision: 95 is not between 0 and 1; write --precision=0.95."),
        (["--precision=-1"], "--precision: -1 is not between 0 and 1; write --precision=0.95."),
        (["--precision=high"], "--precision: invalid float value: 'high'"),
        (
            ["--save"],
            "--save: stores the thresholds that --precision chooses; add ",
        ),
    ],
)
def test_a_precision_that_is_none_is_refused(run, arguments, message, capsys):
    assert message in refused(capsys, run, *arguments)
