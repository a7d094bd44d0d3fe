"""`mtt evaluate` on other files: files by task, their layout, and what is refused."""

import json

import pytest

from mtt_jax.cli import evaluate, main
from mtt_jax.errors import UserError
from tests.helpers import save_untrained, written


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
