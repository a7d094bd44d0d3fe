"""A small student against its teacher: the score that it keeps and how much faster it is.

    pip install -r requirements-dev.txt -r requirements-onnx.txt
    python benchmarks/student.py --teacher=runs/pretrained --student=runs/student-distilled \
        --texts=ag_news/test.csv

Both answer the same texts through Predictor.pipe with the same engine, by turns; the engines are
JAX and, exported first, ONNX Runtime with float32 and with int8. Scores are those of `mtt evaluate`
on the test split of each run, which has to be the same. The last line is JSON: for each engine
texts per second of `ours` (the student) and `peer` (the teacher), their `ratio`, and per task both
headline scores and the share that the student keeps.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common.corpora import texts_of_file
from benchmarks.common.flags import existing_file, positive
from benchmarks.common.rounds import median_seconds
from mtt_jax import Predictor
from mtt_jax.cli import main as mtt
from mtt_jax.devices import startup
from mtt_jax.predict.export import export

ENGINES = ("jax", "onnx", "onnx-int8")


def main():
    options = parse()
    startup.prepare()
    texts = texts_of_file(options.texts, options.count)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ENGINES:
            models = {
                side: model_for(engine, run, Path(folder) / f"{side}-{engine}")
                for side, run in (("ours", options.student), ("peer", options.teacher))
            }
            result[engine] = speed(engine, models, texts, options.rounds)
            result[engine]["scores"] = scores(engine, models)
            print(f"{engine}: {json.dumps(result[engine])}", flush=True)
    print(json.dumps(result))


def model_for(engine, run, folder):
    """What an engine reads: the run itself, or the run exported into a folder."""
    if engine == "jax":
        return run
    export(run, "onnx", folder, int8=engine == "onnx-int8")
    return folder


def speed(engine, models, texts, rounds):
    """Texts per second of both sides, and how many times as fast ours is."""
    predictors = {side: Predictor.load(model, engine=engine) for side, model in models.items()}
    calls = {
        side: lambda predictor=predictor: list(predictor.pipe(texts))
        for side, predictor in predictors.items()
    }
    for call in calls.values():
        call()  # to compile
    found = {n: len(texts) / seconds for n, seconds in median_seconds(calls, rounds).items()}
    return {**found, "ratio": found["ours"] / found["peer"]}


def scores(engine, models):
    """Task -> headline score of both sides on their test split, and the share that ours keeps."""
    found = {}
    for side, model in models.items():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = mtt(["evaluate", str(model), f"--engine={engine}", "--json"])
        if status:
            sys.exit(status)
        for task, score in json.loads(printed.getvalue())["test"].items():
            found.setdefault(task, {})[side] = score[score["headline"]]
    return {task: {**both, "kept": both["ours"] / both["peer"]} for task, both in found.items()}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", required=True, help="run or model directory")
    parser.add_argument("--student", required=True, help="run or model directory")
    parser.add_argument(
        "--texts", required=True, type=existing_file, help="a CSV file, or one text per line"
    )
    parser.add_argument("--count", type=positive, default=1000, help="texts to read")
    parser.add_argument("--rounds", type=positive, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
