"""The predictor: any text in, offsets into the text as given out."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from mtt_jax import Predictor, UserError
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.weights import saved_model
from tests.helpers import ROOT, model_and_params, save_four_tasks

ODD = [
    "",
    " ",
    "\x00\x07\ufeff",
    "👩‍👩‍👧 met 🦊 in Zürich",
    "شركة أرامكو في الرياض",
    "東京で会議が開かれた。",
    "e\u0301te\u0301 na\u0308chste",
    "<b>AT&amp;T</b> & Söhne",
    "a" * 5000,
    "\n".join(f"Tom Fry {i} visited Rome ." for i in range(400)),
]


def test_result_has_a_topic_with_scores_and_entities_with_offsets(predictor):
    result = predictor("Tom Fry of Acme United scored in Rome .")
    assert list(result) == ["text", "topic", "ner"]
    assert set(result["topic"]) == {"label", "score", "scores"}
    assert set(result["topic"]["scores"]) == {"sports", "politics", "others"}
    assert sum(result["topic"]["scores"].values()) == pytest.approx(1)
    assert result["topic"]["score"] == max(result["topic"]["scores"].values())
    assert result["ner"]
    for entity in result["ner"]:
        assert set(entity) == {"text", "label", "start", "end", "score"}
        assert entity["label"] in ("PER", "ORG", "LOC", "MISC")
        assert 0 < entity["score"] <= 1


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:12]))
def test_offsets_are_those_of_the_text_as_given(predictor, text):
    result = predictor(text)
    assert result["text"] == text
    end = 0
    for entity in result["ner"]:
        assert end <= entity["start"] < entity["end"]
        end = entity["end"]
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_list_gives_the_result_of_each_text_alone_in_order(predictor):
    for one, alone in zip(predictor(ODD), map(predictor, ODD), strict=True):
        assert one["text"] == alone["text"]
        assert (one["topic"] is None) == (alone["topic"] is None)
        if one["topic"]:
            assert one["topic"]["score"] == pytest.approx(alone["topic"]["score"], abs=1e-5)
        assert [(e["start"], e["end"], e["label"]) for e in one["ner"]] == [
            (e["start"], e["end"], e["label"]) for e in alone["ner"]
        ]


def test_empty_list_gives_an_empty_list(predictor):
    assert predictor([]) == []


@pytest.mark.parametrize(("given", "message"), [([b"x"], "text 0"), (["a", None], "text 1")])
def test_item_that_is_not_a_text_is_refused_with_its_position(predictor, given, message):
    with pytest.raises(UserError, match=f"{message}: expected a str"):
        predictor(given)


@pytest.mark.parametrize("text", ["", "   ", "\n", "\u200b", "<br>"])
def test_a_text_without_a_word_has_no_topic_no_entities_and_an_embedding_of_zeros(predictor, text):
    beside = "Tom Fry scored ."
    empty, whole = predictor([text, beside])
    assert empty == {"text": text, "topic": None, "ner": []}
    assert whole == predictor(beside)
    vectors = predictor.encode([text, beside], normalize=True)
    assert not vectors[0].any()
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)


FORKED = """
import os, sys
from mtt_jax import Predictor, UserError
predictor = Predictor.load(sys.argv[1], sys.argv[2])
predictor("Tom Fry scored .")
tries = {
    "use": lambda: predictor("Tom Fry scored ."),
    "load": lambda: Predictor.load(sys.argv[1], sys.argv[2]),
}
child = os.fork()
if not child:
    try:
        tries[sys.argv[3]]()
    except UserError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("attempt", ["use", "load"])
def test_a_process_that_was_forked_after_loading_is_told_to_load_in_each_worker(run, attempt):
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(run), "jax", attempt],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "load the model in each worker" in done.stdout.lower()
    assert "spawn" in done.stdout


def test_two_entity_tasks_have_their_answers_under_their_own_names(tokenizer, tmp_path):
    tasks = {
        "people": TaskConfig(kind="entities", labels=("O", "PER")),
        "places": TaskConfig(kind="entities", labels=("O", "LOC")),
    }
    raw = default_config(tasks)
    raw.encoder.update(layers=1, width=16, heads=2, feedforward=16)
    config = resolve(raw)
    _, params = model_and_params(config, tokenizer)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    result = Predictor.load(tmp_path / "model")("Tom left .")
    assert list(result) == ["text", "people", "places"]


def test_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="contains no model"):
        Predictor.load(tmp_path)
    (tmp_path / "model.stablehlo").write_bytes(b"graph")
    with pytest.raises(UserError, match="an exported graph.*name the run that it was exported"):
        Predictor.load(tmp_path)


