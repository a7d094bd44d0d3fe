"""Runs that train on texts without labels: alone, beside tasks, and as a phase before them."""

import io
import json
import math
import shutil

import numpy as np
import pytest
from rich.console import Console as RichConsole

from mtt_jax import Predictor
from mtt_jax.cli import main
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config, phase
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from mtt_jax.weights import saved_model
from tests.helpers import assert_trees_equal

NAMES, PLACES, VERBS = ("Ann", "Tom", "Mo", "Eve"), ("Oslo", "Rome"), ("left", "saw", "liked")


def sentence(number):
    """Words that follow from one another, so that hidden ones can be found."""
    name, place, verb = (words[number % len(words)] for words in (NAMES, PLACES, VERBS))
    return f"{name} {verb} {place} and {place} {verb} {name} again ."


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    rows = [{"text": sentence(n), "tone": ("good", "bad")[n % 2]} for n in range(40)]
    (folder / "tone.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "texts.txt").write_text("".join(f"In {n} , {sentence(n)}\n" for n in range(60)))
    return folder


def a_config(files, tasks=True, **train):
    config = default_config(
        {"tone": TaskConfig(kind="classes", labels=("good", "bad"))}
        if tasks
        else {"mlm": TaskConfig(kind="mlm", dropout=0.0)}
    )
    config.data.update(source="files", cache_dir=str(files / "cache"))
    config.data.unlabelled = str(files / "texts.txt")
    if tasks:
        config.data.tone.train = str(files / "tone.jsonl")
    config.data.max_length, config.data.overlap, config.train.row_length = 32, 8, 32
    config.tokenizer.vocab_size = 150
    config.mesh.data = 1
    config.encoder.update(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
    config.train.update(batch_rows=8, learning_rate=1e-2, warmup=2, log_to=(), **train)
    return config


def a_run(config, folder):
    terminal = io.StringIO()
    final = train(resolve(config), folder, Console(RichConsole(file=terminal, width=200)))
    return final, terminal.getvalue()


@pytest.fixture(scope="module")
def both(files):
    """(folder, metrics, what was printed): two phases, the first on texts alone."""
    config = a_config(files, mlm=0.5, eval_every=6, save_every=6, keep=100)
    config.phases = (
        phase("pretrain", steps=12, tasks=("mlm",)),
        phase("tune", steps=12),
    )
    return files / "both", *a_run(config, files / "both")


def rows_of(folder, kind):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == kind]


@pytest.mark.peers  # slow: a run
def test_perplexity_on_held_out_text_falls(both):
    folder, final, _ = both
    values = [row["perplexity"]["mlm"] for row in rows_of(folder, "held_out")]
    assert len(values) == 5
    assert values[-1] < values[2] < values[0]
    assert all(map(math.isfinite, values))
    assert final["held_out"]["mlm"]["count"] > 10


def test_a_run_prints_perplexity_and_says_what_it_trains_on(both):
    _, final, printed = both
    assert "; 54 windows of texts without labels." in printed
    assert "60 texts without labels, 6 of them held out." in printed
    assert "mlm perplexity" in printed
    assert f"mlm: perplexity {final['held_out']['mlm']['perplexity']:,.2f} on" in printed
    assert "mlm: 50% of the draws" in printed


def test_the_model_directory_holds_no_head_that_answers_nothing(both):
    folder, final, _ = both
    model = saved_model.load(folder)
    assert set(model.config.tasks) == set(model.params["heads"]) == {"tone"}
    assert [one.name for one in model.config.phases] == ["tune"]
    assert model.config.train.mlm == 0
    assert set(Predictor.load(folder)(sentence(3))) == {"text", "tone"}
    assert final["parameters"] == sum(x.size for x in _leaves(model.params))


def _leaves(tree):
    return [leaf for x in tree.values() for leaf in (_leaves(x) if isinstance(x, dict) else [x])]


def test_the_report_shows_perplexity(both):
    page = (both[0] / "report.html").read_text()
    assert "Perplexity on held-out text" in page
    assert "mlm: perplexity" in page


@pytest.mark.parametrize("step", [6, 18])
def test_a_resumed_run_hides_the_same_words(both, tmp_path, step):
    folder, final, _ = both
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    for name in ("model", "report.html", "metrics.json"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for later in (again / "checkpoints").iterdir():
        if later.name.isdecimal() and int(later.name) > step:
            shutil.rmtree(later)
    config = json.loads((folder / "config.json").read_text())
    config.pop("format")
    resumed = train(resolve(config), again, Console(RichConsole(file=io.StringIO())))
    ignored = ("seconds",)
    assert {k: v for k, v in resumed.items() if k not in ignored} == {
        k: v for k, v in final.items() if k not in ignored
    }
    assert_trees_equal(saved_model.load(again).params, saved_model.load(folder).params)


@pytest.fixture(scope="module")
def alone(files):
    """(folder, metrics, what was printed) of a run on texts alone."""
    config = a_config(files, tasks=False, steps=9, eval_every=3, patience=9)
    return files / "alone", *a_run(config, files / "alone")


def test_a_run_on_texts_alone_is_scored_by_its_perplexity(alone):
    folder, final, printed = alone
    scores = [row["score"] for row in rows_of(folder, "dev")]
    values = [row["perplexity"]["mlm"] for row in rows_of(folder, "held_out")]
    np.testing.assert_allclose(scores, [1 / value for value in values])
    assert final["best_step"] == 3 * (1 + int(np.argmax(scores)))
    assert "No dev" not in printed


def test_a_run_on_texts_alone_answers_nothing_and_says_so(alone, capsys):
    folder, _, _ = alone
    with pytest.raises(UserError, match="answers nothing; start a run with tasks from its encoder"):
        Predictor.load(folder)
    assert main(["info", str(folder)]) == 0
    assert '"tasks": {}' in capsys.readouterr().out


@pytest.mark.peers  # slow: two more runs
def test_a_run_with_tasks_starts_from_the_encoder_of_a_run_on_texts(alone, files):
    folder, _, _ = alone
    config = a_config(files, steps=1)
    config.data.unlabelled = ""
    config.init_from, config.init_parts = str(folder), "encoder"
    config.train.learning_rate = 1e-9
    a_run(config, files / "tuned")
    ours, theirs = (saved_model.load(x, encoder_is_enough=True) for x in (files / "tuned", folder))
    for one, other in zip(
        _leaves(ours.params["encoder"]), _leaves(theirs.params["encoder"]), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_texts_that_nothing_trains_on_are_an_error(files):
    with pytest.raises(UserError, match="data.unlabelled: nothing .* --config.train.mlm"):
        a_run(a_config(files, steps=1), files / "unused")
