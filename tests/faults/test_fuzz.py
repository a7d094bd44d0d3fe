"""A short fuzz, the same inputs every time; `python tests/faults/fuzz.py` runs a longer one."""

import json
import socket
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, Phase, given, settings

from mtt_jax.data.inputs import open_inputs
from mtt_jax.data.readers import expand, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from mtt_jax.serve.settings import Settings
from tests.faults import targets
from tests.faults.hostile import as_json, nested
from tests.serve.running import InThread

# Of each target, and only as many as are drawn in about a second; nothing is made smaller here.
EXAMPLES = 25
SHORT = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def by_name(model):
    return {target.name: target for target in targets.targets(model)}


NAMES = (
    "data files: text", "data files: JSON", "data files: binary", "tags", "offsets", "words",
    "clean",
    "tokenizer files", "overrides", "command lines", "config.json", "safetensors",
    "Hugging Face folders", "model directories", "body of POST /predict",
)  # fmt: skip


def test_every_target_is_fuzzed_here(by_name):
    assert tuple(by_name) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_drawn_there_is_a_result_or_a_refusal(name, by_name):
    target, outcomes = by_name[name], set()

    @SHORT
    @given(target.inputs)
    def attempt(value):
        with tempfile.TemporaryDirectory() as folder:
            outcomes.add(bool(targets.attempt(target, value, Path(folder))))

    attempt()
    assert outcomes, "nothing was tried"


# What the fuzz found, each once


def attempted(name, value, by_name, folder):
    return targets.attempt(by_name[name], value, folder)


def test_an_arrow_file_whose_offsets_lead_out_of_it_is_refused_and_read_by_nobody(tmp_path):
    """Reading it ended the process with a segmentation fault."""
    data = bytearray(targets.arrow())
    at = data.index(
        (0).to_bytes(4, "little") + (8).to_bytes(4, "little") + (15).to_bytes(4, "little")
    )
    data[at + 4 : at + 8] = (2**31 - 1).to_bytes(4, "little")
    file = tmp_path / "a.arrow"
    file.write_bytes(data)
    with pytest.raises(UserError, match=r"cannot be read as Parquet or Arrow: .*offset"):
        list(read_rows(file, Layout()).rows)


@pytest.mark.parametrize(
    "changed",
    [
        {"phases": [{"name": "a", "steps": 5, "freeze": 3}]},
        {"encoder": {"heads": 10**9}},
        {"train": {"accumulate": 10**9}},
        {"format": 1, "tasks": {"topic": {"kind": []}, "ner": {}}},
        {"format": 2, "tasks": {"topic": {"kind": {}}, "ner": {}}},
        {"tasks": {"topic": {"class_weights": ["a"]}}},
        {"tasks": {"topic": {"class_weights": None}}},
        {"tasks": {"topic": {"class_weights": {"a": {}}}}},
        {"train": {"score": [1]}},
        {"distill": {"teachers": 3}},
    ],
)
def test_a_config_json_of_other_types_or_absurd_sizes_is_refused(changed, by_name, tmp_path):
    whole = targets.plain_config()
    for name, value in changed.items():
        whole[name] = {**whole[name], **value} if isinstance(value, dict) else value
    assert attempted("config.json", as_json(whole), by_name, tmp_path)


@pytest.mark.parametrize(
    "flag",
    ["config.tasks.topic.labels[0]", "config.tasks.topic.labels[9]", "config.train.steps[0]",
    "config.",
     "config", "config.phases[", "config.phases[²]", "config.phases[-1].steps", "config.phases[0]",
     "config.train.steps.x", "config.tasks.topic.__class__", "config..", "config.tasks", "config.é",
     "config.phases[99999999999999999999].steps", "config.tasks.topic.labels[0][0]"],
)  # fmt: skip
@pytest.mark.parametrize("text", ["", None, "x"])
def test_a_flag_that_names_no_field_is_refused(flag, text, by_name, tmp_path):
    assert attempted("overrides", [(flag, text)], by_name, tmp_path).startswith("--config")


