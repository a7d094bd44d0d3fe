"""Servers for tests: as `mtt serve` starts them, or in a thread."""

import io
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading

import httpx
import pytest
import uvicorn

from mtt_jax.serve import logs, models
from mtt_jax.serve.app import make_app
from mtt_jax.serve.run import bound
from tests.helpers import ROOT

SECONDS = 240  # until a test gives up; a slow machine needs some to load JAX


class Asking:
    """What tests ask of a server.

    Attributes:
      url: where it listens, with a slash at the end.
      client: for its paths.
    """

    def connect(self, url):
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=SECONDS)

    def predict(self, body=None, **fields):
        """The response to POST /predict; `body` are bytes in place of fields."""
        content = json.dumps(fields).encode() if body is None else body
        headers = {"Content-Type": "application/json"}
        return self.client.post("predict", content=content, headers=headers)

    def metric(self, name, **labels):
        """The value of a metric with these labels; 0 if it has none."""
        for line in self.client.get("metrics").text.splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                given = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if labels.items() <= given.items():
                    return float(found[3])
        return 0.0

    def until(self, name, value, **labels):
        """Asks again until a metric has a value."""
        while self.metric(name, **labels) != value:
            self.check()

    def check(self):
        """Fails if the server has ended."""


class Server(Asking):
    """`mtt serve` with some arguments, in a process of its own at a free port.

    Attributes:
      events: the lines of its log so far, as dicts.
    """

    def __init__(self, *arguments, environment=None, port=0, ready=True):
        self._arguments = [*map(str, arguments), f"--port={port}"]
        self._environment, self._until_ready = environment or {}, ready
        self.events = []

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mtt_jax", "serve", *self._arguments],
            cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu", **self._environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.connect(self.wait_for("listening")["url"])
            if self._until_ready:
                self.wait_for("ready")
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *exception):
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def _read(self):
        with self.process.stderr as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, event, **about):
        """The next line of the log about an event, with some values of its keys."""
        while True:
            line = self._lines.get(timeout=SECONDS)
            assert line is not None, f"the server ended before {event}: {self.events}"
            found = json.loads(line)
            self.events.append(found)
            if found["event"] == event and about.items() <= found.items():
                return found

    def stop(self, number=signal.SIGTERM):
        """Sends a signal; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=SECONDS)

    def check(self):
        assert self.process.poll() is None, self.events


class InThread(Asking):
    """The same without a process of its own, which takes less time to start.

    Attributes:
      log: what it has logged.
    """

    def __init__(self, run, settings, token=""):
        served = {"news": models.load(str(run), "jax", "first")}
        config = uvicorn.Config(make_app(served, settings, token=token), log_config=None)
        self._server, self._listener = uvicorn.Server(config), bound("127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def __enter__(self):
        self.log = io.StringIO()
        logs.start(self.log)
        self._thread.start()
        self.connect(f"http://127.0.0.1:{self._listener.getsockname()[1]}/")
        while self.client.get("readyz").status_code != 200:
            pass
        return self

    def __exit__(self, *exception):
        self.client.close()
        self._server.should_exit = True
        self._thread.join(timeout=SECONDS)
        self._listener.close()


def assert_alike(ours, theirs):
    """The same JSON but for rounding, which depends on what shares a batch."""
    assert isinstance(theirs, type(ours))  # the predictor returns a kind of dict
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_alike(ours[key], theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_alike(one, other)
    else:
        assert ours == (pytest.approx(theirs, abs=1e-4) if isinstance(ours, float) else theirs)
