"""Completion: the script that `mtt completion` prints, read by a real shell."""

import contextlib
import io
import shutil
import subprocess

import pytest

from mtt_jax.cli import COMMANDS, main


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script for bash, as a file."""
    file = tmp_path_factory.mktemp("completion") / "mtt.bash"
    file.write_text(printed("bash"))
    return file


def printed(shell):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["completion", shell]) == 0
    return out.getvalue()


def completed(script, *words):
    """What bash offers for the last word."""
    typed = " ".join(f"'{word}'" for word in ("mtt", *words))
    program = (
        f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; "
        'function=$(complete -p mtt | sed "s/.*-F \\([^ ]*\\) .*/\\1/"); $function; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    found = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_commands_are_completed(script):
    assert set(completed(script, "")) >= set(COMMANDS)
    assert completed(script, "tr") == ["train"]


def test_flags_and_their_choices_are_completed(script):
    assert "--workdir" in completed(script, "train", "--work")
    assert completed(script, "export", "runs/x", "folder", "--to", "h") == ["hf"]


def test_fields_of_the_config_and_their_choices_are_completed(script):
    found = completed(script, "train", "--config.train.st")
    assert found == ["--config.train.steps"]
    assert "--config.tasks.ner.scheme" in completed(script, "diagnose", "--config.tasks.ner.")
    assert completed(script, "train", "--config.encoder.dtype", "b") == ["bfloat16"]


def test_files_are_completed_where_a_path_is_expected(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_run").mkdir()
    assert completed(script, "predict", "my_") == ["my_run"]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_scripts_for_other_shells_name_every_command(shell):
    text = printed(shell)
    assert all(name in text for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, text=True, check=True)


def test_unknown_shell_is_refused_with_the_known_ones(capsys):
    assert main(["completion", "fish"]) == 2
    assert "bash" in capsys.readouterr().err
