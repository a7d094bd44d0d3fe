"""Write a config file that fits your files, with the reason for each choice in it.

    mtt init --topic=topics.csv --ner=train.conll --out=my_config.py
    mtt init --topic=news.csv --topic.test=test.csv --topic.text=title,body --out=my_config.py

Each --NAME=FILE is a task, which may be called anything. Its kind, its labels and the columns are
recognized from the file, as in training; docs/formats.md lists the formats.
"""

import argparse
import shlex
import sys
from typing import Any

from mtt_jax import atomic
from mtt_jax.cli.options import option_names, parse_strictly, split_unknown
from mtt_jax.config.schema import TaskDataConfig, as_plain, options_of
from mtt_jax.errors import UserError, did_you_mean, one_of
from mtt_jax.untrusted.folder import user_path

HELP = "write a config file that fits your files"
EPILOG = (
    "--NAME.dev=FILE, --NAME.test=FILE: the other splits of a task\n"
    "--NAME.kind=KIND: classes, multilabel, entities or tags, if it is recognized wrongly\n"
    "--NAME.FIELD=VALUE: any field of config.data.NAME, such as --topic.text=2,3"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--out", metavar="FILE", help="config file to write, such as my_config.py")
    parser.add_argument(
        "--encoder",
        default="auto",
        help="pretrained encoder to start from: a folder, an installed package or a hub name; none "
        "for random weights; by default one that is installed",
    )


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses the arguments; the tasks become `options.tasks`, name -> {field: text}.

    Raises:
      UserError: for an option that does not exist, or without --out or a task.
    """
    given, rest = split_unknown(parser, arguments)
    options = parse_strictly(parser, rest)
    options.tasks, options.typed = _tasks(given, option_names(parser)), arguments
    example = "mtt init --topic=topics.csv --ner=train.conll --out=my_config.py"
    if not options.tasks:
        raise UserError(f"no file to write a config for; name one per task, as in: {example}")
    if not options.out:
        raise UserError(f"--out is missing; name the file to write, as in: {example}")
    return options


def _tasks(given: list[str], options: list[str]) -> dict[str, dict[str, str]]:
    """Task -> its fields, from `--topic=FILE` and `--topic.dev FILE`.

    Raises:
      UserError: for what is neither a task nor a field of one.
    """
    known = [field.name for field in options_of(TaskDataConfig)] + ["kind"]
    tasks: dict[str, dict[str, str]] = {}
    waiting = list(given)
    while waiting:
        flag, equals, value = waiting.pop(0).partition("=")
        name, _, field = flag.removeprefix("--").partition(".")
        if not equals:
            value = waiting.pop(0) if waiting else ""
        if not name.isidentifier():
            raise UserError(f"{flag}: no such option.{did_you_mean(flag, options)}")
        if (field or "train") not in known:
            raise UserError(f"{flag}: no such field of a task.{did_you_mean(field, known)}")
        if not value:
            raise UserError(f"{flag}: needs a value, as in {flag}=FILE.")
        tasks.setdefault(name, {})[field or "train"] = value
    for name, fields in tasks.items():
        if "train" not in fields:
            near = did_you_mean(f"--{name}", options)
            raise UserError(f"--{name}=FILE is missing, the training file of task {name!r}.{near}")
    return tasks


def run(options: argparse.Namespace) -> int:
    """Writes the file; returns the exit status, 1 if the data has errors."""
    out = user_path(options.out, "--out")
    if out.exists():
        raise UserError(f"--out: {out} exists; remove it, or name another file.")
    if out.suffix != ".py":
        raise UserError(f"--out: {out} is no Python file; name it {out.name}.py.")

    from mtt_jax.check.examine import examine
    from mtt_jax.check.kinds import FORMS, find_kind
    from mtt_jax.check.propose import (
        PRETRAINED,
        Asked,
        encoder_for,
        is_installed,
        provisional,
        write_config,
    )
    from mtt_jax.config.files import load_config
    from mtt_jax.config.resolve import resolve
    from mtt_jax.config.schema import DataConfig
    from mtt_jax.devices import startup
    from mtt_jax.weights.initial import complete

    startup.prepare()
    tasks = {}
    for name, given in options.tasks.items():
        fields = _fields(name, given)
        kind = given.get("kind", "")
        if kind:
            one_of(f"--{name}.kind", kind, FORMS)
        else:
            kind, fields = find_kind(name, fields.train, DataConfig(), fields)
        tasks[name] = Asked(kind, fields)
    likely = PRETRAINED if options.encoder == "auto" and is_installed() else ""
    first = {"auto": likely, "none": ""}.get(options.encoder, options.encoder)
    examined = examine(complete(resolve(provisional(tasks, first))))
    if not examined.records["train"]:
        raise UserError(examined.findings[0].text)
    texts = [record.text for record in examined.records["train"][:1000]]
    init, why = encoder_for(options.encoder, texts)
    if init != first:
        examined = examine(complete(resolve(provisional(tasks, init))))
    command = f"mtt train --config={shlex.quote(str(options.out))}"
    typed = f"mtt init {shlex.join(options.typed)}"
    atomic.write(out, write_config(tasks, examined, init, why, command, typed), "--out")
    load_config(str(out))
    for note in dict.fromkeys(examined.notes):
        if note.partition(":")[0] not in tasks:
            print(note)
    for name, asked in tasks.items():
        print(f"{name}: a task of kind {asked.form}")
    print(f"Wrote {out}, with the reason for each choice in it.")
    return _found(examined, command, str(options.out))


def _found(examined: Any, command: str, out: str) -> int:
    """Says what is wrong with the data, or how to train; returns the exit status."""
    from mtt_jax.data.check.findings import number

    warnings = len(examined.findings) - examined.errors
    check = f"mtt check --config={shlex.quote(out)}"
    if examined.errors:
        print(f"error: {examined.findings[0].text}", file=sys.stderr)
        errors = number(examined.errors, "error", "errors")
        print(f"The data has {errors} to correct before training: {check}")
        return 1
    if warnings:
        print(f"The data has {number(warnings, 'warning', 'warnings')}: {check}")
    print(f"Train: {command}")
    return 0


def _fields(name: str, given: dict[str, str]) -> TaskDataConfig:
    """The fields of data.NAME from the texts of flags.

    Raises:
      UserError: for a value that is not of its field's type.
    """
    from ml_collections import ConfigDict

    from mtt_jax.config.files import override
    from mtt_jax.config.resolve import build_section

    config = ConfigDict({name: as_plain(TaskDataConfig())})
    fields = [(field, value) for field, value in given.items() if field != "kind"]
    try:
        override(config, [(f"config.{name}.{field}", value) for field, value in fields])
        return build_section(TaskDataConfig, config[name].to_dict(), f"{name}.")
    except UserError as error:
        raise UserError(str(error).replace(f"config.{name}.", f"{name}.", 1)) from None
