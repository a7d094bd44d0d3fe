"""Dry runs: they say what a run would do and take, and leave nothing behind."""

import json
import re

import pytest

from mtt_jax.cli import main
from mtt_jax.train.dry_run import duration


@pytest.fixture
def flags(tmp_path, monkeypatch):
    """Flags of a run on 40 sentences with both labels, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "text": f"Ann {verb} Oslo in week {week} .",
            "label": "sports" if verb == "beat" else "politics",
            "entities": [{"start": 0, "end": 3, "label": "PER"}],
        }
        for week in range(20)
        for verb in ("beat", "left")
    ]
    data = tmp_path / "data" / "rows.jsonl"
    data.parent.mkdir()
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "data.source": "files", "data.cache_dir": tmp_path / "data", "data.topic.train": data,
        "data.ner.train": data, "encoder.layers": 1, "encoder.width": 16, "encoder.heads": 2,
        "encoder.feedforward": 16, "encoder.word_dropout": 0.3, "tokenizer.vocab_size": 100,
        "train.row_length": 48, "train.batch_rows": 4, "data.max_length": 32, "data.overlap": 8,
        "train.steps": 1000, "train.warmup": 0, "train.eval_every": 300,
    }  # fmt: skip
    return [f"--config.{name}={value}" for name, value in values.items()]


@pytest.mark.peers  # slow: a step is compiled
def test_dry_run_says_what_would_be_trained_on_what_and_keeps_nothing(flags, tmp_path, capsys):
    assert main(["train", "--config=news_files", "--dry-run", *flags]) == 0
    out = capsys.readouterr().out
    assert re.search(r"parameters; 3\d training sentences \(3\d with topic, 3\d with ner\)", out)
    assert "train, steps 1 to 1,000" in out
    assert re.search(r"1,000 steps of \d+\.\d\d s, 4 evaluations of \d+\.\d\d s", out)
    assert re.search(r"A step needs [\d.]+ [KMG]?B?.* of memory", out)
    assert "Nothing was trained or written" in out
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.peers  # slow: a run
def test_quiet_run_prints_nothing_and_trains(flags, tmp_path, capsys):
    flags = [*flags, "--config.train.steps=1", "--config.mesh.data=1"]
    assert main(["train", "--config=news_files", "--quiet", "--workdir=run", *flags]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_mistake_that_would_end_the_run_ends_the_dry_run(flags, capsys):
    flags = [*flags, "--config.train.batch_rows=1000000000"]
    assert main(["train", "--config=news_files", "--dry-run", *flags]) == 2
    assert "config.train.batch_rows: 1,000,000,000 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2949, "0.29 s"), (12.4, "12 s"), (260, "4 min 20 s"), (11100, "3 h 5 min")],
)
def test_duration_in_words(seconds, words):
    assert duration(seconds) == words
