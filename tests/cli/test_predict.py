"""`mtt predict`: which format it writes when, and a conversation on a terminal."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

from mtt_jax.cli import main
from tests.helpers import ROOT, save_untrained

TEXTS = ["Tom Fry of Acme United scored in Rome .", "Shares fell ."]


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


class Terminal:
    """A process on a pseudo-terminal that does not echo what is typed."""

    SECONDS = 240  # until a test gives up; a slow machine needs some to load JAX

    def __init__(self, *arguments):
        self._screen, terminal = pty.openpty()
        mode = termios.tcgetattr(terminal)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, mode)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mtt_jax", *map(str, arguments)],
            cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu", "TERM": "dumb"},
            stdin=terminal, stdout=terminal, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        self.shown = ""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def type(self, text):
        os.write(self._screen, text.encode())

    def read_until(self, pattern):
        """The match of a pattern in what is shown from now on; what follows it is kept."""
        end = time.monotonic() + self.SECONDS
        while not (match := re.search(pattern, self.shown, re.MULTILINE)):
            ready, _, _ = select.select([self._screen], [], [], max(0, end - time.monotonic()))
            assert ready, f"{pattern} did not appear: {self.shown}"
            self.shown += self._read()
        self.shown = self.shown[match.end() :]
        return match

    def _read(self):
        try:
            shown = os.read(self._screen, 65536).decode()
        except OSError:  # how Linux says that the other end is closed
            shown = ""
        assert shown, f"the process has ended: {self.shown}"
        return shown.replace("\r\n", "\n")

    def end(self):
        """Types the end of input; returns the exit status."""
        self.type("\x04")
        return self.process.wait(timeout=self.SECONDS)


def test_on_a_terminal_each_line_is_answered_in_text_before_the_next_is_typed(run):
    with Terminal("predict", run) as terminal:
        terminal.read_until(r"^Type a text and press Enter; Ctrl-D to quit\.\n")
        for text in TEXTS:
            terminal.type(f"{text}\n")
            label = terminal.read_until(r"^  topic: (\w+) [01]\.\d\d\n")[1]
            assert label in ("sports", "politics", "others")
            terminal.read_until(r"^  ner: (.+ \((PER|ORG|LOC|MISC)\) [01]\.\d\d|\(none\))\n")
        assert terminal.end() == 0


def test_on_a_terminal_with_format_jsonl_each_line_is_answered_in_json(run):
    with Terminal("predict", run, "--format=jsonl") as terminal:
        terminal.read_until(r"Ctrl-D to quit\.\n")
        for text in TEXTS:
            terminal.type(f"{text}\n")
            answer = json.loads(terminal.read_until(r"^\{.*\}\n")[0])
            assert answer["text"] == text
            assert answer["topic"]["label"] in answer["topic"]["scores"]
            assert isinstance(answer["ner"], list)
        assert terminal.end() == 0


def test_on_a_terminal_an_output_file_is_jsonl_and_has_each_answer_at_once(run, tmp_path):
    output = tmp_path / "out.jsonl"
    output.touch()
    with Terminal("predict", run, f"--output={output}") as terminal:
        terminal.read_until(r"Ctrl-D to quit\.\n")
        for count, text in enumerate(TEXTS, start=1):
            terminal.type(f"{text}\n")
            end = time.monotonic() + terminal.SECONDS
            while output.read_text().count("\n") < count and time.monotonic() < end:
                time.sleep(0.01)
            assert [json.loads(row)["text"] for row in output.open()] == TEXTS[:count]
        assert terminal.end() == 0


def test_a_file_is_answered_in_jsonl(run, tmp_path, capsys):
    file = tmp_path / "in.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    assert main(["predict", str(run), str(file)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == TEXTS


def test_a_file_can_be_answered_in_text(run, tmp_path, capsys):
    file = tmp_path / "in.txt"
    file.write_text(TEXTS[1] + "\n")
    assert main(["predict", str(run), str(file), "--format=text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  topic: \w+ [01]\.\d\d", lines[0])
    assert lines[1:]
    assert all(line.startswith("  ner: ") for line in lines[1:])


def test_the_old_name_of_the_engine_gives_the_same_answers(run, tmp_path, capsys):
    file = tmp_path / "in.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    answers = []
    for option in ("--engine=jax-bfloat16", "--backend=jax-bfloat16", "--engine=jax"):
        assert main(["predict", str(run), str(file), option]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1] != answers[2]


def test_broken_lines_are_counted_and_give_exit_status_1(run, tmp_path, capsys):
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "a"}\n{"text"\n[]\n')
    assert main(["predict", str(run), str(file)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert err.endswith("2 broken lines.\n")