def test_pipe_keeps_the_order_reads_one_batch_ahead_and_returns_the_second_item_of_each_pair(
    predictor,
):
    taken = []

    def source():
        for index, text in enumerate(ODD[:8]):
            taken.append(index)
            yield text, index

    results = predictor.pipe(source(), batch_size=3, as_tuples=True)
    first = next(results)
    assert taken == [0, 1, 2]
    found = [first, *results]
    assert [(result["text"], index) for result, index in found] == [
        (text, index) for index, text in enumerate(ODD[:8])
    ]


def test_item_that_is_not_a_text_is_refused_with_its_position_in_the_whole_stream(predictor):
    with pytest.raises(UserError, match="text 4: expected a str, got int"):
        list(predictor.pipe(["a", "b", "c", "d", 5], batch_size=2))


def test_embeddings_are_one_row_per_text_and_of_length_1_if_normalized(predictor):
    texts = [text for text in ODD if predictor(text)["topic"]]
    plain, unit = predictor.encode(texts), predictor.encode(texts, normalize=True)
    assert plain.shape == (len(texts), 16)
    assert plain.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1, rtol=1e-5)
    lengths = np.linalg.norm(plain, axis=-1, keepdims=True)
    np.testing.assert_allclose(unit * lengths, plain, atol=1e-5)
    assert predictor.encode([]).shape == (0, 16)


@pytest.mark.parametrize(
    "text",
    ["\ud83d cut in half \udc00", "a" * 100_000, "\x00\x07\u200b\ufeff" * 500, "A.B." * 3000,
     "👩‍👩‍👧" * 500, "e" + "\u0301" * 5000, "السلام عليكم في Oslo", "🇳🇴Tom🇳🇴", "'s " * 900],
    ids=["surrogates", "word", "control", "dots", "emoji", "marks", "arabic", "flags", "clitics"],
)  # fmt: skip
def test_any_text_gets_a_result_with_right_offsets(predictor, text):
    result = predictor(text)
    assert result["text"] == text
    for entity in result["ner"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_long_text_is_read_in_windows_and_its_entities_do_not_overlap(predictor):
    text = "Tom Fry of Acme United scored in Rome . " * 2500
    entities = predictor(text)["ner"]
    edges = [edge for entity in entities for edge in (entity["start"], entity["end"])]
    assert edges == sorted(edges)


def test_engine_jax_bfloat16_answers_nearly_the_same_as_float32(run, predictor):
    rough = Predictor.load(run, engine="jax-bfloat16")
    assert rough.config == predictor.config
    vectors = predictor.encode(ODD), rough.encode(ODD)
    np.testing.assert_allclose(*vectors, atol=0.05)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-5


def test_unknown_engine_or_aggregation_is_refused(predictor, tmp_path):
    config = predictor.config
    model = saved_model.SavedModel(config, {}, predictor._tokenizer, tmp_path, config.task_list)
    known = "jax, jax-bfloat16, onnx, onnx-int8"
    with pytest.raises(UserError, match=rf"engine: 'onxx' is not one of {known}\. Did you mean"):
        Predictor(model, engine="onxx")
    with pytest.raises(UserError, match="aggregation: 'mean' is not one of first, max, average"):
        Predictor(model, aggregation="mean")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.encode("abc"), "expected a list of texts or another iterable, got str"),
        (lambda p: list(p.pipe("abc")), "got str"),
        (lambda p: p(None), "got NoneType"),
        (lambda p: p(3), "got int"),
        (lambda p: list(p.pipe(["a"], batch_size=0)), "batch_size: 0 is too small"),
        (lambda p: list(p.pipe(["a"], as_tuples=True)), "text 0: expected a pair"),
    ],
)
def test_call_with_a_wrong_argument_is_refused(call, message, predictor):
    with pytest.raises(UserError, match=message):
        call(predictor)


def test_texts_may_be_any_iterable(predictor):
    texts = ["Shares fell .", "Ann Lee joined Beta Bank ."]
    np.testing.assert_array_equal(
        predictor.encode(text for text in texts), predictor.encode(np.array(texts))
    )
    assert predictor(iter(texts)) == predictor(texts)


def test_old_keyword_backend_selects_the_engine(run):
    old = Predictor.load(run, backend="jax-bfloat16")
    new = Predictor.load(run, engine="jax-bfloat16")
    exact = Predictor.load(run)
    np.testing.assert_array_equal(old.encode(ODD), new.encode(ODD))
    assert not np.array_equal(old.encode(ODD), exact.encode(ODD))
    with pytest.raises(UserError, match="engine: 'onxx' is not one of"):
        Predictor.load(run, backend="onxx")


