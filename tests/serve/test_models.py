"""Models: their names on the command line, and what GET /info says about them."""

import pytest

from mtt_jax import UserError
from mtt_jax.serve import models
from mtt_jax.serve.models import EXAMPLES, examples_in, named


def test_a_run_is_named_by_its_directory_and_a_model_directory_by_its_run(tmp_path):
    (tmp_path / "news" / "model").mkdir(parents=True)
    assert named([f"{tmp_path}/news/"]) == {"news": f"{tmp_path}/news/"}
    assert named([f"{tmp_path}/news/model"]) == {"news": f"{tmp_path}/news/model"}
    assert named([f"{tmp_path}/news/model-ner"]) == {"model-ner": f"{tmp_path}/news/model-ner"}


def test_a_name_can_be_given_and_the_order_is_kept():
    found = named(["b=runs/x", "runs/a", "c=runs/with=sign"])
    assert list(found.items()) == [("b", "runs/x"), ("a", "runs/a"), ("c", "runs/with=sign")]


def test_a_path_with_an_equals_sign_that_exists_is_a_path(tmp_path):
    folder = tmp_path / "lr=3"
    folder.mkdir()
    with pytest.raises(UserError, match="'lr=3' cannot name a model.*as in news=runs/balanced"):
        named([str(folder)])
    assert named([f"x={folder}"]) == {"x": str(folder)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a=x", "a=y"], "a=y: another model is named 'a' already; name this one, as in a-2=y."),
        (["a b=x"], "a b=x: 'a b' cannot name a model"),
        (["a="], "a=: 'a' cannot name a model"),
        (["=x"], "=x: '' cannot name a model"),
    ],
)
def test_names_that_clash_or_hold_other_characters_are_refused(arguments, message):
    with pytest.raises(UserError) as error:
        named(arguments)
    assert str(error.value).startswith(message)


def test_a_model_is_described_with_its_tasks_scores_and_card(four):
    about = models.load(str(four), "jax", "first").about
    assert set(about["tasks"]) == {"topic", "ner", "subjects", "pos"}
    assert about["tasks"]["pos"] == {"kind": "tags", "labels": ["NOUN", "VERB", "OTHER"]}
    assert about["max_length"] == 32
    assert about["parameters"] > 1000
    assert about["scores"] == {}


def test_examples_are_the_lines_of_a_file(tmp_path):
    file = tmp_path / "examples.txt"
    file.write_text("One.\n\n  Two. \n", encoding="utf-8")
    assert examples_in(str(file)) == ("One.", "Two.")
    assert examples_in("") == EXAMPLES


def test_a_file_without_examples_is_refused(tmp_path):
    file = tmp_path / "examples.txt"
    with pytest.raises(UserError, match="--examples: cannot read .*: No such file"):
        examples_in(str(file))
    file.write_bytes(b"\n")
    with pytest.raises(UserError, match="holds no text; expected one per line"):
        examples_in(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(UserError, match="it is not UTF-8"):
        examples_in(str(file))
