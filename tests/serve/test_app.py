"""The server over a real socket: every path, every refusal, and what it logs and counts."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from mtt_jax import Predictor
from mtt_jax.serve.boundary import _HEADERS
from mtt_jax.serve.settings import Settings
from tests.serve.running import SECONDS, InThread, Server, assert_alike

TEXT = "Tom Fry of Acme United scored in Rome ."
TEXTS = [TEXT, "Shares fell .", "", "\U0001f600 Ann Lee left \u6771\u4eac .", "\0", "word " * 200]
MAX_BODY = 20_000
NEVER = {"wait_ms": 1e9, "batch_tokens": 1_000_000}


@pytest.fixture(scope="module")
def server(run, four):
    limits = f"--max-body={MAX_BODY}", "--max-texts=8", "--max-characters=2000"
    with Server(run, f"other={four}", *limits) as server:
        yield server


def raw(server, *pieces):
    """A socket to a server, with some bytes sent."""
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=SECONDS)
    for piece in pieces:
        connection.sendall(piece)
    return connection


def head(length, *more):
    lines = [
        "POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json",
        f"Content-Length: {length}", *more,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection):
    """(status, JSON) of what comes next on a socket that is closed after it."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    start, _, body = received.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)


# Predictions


def test_the_answers_are_those_of_the_predictor(server, run):
    response = server.predict(texts=TEXTS)
    assert response.status_code == 200
    assert response.json()["model"] == "news"
    assert_alike(response.json()["results"], Predictor.load(run)(TEXTS))


def test_one_text_is_a_list_of_one_result(server, run):
    found = server.predict(text=TEXT).json()
    assert set(found) == {"model", "results"}
    assert_alike(found["results"], Predictor.load(run)([TEXT]))


def test_no_texts_give_no_results(server):
    assert server.predict(texts=[]).json() == {"model": "news", "results": []}


def test_another_model_is_named_in_the_request(server, four):
    found = server.predict(text=TEXT, model="other").json()
    assert found["model"] == "other"
    assert_alike(found["results"], Predictor.load(four)([TEXT]))


def test_embeddings_are_those_of_the_predictor(server, run):
    found = server.predict(texts=TEXTS, embeddings=True).json()
    np.testing.assert_allclose(found["embeddings"], Predictor.load(run).encode(TEXTS), atol=1e-4)


def test_thresholds_leave_answers_out(server):
    (plain,) = server.predict(text=TEXT).json()["results"]
    never = {"topic": None, "ner": None}
    (strict,) = server.predict(text=TEXT, thresholds=never).json()["results"]
    assert plain["topic"]["label"]
    assert strict["topic"] == plain["topic"] | {"label": None}
    assert (strict["ner"], len(plain["ner"]) > 0) == ([], True)


def test_concurrent_requests_get_their_own_answers(server):
    texts = [f"Ann {'left ' * n}Oslo ." for n in range(40)]
    with ThreadPoolExecutor(16) as pool:
        responses = pool.map(lambda text: server.predict(text=text).json(), texts)
        assert [response["results"][0]["text"] for response in responses] == texts


# Refusals


def test_an_unknown_model_is_404_and_names_the_models(server):
    response = server.predict(text=TEXT, model="othr")
    assert response.status_code == 404
    assert response.json()["error"] == (
        "model: no such model; the models are news, other. Did you mean 'other'?"
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 10_000, 400),
        (b'{"text": ' + b"1" * 10_000 + b"}", 400),
        (b'{"text": "\\ud800"}', 422),
        (b'{"text": "a", "treshold": 1}', 422),
        (b'{"text": "a", "thresholds": {"nre": 1}}', 422),
        (json.dumps({"text": "a" * 2001}).encode(), 422),
        (json.dumps({"texts": [""] * 9}).encode(), 422),
    ],
)
def test_a_wrong_body_is_refused_with_one_line_and_the_id_of_the_request(server, body, status):
    response = server.predict(body)
    assert response.status_code == status
    found = response.json()
    assert set(found) == {"error", "request"}
    assert found["request"] == response.headers["X-Request-ID"]
    assert "Traceback" not in found["error"]


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
def test_another_content_type_is_415(server, kind):
    headers = {"Content-Type": kind} if kind else {}
    response = server.client.post("predict", content=b'{"text": "a"}', headers=headers)
    assert response.status_code == 415
    assert "Content-Type: application/json" in response.json()["error"]


