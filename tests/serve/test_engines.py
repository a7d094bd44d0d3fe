"""A server with any engine answers what `Predictor` answers with that engine."""

import pytest

from mtt_jax import Predictor
from mtt_jax.config.schema import ENGINES
from tests.check.trained import trained_run
from tests.serve.running import Server, assert_alike

TEXTS = [
    "Tom won the match in Rome on day 3000 .",
    "Minister Ann resigned in Oslo on day 3001 .",
    "Eva scored twice in Lima.",
    "",
    "Coach Lee left Bern, and Max voted for the law in Oslo. " * 9,
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that was trained until it finds people, places and topics."""
    return trained_run(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module", params=ENGINES)
def served(request, trained):
    """The engine, and a server with the trained run that was started with it."""
    if request.param.startswith("onnx"):
        pytest.importorskip("onnxruntime", reason="needs requirements-onnx.txt")
        pytest.importorskip("jax2onnx", reason="needs requirements-onnx.txt")
    with Server(trained, f"--engine={request.param}") as server:
        yield request.param, server


@pytest.mark.peers  # slow: trains, and waits for another process
def test_a_server_answers_what_the_predictor_answers_with_the_same_engine(served, trained):
    engine, server = served
    predictor = Predictor.load(trained, engine)
    answer = server.predict(texts=TEXTS, embeddings=True)
    assert answer.status_code == 200
    found = answer.json()
    assert_alike(found["results"], predictor(TEXTS))
    assert_alike(found["embeddings"], predictor.encode(TEXTS).tolist())
    for text in TEXTS:  # alone, as they are typed into the page
        assert_alike(server.predict(text=text).json()["results"], [predictor(text)])


@pytest.mark.peers  # slow: trains, and waits for another process
def test_the_served_model_has_learned_its_tasks(served):
    """So that the answers compared above are not all empty."""
    (found,) = served[1].predict(text=TEXTS[0]).json()["results"]
    assert found["topic"]["label"] == "sports"
    assert [(span["text"], span["label"]) for span in found["ner"]] == [
        ("Tom", "PER"), ("Rome", "LOC"),
    ]  # fmt: skip


@pytest.mark.peers  # slow: trains, and waits for another process
def test_info_names_the_engine_and_describes_the_model(served, trained):
    engine, server = served
    info = server.client.get("info").json()
    assert info["engine"] == engine
    (about,) = info["models"].values()
    assert set(about["tasks"]) == {"topic", "ner"}
    assert about["parameters"] > 1000
