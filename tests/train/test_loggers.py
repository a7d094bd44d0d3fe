"""Loggers: TensorBoard, Weights & Biases and MLflow get the numbers of metrics.jsonl, once."""

import json
import os
import subprocess
import sys
import time

import pytest
from tensorboardX.proto.event_pb2 import Event

from mtt_jax.config.files import from_json
from mtt_jax.errors import UserError
from mtt_jax.report.console import silent
from mtt_jax.tasks.score import Figure, Score
from mtt_jax.train import loggers
from mtt_jax.train.loggers import check_loggers, open_loggers
from mtt_jax.train.loop import train
from mtt_jax.train.progress import History
from tests.check.trained import trained_run
from tests.helpers import ROOT, make_config


def config_of(*names, **fields):
    return make_config(train__log_to=names, **fields)


def logged(run, name, steps, first=0):
    """What a start of a run does that has done `first` steps: a line about each of some steps."""
    said = []
    with History(run, first, config_of(name), say=said.append) as history:
        for step in steps:
            history.trained(step, {"loss": 10.0 - step, "losses": {"topic": step / 8}})
        history.flush()
    return said


def score_of(**figures):
    shown = tuple(Figure(name, name, value) for name, value in figures.items())
    return Score(shown, sentences=7, rows={}, totals={}, confusion=None, ceiling=None, loss=0.5)


SCORES = {
    "topic": score_of(macro_f1=0.75, accuracy=0.875),
    "ner": score_of(f1=0.5, precision=0.625, recall=0.375),
}
# SCORES as loggers get them.
TEST = {
    "test/scores/topic": 0.75,
    "test/topic/macro_f1": 0.75,
    "test/topic/accuracy": 0.875,
    "test/scores/ner": 0.5,
    "test/ner/f1": 0.5,
    "test/ner/precision": 0.625,
    "test/ner/recall": 0.375,
}


def finished(run, name, steps, first=0):
    """What the end of a run does, once `first` steps of it are done: the scores on test."""
    with History(run, first, config_of(name)) as history:
        history.tested(steps, best=steps - 1, scores=SCORES)


def test_a_logger_may_be_any_of_a_few_and_each_is_named_once():
    assert config_of("tensorboard", "mlflow").train.log_to == ("tensorboard", "mlflow")
    assert config_of().train.log_to == ()
    with pytest.raises(UserError, match=r"config.train.log_to: 'wanbd' is not one of tensorboard, "
                       r"wandb, mlflow. Did you mean 'wandb'\?"):  # fmt: skip
        config_of("wanbd")
    with pytest.raises(UserError, match=r"config.train.log_to: a logger is named twice"):
        config_of("wandb", "wandb")


def test_every_logger_of_the_config_can_be_opened():
    from mtt_jax.config.schema import LOGGERS

    assert tuple(loggers._OPEN) == LOGGERS


def test_no_logger_writes_no_file_but_metrics_jsonl(tmp_path):
    with History(tmp_path, 0, config_of()) as history:
        history.trained(1, {"loss": 1.0})
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_missing_package_is_refused_with_what_to_install(monkeypatch):
    row = loggers._OPEN["wandb"][0], "a_package_that_is_not_there"
    monkeypatch.setitem(loggers._OPEN, "wandb", row)
    check_loggers(config_of("tensorboard"))
    with pytest.raises(UserError) as caught:
        check_loggers(config_of("tensorboard", "wandb"))
    assert str(caught.value) == (
        "config.train.log_to: wandb needs a package that is not installed; "
        "pip install a_package_that_is_not_there"
    )


def test_a_logger_that_cannot_be_started_is_one_line_and_closes_the_others(tmp_path, monkeypatch):
    def refuses(start):
        raise ConnectionError("no server at\n  localhost:5000.")

    monkeypatch.setitem(loggers._OPEN, "mlflow", (refuses, "json"))
    with pytest.raises(UserError) as caught:
        open_loggers(tmp_path, 0, 0, config_of("tensorboard", "mlflow"), print)
    assert str(caught.value) == "config.train.log_to: mlflow: no server at localhost:5000."


def test_a_logger_that_fails_is_reported_once_and_the_others_get_everything(tmp_path, monkeypatch):
    taken, said = [], []

    class Failing:
        id = "7"

        def scalars(self, step, values):
            taken.append(step)
            raise OSError("no space left\non device")

    monkeypatch.setitem(loggers._OPEN, "mlflow", (lambda start: Failing(), "json"))
    config = config_of("mlflow", "tensorboard")
    with History(tmp_path, 0, config, say=said.append) as history:
        for step in (1, 2, 3):
            history.trained(step, {"loss": 1.0})
        history.flush()
    assert said == [
        "config.train.log_to: mlflow failed and gets nothing more: no space left on device. "
        "Training continues; metrics.jsonl has all numbers."
    ]
    assert taken == [1]
    assert len(History.read(tmp_path)) == 3
    assert [step for step, *_ in events(tmp_path)] == [1, 2, 3]