def test_the_charset_may_be_named(server):
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    response = server.client.post("predict", content=b'{"text": "a"}', headers=headers)
    assert response.status_code == 200


def test_a_body_that_is_announced_as_too_large_is_refused_unread(server):
    with raw(server, head(MAX_BODY + 1)) as connection:
        assert answer(connection)[0] == 413


def test_a_body_without_an_announced_length_is_refused_once_it_is_too_large(server):
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY, b" " * MAX_BODY)
    start = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with raw(server, start, chunk, chunk) as connection:
        status, found = answer(connection)
    assert (status, found["error"]) == (413, "the body is larger than 20,000 bytes.")


def test_what_is_not_http_is_400(server):
    with raw(server, b"\x16\x03\x01 hello\r\n\r\n") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")
    assert server.client.get("healthz").status_code == 200


def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(server):
    before = server.metric("mtt_requests_total", status="499")
    with raw(server, head(100), b'{"text": '):
        pass
    server.until("mtt_requests_total", before + 1, status="499")
    assert server.predict(text=TEXT).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "predict", 405, "POST"),
        ("DELETE", "predict", 405, "POST"),
        ("FOO", "predict", 405, "POST"),
        ("POST", "info", 405, "GET, HEAD"),
        ("OPTIONS", "predict", 204, "POST"),
        ("OPTIONS", "", 204, "GET, HEAD"),
        ("GET", "nothing", 404, None),
        ("GET", "static/", 404, None),
        ("GET", "static/../settings.py", 404, None),
        ("GET", "static/%2e%2e/settings.py", 404, None),
        ("GET", "predict/", 404, None),
    ],
)
def test_other_methods_and_paths_are_refused_and_the_right_ones_named(
    server, method, path, status, allow
):
    response = server.client.request(method, path)
    assert response.status_code == status
    allowed = response.headers.get("Allow")
    assert (sorted(allowed.split(", ")) if allowed else None) == (allow and allow.split(", "))


# Other paths


PATHS = ["", "docs", "openapi.json", "info", "healthz", "readyz", "metrics", "static/page.js"]


@pytest.mark.parametrize("path", PATHS)
def test_head_gives_the_headers_of_get(server, path):
    got, headed = server.client.get(path), server.client.head(path)
    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.content == b"" != got.content
    assert headed.headers["Content-Type"] == got.headers["Content-Type"]


@pytest.mark.parametrize("path", [*PATHS, "nothing"])
def test_every_answer_forbids_what_would_be_loaded_from_elsewhere(server, path):
    headers = server.client.get(path).headers
    for name, value in _HEADERS:
        assert headers[name.decode()] == value.decode()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "server" not in headers


@pytest.mark.parametrize("path", ["", "docs", "static/page.js", "static/style.css"])
def test_a_page_that_the_browser_has_is_not_sent_again(server, path):
    tag = server.client.get(path).headers["ETag"]
    again = server.client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_info_names_models_labels_and_limits(server):
    info = server.client.get("info").json()
    assert info["default"] == "news"
    assert list(info["models"]) == ["news", "other"]
    ner = {"kind": "entities", "labels": ["O", "PER", "ORG", "LOC", "MISC"], "scheme": "io"}
    assert info["models"]["news"]["tasks"]["ner"] == ner
    assert info["limits"]["texts"] == 8
    assert info["engine"] == "jax"
    assert info["examples"]


