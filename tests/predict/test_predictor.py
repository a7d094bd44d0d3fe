"""The predictor: any text in, offsets into the very text out."""

import numpy as np
import pytest

from mtt_jax import Predictor, UserError
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.predict.predictor import _entities
from mtt_jax.weights import saved_model
from tests.helpers import make_config, model_and_params, save_untrained

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


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.load(run)


def test_a_result_has_a_topic_with_scores_and_entities_with_offsets(predictor):
    result = predictor("Tom Fry of Acme United scored in Rome .")
    assert list(result) == ["text", "topic", "entities"]
    assert set(result["topic"]) == {"label", "score", "scores"}
    assert set(result["topic"]["scores"]) == {"sports", "politics", "others"}
    assert sum(result["topic"]["scores"].values()) == pytest.approx(1)
    assert result["topic"]["score"] == max(result["topic"]["scores"].values())
    assert result["entities"]
    for entity in result["entities"]:
        assert set(entity) == {"text", "label", "start", "end", "score"}
        assert entity["label"] in ("PER", "ORG", "LOC", "MISC")
        assert 0 < entity["score"] <= 1


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text[:12]))
def test_offsets_point_into_the_text_as_given(predictor, text):
    result = predictor(text)
    assert result["text"] == text
    end = 0
    for entity in result["entities"]:
        assert end <= entity["start"] < entity["end"]
        end = entity["end"]
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_a_list_gives_what_each_text_gives_alone_in_the_same_order(predictor):
    for one, alone in zip(predictor(ODD), map(predictor, ODD), strict=True):
        assert one["text"] == alone["text"]
        assert one["topic"]["score"] == pytest.approx(alone["topic"]["score"], abs=1e-5)
        assert [(e["start"], e["end"], e["label"]) for e in one["entities"]] == [
            (e["start"], e["end"], e["label"]) for e in alone["entities"]
        ]


def test_an_empty_list_gives_an_empty_list(predictor):
    assert predictor([]) == []


@pytest.mark.parametrize(("given", "message"), [([b"x"], "text 0"), (["a", None], "text 1")])
def test_what_is_no_text_is_refused_by_its_place(predictor, given, message):
    with pytest.raises(UserError, match=f"{message}: expected a str"):
        predictor(given)


def test_two_token_tasks_have_their_entities_under_their_own_names(tokenizer, tmp_path):
    tasks = {
        "people": TaskConfig(kind="token", labels=("O", "PER")),
        "places": TaskConfig(kind="token", labels=("O", "LOC")),
    }
    raw = default_config(tasks)
    raw.encoder.update(layers=1, width=16, heads=2, feedforward=16)
    config = resolve(raw)
    _, params = model_and_params(config, tokenizer)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    result = Predictor.load(tmp_path / "model")("Tom left .")
    assert list(result) == ["text", "people", "places"]


def test_the_score_of_an_entity_is_that_of_its_least_certain_word():
    task = make_config().task_list[1]
    probs = np.full((2, 5), 0.01)
    probs[0, 1], probs[1, 1] = 0.96, 0.7
    (entity,) = _entities(task, np.log(probs), "Tom Fry", [(0, 3), (4, 7)])
    assert entity["text"] == "Tom Fry"
    assert entity["score"] == pytest.approx(0.7)


def test_a_directory_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="no model here"):
        Predictor.load(tmp_path)


def test_a_pipe_keeps_the_order_reads_no_further_than_a_batch_and_carries_what_belongs_to_a_text(
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


def test_what_is_no_text_is_named_by_its_place_in_the_whole_stream(predictor):
    with pytest.raises(UserError, match="text 4: expected a str, got int"):
        list(predictor.pipe(["a", "b", "c", "d", 5], batch_size=2))


def test_embeddings_are_one_row_a_text_and_of_length_one_on_demand(predictor):
    plain, unit = predictor.encode(ODD), predictor.encode(ODD, normalize=True)
    assert plain.shape == (len(ODD), 16)
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
def test_any_text_gets_a_result_whose_offsets_hold(predictor, text):
    result = predictor(text)
    assert result["text"] == text
    for entity in result["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]


def test_a_megabyte_is_read_in_windows_and_its_entities_do_not_overlap(predictor):
    text = "Tom Fry of Acme United scored in Rome . " * 2500
    entities = predictor(text)["entities"]
    edges = [edge for entity in entities for edge in (entity["start"], entity["end"])]
    assert edges == sorted(edges)


def test_in_bfloat16_a_model_that_trained_in_float32_answers_nearly_the_same(run, predictor):
    rough = Predictor.load(run, backend="jax-bfloat16")
    assert rough.config == predictor.config
    vectors = predictor.encode(ODD), rough.encode(ODD)
    np.testing.assert_allclose(*vectors, atol=0.05)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-5


def test_a_backend_or_an_aggregation_that_is_none_is_named(predictor, tmp_path):
    from mtt_jax.weights import saved_model

    model = saved_model.SavedModel(predictor.config, {}, predictor._tokenizer, tmp_path)
    known = "jax, jax-bfloat16, onnx, onnx-int8"
    with pytest.raises(UserError, match=rf"backend: 'onxx' is not one of {known}\. Did you mean"):
        Predictor(model, backend="onxx")
    with pytest.raises(UserError, match="aggregation: 'mean' is not one of first, max, average"):
        Predictor(model, aggregation="mean")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.encode("abc"), "expected a list of texts or the like, got str"),
        (lambda p: list(p.pipe("abc")), "got str"),
        (lambda p: p(None), "got NoneType"),
        (lambda p: p(3), "got int"),
        (lambda p: list(p.pipe(["a"], batch_size=0)), "batch_size: 0 is too small"),
        (lambda p: list(p.pipe(["a"], as_tuples=True)), "text 0: expected a pair"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(call, message, predictor):
    with pytest.raises(UserError, match=message):
        call(predictor)


def test_texts_may_come_from_anything_that_can_be_iterated(predictor):
    texts = ["Shares fell .", "Ann Lee joined Beta Bank ."]
    np.testing.assert_array_equal(
        predictor.encode(text for text in texts), predictor.encode(np.array(texts))
    )
    assert predictor(iter(texts)) == predictor(texts)
