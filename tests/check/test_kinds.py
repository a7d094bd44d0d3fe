"""The kind of a task is recognized from its file, whatever the format."""

import json

import pytest

from mtt_jax.check.kinds import find_kind
from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.errors import UserError
from tests.helpers import written

CSV = "text,label\n" + "".join(f"Text number {n},{'ab'[n % 2]}\n" for n in range(30))
SETS = "text,label\n" + "".join(f"Text {n},{('a', 'b', 'a|b', 'b|c')[n % 4]}\n" for n in range(30))
FLAGS = "text,money,sports\n" + "".join(f"Text {n},{n % 2},{int(n % 3 > 0)}\n" for n in range(30))
CONLL = "Ann B-PER\nleft O\nOslo B-LOC\n. O\n\n" * 30
POS = "Ann PROPN\nleft VERB\nOslo PROPN\n. PUNCT\n\n" * 30
BOTH = "".join(
    json.dumps({"text": f"Ann {n} left", "topic": "ab"[n % 2], "pos": None,
                "entities": [{"start": 0, "end": 3, "label": "PER"}]}) + "\n"
    for n in range(30)
)  # fmt: skip


def kind_of(folder, name, text, task="mine", **fields):
    file = written(folder, name, text)
    return find_kind(task, str(file), DataConfig(), TaskDataConfig(train=str(file), **fields))


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.csv", CSV, "classes"),
        ("a.csv", SETS, "multilabel"),
        ("a.csv", FLAGS, "multilabel"),
        ("a.conll", CONLL, "entities"),
        ("a.conll", POS, "tags"),
        ("a.jsonl", BOTH, "entities"),
    ],
)
def test_the_labels_of_a_file_say_what_kind_of_task_it_is_for(name, text, kind, tmp_path):
    assert kind_of(tmp_path, name, text).name == kind


def test_a_key_with_the_name_of_the_task_decides(tmp_path):
    assert kind_of(tmp_path, "a.jsonl", BOTH, "topic").name == "classes"
    assert kind_of(tmp_path, "a.jsonl", BOTH, "ner").name == "entities"


def test_another_separator_is_found(tmp_path):
    kind = kind_of(tmp_path, "a.csv", SETS.replace("|", ";"))
    assert (kind.name, kind.fields.separator) == ("multilabel", ";")


def test_labels_that_contain_a_semicolon_are_not_divided(tmp_path):
    text = CSV.replace(",a\n", ",Science; Technology\n")
    assert kind_of(tmp_path, "a.csv", text).name == "classes"


def test_a_file_without_labels_is_refused_with_what_to_write(tmp_path):
    with pytest.raises(UserError, match=r"--mine\.kind=entities\|multilabel\|classes\|tags"):
        kind_of(tmp_path, "a.csv", "text,title\nAnn left,Ann\nTom left,Tom\n")
