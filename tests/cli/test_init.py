"""`mtt init`: the config that it writes fits the files, says why, and trains as it is."""

import json
import re
import runpy

import pytest

from mtt_jax.cli import main
from mtt_jax.config.files import load_config
from tests.helpers import written

TOPICS = "text,label\n" + "".join(
    f"The {('team', 'minister', 'bank')[n % 3]} said {n} things in Rome,"
    f"{('sports', 'politics', 'others')[n % 3]}\n"
    for n in range(240)
)
ENTITIES = "".join(f"Ann{n} B-PER\nleft O\nRome B-LOC\non O\nday{n} O\n. O\n\n" for n in range(60))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # of the caches
    written(tmp_path, "topics.csv", TOPICS)
    written(tmp_path, "train.conll", ENTITIES)
    return tmp_path


def init(*arguments):
    return main(["init", *arguments, "--encoder=none", "--out=my_config.py"])


@pytest.mark.peers  # slow: a run
def test_the_config_that_is_written_trains_with_the_command_that_is_printed(files, capsys):
    assert init("--topic=topics.csv", "--ner=train.conll") == 0
    command = re.search(r"Train: mtt (.*)", capsys.readouterr().out)[1].split()
    assert main([*command, "--config.train.steps=2", "--config.encoder.layers=1"]) == 0
    final = json.loads((files / "runs" / "my_config" / "metrics.json").read_text())
    assert set(final["dev"]) == {"topic", "ner"}


def test_kinds_labels_files_and_the_remedy_for_unequal_sizes_are_in_the_config(files):
    assert init("--topic=topics.csv", "--ner=train.conll") == 0
    config = load_config("my_config.py")
    assert {name: task.kind for name, task in config.tasks.items()} == {
        "topic": "classes", "ner": "entities",
    }  # fmt: skip
    assert set(config.tasks["topic"].labels) == {"sports", "politics", "others"}
    assert config.tasks["ner"].labels[0] == "O"
    assert set(config.tasks["ner"].labels) == {"O", "PER", "LOC"}
    assert config.tasks["ner"].scheme == "iob2"
    assert (config.data.source, config.tasks["topic"].data.train) == ("files", "topics.csv")
    assert config.train.mixing == "equal"  # 4 topics per sentence with entities
    assert config.data.dev_share == 0.2  # few sentences
    assert (config.encoder.convolution, config.encoder.window) == (1, 4)
    assert config.tasks["ner"].weight == 3


def test_every_choice_has_its_reason(files):
    assert init("--topic=topics.csv", "--ner=train.conll") == 0
    text = (files / "my_config.py").read_text(encoding="utf-8")
    for reason in (
        "classes: one label per text", "topics.csv: 240 texts", "no dev file", "no test file",
        "drawn equally often", "Random weights", "subwords on average", "training sentences about",
        "Names are told by their neighbors", "Most words are outside entities",
    ):  # fmt: skip
        assert reason in " ".join(text.replace("#", " ").split()), reason
    assert max(map(len, text.splitlines())) <= 100
    assert runpy.run_path(str(files / "my_config.py"))["__doc__"].startswith("Tasks: topic")


def test_splits_and_fields_that_are_given_are_kept(files):
    written(files, "odd.csv", TOPICS.replace("text,label", "body,verdict"))
    given = ["--mood=odd.csv", "--mood.text=body", "--mood.label", "verdict", "--mood.test=odd.csv"]
    assert init(*given) in (0, 1)  # the same sentences in two splits are an error
    config = load_config("my_config.py")
    fields = config.tasks["mood"].data
    assert (fields.text, fields.label, fields.test) == ("body", "verdict", "odd.csv")
    assert config.train.mixing == "size"


def test_errors_of_the_data_are_said_and_the_config_is_there_to_check_them(files, capsys):
    assert init("--topic=topics.csv", "--topic.dev=topics.csv") == 1
    shown = capsys.readouterr()
    assert "error: topic: topics.csv is both train and dev" in shown.err
    assert "The data has 1 error to correct before training: mtt check --config=my_config.py" in (
        shown.out
    )
    assert main(["check", "--config=my_config.py"]) == 1


def test_a_file_that_cannot_be_read_is_refused_with_its_line(files, capsys):
    written(files, "bad.csv", TOPICS + '"a","b","c"\n')
    assert init("--topic=bad.csv") == 2
    assert "bad.csv, line 242: 3 columns, but the first line has 2" in capsys.readouterr().err
    assert not (files / "my_config.py").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no file to write a config for; name one per task"),
        (["--topic=no.csv"], "--topic: no.csv: no such file"),
        (["--topic.dev=topics.csv"], "--topic=FILE is missing, the training file of task 'topic'"),
        (["--topic=topics.csv", "--topic.txt=1"], "--topic.txt: no such field of a task. Did you"),
        (["--topic=topics.csv", "--topic.kind=class"], "--topic.kind: 'class' is not one of"),
        (["--topic="], "--topic: needs a value, as in --topic=FILE"),
        (["--my-topic=topics.csv"], "--my-topic: no such option"),
    ],
)
def test_mistakes_are_one_line(files, capsys, arguments, message):
    assert init(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not (files / "my_config.py").exists()


def test_a_file_that_exists_is_left_as_it_is(files, capsys):
    (files / "my_config.py").write_text("mine")
    assert init("--topic=topics.csv") == 2
    assert "my_config.py exists; remove it, or name another file" in capsys.readouterr().err
    assert (files / "my_config.py").read_text() == "mine"
