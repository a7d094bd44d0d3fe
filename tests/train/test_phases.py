"""Phases: their steps, tasks and weights, and which parameters are frozen in each."""

import jax
import numpy as np
import pytest

from mtt_jax.config.schema import phase
from mtt_jax.data.sampling import parts_by_task
from mtt_jax.errors import UserError
from mtt_jax.train.announce import stopped_early
from mtt_jax.train.optim import make_schedule
from mtt_jax.train.phases import early_stops, param_paths, plan, shortened, stop_early
from tests.helpers import make_config


def planned(params, examples, *phases, **overrides):
    return plan(make_config(phases=phases, **overrides), examples, params)


def trained(phase):
    """The paths that train in a phase, to two levels."""
    paths = jax.tree.leaves(param_paths(phase.frozen))
    frozen = jax.tree.leaves(phase.frozen)
    return {
        "/".join(path.split("/")[:2]) for path, off in zip(paths, frozen, strict=True) if not off
    }


def test_a_config_without_phases_has_a_single_phase(tiny, examples):
    (only,) = planned(tiny[2], examples, train__steps=7)
    assert (only.name, only.start, only.end) == ("train", 0, 7)
    assert not any(jax.tree.leaves(only.frozen))
    assert only.config.seed == 0


def test_phases_follow_each_other_with_seeds_of_their_own(tiny, examples):
    one, two = planned(tiny[2], examples, phase("one", steps=3), phase("two", steps=5))
    assert [(p.start, p.end, p.config.train.steps) for p in (one, two)] == [(0, 3, 3), (3, 8, 5)]
    assert one.config.seed != two.config.seed


def test_an_epoch_has_as_many_batches_as_the_subwords_of_its_tasks_fill(tiny, examples):
    whole, named = planned(
        tiny[2], examples, phase("all", epochs=20.0), phase("ner", epochs=20.0, tasks=("ner",))
    )
    subwords = sum(len(example.tokens) for example in examples)
    # Every sentence has labels of both tasks, so both phases draw all sentences.
    assert whole.config.train.steps == named.config.train.steps == -(-20 * subwords // (8 * 48))


def test_a_phase_takes_from_the_run_what_it_does_not_set(tiny, examples):
    first, second = planned(
        tiny[2], examples,
        phase("first", steps=5, weights="ner=3"),
        phase("second", steps=5, tasks=("topic",), learning_rate=0.5, warmup=2, schedule="linear"),
        tasks__topic__weight=2.0, train__warmup=1,
    )  # fmt: skip
    assert {n: t.weight for n, t in first.config.tasks.items()} == {"topic": 2, "ner": 3}
    assert {n: t.weight for n, t in second.config.tasks.items()} == {"topic": 2, "ner": 1}
    assert set(first.config.active) == {"topic", "ner"}
    assert second.config.active == ("topic",)
    given = second.config.train
    assert (given.learning_rate, given.warmup, given.schedule) == (0.5, 2, "linear")
    own = first.config.train
    assert (own.learning_rate, own.warmup, own.schedule) == (1e-2, 1, "cosine")


def test_inherited_warm_up_is_at_most_a_tenth_of_the_phase(tiny, examples):
    long, short = planned(
        tiny[2], examples, phase("long", steps=90), phase("short", steps=5), train__warmup=20
    )
    assert (long.config.train.warmup, short.config.train.warmup) == (9, 1)


def test_untrainable_parameters_and_heads_of_inactive_tasks_are_frozen(tiny, examples):
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
        (
            {"trainable": ("heads/ner/.*",), "tasks": ("topic",)},
            "every parameter is frozen.*or name them in trainable",
        ),
    ],
)
def test_an_impossible_phase_is_refused(tiny, examples, given, message):
    with pytest.raises(UserError, match=message):
        planned(tiny[2], examples, phase("a", steps=2, **given))


def test_a_warm_up_longer_than_its_phase_is_shortened_and_said_so(tiny, examples):
    phases = (phase("a", steps=20, warmup=30), phase("b", steps=5), phase("c", steps=9, warmup=9))
    config = make_config(phases=phases, train__warmup=40)
    planned = plan(config, examples, tiny[2])
    assert [p.config.train.warmup for p in planned] == [2, 1, 9]
    assert shortened(config, planned) == [
        "config.phases[0].warmup: 30 steps of warm-up are more than the 20 of the phase; shortened "
        "to 2."
    ]


def test_a_warm_up_longer_than_the_run_is_shortened_and_said_so(tiny):
    config = make_config(train__steps=5, train__warmup=100)
    planned = plan(config, None, tiny[2])
    assert planned[0].config.train.warmup == 1
    assert shortened(config, planned) == [
        "config.train.warmup: 100 steps of warm-up are more than the 5 of the run; shortened to 1."
    ]


