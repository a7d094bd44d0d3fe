"""The files in configs/: each says how to run it, and each is a valid config."""

import ast
import io
import json
import shlex
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from mtt_jax import Predictor
from mtt_jax.config.files import load_file, override, split_overrides
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskDataConfig, as_plain
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.prepare import with_labels
from mtt_jax.data.sources import read_files
from mtt_jax.data.words import split_words
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from tests.helpers import ROOT

FILES = sorted((ROOT / "configs").glob("*.py"))
# tests/docs trains the others, by the commands in their docstrings.
TRAINED = [pytest.param("balanced"), pytest.param("news_tfds", marks=pytest.mark.peers)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_config_names_its_command_and_sets_only_fields_that_exist(path):
    assert f"python launch.py --config=configs/{path.name}" in docstring(path)
    config = load_file(str(path))
    if config.data.source == "files":
        for task in config.tasks:
            config.data[task].train = "given.csv"
    if config.init_parts != "all":
        config.init_from = "runs/teacher"
    resolve(config)


def row(text, topic, entities):
    """A sentence with labels of all four kinds, under the default keys and under task names."""
    spans = [entity._asdict() for entity in entities]
    words = [text[start:end] for start, end in split_words(text)]
    return {
        "text": text,
        "label": topic,
        "entities": spans,
        "topic": topic,
        "ner": spans,
        "subjects": ["people"] * any(entity.label == "PER" for entity in entities),
        "tokens": words,
        "pos": ["PROPN" if w.istitle() else "NOUN" if w.isalnum() else "PUNCT" for w in words],
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Split -> a file of a few hundred sentences of the embedded corpus."""
    folder = tmp_path_factory.mktemp("files")
    written = {}
    for split, count in (("train", 400), ("test", 100)):
        written[split] = str(folder / f"{split}.jsonl")
        with open(written[split], "w", encoding="utf-8") as file:
            for sentence in generate(split, count):
                file.write(json.dumps(row(*sentence)) + "\n")
    return written


def tiny(path, files):
    """A config with a small encoder and few steps.

    A config for the embedded corpus reads it; one for other data reads a part of it from files.
    """
    config = load_file(str(path))
    config.update(tokenizer={"vocab_size": 400})
    config.encoder.update(layers=1, width=8, heads=2, feedforward=16)
    config.mesh.data = 1
    given = {} if config.data.source == "newswire" else files
    config.data.update(source="files" if given else "newswire", max_length=64)
    if given:
        config.data.cache_dir = str(Path(files["train"]).parent / "cache")
    config.data.overlap = 16
    for task in config.tasks:
        label = task if config.data[task].label == task else "auto"
        config.data[task].update({**as_plain(TaskDataConfig()), **given, "label": label})
        if given:  # whose labels are not those of the data that the config is for
            config.tasks[task].labels = ()
    config.train.update(steps=2, warmup=1, batch_rows=16, row_length=64, eval_every=2)
    config.train.log_to = ()
    return resolve(config)


@pytest.mark.parametrize("name", TRAINED)
def test_a_config_trains_and_its_model_predicts(name, files, tmp_path):
    config = tiny(ROOT / "configs" / f"{name}.py", files)
    console = Console(RichConsole(file=io.StringIO(), width=120))
    final = train(config, tmp_path / "run", console)
    assert final["steps"] == 2
    assert set(final["test"]) == set(config.tasks)
    result = Predictor.load(tmp_path / "run")("Tom Fry scored in Rome.")
    assert set(result) == {"text", *config.tasks}
    assert result["topic"]["label"] in ("sports", "politics", "others")


def named_labels(name):
    """Task -> the labels that a shipped config names; () for those of the data."""
    config = load_file(str(ROOT / "configs" / f"{name}.py"))
    return {task: tuple(config.tasks[task].labels) for task in config.tasks}


def test_configs_for_files_of_ones_own_take_the_labels_from_the_files():
    for name in ("news_files", "pretrained", "joint", "lora"):
        assert named_labels(name) == {"topic": (), "ner": ()}
        data = load_file(str(ROOT / "configs" / f"{name}.py")).data.topic
        assert (data.text, data.label, data.label_map) == ("auto", "auto", "")
    assert set(named_labels("four_tasks").values()) == {()}


def test_configs_for_certain_data_name_their_labels():
    both = {
        "topic": ("sports", "politics", "others"),
        "ner": ("O", "PER", "ORG", "LOC", "MISC"),
    }
    assert named_labels("balanced") == named_labels("news_tfds") == both
    assert named_labels("ag_news")["topic"] == ("World", "Sports", "Business", "Sci/Tech")


AG_NEWS = """\
"3","Shares fall","The bank lost a tenth."
"1","Vote","Parliament sat late."
"4","Chip","A new phone sold out."
"2","Rovers win","The striker scored twice."
"""


@pytest.mark.parametrize("three", [False, True])
def test_ag_news_reads_its_csv_with_four_topics_or_with_the_three_of_its_docstring(three, tmp_path):
    (tmp_path / "train.csv").write_text(AG_NEWS, encoding="utf-8")
    (tmp_path / "train.conll").write_text("Oslo B-LOC\n\nAnn B-PER\n", encoding="utf-8")
    config = load_file(str(ROOT / "configs" / "ag_news.py"))
    overrides = [("config.data.topic.train", str(tmp_path / "train.csv")),
                 ("config.data.topic.dev", str(tmp_path / "train.csv")),
                 ("config.data.ner.train", str(tmp_path / "train.conll")),
                 ("config.data.ner.dev", str(tmp_path / "train.conll"))]  # fmt: skip
    expected = ["Business", "World", "Sci/Tech", "Sports"]
    if three:
        flags = shlex.split(docstring(ROOT / "configs" / "ag_news.py").split("add\n")[1])[:2]
        overrides += split_overrides(flags)[0]
        expected = ["others", "politics", "others", "sports"]
    override(config, overrides)
    records, _ = read_files(with_labels(resolve(config)), tmp_path)
    labelled = [record for record in records["train"] if "topic" in record.labels]
    assert [record.labels["topic"] for record in labelled] == expected
    assert labelled[0].text == "Shares fall The bank lost a tenth."


def docstring(path):
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_every_config_is_in_the_table_of_the_docs():
    table = (ROOT / "docs" / "configs.md").read_text(encoding="utf-8")
    for path in FILES:
        assert table.count(f"| [{path.name}](../configs/{path.name}) |") == 1


def test_balanced_draws_the_scarce_task_more_often_than_its_share():
    config = resolve(load_file(str(ROOT / "configs" / "balanced.py")))
    ner, topic = config.tasks["ner"].sampling, config.tasks["topic"].sampling
    assert ner / (ner + topic) > 2 * (1_200 / 13_200)


def test_no_page_has_a_placeholder():
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        assert "@@" not in page.read_text(encoding="utf-8"), page


def test_the_classes_1_and_2_of_a_polarity_file_stay_1_and_2(tmp_path):
    rows = "".join(f'"{1 + i % 2}","It was {i} of 9."\n' for i in range(21))
    (tmp_path / "train.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "train.conll").write_text("Oslo B-LOC\n\nAnn B-PER\n", encoding="utf-8")
    config = load_file(str(ROOT / "configs" / "news_files.py"))
    config.data.cache_dir = str(tmp_path / "cache")
    config.data.topic.update(label="1", text="2")
    for task, file in (("topic", "train.csv"), ("ner", "train.conll")):
        config.data[task].update(train=str(tmp_path / file), dev=str(tmp_path / file))
    assert with_labels(resolve(config)).tasks["topic"].labels == ("1", "2")