# Tasks of all four kinds


@pytest.fixture(scope="module")
def four(tokenizer, tmp_path_factory):
    folder = save_four_tasks(tmp_path_factory.mktemp("four"), tokenizer)
    return Predictor.load(folder)


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:12]))
def test_result_has_the_answer_of_each_task_under_its_name(four, text):
    result = four(text)
    assert list(result) == ["text", "subjects", "topic", "ner", "pos"]
    if result["subjects"]:  # not if the text has no word
        assert set(result["subjects"]) == {"labels", "scores"}
        assert list(result["subjects"]["scores"]) == ["money", "law", "people"]
        chosen = [name for name, score in result["subjects"]["scores"].items() if score >= 0.5]
        assert result["subjects"]["labels"] == chosen
    words = next(four.predictions([text]))[0].words
    assert [(tag["start"], tag["end"]) for tag in result["pos"]] == list(words)
    for tag in result["pos"]:
        assert set(tag) == {"text", "label", "start", "end", "score"}
        assert tag["label"] in ("NOUN", "VERB", "OTHER")
        assert text[tag["start"] : tag["end"]] == tag["text"]
        assert 0 < tag["score"] <= 1
    json.dumps(result, allow_nan=False)


def test_list_gives_the_result_of_each_text_alone_for_all_four_kinds(four):
    for one, alone in zip(four(ODD), map(four, ODD), strict=True):
        assert (one["subjects"] is None) == (alone["subjects"] is None)
        if one["subjects"]:
            assert one["subjects"]["scores"] == pytest.approx(alone["subjects"]["scores"], abs=1e-4)
        assert [t["label"] for t in one["pos"]] == [t["label"] for t in alone["pos"]]


def test_thresholds_that_were_chosen_on_dev_decide_a_multilabel_answer(tokenizer, tmp_path, four):
    texts = [text for text in ODD if four(text)["subjects"]]
    plain = four(texts)
    thresholds = [
        float(np.quantile([r["subjects"]["scores"][name] for r in plain], 0.7, method="midpoint"))
        for name in ("money", "law", "people")
    ]
    predictor = Predictor.load(save_four_tasks(tmp_path, tokenizer, tuple(thresholds)))
    found = predictor(texts)
    changed = 0
    for before, after in zip(plain, found, strict=True):
        scores = after["subjects"]["scores"]
        chosen = [n for n, at in zip(scores, thresholds, strict=True) if scores[n] >= at]
        assert after["subjects"]["labels"] == chosen
        changed += before["subjects"]["labels"] != chosen
    assert changed


# The steps of a prediction, which a server runs in threads of its own


@pytest.fixture
def compilations():
    """The events of JAX's compiler, as they come."""
    found = []

    def note(event, seconds, **about):
        if event.startswith("/jax/core/compile/"):
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    yield found
    jax.monitoring.clear_event_listeners()


def test_after_a_warm_up_no_texts_compile_anything(run, compilations):
    predictor = Predictor.load(run)
    shapes = list(predictor.warm_up())
    # One row of 32 or 48 positions; 2, 4 and 8 rows of 48.
    assert len(shapes) == 5
    assert compilations
    compilations.clear()
    for words in (0, 1, 7, 29, 30, 31, 47, 90):
        for count in (1, 2, 3, 6, 7, 17, 40):
            list(predictor.pipe(["Shares " * words] * count))
    assert compilations == []


def test_the_steps_of_a_prediction_give_the_same_as_a_call(run):
    predictor = Predictor.load(run)
    texts = ["Tom Fry of Acme United scored in Rome .", ""]
    examples = predictor.read(texts)
    found = predictor.infer(examples)
    assert [p.result for p in predictor.answers(texts, examples, found)] == predictor(texts)
    np.testing.assert_array_equal(predictor.embeddings(examples, found), predictor.encode(texts))


def test_answers_can_be_given_with_other_thresholds(run):
    predictor = Predictor.load(run)
    texts = ["Tom Fry of Acme United scored in Rome ."]
    examples = predictor.read(texts)
    never = [task.with_thresholds([np.inf] * len(task.answer_labels)) for task in predictor.tasks]
    (answer,) = predictor.answers(texts, examples, predictor.infer(examples), never)
    assert (answer.result["topic"]["label"], answer.result["ner"]) == (None, [])