def test_a_phase_without_tasks_trains_those_of_train_tasks(tiny, examples):
    named, unnamed = planned(
        tiny[2], examples, phase("named", steps=1, tasks=("ner",)), phase("unnamed", steps=1),
        train__tasks=("topic",),
    )  # fmt: skip
    assert named.config.active == ("ner",)
    assert unnamed.config.active == ("topic",)
    assert "heads/ner" not in trained(unnamed)


def test_sentences_of_an_inactive_task_are_not_drawn_and_its_head_is_frozen(tiny, examples):
    (only,) = planned(tiny[2], examples, train__tasks=("topic",))
    assert set(parts_by_task(examples, only.config)) == {"topic"}
    assert "heads/ner" not in trained(only)
    assert np.sum(jax.tree.leaves(only.frozen)) == 2


def test_sentences_of_a_task_of_weight_0_are_drawn_and_its_head_is_not_frozen(tiny, examples):
    (only,) = planned(tiny[2], examples, tasks__ner__weight=0.0)
    (plain,) = planned(tiny[2], examples)
    ours, theirs = (parts_by_task(examples, p.config) for p in (only, plain))
    assert ours.keys() == theirs.keys()
    for name, part in ours.items():
        np.testing.assert_array_equal(part, theirs[name])
    assert not any(jax.tree.leaves(only.frozen))


# Early stopping


def ends(params, scores, patience, every=2, lengths=(10, 10)):
    """The (start, end) of phases after evaluations with these scores, `every` steps apart."""
    phases = tuple(phase(str(index), steps=steps) for index, steps in enumerate(lengths))
    config = make_config(phases=phases) if len(lengths) > 1 else make_config(train__steps=10)
    scored = [(every * (index + 1), score) for index, score in enumerate(scores)]
    planned = plan(config, None, params)
    whole = stop_early(planned, scored, patience)
    # Evaluation by evaluation, as in a run, and all at once, as when it is resumed.
    stepwise = planned
    for count in range(len(scored) + 1):
        stepwise = stop_early(stepwise, scored[:count], patience)
    assert [p[:3] for p in stepwise] == [p[:3] for p in whole]
    assert [stop.step for stop in early_stops(whole, scored)] == [
        p.end for p in whole if p.end - p.start < p.config.train.steps
    ]
    return [(p.start, p.end) for p in whole]


@pytest.mark.parametrize(
    ("scores", "patience", "end"),
    [
        ([0.5, 0.4, 0.3, 0.2], 0, 10),  # off
        ([0.5, 0.4], 1, 4),
        ([0.5, 0.6, 0.6], 1, 6),  # an equal score is not better
        ([0.5, 0.4, 0.6, 0.5, 0.5], 2, 10),  # the count starts anew; its end is the planned one
        ([0.5, 0.4, 0.5], 2, 6),
        ([0.1, 0.2, 0.3, 0.4], 1, 10),
        ([], 1, 10),
    ],
)
def test_patience_ends_a_run_at_the_first_evaluation_too_many(tiny, scores, patience, end):
    assert ends(tiny[2], scores, patience, lengths=(10,)) == [(0, end)]


def test_patience_ends_its_phase_and_later_phases_move_forward(tiny):
    assert ends(tiny[2], [0.5, 0.4], 1) == [(0, 4), (4, 14)]
    # The second phase does not compare with the best score of the first.
    assert ends(tiny[2], [0.5, 0.4, 0.1, 0.2, 0.1], 1) == [(0, 4), (4, 10)]
    assert ends(tiny[2], [0.1, 0.2, 0.3, 0.4, 0.5, 0.1, 0.1], 1) == [(0, 10), (10, 14)]


def test_an_early_stop_says_what_was_best_and_what_was_planned(tiny):
    planned = plan(make_config(train__steps=10), None, tiny[2])
    scored = [(2, 0.25), (4, 0.5), (6, 0.5), (8, 0.125)]
    (stop,) = early_stops(stop_early(planned, scored, 2), scored)
    assert stop == ("train", 8, 10, 4, 0.5)
    assert stopped_early(stop, make_config(train__patience=2)) == (
        "step 8: no better score in 2 evaluations since step 4 (0.5000); the run ends here, 2 "
        "steps early."
    )


def test_a_phase_that_moves_forward_keeps_its_learning_rates(tiny):
    phases = (phase("a", steps=10), phase("b", steps=4, schedule="linear", learning_rate=0.4))
    config = make_config(phases=phases)
    planned = plan(config, None, tiny[2])
    stopped = stop_early(planned, [(2, 0.5), (4, 0.4)], 1)
    before, after = make_schedule(planned), make_schedule(stopped)
    np.testing.assert_allclose(
        [after(step) for step in range(4, 8)], [before(step) for step in range(10, 14)], rtol=1e-6
    )
