"""The Beam transform on Beam's own runners, and what it refuses before any of them starts."""

import glob
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtt_jax import Predictor, UserError
from mtt_jax.predict.beam import Predict, beside, text_of
from tests.helpers import ROOT

TEXTS = ["Tom Fry of Acme United scored in Rome .", "Shares fell .", "", "Ann Lee left 東京 ."]
REASON = "needs: pip install -r requirements-peers.txt"
peers = pytest.mark.peers

THREADS, PROCESSES = (
    ["--runner=FnApiRunner", f"--direct_running_mode={mode}", "--direct_num_workers=2"]
    for mode in ("multi_threading", "multi_processing")
)


@pytest.fixture
def beam():
    return pytest.importorskip("apache_beam", reason=REASON)


def collected(beam, elements, transform, tmp_path, options=()):
    """(results, errors) of a pipeline, on the runner that Beam chooses."""
    with beam.Pipeline(argv=list(options)) as pipeline:
        source = pipeline | beam.Create(elements)
        outputs = source | transform
        for name in ("results", "errors"):
            lines = outputs[name] | f"as JSON {name}" >> beam.Map(json.dumps)
            _ = lines | name >> beam.io.WriteToText(str(tmp_path / name), shard_name_template="")
    return tuple(
        [json.loads(line) for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("results", "errors")
    )


def by_text(rows):
    return sorted(rows, key=lambda row: row["text"])


def assert_same(found, expected):
    """The same results in any order; scores depend a little on how a batch was packed."""
    assert len(found) == len(expected)
    for ours, theirs in zip(by_text(found), by_text(expected), strict=True):
        assert ours["text"] == theirs["text"]
        if not theirs["text"]:
            assert ours["topic"] is theirs["topic"] is None
            continue
        assert ours["topic"]["label"] == theirs["topic"]["label"]
        assert ours["topic"]["scores"] == pytest.approx(theirs["topic"]["scores"], abs=1e-5)
        assert [(e["start"], e["end"], e["label"]) for e in ours["ner"]] == [
            (e["start"], e["end"], e["label"]) for e in theirs["ner"]
        ]


@peers
def test_transform_gives_the_results_of_the_predictor(beam, run, tmp_path):
    texts = TEXTS * 5
    results, errors = collected(beam, texts, Predict(run, batch_size=3), tmp_path)
    assert_same(results, Predictor.load(run)(texts))
    assert errors == []


@peers
def test_dict_keeps_its_other_keys_and_a_broken_element_goes_to_errors(beam, run, tmp_path):
    elements = [
        {"id": 1, "body": TEXTS[0]},
        {"id": 2, "body": None},
        {"id": 3, "topic": "x", "body": TEXTS[1]},
        7,
        TEXTS[1],
    ]
    results, errors = collected(beam, elements, Predict(run, text_key="body"), tmp_path)
    assert_same(results, Predictor.load(run)([TEXTS[0], TEXTS[1]]))
    assert {row["text"]: row.get("id") for row in results} == {TEXTS[0]: 1, TEXTS[1]: None}
    assert all("body" not in row for row in results)
    reasons = {json.dumps(row["element"]): row["error"] for row in errors}
    assert len(reasons) == 3
    assert reasons["7"].startswith("expected a text or a dict with one, got int")
    assert "no text under the key 'body'" in reasons[json.dumps(elements[1])]
    assert "the result has a key 'topic' too" in reasons[json.dumps(elements[2])]


@peers
def test_windows_and_timestamps_are_those_of_the_elements(beam, run, tmp_path):
    class Times(beam.DoFn):
        def process(self, row, time=beam.DoFn.TimestampParam, window=beam.DoFn.WindowParam):
            yield [row["text"], int(time), int(window.start), int(window.end)]

    with beam.Pipeline() as pipeline:
        results, _ = (
            pipeline
            | beam.Create([("a", 3), ("b", 7), ("c", 12)])
            | beam.MapTuple(lambda text, second: beam.window.TimestampedValue(text, second))
            | beam.WindowInto(beam.window.FixedWindows(10))
            | Predict(run)
        )
        _ = (
            results
            | beam.ParDo(Times())
            | beam.Map(json.dumps)
            | "all" >> beam.WindowInto(beam.window.GlobalWindows())
            | beam.io.WriteToText(str(tmp_path / "out"), shard_name_template="")
        )
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert sorted(rows) == [["a", 3, 0, 10], ["b", 7, 0, 10], ["c", 12, 10, 20]]


PIPELINE = """
import json, sys
import apache_beam as beam
from mtt_jax.predict.beam import Predict

if __name__ == "__main__":
    model, source, target, *options = sys.argv[1:]
    with beam.Pipeline(argv=options) as pipeline:
        results, errors = pipeline | beam.io.ReadFromText(source) | Predict(model)
        _ = results | beam.Map(json.dumps) | beam.io.WriteToText(target, ".jsonl")
"""


@peers
@pytest.mark.parametrize(
    "options",
    [["--runner=DirectRunner"], THREADS, PROCESSES],
    ids=["direct", "threads", "processes"],
)
def test_pipeline_reads_a_file_and_writes_jsonl(beam, run, tmp_path, options):
    texts = [f"{text} {number}" for number in range(20) for text in TEXTS]
    (tmp_path / "news.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (tmp_path / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    names = (str(run), str(tmp_path / "news.txt"), str(tmp_path / "out"))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "pipeline.py"), *names, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    shards = glob.glob(str(tmp_path / "out*.jsonl"))
    rows = [json.loads(s) for f in shards for s in Path(f).read_text("utf-8").splitlines()]
    assert_same(rows, Predictor.load(run)(texts))


@peers
@pytest.mark.parametrize("options", [[], THREADS], ids=["one thread", "two threads"])
def test_model_is_loaded_once_per_process(beam, run, tmp_path, monkeypatch, options):
    loads = []
    load = Predictor.load
    monkeypatch.setattr(Predictor, "load", lambda *args: loads.append(args) or load(*args))
    collected(beam, TEXTS * 40, Predict(run, batch_size=2), tmp_path, options)
    assert len(loads) == 1


@peers
def test_mistakes_are_reported_when_the_pipeline_is_built(beam, run, tmp_path):
    for given, message in [
        ({"model_dir": tmp_path}, "contains no model"),
        ({"model_dir": tmp_path / "none"}, "no such directory"),
        (
            {"engine": "onxx"},
            r"'onxx' is not one of jax, jax-bfloat16, onnx\. Did you mean 'onnx'",
        ),
        ({"engine": "onnx"}, "no model.onnx for engine='onnx'"),
        ({"backend": "onnx"}, "no model.onnx for engine='onnx'"),
        ({"aggregation": "mean"}, "aggregation: 'mean' is not one of"),
        ({"batch_size": 0}, "batch_size: 0 is too small"),
    ]:
        with pytest.raises(UserError, match=message):
            Predict(**{"model_dir": run, **given})


def test_missing_apache_beam_is_reported_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("mtt_jax.predict.beam._BEAM", False)
    with pytest.raises(UserError, match=r"^apache-beam is not installed: pip install -r requir"):
        Predict(tmp_path / "none")


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (b"x", "got bytes"),
        (None, "got NoneType"),
        ({}, "no text under the key 'text'"),
        ({"text": 3}, "no text under the key 'text'"),
        ("\ud83d", "half of a surrogate pair"),
    ],
)
def test_element_without_a_text_is_refused_with_the_reason(element, message):
    with pytest.raises(UserError, match=message):
        text_of(element, "text")


def test_key_that_the_result_uses_too_is_refused():
    result = {"text": "a", "topic": {}}
    assert beside(result, "a", "text") == result
    assert beside(result, {"text": "a", "id": 1}, "text") == {**result, "id": 1}
    with pytest.raises(
        UserError, match="the result has a key 'text' too; rename it in the element"
    ):
        beside(result, {"body": "a", "text": "b"}, "body")