def test_a_request_keeps_a_harmless_id_of_its_own_and_gets_one_otherwise(server):
    def answered(given):
        return server.client.get("healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert answered("a-1.B_2") == "a-1.B_2"
    assert answered("a b") != "a b"
    assert len(answered("x" * 65)) == 16


def test_metrics_count_requests_texts_and_batches_and_name_no_unknown_path(server):
    before = server.metric("mtt_texts_total", model="news")
    server.predict(texts=TEXTS)
    assert server.metric("mtt_texts_total", model="news") == before + len(TEXTS)
    server.client.get("secret-path")
    text = server.client.get("metrics").text
    assert "secret-path" not in text
    assert 'path="other"' in text
    assert server.metric("mtt_ready") == 1
    assert server.metric("mtt_queue_limit_texts", model="news") == 1024
    assert 0 < server.metric("mtt_batch_fill_sum") <= server.metric("mtt_batch_fill_count")


def test_the_log_has_a_line_per_request_and_no_text(server):
    headers = {"X-Request-ID": "for-the-log", "Content-Type": "application/json"}
    body = json.dumps({"texts": ["Confidential Ann"] * 2}).encode()
    server.client.post("predict?q=Confidential", content=body, headers=headers)
    line = server.wait_for("request", request="for-the-log")
    assert line["status"] == 200
    assert (line["model"], line["texts"], line["path"]) == ("news", 2, "/predict")
    assert line["tokens"] > 4
    server.predict(b'{"text": "Confidential", "Confidential": 1}')
    server.client.get("Confidential")
    server.client.get("healthz", headers={"X-Request-ID": "last"})
    server.client.get("info", headers={"X-Request-ID": "last"})
    assert server.wait_for("request", request="last")["path"] == "/info"
    assert "Confidential" not in json.dumps(server.events)


# A queue in which texts wait for ever, for a batch that is never full


@pytest.fixture(scope="module")
def stuck(run):
    with InThread(run, Settings(**NEVER, queue=4, max_texts=4)) as server:
        yield server


def test_a_full_queue_is_503_with_retry_after_and_a_client_that_leaves_makes_room(stuck):
    body = json.dumps({"texts": [TEXT] * 4}).encode()
    with raw(stuck, head(len(body)), body):
        stuck.until("mtt_queue_texts", 4)
        refused = stuck.predict(text=TEXT)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert "4 texts at most may wait" in refused.json()["error"]
        assert stuck.client.get("readyz").status_code == 200
    stuck.until("mtt_dropped_texts_total", 4)
    assert stuck.metric("mtt_queue_texts") == 0
    assert stuck.metric("mtt_tokens_total") == 0
    assert stuck.metric("mtt_requests_total", status="499") == 1


@pytest.fixture(scope="module")
def hurried(run):
    with InThread(run, Settings(**NEVER, timeout=1)) as server:
        yield server


def test_a_request_that_takes_too_long_is_504_and_leaves_the_queue(hurried):
    response = hurried.predict(text=TEXT)
    assert response.status_code == 504
    assert response.json()["error"] == "no answer within 1 seconds."
    assert hurried.metric("mtt_queue_texts") == 0
    assert hurried.metric("mtt_dropped_texts_total") == 1


def test_a_body_that_does_not_arrive_is_408(hurried):
    with raw(hurried, head(100), b'{"text": ') as connection:
        assert answer(connection)[0] == 408


# A token


@pytest.fixture(scope="module")
def guarded(run):
    with InThread(run, Settings(), token="s3cret") as server:
        yield server


@pytest.mark.parametrize(
    "path", ["", "docs", "openapi.json", "healthz", "readyz", "static/page.js"]
)
def test_pages_and_probes_need_no_token(guarded, path):
    assert guarded.client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["info", "metrics", "nothing"])
@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", "Bearer s3cre", "Basic s3cret", "s3cret"]
)
def test_everything_else_needs_the_token(guarded, path, given):
    headers = {"Authorization": given} if given is not None else {}
    response = guarded.client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.predict(text=TEXT).status_code == 401


def test_the_token_opens_what_needs_it(guarded):
    headers = {"Authorization": "bearer s3cret", "Content-Type": "application/json"}
    assert guarded.client.get("info", headers=headers).status_code == 200
    response = guarded.client.post("predict", content=b'{"text": "Ann"}', headers=headers)
    assert response.status_code == 200


def test_the_token_is_in_no_log_line(guarded):
    guarded.client.get("info", headers={"Authorization": "Bearer wr0ng", "X-Request-ID": "x"})
    log = guarded.log.getvalue()
    assert '"request": "x"' in log
    assert "wr0ng" not in log


def test_many_connections_at_once_are_all_answered(server):
    """More than the threads of any pool; each has a connection of its own."""
    responses = []

    def ask():
        with httpx.Client(base_url=server.url, timeout=SECONDS, verify=False) as client:
            responses.append(client.post("predict", json={"text": TEXT}).status_code)

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert responses == [200] * 64
