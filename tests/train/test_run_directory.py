"""The run directory: created once, resumed, and never mistaken for another run's."""

import json

import pytest

from mtt_jax.errors import UserError
from mtt_jax.train.run_directory import RUN, keep_labels, open_run
from tests.helpers import ROOT, make_config

CONFIG = make_config()


@pytest.fixture
def run(tmp_path):
    """A run directory without a checkpoint yet, which records its data."""
    run = tmp_path / "run"
    assert open_run(run, CONFIG) is None
    (run / "data.json").write_text("{}", encoding="utf-8")
    return run


def begin(run):
    (run / "checkpoints" / "3").mkdir(parents=True)


@pytest.mark.parametrize("config", [CONFIG, make_config(seed=1)])
def test_before_the_first_checkpoint_config_and_data_may_change(run, config):
    open_run(run, config)
    assert not (run / "data.json").exists()
    begin(run)
    assert open_run(run, config) is None


def test_a_run_with_a_checkpoint_is_not_resumed_with_another_config(run):
    begin(run)
    open_run(run, CONFIG)
    assert (run / "data.json").exists()
    with pytest.raises(
        UserError, match=r"holds a run with another config:\n  seed: 1 here, 0 there"
    ):
        open_run(run, make_config(seed=1))


def test_a_run_is_resumed_on_other_devices_but_not_with_other_batches(run):
    begin(run)
    assert open_run(run, make_config(mesh__data=2, mesh__fsdp=2, data__shards=1)) is None
    with pytest.raises(UserError, match=r"data.shards: 2 here, 1 there"):
        open_run(run, make_config(data__shards=2))


def test_a_finished_run_returns_its_metrics(run):
    begin(run)
    finished = json.loads((ROOT / "tests/old_runs/format_4/finished/metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps(finished), encoding="utf-8")
    assert open_run(run, CONFIG) == finished


def test_a_folder_with_other_content_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="is not empty and holds no run"):
        open_run(tmp_path, CONFIG)
    with pytest.raises(UserError, match="is a file; name a directory"):
        open_run(tmp_path / "notes.txt", CONFIG)


AUTO = make_config(tasks__topic__labels=(), tasks__ner__labels=())


def test_a_run_that_has_begun_keeps_the_labels_that_were_found(run):
    assert keep_labels(run, AUTO, RUN) == AUTO  # a start that failed may have had other data
    begin(run)
    assert keep_labels(run, AUTO, RUN) == CONFIG
    named = make_config(tasks__topic__labels=("a", "b"))
    assert keep_labels(run, named, RUN) == named


def test_a_folder_that_does_not_exist_keeps_nothing(tmp_path):
    assert keep_labels(tmp_path / "none", AUTO, RUN) == AUTO
