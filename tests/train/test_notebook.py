"""A run as an object, and the package that can be called to train one."""

import json
import subprocess
import sys

import pytest

import mtt_jax
from mtt_jax.config import TaskConfig, default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.errors import UserError
from mtt_jax.predict.run import Run
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A ConfigDict whose run takes seconds, on a file."""
    folder = tmp_path_factory.mktemp("data")
    rows = [{"text": f"Ann ran {i} miles", "label": ("odd", "even")[i % 2]} for i in range(40)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "data.jsonl").write_text(lines, encoding="utf-8")
    config = default_config({"parity": TaskConfig(labels=("odd", "even"))})
    config.data.source, config.data.cache_dir = "files", str(folder / "cache")
    config.data.parity.train = str(folder / "data.jsonl")
    config.data.max_length, config.data.overlap = 16, 4
    config.encoder.update(layers=1, width=8, heads=2, feedforward=8, max_positions=16)
    config.tokenizer.vocab_size = 120
    config.train.update(steps=3, warmup=1, batch_rows=4, row_length=16, log_to=())
    return config


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    return mtt_jax.train(config, tmp_path_factory.mktemp("runs") / "first")


def test_training_returns_a_run_with_scores_and_a_predictor(run, config):
    assert run.path.name == "first"
    assert run.config.train.steps == 3
    assert run.final["steps"] == 3
    assert set(run.scores) == {"dev"}
    assert run.scores["dev"]["parity"].headline == run.final["dev"]["parity"]["macro_f1"]
    assert run.predictor()("Ann ran 7 miles")["parity"]["label"] in ("odd", "even")


def test_a_run_describes_itself_in_one_short_line(run):
    shown = repr(run)
    assert shown == f"Run('{run.path}': dev parity {run.scores['dev']['parity'].headline:.3f})"


def test_the_same_call_opens_a_finished_run(run, config, capsys):
    again = mtt_jax.train(resolve(config), run.path)
    assert again.final == run.final
    assert "is finished: 3 steps" in capsys.readouterr().out


def test_progress_is_shown_while_training(config, tmp_path, capsys):
    mtt_jax.train(config, tmp_path / "run")
    assert "step 3: dev macro F1 parity" in capsys.readouterr().out


def test_the_name_of_a_config_file_names_the_run_directory(config, tmp_path, monkeypatch):
    (tmp_path / "small.py").write_text(
        "import json\nfrom ml_collections import ConfigDict\n"
        f"def get_config():\n    return ConfigDict(json.loads({config.to_json()!r}))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert str(mtt_jax.train("small.py").path) == "runs/small"
    assert Run("runs/small").final["steps"] == 3


def test_a_config_that_is_not_a_file_needs_a_run_directory(config):
    with pytest.raises(UserError, match="workdir: name a directory for the run"):
        mtt_jax.train(config)


def test_a_directory_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="no finished run: metrics.json is missing"):
        Run(tmp_path)


def test_importing_the_package_that_trains_imports_no_jax():
    code = (
        "import sys, mtt_jax\n"
        "print(callable(mtt_jax.train), 'jax' in sys.modules)\n"
        "from mtt_jax.train import losses\n"
        "print('jax' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False", "True"]
