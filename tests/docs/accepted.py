"""Commands that are checked and not run: their flags, config and files."""

import argparse
import contextlib
import functools
import importlib.util
import os
import subprocess
import sys

from mtt_jax.cli import COMMANDS
from mtt_jax.cli.options import Parser, actions_of
from mtt_jax.config.files import load_config, load_file, override, split_overrides
from mtt_jax.errors import UserError
from tests.docs import install
from tests.helpers import ROOT

# In place of what a page leaves to its reader.
STAND_FOR = {
    "RUN": "runs/balanced",
    "CONFIG": "balanced",
    "NAME": "balanced",
    "configs/NAME.py": "configs/balanced.py",
    "SHELL": "bash",
    "FORMAT": "onnx",
    "COMMAND": "info",
    "RUN,...": "runs/balanced",
}


def fault(words, folder):
    """What is wrong with a command in a folder; "" if nothing that can be seen without running it.

    Args:
      words: the command as a shell divides it.
      folder: a checkout.
    """
    words = [filled(word) for word in words]
    while words and "=" in words[0] and words[0][0] != "-":  # variables in front
        words = words[1:]
    if words[0] in ("srun", "taskset"):
        words = words[words.index("python") :]
    if words[0] == "pip":
        return install.fault(words[1:], folder)
    if words[:3] == ["python", "-m", "mtt_jax"]:
        return _of_ours(words[3:], folder)
    if words[0] == "mtt":
        return _of_ours(words[1:], folder)
    if words[:2] == ["python", "launch.py"]:
        return _of_ours(
            ["train", *(w.replace("--dry_run", "--dry-run") for w in words[2:])], folder
        )
    if words[:3] == ["python", "-m", "pytest"]:
        return _of_pytest(words[3:])
    if words[:2] == ["python", "pipeline.py"]:
        return _of_beam(words[2:])
    if words[:2] == ["python", "-m"]:
        return "" if importlib.util.find_spec(words[2]) else f"no module {words[2]}"
    if words[0] == "python" and words[1].startswith("benchmarks/"):
        return _of_benchmark(words[1], words[2:])
    if words[0] == ".":  # a file that a command before it writes
        return ""
    return _of_program(words)


def filled(word):
    """A word with something in place of what is left to the reader."""
    flag, equals, value = word.partition("=")
    if equals and flag[:2] == "--":
        return f"{flag}={STAND_FOR.get(value, value)}"
    return STAND_FOR.get(word, word)


def _of_ours(words, folder):
    if not words or words == ["--help"]:
        return ""
    name, *rest = words
    if name not in COMMANDS:
        return f"no command {name}"
    if not rest or rest == ["--help"]:
        return ""
    command = COMMANDS[name]
    parser = Parser(prog=f"mtt {name}", allow_abbrev=False)
    command.add_arguments(parser)
    parser.set_defaults(commands=COMMANDS)
    for action in actions_of(parser):  # a page may name only what it is about
        if not action.option_strings:
            action.nargs, action.required = "*", False
    rest = rest[: rest.index(">")] if ">" in rest else rest
    with contextlib.chdir(folder):
        try:
            options = command.parse(parser, rest)
            if getattr(options, "config", None):
                load_config(options.config, options.overrides)
        except UserError as error:
            if "is missing" not in str(error):
                return str(error)
    return ""


def _of_benchmark(script, words):
    if not (ROOT / script).is_file():
        return f"{script}: no such file"
    flags = _help(f"python {script}") if [w for w in words if w[0] == "-"] else ""
    unknown = [
        word
        for word in words
        if word[:2] == "--" and word != "--" and not word.startswith("--config.")
        and word.partition("=")[0] not in flags
    ]  # fmt: skip
    if unknown:
        return f"{script} --help does not name {unknown[0]}"
    try:
        overrides, _ = split_overrides([w for w in words if w.startswith("--config.")])
        given = [w.partition("=")[2] for w in words if w.startswith("--config=")]
        if given:
            load_config(given[0], overrides)
        else:
            override(load_file("pretrained"), overrides)
    except UserError as error:
        return str(error)
    return ""


def _of_program(words):
    """A program installed in this environment: its help names the flags."""
    parts = [word for word in words if word[0] != "-"][:2]
    flags = [word.partition("=")[0] for word in words if word[:2] == "--"]
    shown = _help(" ".join(parts)) if flags else ""
    unknown = [flag for flag in flags if flag not in shown]
    return f"{' '.join(parts)} --help does not name {unknown[0]}" if unknown else ""


@functools.cache
def _help(program):
    """What a program prints for --help."""
    bin_ = os.path.dirname(sys.executable)
    ended = subprocess.run(
        f"{program} --help", shell=True, cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"},
    )  # fmt: skip
    assert ended.returncode == 0, f"{program} --help: {ended.stderr[-2000:]}"
    return ended.stdout


def _of_pytest(words):
    """Files and folders are there; flags and markers are those of the configuration."""
    known = ("-x", "-q", "-n", "0", "-k", "-m", "peers")
    for word in words:
        if (
            word not in known
            and not (ROOT / word).exists()
            and words[words.index(word) - 1] != "-k"
        ):
            return f"{word}: no such test"
    return ""


def _of_beam(words):
    """The flags are those of Beam's pipelines."""
    options = importlib.import_module("apache_beam.options.pipeline_options")
    parser = argparse.ArgumentParser()
    for kind in options.PipelineOptions.__subclasses__():
        with contextlib.suppress(argparse.ArgumentError):
            kind._add_argparse_args(parser)
    flags = [word for word in words if word[:2] == "--"]
    _, unknown = parser.parse_known_args(flags)
    return f"{unknown[0]}: no option of Beam" if unknown else ""
