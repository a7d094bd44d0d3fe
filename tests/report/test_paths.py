"""What is published names files, not the folders of the machine that they were on."""

import pytest

from mtt_jax.report.paths import named, without_folders

CONFIG = {
    "data": {
        "ner": {"train": "/home/ann lee/ner/train.conll", "test": "../data/test.conll"},
        "topic": {"train": "/srv/a.csv, /srv/b*.csv", "separator": "/"},
        "cache_dir": "~/.cache/mtt_jax",
    },
    "train": {"steps": 5, "freeze": ("/a/b/.*",)},
    "init_from": "/home/ann lee/runs/first",
}


def test_absolute_paths_of_a_config_become_names_and_all_else_stays():
    assert named(CONFIG) == {
        "data": {
            "ner": {"train": "train.conll", "test": "../data/test.conll"},
            "topic": {"train": "a.csv, b*.csv", "separator": "/"},
            "cache_dir": "~/.cache/mtt_jax",
        },
        "train": {"steps": 5, "freeze": ("/a/b/.*",)},
        "init_from": "first",
    }


@pytest.mark.parametrize(
    ("note", "text"),
    [
        ("/home/ann lee/ner/train.conll, line 3: empty.", "train.conll, line 3: empty."),
        ("/srv/b7.csv: 3 lines without a label.", "b7.csv: 3 lines without a label."),
        ("read from /mnt/x/y.csv (CSV)", "read from y.csv (CSV)"),
        ("C:\\data\\x.csv: empty.", "x.csv: empty."),
        ("and/or 3/4 at https://a.b/c/d stay", "and/or 3/4 at https://a.b/c/d stay"),
        ("../data/test.conll stays.", "../data/test.conll stays."),
    ],
)  # fmt: skip
def test_a_note_on_a_file_keeps_its_name_alone(note, text):
    assert without_folders(note, CONFIG) == text
