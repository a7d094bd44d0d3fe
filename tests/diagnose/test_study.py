"""A diagnosis from end to end on a small corpus: equal budgets, every arm, and going on."""

import dataclasses
import io
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console as RichConsole

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config, phase
from mtt_jax.data.encode import encode_records
from mtt_jax.data.prepare import prepare
from mtt_jax.diagnose.arms import alone, make_arms, shares_of_subwords
from mtt_jax.diagnose.gradients import compare_gradients, make_gradients
from mtt_jax.diagnose.outcomes import outcomes, score
from mtt_jax.diagnose.study import Study, diagnose, run_arms
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.scoring.evaluate import evaluate, main_score
from tests.helpers import Elements, batch_of, make_config, model_and_params, record


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A config of two sentence tasks on one small file."""
    folder = tmp_path_factory.mktemp("data")
    for name, first in (("train", 0), ("dev", 200)):
        with (folder / f"{name}.jsonl").open("w") as file:
            for i in range(first, first + 80):
                text = f"{('Ann', 'Tom', 'Mo')[i % 3]} had a {('good', 'bad')[i % 2]} day {i}"
                row = {"text": text, "tone": ("good", "bad")[i % 2], "who": "abc"[i % 3]}
                file.write(json.dumps(row) + "\n")
    tasks = {"tone": TaskConfig(labels=("good", "bad")), "who": TaskConfig(labels=("a", "b", "c"))}
    config = default_config(tasks)
    config.data.update(source="files", cache_dir=str(folder / "cache"), max_length=32, overlap=8)
    for name in tasks:
        files = {split: str(folder / f"{split}.jsonl") for split in ("train", "dev")}
        config.data[name].update(label=name, **files)
    config.encoder.update(layers=1, width=16, heads=2, feedforward=32)
    config.tokenizer.vocab_size = 200
    config.mesh.data = 1
    config.train.update(steps=24, warmup=2, batch_rows=4, row_length=32, learning_rate=1e-2)
    return config


def quiet():
    return Console(RichConsole(file=io.StringIO(), width=200))


@pytest.fixture(scope="module")
def study(raw, tmp_path_factory):
    """(folder, report, what was printed) of a diagnosis of two seeds."""
    out = tmp_path_factory.mktemp("study") / "out"
    console = quiet()
    report = diagnose(resolve(raw), out, 2, (), console)
    return out, report, console.rich.file.getvalue()


def test_budgets_are_equal(raw):
    config = resolve(raw)
    examples = prepare(config).splits["train"]
    arms = make_arms(config, examples, ("pcgrad",))
    assert list(arms) == ["joint", "tone alone", "who alone", "pcgrad"]
    steps = {arm: config.train.steps for arm, config in arms.items()}
    assert steps["joint"] == steps["pcgrad"] == 24
    # Every sentence has both labels, so that each model alone reads all of them.
    assert steps[alone("tone")] == steps[alone("who")] == 24
    assert arms["who alone"].tasks["tone"].weight == 0


def test_separate_models_take_as_many_steps_together_where_no_sentence_has_two_labels(tokenizer):
    rows = [("Tom ran .", "sports", None)] * 30 + [("Ann ran on and on .", None, [])] * 10
    corpus = encode_records([record(*r) for r in rows], tokenizer, make_config().task_list)
    config = make_config(train__steps=100)
    shares = shares_of_subwords(config, corpus)
    lengths = corpus.lengths()
    assert shares["topic"] == pytest.approx(lengths[:30].sum() / lengths.sum())
    arms = make_arms(config, corpus, ())
    assert sum(arms[alone(name)].train.steps for name in shares) == 100


def test_a_run_that_starts_from_an_encoder_is_also_tried_frozen(raw):
    config = resolve(raw)
    examples = prepare(config).splits["train"]
    arms = make_arms(resolve({**raw.to_dict(), "init_from": "runs/other"}), examples, ())
    assert arms["frozen"].train.freeze == ("encoder/.*",)
    assert set(make_arms(config, examples, ())) == {"joint", "tone alone", "who alone"}
    heads = resolve({**raw.to_dict(), "init_from": "runs/other", "init_parts": "heads"})
    assert "frozen" not in make_arms(heads, examples, ())


def test_a_run_with_made_up_sentences_is_also_tried_without(examples):
    config = make_config(data__ner__synthetic=2.0)
    arms = make_arms(config, examples, ())
    assert arms["real sentences"].task_data["ner"].synthetic == 0
    assert arms["joint"].task_data["ner"].synthetic == 2
    real = arms["real sentences"]
    assert real.train.mixing == "explicit"
    assert real.tasks["ner"].sampling + real.tasks["topic"].sampling == pytest.approx(1)


def test_every_arm_is_scored_on_dev_for_every_seed(study):
    _, report, printed = study
    assert set(report["scores"]["tone"]) == {"joint", "tone alone"}
    assert all(
        len(arm["seeds"]) == 2 for arms in report["scores"].values() for arm in arms.values()
    )
    assert set(report["differences"]) == {"joint less alone"}
    assert set(report["verdicts"]) == {"share or separate"}
    cost = report["cost"]
    assert 1.5 < cost["separate"]["parameters"] / cost["joint"]["parameters"] < 2
    for verdict in report["verdicts"].values():
        assert verdict["text"] in printed.replace("\n", " ")


def test_gradients_are_compared_along_training_and_layer_by_layer(study):
    _, report, _ = study
    assert [point["step"] for point in report["gradients"]] == list(range(3, 25, 3))
    (layers,) = report["gradients"][-1]["pairs"].values()
    assert list(layers) == ["embeddings", "layer_0", "top", "all"]
    for row in layers.values():
        assert -1 <= row["cosine"]["low"] <= row["cosine"]["mean"] <= row["cosine"]["high"] <= 1
        assert 0 <= row["conflict_rate"]["mean"] <= 1


def test_the_page_opens_offline(study):
    out, report, _ = study
    page = (out / "report.html").read_text(encoding="utf-8")
    elements = Elements(page)
    assert elements.open == []
    assert elements.fetched == []
    assert report["verdicts"]["share or separate"]["kind"] in page
    assert elements.counts["svg"] == 3


def test_what_is_there_is_not_done_again_and_what_is_missing_is(raw, study, tmp_path):
    out, report, _ = study
    again = tmp_path / "again"
    shutil.copytree(out, again)
    lost = again / "outcomes" / "who-alone-1.npz"
    lost.unlink()
    shutil.rmtree(again / "runs" / "who-alone-1")
    console = quiet()
    repeated = diagnose(resolve(raw), again, 2, (), console)
    assert repeated["scores"] == report["scores"]
    assert repeated["differences"] == report["differences"]
    assert console.rich.file.getvalue().count("run 6 of 6: who alone, seed 1") == 1


def test_other_data_is_refused(raw, study, tmp_path):
    out, _, _ = study
    again = tmp_path / "again"
    shutil.copytree(out, again)
    dev = Path(raw.data.tone.dev)
    before = dev.read_text(encoding="utf-8")
    try:
        dev.write_text(before.replace("day", "night"), encoding="utf-8")
        with pytest.raises(UserError, match="dev changed since this began"):
            diagnose(resolve(raw), again, 2, (), quiet())
    finally:
        dev.write_text(before, encoding="utf-8")


def test_a_run_of_another_config_is_not_taken_for_this_one(raw, study):
    out, _, _ = study
    config = resolve(raw)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, seed=0))
    arms = make_arms(config, prepare(config).splits["train"], ())
    arms["joint"] = dataclasses.replace(
        arms["joint"], train=dataclasses.replace(arms["joint"].train, learning_rate=0.5)
    )
    other = Study(config, out, prepare(config), arms, 2, (), quiet())
    with pytest.raises(UserError, match=r"trained with another config \(.*learning_rate"):
        run_arms(other)


def test_a_mistake_in_the_data_can_be_mended_and_the_command_repeated(raw, tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps({"text": "x", "tone": "fine", "who": "a"}) + "\n" * 1)
    plain = raw.to_dict()
    plain["data"]["tone"]["train"] = str(file)
    with pytest.raises(UserError, match="'fine' is not a label"):
        diagnose(resolve(plain), tmp_path / "out", 2, (), quiet())
    plain["data"]["tone"]["label_map"] = "fine=wrong"
    with pytest.raises(UserError, match="'wrong'|'fine'"):
        diagnose(resolve(plain), tmp_path / "out", 2, (), quiet())


def test_arms_are_checked_before_the_first_run(raw):
    examples = prepare(resolve(raw)).splits["train"]
    plain = raw.to_dict()
    plain["train"] = {**plain["train"], "accumulate": 2}
    with pytest.raises(UserError, match="leave accumulate at 1"):
        make_arms(resolve(plain), examples, ("pcgrad",))
    plain["train"] = {**plain["train"], "accumulate": 1, "balance": "mgda"}
    with pytest.raises(UserError, match="--balancers: are compared with plain joint"):
        make_arms(resolve(plain), examples, ("pcgrad",))


def test_another_config_is_refused(raw, study):
    other = resolve({**raw.to_dict(), "seed": 7})
    with pytest.raises(UserError, match=r"a diagnosis of another config:\n  .*seed"):
        diagnose(other, study[0], 2, (), quiet())


def test_a_mistake_is_named_before_the_work(raw, tmp_path):
    config = resolve(raw)
    plain = raw.to_dict()
    cases = [
        (config, 1, (), "--seeds: 1 tells nothing of chance"),
        (config, 2, ("pcgard",), "--balancers: 'pcgard' is not one of .*Did you mean 'pcgrad'"),
        (resolve({**plain, "phases": (phase("a", steps=1),)}), 2, (), "config.phases: a diagnosis"),
        (make_config(tasks__ner__weight=0.0), 2, (), "config.tasks: a diagnosis needs two tasks"),
    ]
    for given, seeds, balancers, message in cases:
        with pytest.raises(UserError, match=message):
            diagnose(given, tmp_path / "new", seeds, balancers, quiet())
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="is not empty and holds no diagnosis"):
        diagnose(config, tmp_path, 2, (), quiet())


# Outcomes and gradients


def test_outcomes_add_up_to_the_scores_of_evaluate(tiny, examples):
    config, model, params = tiny
    forward = jax.jit(lambda p, batch: model.apply({"params": p}, batch))
    found = outcomes(forward, params, examples, config)
    scores = evaluate(forward, params, examples, config)
    for task in config.task_list:
        ours = float(score(task, found[task.name].sum(axis=0)))
        assert ours == pytest.approx(main_score(scores[task.name]))


def test_tasks_that_ask_the_same_pull_the_same_way(tokenizer, records):
    """Two tasks with the same labels, and heads that are the same or negatives."""
    tasks = {name: TaskConfig(labels=("a", "b"), dropout=0.0) for name in ("one", "two")}
    raw = default_config(tasks)
    raw.encoder.update(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
    raw.data.update(max_length=32, overlap=8)
    raw.train.update(row_length=48, batch_rows=8)
    config = resolve(raw)
    labelled = [record._replace(labels=dict.fromkeys(tasks, "a"), spans={}) for record in records]
    batch = batch_of(encode_records(labelled, tokenizer, config.task_list), config).batch
    model, params = model_and_params(config, tokenizer)
    gradients = make_gradients(model, config)
    head = params["heads"]["one"]
    same = {**params, "heads": {"one": head, "two": head}}
    found = compare_gradients(gradients, same, [batch, batch], config)["one, two"]
    assert set(found) == {"embeddings", "layer_0", "top", "all"}
    for row in found.values():
        assert row["cosine"]["mean"] == pytest.approx(1, abs=1e-5)
        assert row["norm_ratio"]["mean"] == pytest.approx(1, abs=1e-5)
        assert row["conflict_rate"]["mean"] == 0
    swapped = {"logits": jax.tree.map(lambda leaf: np.flip(leaf, -1), head["logits"])}
    against = {**params, "heads": {"one": head, "two": swapped}}
    row = compare_gradients(gradients, against, [batch], config)["one, two"]["all"]
    assert row["cosine"]["mean"] < 0
    assert row["conflict_rate"]["mean"] == 1
