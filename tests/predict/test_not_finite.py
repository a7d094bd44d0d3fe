"""NaN is no answer: a text for which the model gives no numbers is an error, and no other's."""

import json

import numpy as np
import pytest

from mtt_jax import Predictor, UserError
from mtt_jax.data.inputs import open_inputs
from mtt_jax.predict.stream import predict_lines
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.scoring.infer import NOT_FINITE, infer
from mtt_jax.weights import saved_model
from tests.helpers import forward_of, make_config, model_and_params, save_untrained

# The subword whose vector is finite, but too large to compute with.
WORD = "Rovers"
TEXTS = ["Tom Fry met Ann .", f"{WORD} beat City again .", "Shares fell .", "Ann", "Rome"]
SOUND = [text for text in TEXTS if WORD not in text]


def overflow(folder, tokenizer):
    """A run directory whose model overflows on every text with the word."""
    save_untrained(folder, tokenizer)
    model = saved_model.load(folder)
    table = model.params["encoder"]["token_embedding"]["embedding"].copy()
    table[tokenizer.token_to_id("##v")] = 3e38
    params = {**model.params, "encoder": {**model.params["encoder"]}}
    params["encoder"]["token_embedding"] = {"embedding": table}
    saved_model.save(folder / "model", model.config, params, tokenizer, "")
    return folder


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    assert "##v" in tokenizer.encode(WORD).tokens
    return overflow(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture(scope="module", params=["jax", "onnx", "onnx-int8"])
def predictor(request, run):
    if request.param.startswith("onnx"):
        pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
        pytest.importorskip("jax2onnx", reason="needs requirements-onnx.txt")
    return Predictor.load(run, engine=request.param)


def test_a_text_without_an_answer_changes_no_other_of_its_batch(predictor):
    found = [prediction for prediction, _ in predictor.predictions(TEXTS)]
    assert [prediction.fault for prediction in found] == ["", NOT_FINITE, "", "", ""]
    sound = [prediction.result for prediction in found if not prediction.fault]
    for result, alone in zip(sound, map(predictor, SOUND), strict=True):
        # The scales of int8 depend on the batch.
        assert result["topic"]["scores"] == pytest.approx(alone["topic"]["scores"], abs=1e-2)
        assert [e["start"] for e in result["ner"]] == [e["start"] for e in alone["ner"]]


def test_predictor_names_the_position_of_a_text_without_an_answer(predictor):
    for call in (predictor, predictor.encode, lambda texts: list(predictor.pipe(texts, 1))):
        with pytest.raises(UserError, match="^text 1: the model's answer is NaN or infinite"):
            call(TEXTS)
    assert len(predictor(SOUND)) == len(predictor.encode(SOUND)) == len(SOUND)


def test_a_long_text_is_without_an_answer_if_one_of_its_windows_is(predictor):
    long = " ".join(["Tom met Ann ."] * 20)
    faults = [p.fault for p, _ in predictor.predictions([f"{long} {WORD}", long])]
    assert faults == [NOT_FINITE, ""]


def predicted(predictor, folder, format_name="jsonl", strict=False):
    """(lines of the output, number of broken lines) for the texts as lines of a file."""
    out = folder / f"out.{format_name}"
    (folder / "in.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    inputs = open_inputs([str(folder / "in.txt")])
    broken = predict_lines(predictor, inputs, str(out), format_name, strict, lambda done: None)
    return out.read_text(encoding="utf-8").splitlines(), broken


def test_the_line_of_such_a_text_is_an_error_and_the_others_are_answered(predictor, tmp_path):
    lines, broken = predicted(predictor, tmp_path)
    rows = [json.loads(line) for line in lines]
    assert broken == 1
    assert rows[1] == {"error": f"{tmp_path / 'in.txt'}, line 2: {NOT_FINITE}"}
    assert [row["text"] for row in rows if "text" in row] == SOUND
    assert "NaN" not in json.dumps([row for row in rows if "text" in row])


def test_output_with_such_a_line_is_resumed(predictor, tmp_path):
    whole, _ = predicted(predictor, tmp_path)
    (tmp_path / "out.jsonl").write_text("\n".join(whole[:3]) + "\n", encoding="utf-8")
    again, broken = predicted(predictor, tmp_path)
    assert [json.loads(line).get("text") for line in again] == [
        json.loads(line).get("text") for line in whole
    ]
    assert broken == 1


@pytest.mark.parametrize("format_name", ["displacy", "csv", "conll", "text"])
def test_no_format_shows_an_answer_for_such_a_text(run, format_name, tmp_path):
    lines, broken = predicted(Predictor.load(run), tmp_path, format_name)
    assert broken == 1
    assert not any("nan" in line.lower().replace(NOT_FINITE.lower(), "") for line in lines)
    if format_name != "text":
        assert sum(NOT_FINITE in line for line in lines) == 1


def test_strict_prediction_stops_at_such_a_text(run, tmp_path):
    with pytest.raises(UserError, match=r"in\.txt, line 2: the model's answer"):
        predicted(Predictor.load(run), tmp_path, strict=True)


def test_inference_reads_only_what_failed_a_second_time(run, examples):
    model = saved_model.load(run)
    batches = []

    def forward(params, batch):
        batches.append(batch)
        return forward_of(model_and_params(model.config, model.tokenizer)[0])(params, batch)

    found = list(infer(forward, model.params, examples, model.config, 8))
    assert [inference.finite for inference in found].count(False) == 1
    first, second = batches
    assert (np.asarray(first.segments).max(axis=1) > 1).any()
    assert np.asarray(second.segments).max() == 1


def test_finite_answers_are_computed_once(tiny, examples):
    config, model, params = tiny
    batches = []

    def forward(params, batch):
        batches.append(batch)
        return forward_of(model)(params, batch)

    assert all(x.finite for x in infer(forward, params, examples, make_config(), 8))
    assert len(batches) == 1


def test_a_split_with_such_a_sentence_has_no_score(run, examples):
    model = saved_model.load(run)
    forward = forward_of(model_and_params(model.config, model.tokenizer)[0])
    with pytest.raises(UserError, match="NaN or infinite for 1 of 6 sentences, first for sentence"):
        evaluate(forward, model.params, examples, model.config, 8)
