"""The examination: all files of a config read, every fault in them listed with its place."""

import json

import pytest

from mtt_jax.check.examine import examine
from mtt_jax.config import default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig
from mtt_jax.data.check.findings import ERROR, WARNING
from mtt_jax.errors import UserError
from tests.helpers import written

LABELS = ("sports", "politics", "others")


def rows(first, last):
    """Objects with a topic and an entity each."""
    return [
        {
            "text": f"Tom ran {n} miles",
            "label": LABELS[n % 3],
            "entities": [{"start": 0, "end": 3, "label": "PER"}],
        }
        for n in range(first, last)
    ]


class Workspace:
    """A folder with a JSONL file per split, which both tasks read, and its config."""

    def __init__(self, folder):
        self.folder = folder
        self.raw = default_config()
        self.raw.data.source, self.raw.data.cache_dir = "files", str(folder / "cache")
        self.raw.tokenizer.vocab_size = 200
        self.raw.tasks.topic.labels = self.raw.tasks.ner.labels = ()
        self.rows = {"train": rows(0, 90), "dev": rows(100, 160), "test": rows(200, 260)}

    def examine(self, **fields):
        for split, values in self.rows.items():
            lines = [v if isinstance(v, str) else json.dumps(v) for v in values]
            file = written(self.folder, f"{split}.jsonl", "".join(f"{line}\n" for line in lines))
            for task in ("topic", "ner"):
                self.raw.data[task][split] = str(file)
        for name, value in fields.items():
            section, task, field = name.split("__")
            self.raw[section][task][field] = value
        return examine(resolve(self.raw))

    def place(self, split, index):
        return f"{self.folder / split}.jsonl, line {index + 1}"


@pytest.fixture
def place(tmp_path):
    return Workspace(tmp_path)


def test_files_without_faults_are_counted_measured_and_have_no_findings(place):
    found = place.examine()
    assert found.findings == []
    assert found.errors == 0
    assert found.counts["topic"]["train"] == dict.fromkeys(LABELS, 30)
    assert found.rows()[-1] == ("ner", "PER", {"train": 90, "dev": 60, "test": 60})
    assert set(found.figures) == {"train", "dev", "test"}
    assert found.mixture["ner"] == {"sentences": 90, "share": 1.0, "epochs": pytest.approx(
        found.mixture["ner"]["epochs"])}  # fmt: skip
    assert "JSONL" in found.notes[0]


def test_labels_left_to_the_data_are_filled_in(place):
    tasks = place.examine().config.tasks
    assert set(tasks["topic"].labels) == set(LABELS)
    assert tasks["ner"].labels == ("O", "PER")


def test_every_line_that_cannot_be_read_is_listed_and_the_others_are_read(place):
    place.rows["train"][4] = '{"text": "Tom'
    place.rows["train"][7] = '{"text": "Tom ran far away from'
    place.rows["train"][9] = "[1, 2]"
    found = place.examine()
    first, second = found.findings
    assert first[:4] == (ERROR, "fault in a file", "topic, ner", "train")
    assert first.places == (place.place("train", 4), place.place("train", 7))
    assert first.text.startswith("topic, ner: train: not valid JSON")
    assert first.text.endswith("So is 1 other line.")
    assert second.places == (place.place("train", 9),)
    assert len(found.records["train"]) == 87


def test_faults_of_one_kind_are_one_finding_whatever_their_numbers_are(place):
    for index in (3, 30, 60):
        place.rows["dev"][index - 3]["entities"][0]["end"] = 900 + index
    (found,) = place.examine().findings
    assert found.places == tuple(place.place("dev", index) for index in (0, 27, 57))
    assert found.task == "ner"
    assert "entity PER at 0:903 is outside the text" in found.text
    assert found.text.endswith("So are 2 other lines.")


def test_a_file_in_which_no_line_can_be_read_is_told_once(place):
    place.rows["dev"] = ["{"] * 60
    (found,) = place.examine().findings
    assert found[:4] == (ERROR, "fault in a file", "topic, ner", "dev")
    assert len(found.places) == 60


def test_harmless_faults_are_warnings_with_all_their_places(place):
    for index in (3, 5):
        place.rows["train"][index]["text"] = " "
    (found,) = place.examine().findings
    assert found[:4] == (WARNING, "empty texts", "topic, ner", "train")
    assert found.places == (place.place("train", 3), place.place("train", 5))


def test_a_label_that_the_config_does_not_name_is_an_error_with_lines_to_paste(place):
    place.rows["train"][3]["label"] = "weather"
    found = place.examine(tasks__topic__labels=LABELS)
    (unknown,) = found.findings
    assert unknown[:4] == (ERROR, "unknown label", "topic", "")
    assert "'weather' is not a label of task 'topic'" in unknown.text
    assert "--config.tasks.topic.labels=sports,politics,others,weather" in unknown.text
    assert unknown.places == (place.place("train", 3),)
    assert "weather" not in found.counts["topic"]["train"]