@pytest.mark.parametrize("value", ["1000000000", "9" * 30, "1e30"])
def test_heads_that_divide_nothing_are_answered_at_once_with_the_nearest_that_do(
    value, by_name, tmp_path
):
    message = attempted("overrides", [("config.encoder.heads", value)], by_name, tmp_path)
    assert "set --config.encoder.heads=128" in message


def test_a_config_whose_name_is_longer_than_any_path_is_refused(by_name, tmp_path):
    for name in ("a" * 5000, "~no_such_user_here/a"):
        message = attempted("command lines", ("train", [f"--config={name}"]), by_name, tmp_path)
        assert message.startswith("--config: ")


def test_a_packed_file_without_a_line_is_refused(tmp_path):
    file = tmp_path / "a.jsonl.zst"
    file.write_bytes(zstandard.compress(b""))
    with pytest.raises(UserError, match=r"a\.jsonl\.zst: holds no line\."):
        open_inputs([str(file)])


def test_many_files_with_commas_may_be_longer_than_a_path(tmp_path):
    names = [tmp_path / f"{'n' * 100}{number}.txt" for number in range(60)]
    for name in names:
        name.write_text("text\n")
    assert expand(", ".join(map(str, names)), "--x") == names


# Over a socket


@pytest.fixture(scope="module")
def server(model, by_name):
    with InThread(model, Settings(max_body=1 << 16, max_characters=5000)) as running:
        yield running


BODIES = [
    b"", b"null", b"[" * 60_000, b'{"text":' * 9000, b"\xff" * 100, b"\x00" * 100, b"x" * 70_000,
    b'{"text": "\\ud800"}', b'{"text": "a", "\\ud800": 1}', b'{"texts": ["a", "\\udfff"]}',
    b'{"text": ' + b"9" * 60_000 + b"}", b'{"text": 1e999}', b'{"text": NaN}', b'{"text": ["a"]}',
    as_json({"text": "a", "thresholds": nested(300)}), as_json({"text": "a" * 6000}),
    as_json({"texts": ["a"] * 5000}), as_json({"text": "a", "model": "\x00"}),
    as_json({"text": "a", "thresholds": {"topic": 10**400}}), b'{"text": "a", "text": "b"}',
    as_json({"text": "a", "thresholds": {"topic": {"x" * 5000: 1}}}), b"\xef\xbb\xbf{}",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_hostile_body_is_answered_with_4xx_and_json(body, server):
    answer = server.predict(body)
    assert 400 <= answer.status_code < 500
    assert set(answer.json()) == {"error", "request"}
    assert len(answer.json()["error"]) < 1000


def test_any_body_over_a_socket_is_answered_with_200_or_4xx_and_json(server):
    statuses = set()

    @settings(SHORT, max_examples=40)
    @given(targets.BODIES)
    def attempt(body):
        answer = server.predict(body)
        statuses.add(answer.status_code)
        assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
        json.loads(answer.content)

    attempt()
    assert {200, 400, 422} <= statuses
    assert server.predict(text="Ann left Oslo.").status_code == 200
    assert "request_failed" not in server.log.getvalue()


REQUESTS = [
    b"\x00" * 2000, b"\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /predict\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: -1\r\n\r\n{}",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
]  # fmt: skip


@pytest.mark.parametrize("request_bytes", REQUESTS, ids=range(len(REQUESTS)))
def test_what_is_no_http_is_refused_and_the_server_goes_on(request_bytes, server):
    host, port = server.client.base_url.host, server.client.base_url.port
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.settimeout(60)
        try:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:  # closed before all was sent
            answer = b""
    assert not answer or answer.split(b" ")[1][:1] in (b"2", b"4")
    assert server.predict(text="Ann left Oslo.").status_code == 200
