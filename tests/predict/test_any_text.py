"""Any text at all: the same answer alone, in a batch, in a packed row and in a stream of texts."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtt_jax import Predictor
from mtt_jax.config.schema import TokenizerConfig
from mtt_jax.data.tokenizer import train as train_tokenizer
from tests.helpers import save_four_tasks
from tests.texts import HARD, SEPARATORS, hard_texts, without_halves

PIECES = st.one_of(st.sampled_from([*HARD, *SEPARATORS]), st.text(max_size=6))
TEXT = st.lists(PIECES, max_size=30).map("".join)
# The same examples every time: answers of an untrained model may be as good as equal.
some = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module", params=["cleaned", "as given"])
def predictor(request, tmp_path_factory):
    """An untrained model with tasks of all four kinds, whose answers differ from text to text."""
    known = [without_halves(text) for text in hard_texts(300)]
    tokenizer = train_tokenizer(known, TokenizerConfig(vocab_size=400))
    folder = tmp_path_factory.mktemp("any")
    save_four_tasks(folder, tokenizer, data__clean=request.param == "cleaned")
    return Predictor.load(folder)


def scores_of(value):
    """The numbers in a result, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in scores_of(inner)]
    return [value] if isinstance(value, float) else []


def without_scores(value):
    """A result without its probabilities."""
    if isinstance(value, dict):
        return {key: without_scores(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_scores(inner) for inner in value]
    return None if isinstance(value, float) else value


def assert_same(ours, theirs):
    assert without_scores(ours) == without_scores(theirs)
    assert scores_of(ours) == pytest.approx(scores_of(theirs), abs=1e-4)


@some
@given(text=TEXT)
def test_offsets_lie_in_the_text_and_give_what_is_shown(predictor, text):
    result = predictor(text)
    assert result["text"] == text
    for task in ("ner", "pos"):
        end = 0
        for part in result[task]:
            assert end <= part["start"] < part["end"] <= len(text)
            assert text[part["start"] : part["end"]] == part["text"]
            end = part["end"]
    edges = [{word[edge] for word in result["pos"]} for edge in ("start", "end")]
    for entity in result["ner"]:
        assert entity["start"] in edges[0]
        assert entity["end"] in edges[1]


@some
@given(text=TEXT)
def test_a_result_is_json_without_nan_and_says_nothing_of_a_text_without_words(predictor, text):
    result = predictor(text)
    json.dumps(result, allow_nan=False)
    assert (result["topic"] is None) == (result["subjects"] is None) == (not result["pos"])


@some
@given(texts=st.lists(TEXT, min_size=1, max_size=9))
def test_a_text_alone_gets_the_answer_that_it_gets_in_a_batch_and_in_a_stream(predictor, texts):
    """Short texts of a batch share a row, and long ones are read in windows."""
    together = predictor(texts)
    streamed = list(predictor.pipe(iter(texts), batch_size=2))
    for text, one, other in zip(texts, together, streamed, strict=True):
        assert_same(one, predictor(text))
        assert_same(one, other)


@some
@given(text=TEXT, neighbors=st.lists(TEXT, max_size=6))
def test_the_neighbors_of_a_text_in_its_row_do_not_change_its_answer(predictor, text, neighbors):
    alone = predictor(text)
    for place in {0, len(neighbors)}:
        row = [*neighbors[:place], text, *neighbors[place:]]
        assert_same(predictor(row)[place], alone)