def test_a_label_that_only_test_has_is_told_once_with_its_place(place):
    place.rows["test"][3]["label"] = "weather"
    found = place.examine()
    (unknown,) = found.findings
    assert unknown[:4] == (ERROR, "label that train lacks", "topic", "test")
    assert unknown.places == (place.place("test", 3),)
    assert found.counts["topic"]["test"]["weather"] == 1


def test_train_with_one_label_alone_is_told_once(place):
    for row in place.rows["train"]:
        row["label"] = "sports"
    for split in ("dev", "test"):
        place.rows[split] = [row | {"label": "sports"} for row in place.rows[split]]
    found = place.examine().findings
    assert [f[:4] for f in found] == [(ERROR, "labels", "topic", "train")]
    assert "only the label 'sports' in the training data" in found[0].text


def test_one_file_for_two_splits_is_told_once_for_each_task(place):
    place.rows["train"][5]["label"] = "Sports"
    place.examine()
    train = str(place.folder / "train.jsonl")
    for task in ("topic", "ner"):
        place.raw.data[task].test = train
    found = examine(resolve(place.raw)).findings
    names = [(f.name, f.task) for f in found]
    assert names == [
        ("one file for two splits", "topic, ner"), ("one label in several spellings", "topic")
    ]  # fmt: skip
    assert found[0].places == (train,)


def test_a_file_that_cannot_be_read_at_all_is_a_finding_and_nothing_follows_from_it(place):
    place.examine()
    place.raw.data.topic.train = str(written(place.folder, "other.jsonl", '{"a": 1}\n{"a": 2}\n'))
    found = examine(resolve(place.raw)).findings
    assert [f[:4] for f in found] == [(ERROR, "fault in a file", "topic", "train")]
    assert "Keys there: a" in found[0].text or "keys there: a" in found[0].text


def test_a_missing_file_is_a_mistake_of_the_config(place):
    place.examine()
    place.raw.data.topic.dev = str(place.folder / "de.jsonl")
    with pytest.raises(UserError, match=r"topic\.dev: .*no such file. Did you mean"):
        examine(resolve(place.raw))


def test_without_dev_it_is_held_out_and_checked_as_a_run_would_have_it(place):
    place.examine()
    for task in ("topic", "ner"):
        place.raw.data[task].dev = ""
    found = examine(resolve(place.raw))
    assert "dev" in found.counts["topic"]
    assert {f.name for f in found.findings} <= {"small split"}


def test_rows_after_a_quote_that_is_never_closed_are_read(tmp_path):
    lines = [f'{LABELS[n % 3]},"Day {n}, Tom ran {n} miles"\n' for n in range(60)]
    good = written(tmp_path, "dev.csv", "".join(lines).replace("Tom", "Ann"))
    lines[7] = 'sports,"Day 7, Tom "ran" 7 miles\n'
    lines[20] = 'sports,"Day 20, Tom ran\n'
    lines[59] = 'others,"Day 59, Tom ran\n'
    bad = written(tmp_path, "train.csv", "".join(lines))
    raw = default_config({"topic": TaskConfig(labels=())})
    raw.data.source, raw.data.cache_dir = "files", str(tmp_path)
    raw.tokenizer.vocab_size = 200
    raw.data.topic.update(text="2", label="1", train=str(bad), dev=str(good))
    found = examine(resolve(raw))
    places = [place for f in found.findings if f.severity == ERROR for place in f.places]
    assert sorted(places) == sorted(f"{bad}, line {n}" for n in (8, 21, 60))
    assert len(found.records["train"]) == 57


def test_the_mixture_is_that_of_training_with_limits_and_added_sentences(place):
    place.raw.tasks.ner.labels = ("O", "PER", "ORG", "LOC", "MISC")
    found = place.examine(data__ner__limit=30, data__ner__newswire=200)
    assert found.mixture["ner"]["sentences"] == 200, "the 30 are drawn for topic"
    assert found.mixture["topic"]["sentences"] == 90
    assert found.counts["ner"]["train"]["PER"] == 90, "the files are counted as they are"


def test_a_given_tokenizer_is_used(place, tokenizer):
    place.examine()
    config = resolve(place.raw)
    own = examine(config).figures["train"]["subwords_mean"]
    assert examine(config, tokenizer).figures["train"]["subwords_mean"] != own


def test_an_examination_as_json_holds_everything(place):
    place.rows["train"][4] = '{"text": "Tom'
    found = json.loads(json.dumps(place.examine().as_json()))
    assert (found["errors"], found["warnings"]) == (1, 0)
    assert found["findings"][0]["places"] == [place.place("train", 4)]
    assert found["counts"]["ner"]["dev"] == {"PER": 60}
    assert set(found) == {
        "errors", "warnings", "findings", "counts", "figures", "mixture", "notes"
    }  # fmt: skip
