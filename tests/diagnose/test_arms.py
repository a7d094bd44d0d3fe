"""Arms: equal budgets, and each arm differs from joint in one thing."""

import pytest

from mtt_jax.config.resolve import resolve
from mtt_jax.data.prepare import prepare
from mtt_jax.diagnose.arms import alone, compared_tasks, make_arms, shares_of_subwords
from mtt_jax.errors import UserError
from tests.helpers import encoded, make_config, record


def test_arms_have_equal_budgets(raw):
    config = resolve(raw)
    examples = prepare(config).splits["train"]
    arms = make_arms(config, examples, ("pcgrad",))
    assert list(arms) == ["joint", "tone alone", "who alone", "pcgrad"]
    steps = {arm: config.train.steps for arm, config in arms.items()}
    assert steps["joint"] == steps["pcgrad"] == 24
    # Every sentence has labels of both tasks, so each separate model reads all of them.
    assert steps[alone("tone")] == steps[alone("who")] == 24


def test_a_task_alone_is_the_only_one_that_trains(raw):
    config = resolve(raw)
    arm = make_arms(config, prepare(config).splits["train"], ())["who alone"]
    assert arm.active == ("who",)
    assert arm.train.score == {"who": 1}
    # As in version 0.1, whose folders are still resumed.
    assert arm.tasks["tone"].weight == 0


def test_separate_models_together_take_train_steps_if_no_sentence_has_two_labels(tokenizer):
    rows = [("Tom ran .", "sports", None)] * 30 + [("Ann ran on and on .", None, [])] * 10
    corpus = encoded([record(*r) for r in rows], tokenizer, make_config().task_list)
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


def test_a_run_with_synthetic_sentences_is_also_tried_without(examples):
    config = make_config(data__ner__synthetic=2.0)
    arms = make_arms(config, examples, ())
    assert arms["real sentences"].tasks["ner"].data.synthetic == 0
    assert arms["joint"].tasks["ner"].data.synthetic == 2
    real = arms["real sentences"]
    assert real.train.mixing == "explicit"
    assert real.tasks["ner"].sampling + real.tasks["topic"].sampling == pytest.approx(1)


def test_only_tasks_that_train_with_a_weight_are_compared():
    def names(**fields):
        return [task.name for task in compared_tasks(make_config(**fields))]

    assert set(names()) == {"topic", "ner"}
    assert names(tasks__ner__weight=0.0) == ["topic"]
    assert names(train__tasks=("ner",)) == ["ner"]


def test_an_arm_that_contradicts_the_config_is_refused(raw):
    examples = prepare(resolve(raw)).splits["train"]
    plain = raw.to_dict()
    plain["train"] = {**plain["train"], "accumulate": 2}
    with pytest.raises(UserError, match="leave accumulate at 1"):
        make_arms(resolve(plain), examples, ("pcgrad",))
    plain["train"] = {**plain["train"], "accumulate": 1, "balance": "mgda"}
    with pytest.raises(UserError, match="--balancers: they are compared with plain joint"):
        make_arms(resolve(plain), examples, ("pcgrad",))


def test_no_arm_stops_early_and_each_has_evaluations_to_choose_from_if_asked(raw):
    raw = raw.copy_and_resolve_references()
    raw.train.patience = 1
    config = resolve(raw)
    examples = prepare(config).splits["train"]
    for arm in make_arms(config, examples, ()).values():
        assert (arm.train.patience, arm.train.eval_every) == (0, arm.train.steps)
    raw.train.best_by_task = True
    for arm in make_arms(resolve(raw), examples, ()).values():
        assert arm.train.eval_every == arm.train.save_every == 3  # of 24 steps


def test_a_frozen_arm_has_no_learning_rate_of_the_encoder(raw):
    raw = raw.copy_and_resolve_references()
    raw.init_from, raw.train.encoder_rate = "runs/other", 0.5
    config = resolve(raw)
    arms = make_arms(config, prepare(config).splits["train"], ())
    assert arms["joint"].train.encoder_rate == 0.5
    assert arms["frozen"].train.encoder_rate == 1