# TensorBoard


def events(run):
    """(step, name, value) of the events in a run's TensorBoard files."""
    found = []
    for file in sorted((run / "tensorboard").glob("events.*")):
        data, at = file.read_bytes(), 0
        while at < len(data):  # length, its checksum, the event, its checksum
            size = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            at += size + 16
    return found


def test_tensorboard_gets_the_numbers_of_a_line_under_the_name_of_its_kind(tmp_path):
    assert logged(tmp_path, "tensorboard", [4]) == []
    assert events(tmp_path) == [(4, "train/loss", 6.0), (4, "train/losses/topic", 0.5)]
    assert not (tmp_path / "loggers.json").exists()


OPENS = """
import sys
from pathlib import Path
from mtt_jax.config import default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.train.loggers import open_loggers
config = resolve(default_config())
(logger,) = open_loggers(Path(sys.argv[1]), 0, 0, config, print)
logger.close()
print("opened")
import torch
print(torch.__file__)
"""


def test_opening_tensorboard_leaves_pytorch_to_those_who_import_it(tmp_path):
    (tmp_path / "torch.py").write_text("print('imported')\nclass Tensor: pass\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", OPENS, str(tmp_path)], capture_output=True,
        text=True, env={**os.environ, "PYTHONPATH": paths}, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["opened", "imported", str(tmp_path / "torch.py")]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_the_scores_on_test_are_logged_once_at_the_last_step_however_often_the_end_runs(tmp_path):
    """As after a kill while the report was written."""
    logged(tmp_path, "tensorboard", [4])
    finished(tmp_path, "tensorboard", 4, first=4)
    finished(tmp_path, "tensorboard", 4, first=4)
    found = [(step, name, value) for step, name, value in events(tmp_path) if name[:5] == "test/"]
    assert sorted(found) == sorted((4, name, value) for name, value in TEST.items())
    assert [row["kind"] for row in History.read(tmp_path)] == ["train", "test"]


@pytest.mark.peers  # slow: it trains and starts a second time
def test_a_run_logs_its_scores_on_test_also_if_it_is_resumed_after_its_last_step(tmp_path):
    run = trained_run(tmp_path, steps=4)
    final = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").unlink()  # so that the run has not finished
    config = from_json((run / "config.json").read_text(), "config.json")
    assert train(config, run, silent())["test"] == final["test"]
    found = [(name, value) for _, name, value in events(run) if name == "test/ner/f1"]
    assert found == [("test/ner/f1", pytest.approx(final["test"]["ner"]["f1"]))]
    (row,) = (row for row in History.read(run) if row["kind"] == "test")
    assert (row["step"], row["best_step"]) == (4, final["best_step"])


# MLflow


@pytest.fixture(params=["sqlite", "folder"])
def mlflow_client(request, tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    place = tmp_path / "mlflow"
    if request.param == "sqlite":
        uri = f"sqlite:///{place}.db"
    else:
        uri = place.as_uri()
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return MlflowClient(uri)


def mlflow_run(client, run):
    number = json.loads((run / "loggers.json").read_text())["mlflow"]
    return client.get_run(number)


def mlflow_points(client, run, name="train/loss"):
    number = mlflow_run(client, run).info.run_id
    return [(point.step, point.value) for point in client.get_metric_history(number, name)]


@pytest.mark.peers
def test_mlflow_gets_the_numbers_and_the_config(tmp_path, mlflow_client):
    run = tmp_path / "first"
    run.mkdir()
    assert logged(run, "mlflow", [1, 2]) == []
    assert mlflow_points(mlflow_client, run) == [(1, 9.0), (2, 8.0)]
    assert mlflow_points(mlflow_client, run, "train/losses/topic") == [(1, 0.125), (2, 0.25)]
    found = mlflow_run(mlflow_client, run)
    assert found.data.params["train.steps"] == "4"
    assert found.data.params["tasks.ner.labels"] == "O, PER, ORG, LOC, MISC"
    assert found.data.params["train.log_to"] == "mlflow"
    assert (found.info.run_name, found.info.status) == ("first", "FINISHED")


@pytest.mark.peers
def test_a_resumed_run_continues_its_mlflow_run_without_a_step_twice(tmp_path, mlflow_client):
    run = tmp_path / "first"
    run.mkdir()
    logged(run, "mlflow", [1, 2, 3, 4])
    before = mlflow_run(mlflow_client, run).info.run_id
    logged(run, "mlflow", [3, 4, 5], first=2)  # the checkpoint was that of step 2
    assert mlflow_run(mlflow_client, run).info.run_id == before
    assert [step for step, _ in mlflow_points(mlflow_client, run)] == [1, 2, 3, 4, 5]


@pytest.mark.peers
def test_a_run_that_starts_anew_is_a_new_mlflow_run(tmp_path, mlflow_client):
    run = tmp_path / "first"
    run.mkdir()
    logged(run, "mlflow", [1])
    before = mlflow_run(mlflow_client, run).info.run_id
    logged(run, "mlflow", [1, 2])
    assert mlflow_run(mlflow_client, run).info.run_id != before
    assert [step for step, _ in mlflow_points(mlflow_client, run)] == [1, 2]


@pytest.mark.peers
def test_mlflow_gets_the_scores_on_test_once(tmp_path, mlflow_client):
    run = tmp_path / "first"
    run.mkdir()
    logged(run, "mlflow", [1, 2])
    finished(run, "mlflow", 2, first=2)
    finished(run, "mlflow", 2, first=2)
    for name, value in TEST.items():
        assert mlflow_points(mlflow_client, run, name) == [(2, value)]


@pytest.mark.peers
def test_an_mlflow_server_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "no-such-scheme://x")
    with pytest.raises(UserError, match=r"^config.train.log_to: mlflow: .*no-such-scheme"):
        History(tmp_path, 0, config_of("mlflow"))


