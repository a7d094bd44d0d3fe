"""Phases: their steps, their weights, and which parameters stand still in each."""

import jax
import numpy as np
import pytest

from mtt_jax.config.schema import phase
from mtt_jax.errors import UserError
from mtt_jax.train.phases import param_paths, plan
from tests.helpers import make_config


def planned(params, examples, *phases, **overrides):
    return plan(make_config(phases=phases, **overrides), examples, params)


def trained(phase):
    """The paths that train in a phase, to two levels."""
    paths = jax.tree.leaves(param_paths(phase.frozen))
    frozen = jax.tree.leaves(phase.frozen)
    return {
        "/".join(path.split("/")[:2])
        for path, still in zip(paths, frozen, strict=True)
        if not still
    }


def test_a_config_without_phases_has_one_of_all_its_steps(tiny, examples):
    (only,) = planned(tiny[2], examples, train__steps=7)
    assert (only.name, only.start, only.end) == ("train", 0, 7)
    assert not any(jax.tree.leaves(only.frozen))
    assert only.config.seed == 0


def test_phases_follow_one_another(tiny, examples):
    one, two = planned(tiny[2], examples, phase("one", steps=3), phase("two", steps=5))
    assert [(p.start, p.end, p.config.train.steps) for p in (one, two)] == [(0, 3, 3), (3, 8, 5)]
    assert one.config.seed != two.config.seed


def test_an_epoch_is_as_many_batches_as_the_subwords_of_its_tasks_fill(tiny, examples):
    whole, named = planned(
        tiny[2], examples, phase("all", epochs=20.0), phase("ner", epochs=20.0, tasks=("ner",))
    )
    subwords = sum(len(example.tokens) for example in examples)
    # Every sentence has both labels; it stands for one task, and for ner where topic is not asked.
    assert whole.config.train.steps == named.config.train.steps == -(-20 * subwords // (8 * 48))


def test_a_phase_has_the_weights_and_rates_that_it_names_and_the_runs_where_it_names_none(
    tiny, examples
):
    first, second = planned(
        tiny[2], examples,
        phase("first", steps=5, weights="ner=3"),
        phase("second", steps=5, tasks=("topic",), learning_rate=0.5, warmup=2, schedule="linear"),
        tasks__topic__weight=2.0, train__warmup=1,
    )  # fmt: skip
    assert {n: t.weight for n, t in first.config.tasks.items()} == {"topic": 2, "ner": 3}
    assert {n: t.weight for n, t in second.config.tasks.items()} == {"topic": 2, "ner": 0}
    given = second.config.train
    assert (given.learning_rate, given.warmup, given.schedule) == (0.5, 2, "linear")
    own = first.config.train
    assert (own.learning_rate, own.warmup, own.schedule) == (1e-2, 1, "cosine")


def test_warm_up_that_is_inherited_takes_no_more_than_a_tenth(tiny, examples):
    long, short = planned(
        tiny[2], examples, phase("long", steps=90), phase("short", steps=5), train__warmup=20
    )
    assert (long.config.train.warmup, short.config.train.warmup) == (9, 1)


def test_what_is_not_trainable_is_frozen_and_so_are_the_heads_of_other_tasks(tiny, examples):
    first, second, third = planned(
        tiny[2], examples,
        phase("topic", steps=1, tasks=("topic",)),
        phase("ner", steps=1, tasks=("ner",), trainable=("heads/.*",)),
        phase("top", steps=1, trainable=("heads/.*", "encoder/layer_1/.*")),
        train__freeze=("encoder/token_embedding/.*",),
    )  # fmt: skip
    assert "heads/topic" in trained(first)
    assert not trained(first) & {"heads/ner", "encoder/token_embedding"}
    assert trained(second) == {"heads/ner"}
    assert trained(third) == {"heads/ner", "heads/topic", "encoder/layer_1"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trainable": ("encoder/layer_7/.*",)}, r"config.phases\[0\].trainable: .*no parameter"),
        ({"trainable": ("heads/ner/.*",), "tasks": ("topic",)}, "freeze everything"),
        ({"warmup": 3}, "3 steps of warm-up are more than the 2 of phase 'a'"),
    ],
)
def test_a_phase_that_cannot_be_is_refused_before_the_work(tiny, examples, given, message):
    with pytest.raises(UserError, match=message):
        planned(tiny[2], examples, phase("a", steps=2, **given))


def test_a_task_of_weight_zero_is_neither_drawn_nor_is_its_head_moved(tiny, examples):
    (only,) = planned(tiny[2], examples, tasks__ner__weight=0.0)
    assert "heads/ner" not in trained(only)
    assert np.sum(jax.tree.leaves(only.frozen)) == 2
