"""`mtt COMMAND`: the commands, their help, exit statuses, and mistakes in one line."""

import os
import subprocess
import sys
import warnings

import pytest

from mtt_jax import __version__
from mtt_jax.cli import COMMANDS, guarded, main
from mtt_jax.errors import RenamedWarning, UserError
from mtt_jax.train.stop import InterruptedRunError
from tests.helpers import ROOT


def python(*arguments):
    """A finished process of a fresh interpreter."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, env=environment
    )


def refused(capsys, *arguments):
    """The one line on standard error of a command that exits with 2."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    return err.strip()


def test_help_lists_every_command_with_what_it_does(capsys):
    for argument in ("--help", "-h", "help"):
        assert main([argument]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for name, command in COMMANDS.items():
            assert (
                sum(line.split() == [name, *command.HELP.split()] for line in out.split("\n")) == 1
            )


def test_no_command_shows_the_help_on_standard_error_with_exit_status_2(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: mtt COMMAND")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_describes_itself_and_its_options(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: mtt {name} ")
    assert COMMANDS[name].__doc__.strip().splitlines()[0] in out
    assert f"mtt {name}" in COMMANDS[name].__doc__  # an example to copy


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def test_an_unknown_command_is_refused_with_the_known_ones_and_the_nearest(capsys):
    err = refused(capsys, "evalute")
    assert err == (
        f"error: evalute: no such command; the commands are {', '.join(COMMANDS)}. "
        "Did you mean 'evaluate'?"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("info", "the following arguments are required: RUN; see mtt info --help."),
        ("info a b", "unexpected argument 'b'; see mtt info --help."),
        ("info a b=c", "unexpected argument 'b=c'; see mtt info --help."),
        ("fields x", "unexpected argument 'x'; see mtt fields --help."),
        ("export a b", "the following arguments are required: --to; see mtt export --help."),
        ("export a b --to=onxn", "argument --to: invalid choice: 'onxn' (choose from "),
        ("evaluate", "the following arguments are required: RUN; see mtt evaluate --help."),
        ("evaluate a --split=train", "argument --split: invalid choice: 'train' (choose from "),
        ("predict a --foramt=x", "--foramt: no such option. Did you mean '--format'? See mtt"),
        ("predict a --form=csv", "--form: no such option. Did you mean '--format'? See mtt"),
        ("predict a --format", "argument --format: expected one argument; see mtt predict --help."),
        ("predict a --engine=onnxx", "argument --engine/--backend: invalid choice: 'onnxx'"),
        ("diagnose --config=balanced --seeds=x", "argument --seeds: invalid int value: 'x'; see"),
        ("diagnose", "--config is missing; try --config=balanced."),
        ("diagnose --config=balancd", "--config: balancd: neither a file nor the name of"),
        ("diagnose --config=balanced --config.train.stpes=3", "--config.train.stpes: no such"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_arguments_is_one_line_and_exit_status_2(arguments, message, capsys):
    assert refused(capsys, *arguments.split()).startswith(f"error: {message}")


@pytest.mark.parametrize("command", ["evaluate", "predict", "info", "export --to=onnx"])
def test_a_missing_run_is_one_line_and_exit_status_2(command, capsys, tmp_path):
    more = [str(tmp_path / "out")] if "export" in command else []
    err = refused(capsys, *command.split(), str(tmp_path / "none"), *more)
    assert err.startswith(f"error: {tmp_path}/none: no such directory")


def test_a_run_without_a_model_says_how_to_get_one(capsys, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    err = refused(capsys, "evaluate", str(tmp_path))
    assert err.endswith("this run has no model yet; resume it with the command that started it.")


def test_the_page_of_fields_in_docs_is_current(capsys):
    assert main(["fields"]) == 0
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page, "run: mtt fields > docs/config.md"


# Exit statuses


def raising(error):
    def run():
        raise error

    return run


def test_the_exit_status_is_that_of_the_command():
    assert guarded(lambda: 0) == 0
    assert guarded(lambda: 1) == 1


def test_a_mistake_of_the_user_is_one_line_and_exit_status_2(capsys):
    assert guarded(raising(UserError("a.csv, line 7: no text."))) == 2
    assert capsys.readouterr() == ("", "error: a.csv, line 7: no text.\n")


def test_an_interrupted_run_says_that_it_can_be_resumed_and_gives_the_signal_s_status(capsys):
    assert guarded(raising(InterruptedRunError(7, 15))) == 128 + 15
    err = capsys.readouterr().err
    assert err == "stopped at step 7; the same command resumes from there.\n"


def test_a_broken_pipe_is_not_an_error(capsys):
    assert guarded(raising(BrokenPipeError())) == 0
    assert capsys.readouterr() == ("", "")


def test_an_error_that_is_not_the_user_s_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        guarded(raising(ZeroDivisionError()))


def test_a_renamed_field_is_one_note_on_standard_error(capsys):
    def run():
        for _ in range(2):
            warnings.warn(RenamedWarning("a is now b; the old name still works."), stacklevel=1)
        return 0

    before = warnings.showwarning
    assert guarded(run) == 0
    note = "note: a is now b; the old name still works.\n"
    assert capsys.readouterr() == ("", note * 2)
    assert warnings.showwarning is before


def test_other_warnings_are_shown_as_python_shows_them(capsys):
    def run():
        warnings.simplefilter("always")
        warnings.warn("mind the gap", UserWarning, stacklevel=1)
        return 0

    assert guarded(run) == 0
    assert "UserWarning: mind the gap" in capsys.readouterr().err


# Processes


def test_the_command_line_imports_neither_jax_nor_rich_before_it_needs_them():
    code = "import sys, mtt_jax.cli; print({'jax', 'flax', 'rich', 'tokenizers'} & {*sys.modules})"
    done = python("-c", code)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


@pytest.mark.parametrize(
    ("program", "missing"), [(("launch.py",), "absl"), (("-m", "mtt_jax", "train"), "numpy")]
)
def test_without_the_required_packages_a_command_ends_in_one_line(program, missing):
    done = python("-S", *program)  # no packages at all
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no module named '{missing}'; pip install -r requirements.txt installs what "
        "mtt_jax needs.\n"
    )


def test_a_package_that_is_missing_only_later_ends_in_one_line_too(capsys):
    def run():
        import no_such_package.part

        return no_such_package.part

    with pytest.raises(SystemExit) as ended:
        guarded(run)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: no module named 'no_such_package'; pip")


def test_a_module_of_ours_that_is_missing_is_a_bug_with_a_traceback():
    def run():
        import mtt_jax.no_such_module

        return mtt_jax.no_such_module

    with pytest.raises(ModuleNotFoundError):
        guarded(run)


def test_a_python_that_is_too_old_is_told_so_in_one_line():
    old = "import sys; sys.version_info = (3, 10, 13); import runpy; runpy.run_path('launch.py')"
    done = python("-S", "-c", old)
    assert done.returncode == 2
    assert done.stderr == (
        "error: mtt_jax needs Python 3.11 or newer, and this is Python 3.10.13.\n"
    )


def test_python_m_mtt_jax_runs_a_command_and_exits_with_its_status():
    done = python("-m", "mtt_jax", "--version")
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n"), done.stderr
    done = python("-m", "mtt_jax", "info", "nowhere/at/all")
    assert done.returncode == 2
    assert done.stderr.startswith("error: nowhere/at/all: no such directory")