# Weights & Biases


@pytest.fixture
def offline(monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def wandb_log(file):
    """The records of a .wandb file: LevelDB's log format after a header of 7 bytes."""
    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768  # of the block; a record header needs 7 bytes
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # the only, or the last part of a record
            yield whole
            whole = b""


def wandb_records(run, count):
    """`_wandb_records`, once as many points are there: a service of wandb's own writes them."""
    end = time.monotonic() + 60
    while len((found := _wandb_records(run))[1]) < count and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _wandb_records(run):
    """(ids, points of train/loss, the config) in the files that `wandb sync` would upload."""
    from wandb.proto.wandb_internal_pb2 import Record

    def items(updates):
        return {one.key or ".".join(one.nested_key): json.loads(one.value_json) for one in updates}

    ids, points, config = set(), [], {}
    for file in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        for record in map(Record.FromString, wandb_log(file)):
            if record.HasField("run"):
                ids.add(record.run.run_id)
                config |= items(record.run.config.update)
            values = items(record.history.item)
            if "train/loss" in values:
                points.append((values["_step"], values["train/loss"]))
    return ids, points, config


@pytest.mark.peers
def test_wandb_gets_the_numbers_and_the_config_offline(tmp_path, offline):
    assert logged(tmp_path, "wandb", [1, 2]) == []
    ids, points, config = wandb_records(tmp_path, 2)
    assert ids == {json.loads((tmp_path / "loggers.json").read_text())["wandb"]}
    assert points == [(1, 9.0), (2, 8.0)]
    assert config["train"]["steps"] == 4
    assert config["tasks"]["ner"]["labels"] == ["O", "PER", "ORG", "LOC", "MISC"]


@pytest.mark.peers
def test_a_resumed_run_continues_its_wandb_run_without_a_step_twice(tmp_path, offline):
    logged(tmp_path, "wandb", [1, 2, 3, 4])
    logged(tmp_path, "wandb", [3, 4, 5], first=2)
    ids, points, _ = wandb_records(tmp_path, 5)
    assert len(ids) == 1
    assert sorted(step for step, _ in points) == [1, 2, 3, 4, 5]


def wandb_summary(run):
    """(names of all points, the summary) in the files that `wandb sync` would upload."""
    from wandb.proto.wandb_internal_pb2 import Record

    names, summary = [], {}
    for file in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        for record in map(Record.FromString, wandb_log(file)):
            for item in record.history.item:
                names.append(item.key or ".".join(item.nested_key))
            for item in record.summary.update:
                summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    return names, summary


@pytest.mark.peers
def test_wandb_has_the_scores_on_test_in_the_summary_of_the_run(tmp_path, offline):
    logged(tmp_path, "wandb", [1, 2])
    finished(tmp_path, "wandb", 2, first=2)
    end = time.monotonic() + 60
    while not TEST.keys() <= (found := wandb_summary(tmp_path))[1].keys():
        assert time.monotonic() < end, found
        time.sleep(0.1)
    names, summary = found
    assert {name: summary[name] for name in TEST} == TEST
    assert not TEST.keys() & set(names)
