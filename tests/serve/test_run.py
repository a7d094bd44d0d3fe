"""Running a server: how it starts, how it ends, and what it refuses before it loads a model."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from safetensors.numpy import load_file, save_file

from mtt_jax import UserError
from mtt_jax.cli import main
from mtt_jax.serve.run import bound, read_token
from mtt_jax.weights import manifest
from tests.helpers import ROOT
from tests.serve.running import SECONDS, Server
from tests.serve.test_app import answer, head, raw

BODY = b'{"text": "Shares fell ."}'


def complaint(capsys, *arguments):
    """The line that a command ends with."""
    assert main(["serve", *map(str, arguments)]) == 2
    return capsys.readouterr().err


# The end


def until_taken(server):
    """Waits until requests from before are being read: connections are accepted in their order."""
    assert httpx.get(server.url + "healthz", timeout=SECONDS).status_code == 200


def test_sigterm_finishes_a_request_in_progress_and_takes_no_more(run):
    with Server(run) as server:
        with raw(server, head(len(BODY)), BODY[:5]) as connection:
            until_taken(server)
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("stopping", signal="SIGTERM")
            refused = False
            while not refused:  # the listener closes a moment later
                try:
                    httpx.get(server.url + "healthz", timeout=SECONDS)
                except httpx.TransportError:
                    refused = True
            connection.sendall(BODY[5:])
            status, found = answer(connection)
            assert status == 200
            assert found["results"][0]["text"] == "Shares fell ."
        assert server.process.wait(timeout=SECONDS) == 0
        server.wait_for("stopped")


@pytest.mark.peers  # slow: waits for another process
def test_ctrl_c_twice_ends_the_process_at_once(run):
    with Server(run) as server, raw(server, head(len(BODY)), BODY[:5]):
        until_taken(server)
        server.process.send_signal(signal.SIGINT)
        server.wait_for("stopping", signal="SIGINT")
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=SECONDS) == 130


@pytest.mark.peers  # slow: waits for another process
def test_ctrl_c_ends_an_idle_server_with_success_and_a_request_beyond_the_grace_is_cut(run):
    with Server(run, "--grace=1") as server, raw(server, head(len(BODY)), BODY[:5]):
        until_taken(server)
        assert server.stop(signal.SIGINT) == 0


@pytest.fixture(scope="module")
def starting(run):
    with Server(run, ready=False) as server:
        yield server


def test_a_server_that_is_warming_up_is_alive_but_not_ready(starting):
    statuses = [starting.client.get("readyz").status_code]
    assert starting.client.get("healthz").status_code == 200
    while statuses[-1] != 200:
        assert statuses[-1] == 503
        statuses.append(starting.client.get("readyz").status_code)
    assert starting.predict(BODY).status_code == 200


def test_the_first_line_tells_a_person_where_to_look(starting):
    line = starting.process.stdout.readline()
    assert line == (
        f"Serving news at {starting.url} (interface: {starting.url}docs). Ctrl-C stops it.\n"
    )


def test_an_address_that_is_taken_is_refused_before_a_model_is_read(capsys, tmp_path):
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert complaint(capsys, tmp_path / "nothing", f"--port={port}") == (
            f"error: --port: cannot use 127.0.0.1:{port}: Address already in use; choose another "
            "with --port=N, or --port=0 for a free one.\n"
        )


@pytest.mark.peers  # slow: waits for another process
def test_a_model_that_does_not_fit_its_config_ends_the_server_with_one_line(run, tmp_path):
    """The heads of another model."""
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    file = broken / "model" / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.startswith("heads.ner"))
    tensors[name] = tensors[name][..., :1].copy()
    save_file(tensors, file)
    manifest.write(broken / "model")
    done = subprocess.run(
        [sys.executable, "-m", "mtt_jax", "serve", str(broken), "--port=0"],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {broken}/model/config.json: parameter heads")
    assert last.endswith("they do not belong together. Copy the whole directory again.")


# Before it starts


def test_a_run_that_does_not_exist_is_refused(capsys, tmp_path):
    assert complaint(capsys, tmp_path / "nothing", "--port=0").endswith(
        "nothing: no such directory; expected a run, as in runs/balanced.\n"
    )


def test_limits_are_checked_before_a_model_is_read(capsys, tmp_path):
    found = complaint(capsys, tmp_path / "nothing", "--queue=0")
    assert found == "error: --queue: 0 is out of range; must be at least 1.\n"


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("127.0.0.1", 65536, "--port: 65536 is out of range; must be from 0 to 65535."),
        ("127.0.0.1", -1, "--port: -1 is out of range; must be from 0 to 65535."),
        ("203.0.113.1", 0, "--port: cannot use 203.0.113.1:0: Cannot assign requested address;"),
        ("999.1.1.1", 0, "--host: 999.1.1.1: "),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(host, port, message):
    with pytest.raises(UserError) as error:
        bound(host, port)
    assert str(error.value).startswith(message)


def test_it_listens_where_it_was_told_to(run):
    with bound("127.0.0.2", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.2"
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text("abc\n", encoding="utf-8")
    assert read_token(str(file), {"MTT_TOKEN": "other"}) == "abc"
    assert read_token("", {"MTT_TOKEN": " other\n"}) == "other"
    assert read_token("", {}) == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" \n", " is empty; write a token into it, as openssl rand -hex 32 prints."),
        (b"two words", ": a token is one word of visible ASCII characters."),
        ("größe".encode(), ": a token is one word of visible ASCII characters."),
        (b"\xff", ": cannot be read: not UTF-8."),
        (None, ": cannot be read: No such file or directory."),
    ],
)
def test_a_token_file_without_a_token_is_refused(tmp_path, content, message):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_token(str(file), {})
    assert str(error.value) == f"--token-file: {file}{message}"


def test_an_empty_variable_is_refused_and_not_taken_for_no_token():
    with pytest.raises(UserError, match="MTT_TOKEN is empty"):
        read_token("", {"MTT_TOKEN": ""})


def test_a_missing_package_is_named_with_what_to_install(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert complaint(capsys, tmp_path) == (
        "error: starlette is not installed: pip install -r requirements-serve.txt\n"
    )
