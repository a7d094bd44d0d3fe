"""All four kinds of tasks in one model, from one file to predictions: configs/four_tasks.py."""

import csv
import io
import json
import signal
import string

import numpy as np
import pytest
from rich.console import Console as RichConsole
from safetensors.numpy import load_file

from mtt_jax import Predictor
from mtt_jax.cli import main
from mtt_jax.config import phase
from mtt_jax.config.files import load_file as load_config_file
from mtt_jax.config.resolve import resolve
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.words import split_words
from mtt_jax.diagnose.study import diagnose
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from mtt_jax.train.stop import InterruptedRunError
from tests.helpers import ROOT, Elements

TASKS = {"topic", "subjects", "ner", "pos"}
SUBJECT_OF = {"PER": "people", "LOC": "places", "ORG": "business", "MISC": "science"}


def part_of_speech(word):
    if all(character in string.punctuation for character in word):
        return "PUNCT"
    return "NUM" if word[0].isdigit() else "PROPN" if word[0].isupper() else "X"


def row(sentence):
    """A line of the file, with a label for every task."""
    bounds = split_words(sentence.text)
    tokens = [sentence.text[start:end] for start, end in bounds]
    tags = ["O"] * len(tokens)
    for start, end, label in sentence.entities:
        for index, (a, _) in enumerate(bounds):
            if start <= a < end:
                tags[index] = ("B-" if a == start else "I-") + label
    subjects = {SUBJECT_OF[label] for _, _, label in sentence.entities}
    if sentence.topic == "sports":
        subjects.add("sports")
    return {
        "text": sentence.text,
        "tokens": tokens,
        "topic": sentence.topic,
        "subjects": sorted(subjects),
        "ner": tags,
        "pos": [part_of_speech(token) for token in tokens],
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Split -> a file; of the training sentences, each has labels of some of the tasks."""
    folder, written = tmp_path_factory.mktemp("four"), {}
    for split, count in (("train", 240), ("dev", 40), ("test", 40)):
        lines = []
        for index, sentence in enumerate(generate(split, count)):
            line = row(sentence)
            if split == "train":
                for other, name in enumerate(("topic", "subjects", "ner", "pos")):
                    if (index + other) % 3 == 0:
                        del line[name]
            lines.append(json.dumps(line) + "\n")
        written[split] = folder / f"{split}.jsonl"
        written[split].write_text("".join(lines), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def config_dict(files):
    """A function that returns configs/four_tasks.py with a tiny encoder, as a ConfigDict."""

    def make():
        config = load_config_file(str(ROOT / "configs" / "four_tasks.py"))
        for task in config.tasks:
            config.data[task].update({split: str(path) for split, path in files.items()})
        config.data.update(cache_dir=str(files["train"].parent / "cache"), max_length=64)
        config.data.overlap = 16
        config.tokenizer.vocab_size = 400
        config.encoder.update(layers=1, width=16, heads=2, feedforward=32, max_positions=64)
        config.train.update(
            steps=12, warmup=2, batch_rows=8, row_length=64, eval_every=6, save_every=3, log_every=1
        )
        config.train.update(log_to=(), learning_rate=1e-2, balance="pcgrad")
        config.mesh.data = 1
        return config

    return make


class Listening(Console):
    """Keeps what is said, and may send the process a signal at the first evaluation."""

    def __init__(self, send=None):
        super().__init__(RichConsole(file=io.StringIO(), width=120))
        self.send = send

    def say(self, text):
        super().say(text)
        if self.send and text.startswith("step "):
            number, self.send = self.send, None
            signal.raise_signal(number)

    @property
    def said(self):
        return self.rich.file.getvalue()


@pytest.fixture(scope="module")
def run(config_dict, tmp_path_factory):
    """(run directory, content of metrics.json, what was said) of a finished run."""
    folder, console = tmp_path_factory.mktemp("runs") / "four", Listening()
    final = train(resolve(config_dict()), folder, console)
    return folder, final, console.said


def test_every_task_is_scored_by_its_own_headline(run):
    _, final, said = run
    headlines = {task: score["headline"] for task, score in final["test"].items()}
    assert headlines == {
        "topic": "macro_f1",
        "subjects": "micro_f1",
        "ner": "f1",
        "pos": "accuracy",
    }
    for title in ("accuracy", "micro, all labels", "macro, mean of labels", "strict, overall"):
        assert title in said
    assert final["test"]["pos"]["accuracy"] > 0.5  # punctuation and capitals alone give more
    per_class = final["test"]["subjects"]["per_class"]
    assert set(per_class) == {"business", "people", "places", "science", "sports"}


def test_thresholds_chosen_on_dev_are_stored_and_used_in_prediction(run, files):
    folder, final, _ = run
    fitted = json.loads((folder / "model" / "fitted.json").read_text(encoding="utf-8"))
    thresholds = fitted["subjects"]["thresholds"]
    predictor = Predictor.load(folder)
    rows = [json.loads(line) for line in files["test"].read_text(encoding="utf-8").splitlines()]
    right = found = given = 0
    for result, gold in zip(predictor([r["text"] for r in rows]), rows, strict=True):
        answer = result["subjects"]
        assert answer["labels"] == [n for n, p in answer["scores"].items() if p >= thresholds[n]]
        right += len(set(answer["labels"]) & set(gold["subjects"]))
        found, given = found + len(answer["labels"]), given + len(gold["subjects"])
    assert 2 * right / (found + given) == pytest.approx(final["test"]["subjects"]["micro_f1"])


@pytest.mark.peers  # slow: two runs
def test_a_stopped_run_resumes_to_the_same_parameters(run, config_dict, tmp_path):
    config = resolve(config_dict())
    with pytest.raises(InterruptedRunError):
        train(config, tmp_path / "again", Listening(signal.SIGTERM))
    final = train(config, tmp_path / "again", Listening())
    ours, theirs = (
        load_file(folder / "model" / "model.safetensors") for folder in (run[0], tmp_path / "again")
    )
    assert ours.keys() == theirs.keys()
    for name, leaf in ours.items():
        np.testing.assert_array_equal(leaf, theirs[name], err_msg=name)
    assert final["test"] == run[1]["test"]


@pytest.mark.peers  # slow: a run of its own
def test_phases_freeze_the_encoder_and_the_heads_of_inactive_tasks(config_dict, tmp_path):
    config = config_dict()
    config.train.balance = "fixed"
    config.phases = (
        phase("all", steps=3, warmup=1),
        phase("new", steps=3, warmup=1, tasks=("subjects", "pos"), trainable=("heads/.*",)),
    )
    console = Listening()
    final = train(resolve(config), tmp_path / "phases", console)
    assert [set(part["tasks"]) for part in final["phases"]] == [TASKS, {"subjects", "pos"}]
    moved = {t for t in TASKS if final["phases"][1]["before"][t] != final["phases"][1]["after"][t]}
    assert moved <= {"subjects", "pos"}
    assert "dev score before and after each phase" in console.said


def test_evaluate_prints_the_same_scores_as_training(run, files, capsys):
    folder, final, _ = run
    assert main(["evaluate", str(folder), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["test"]
    for task, score in scores.items():
        assert score[score["headline"]] == pytest.approx(final["test"][task][score["headline"]])
    assert main(["evaluate", str(folder), "--json", f"--pos={files['dev']}"]) == 0
    other = json.loads(capsys.readouterr().out)[str(files["dev"])]
    assert set(other) == {"pos"}


def test_predictions_in_every_format_have_all_four_answers(run, tmp_path, capsys):
    folder = str(run[0])
    text = tmp_path / "news.txt"
    text.write_text("Ann Lee joined Acme.\n\U0001f600 Oslo won 3-1.\n", encoding="utf-8")

    def printed(name):
        assert main(["predict", folder, str(text), f"--format={name}"]) == 0
        return capsys.readouterr().out

    results = [json.loads(line) for line in printed("jsonl").splitlines()]
    assert [set(result) for result in results] == [{"text", *TASKS}] * 2
    for result in results:
        for tag in (*result["pos"], *result["ner"]):
            assert result["text"][tag["start"] : tag["end"]] == tag["text"]
        assert " ".join(tag["text"] for tag in result["pos"]).split() == [
            result["text"][start:end] for start, end in split_words(result["text"])
        ]
    rows = list(csv.reader(io.StringIO(printed("csv"))))
    assert rows[0] == ["text", "subjects", "topic", "topic_score", "ner", "pos", "error"]
    assert rows[1][1] == "|".join(results[0]["subjects"]["labels"])
    blocks = printed("conll").strip().split("\n\n")
    words = [line.split(" ") for line in blocks[0].splitlines() if not line.startswith("# ")]
    assert [cells[2] for cells in words] == [tag["label"] for tag in results[0]["pos"]]
    assert all(json.loads(line)["text"] for line in printed("displacy").splitlines())
    assert printed("text").count("pos: ") == 2


def test_report_and_card_show_all_four_tasks(run):
    folder, final, _ = run
    page = (folder / "report.html").read_text(encoding="utf-8")
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    for task, title in (("subjects", "micro F1"), ("pos", "accuracy"), ("ner", "entity F1")):
        assert f"<h3>{task}</h3>" in page
        assert f"| test | {task} | {title}" in card
    assert f"{final['test']['subjects']['micro_f1']:.4f}" in page


def test_a_run_records_its_mistakes_on_dev_and_what_its_data_are(run):
    folder, final, _ = run
    mistakes = json.loads((folder / "mistakes.json").read_text(encoding="utf-8"))
    assert set(mistakes["dev"]) == set(final["dev"])
    assert not any(mistakes.get("test", {}).get(task) for task in final["dev"])
    page = Elements((folder / "report.html").read_text(encoding="utf-8"))
    for task in ("topic", "subjects"):  # other texts have labels between their words
        assert mistakes["dev"][task]
        assert all(one["text"] in page.text for one in mistakes["dev"][task])
    assert page.counts["mark"] > 0
    assert set(final["data"]["sentences"]) == {"train", "dev", "test"}
    assert all(note in page.text for note in final["data"]["notes"])


@pytest.mark.peers  # slow: it trains five models
def test_diagnose_compares_tasks_of_the_new_kinds(config_dict, tmp_path):
    config = config_dict()
    config.train.update(steps=4, warmup=1, balance="fixed", tasks=("subjects", "pos"))
    report = diagnose(resolve(config), tmp_path / "study", 2, (), Listening())
    assert set(report["scores"]) == {"subjects", "pos"}
    assert set(report["differences"]["joint minus alone"]) == {"subjects", "pos"}
    for task in ("subjects", "pos"):
        assert set(report["scores"][task]) == {"joint", f"{task} alone"}
