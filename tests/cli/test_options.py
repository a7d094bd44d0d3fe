"""Options may come in any order, none is abbreviated, and --backend is the old name of --engine."""

import argparse

import pytest

from mtt_jax.cli import COMMANDS
from mtt_jax.cli.options import Parser
from mtt_jax.config.schema import ENGINES
from mtt_jax.errors import UserError


def parsed(line):
    """The options of a command line such as `predict runs/a --strict`."""
    name, *arguments = line.split()
    parser = Parser(prog=f"mtt {name}", allow_abbrev=False)
    COMMANDS[name].add_arguments(parser)
    return COMMANDS[name].parse(parser, arguments)


@pytest.mark.parametrize(
    "line",
    [
        "predict runs/a x.txt y.txt --format=csv --strict",
        "predict --strict runs/a --format csv x.txt y.txt",
        "predict runs/a --strict x.txt --format=csv y.txt",
    ],
)
def test_options_may_come_before_after_and_between_files(line):
    options = parsed(line)
    assert (options.run_dir, options.files) == ("runs/a", ["x.txt", "y.txt"])
    assert (options.format, options.strict) == ("csv", True)


def test_a_dash_is_standard_input():
    assert parsed("predict runs/a -").files == ["-"]
    assert parsed("predict runs/a --strict - --output=x").files == ["-"]
    assert parsed("predict runs/a").files == []


def test_after_two_dashes_a_file_may_begin_with_a_dash():
    assert parsed("predict runs/a -- -x.txt").files == ["-x.txt"]
    assert parsed("info -- runs/a").run_dir == "runs/a"


@pytest.mark.parametrize("line", ["export --to=hf runs/a out", "export runs/a --to hf out"])
def test_export_takes_run_and_folder_in_any_place(line):
    options = parsed(line)
    assert (options.run_dir, options.folder, options.to) == ("runs/a", "out", "hf")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_backend_is_the_old_name_of_engine(command, engine):
    assert parsed(f"{command} runs/a").engine == "jax"
    assert parsed(f"{command} runs/a --engine={engine}").engine == engine
    assert parsed(f"{command} runs/a --backend={engine}").engine == engine
    assert parsed(f"{command} --backend {engine} runs/a").engine == engine


@pytest.mark.parametrize("command", ["train", "diagnose"])
def test_overrides_may_come_in_any_place(command):
    for line in ("--config=x --config.a.b=1 --config.c", "--config.a.b 1 --config.c --config x"):
        options = parsed(f"{command} {line}")
        assert options.config == "x"
        assert options.overrides == [("config.a.b", "1"), ("config.c", None)]


def test_evaluate_keeps_files_of_tasks_and_overrides_for_later():
    options = parsed("evaluate runs/a --ner=x.conll --config.data.ner.word=2 --json --topic y.csv")
    assert options.run_dir == "runs/a"
    assert options.json
    assert options.files == ["--ner=x.conll", "--topic", "y.csv"]
    assert options.overrides == [("config.data.ner.word", "2")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predict runs/a --form=csv", "--form: no such option. Did you mean '--format'?"),
        ("info runs/a --quiet", "--quiet: no such option. See mtt info --help."),
        ("train --config=x --configs.a=1", "--configs.a: no such option."),
        ("train --config=x -- --config.a=1", "--config.a: no such option."),
        ("train --config=x -- more", "unexpected argument 'more'; see mtt train --help."),
    ],
)
def test_an_unknown_option_is_refused(line, message):
    with pytest.raises(UserError) as caught:
        parsed(line)
    assert str(caught.value).startswith(message)


def test_an_error_of_argparse_is_a_line_without_the_usage():
    parser = Parser(prog="mtt x")
    parser.add_argument("--count", type=int)
    with pytest.raises(UserError) as caught:
        parser.parse_args(["--count=many"])
    assert str(caught.value) == "argument --count: invalid int value: 'many'; see mtt x --help."
    assert isinstance(parser, argparse.ArgumentParser)
