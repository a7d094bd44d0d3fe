"""Flags from the habit of other tools are answered with the right one here, and it is right."""

import pytest

from mtt_jax.cli import habits, main
from mtt_jax.cli.habits import advice
from mtt_jax.config import default_config
from mtt_jax.config.files import override


@pytest.mark.parametrize(
    ("typed", "flag"),
    [
        ("--train.steps=5", "--config.train.steps=5"),
        ("--steps=5", "--config.train.steps=5"),
        ("--max-steps=5", "--config.train.steps=5"),
        ("--batch_size=8", "--config.train.batch_rows=8"),
        ("--learning_rate=0.1", "--config.train.learning_rate=0.1"),
        ("--lr=0.1", "--config.train.learning_rate=0.1"),
        ("--seed=7", "--config.seed=7"),
        ("--model_name_or_path=bert-base-uncased", "--config.encoder.init=bert-base-uncased"),
        ("--fp16", "--config.encoder.dtype=VALUE"),
        ("--train.stpes=5", "--config.train.steps=5"),
        ("--tasks.ner.weight=2", "--config.tasks.ner.weight=2"),
        ("--scheme=iob2", "--config.tasks.TASK.scheme=iob2"),
        ("train.steps=5", "--config.train.steps=5"),
    ],
)
def test_a_field_of_the_config_is_named_with_the_value_that_was_given(typed, flag):
    assert advice(typed, "train").startswith(f" Here it is {flag}")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--output=x", "--workdir=DIR"),
        ("--output-dir=x", "--workdir=DIR"),
        ("--epochs=3", "--config.train.steps=N"),
        ("--device=cuda", "JAX_PLATFORMS=cuda"),
        ("--train_file=x.csv", "--config.data.TASK.train=FILE"),
        ("--gpus=2", "--config.mesh.data=N"),
    ],
)
def test_what_is_no_field_is_said_in_words(typed, said):
    assert said in advice(typed, "train")


def test_diagnose_writes_into_out():
    assert advice("--output_dir=x", "diagnose") == " Here: --out=DIR."


@pytest.mark.parametrize("typed", ["--stpes=5", "--nonsense", "extra"])
def test_nothing_is_said_of_a_name_that_is_nobody_s_habit(typed):
    assert advice(typed, "train") == ""


@pytest.mark.parametrize("path", habits._FIELDS)
def test_every_field_that_the_table_names_exists(path):
    override(default_config(), [(f"config.{path}", "1")])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict runs/a --batch_size=8", "texts are packed into batches automatically"),
        (
            "predict --model=runs/a",
            "the run is the first argument, as in mtt predict runs/balanced",
        ),
        ("predict --input=x.txt runs/a", "files follow the run, as in mtt predict RUN FILE"),
        ("serve runs/a --workers=4", "one process uses all cores"),
        ("serve runs/a --bind=0.0.0.0", "Here: --host=ADDRESS."),
        ("serve --model=runs/a", "the run is the first argument, as in mtt serve runs/balanced"),
        ("export runs/a out --format=onnx", "--to=hf, --to=onnx or --to=stablehlo"),
        ("info --model=runs/a", "the run is the first argument, as in mtt info runs/balanced"),
    ],
)
def test_other_commands_answer_too_before_they_miss_an_argument(line, said, capsys):
    assert main(line.split()) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
