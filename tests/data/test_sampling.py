"""Sampling: which sentences are drawn for a task, how often a class is, and the tasks' shares."""

import numpy as np
import pytest

from mtt_jax.data.sampling import (
    AnnealedSelection,
    expected_draws,
    mixing_weights,
    parts_by_task,
)
from tests.helpers import encoded, four_task_config, make_config, record

PERSON, PLACE = (0, 1, "PER"), (0, 1, "LOC")
# Eight topics, then eight sentences with entities: 4 without any, 3 with PER, 1 with PER and LOC.
ROWS = [
    *[("Tom ran .", "sports", None)] * 6,
    *[("Tom ran .", "others", None)] * 2,
    *[("Shares fell .", None, [])] * 4,
    *[("Tom ran .", None, [PERSON])] * 3,
    ("Oslo Tom .", None, [PLACE, (1, 2, "PER")]),
]
TOPICS, NAMES = list(range(8)), list(range(8, 16))


@pytest.fixture(scope="module")
def corpus(tokenizer):
    return encoded([record(*row) for row in ROWS], tokenizer, make_config().task_list)


def times(corpus, task, **overrides):
    """How often each sentence of a task is drawn in an epoch."""
    part = parts_by_task(corpus, make_config(**overrides))[task]
    return np.bincount(part, minlength=len(corpus))[TOPICS if task == "topic" else NAMES].tolist()


def test_sentence_with_labels_of_several_tasks_is_drawn_for_the_task_with_the_fewest(tokenizer):
    rows = [("Tom ran .", "sports", None)] * 3 + [("Tom ran .", "sports", [PERSON])] * 2
    both = encoded([record(*r) for r in rows], tokenizer, make_config().task_list)
    parts = parts_by_task(both, make_config())
    assert (parts["topic"].tolist(), parts["ner"].tolist()) == ([0, 1, 2], [3, 4])


def test_task_that_does_not_train_has_no_sentences_and_weight_0_is_not_the_same(tokenizer):
    rows = [("Tom ran .", "sports", None)] * 3 + [("Tom ran .", "sports", [PERSON])] * 2
    rows.append(("Tom ran .", None, [PERSON]))
    both = encoded([record(*r) for r in rows], tokenizer, make_config().task_list)

    def found(**overrides):
        parts = parts_by_task(both, make_config(**overrides))
        return {name: part.tolist() for name, part in parts.items()}

    assert found(train__tasks=("topic",)) == {"topic": [0, 1, 2, 3, 4]}
    assert found(train__tasks=("ner",)) == {"ner": [3, 4, 5]}
    assert found(tasks__ner__weight=0.0) == {"topic": [0, 1, 2], "ner": [3, 4, 5]}


def test_sentence_without_a_label_is_drawn_for_no_task(tokenizer):
    unlabelled = encoded([record("Tom ran .")], tokenizer, make_config().task_list)
    assert parts_by_task(unlabelled, make_config()) == {}


def test_over_sampling_makes_every_class_as_frequent_as_the_most_frequent(corpus):
    assert times(corpus, "topic", tasks__topic__class_sampling="over") == [1] * 6 + [3, 3]
    # PER and O occur in four sentences each, LOC in one.
    assert times(corpus, "ner", tasks__ner__class_sampling="over") == [1] * 7 + [4]


def test_under_sampling_makes_every_class_as_rare_as_the_rarest(corpus):
    found = [
        times(corpus, "topic", tasks__topic__class_sampling="under", seed=seed)
        for seed in range(200)
    ]
    assert all(max(row) == 1 and row[6:] == [1, 1] for row in found)
    assert np.mean([row[:6] for row in found]) == pytest.approx(1 / 3, abs=0.05)


def test_times_per_class_are_as_configured_and_the_largest_in_a_sentence_decides(corpus):
    given = "PER=2, LOC=3, O=0"
    assert times(corpus, "ner", tasks__ner__class_sampling=given) == [0] * 4 + [2] * 3 + [3]


def test_fractional_times_hold_on_average_and_depend_on_the_seed(corpus):
    rows = [
        times(corpus, "ner", tasks__ner__class_sampling="PER=1.5, O=1", seed=seed)
        for seed in range(200)
    ]
    assert np.mean([row[4:] for row in rows]) == pytest.approx(1.5, abs=0.05)
    assert rows[3] == times(corpus, "ner", tasks__ner__class_sampling="PER=1.5, O=1", seed=3)


def test_no_sentence_is_repeated_more_often_than_repeat_cap(corpus):
    given = {"tasks__ner__class_sampling": "over", "tasks__ner__repeat_cap": 2.0}
    assert times(corpus, "ner", **given) == [1] * 7 + [2]


SIZES = {"topic": 900, "ner": 100}


@pytest.mark.parametrize(
    ("overrides", "ner"),
    [
        ({}, 0.1),
        ({"train__mixing": "equal"}, 0.5),
        ({"train__mixing": "temperature", "train__temperature": 1.0}, 0.1),
        ({"train__mixing": "temperature", "train__temperature": 2.0}, 10 / 40),
        ({"tasks__topic__sampling_cap": 300}, 0.25),
        ({"train__mixing": "temperature", "train__temperature": 2.0,
          "tasks__topic__sampling_cap": 400}, 10 / 30),
        ({"train__mixing": "explicit", "tasks__topic__sampling": 1.0, "tasks__ner__sampling": 3.0},
         0.75),
        ({"train__mixing": "explicit", "tasks__ner__sampling": 0.9}, 0.5),
        ({"train__mixing": "explicit"}, 0.1),
    ],
)  # fmt: skip
def test_share_of_a_task_follows_the_mixing(overrides, ner):
    shares = mixing_weights(SIZES, make_config(**overrides))
    assert shares["ner"] == pytest.approx(ner)
    assert sum(shares.values()) == pytest.approx(1)


def test_annealed_shares_move_from_size_to_temperature():
    config = make_config(train__mixing="annealed", train__temperature=2.0)
    assert mixing_weights(SIZES, config, 0)["ner"] == pytest.approx(0.1)
    assert mixing_weights(SIZES, config, 0.5)["ner"] == pytest.approx(1 / (1 + 9**0.75))
    assert mixing_weights(SIZES, config, 1)["ner"] == pytest.approx(0.25)


def test_expected_draws_are_limited_by_the_slots(corpus):
    config = make_config(train__steps=10, train__slots=2)
    draws = expected_draws(parts_by_task(corpus, config), corpus.lengths(), config)
    assert sum(draws.values()) == pytest.approx(10 * 8 * 2)


def test_expected_draws_of_a_phase_fill_its_batches(corpus):
    config = make_config(train__steps=10, train__mixing="equal", train__slots=48)
    parts = parts_by_task(corpus, config)
    lengths = corpus.lengths()
    draws = expected_draws(parts, lengths, config)
    assert draws["topic"] == draws["ner"]
    positions = sum(draws[name] * lengths[part].mean() for name, part in parts.items())
    assert positions == pytest.approx(10 * 8 * 48)


def test_annealed_selection_draws_the_sentences_of_each_task_in_order():
    selection = AnnealedSelection([(0.75, 0.25), (0.5, 0.5), (0.25, 0.75)], 31_500)
    tasks, turns = selection.select(np.arange(41_500))
    for task in (0, 1):
        own = turns[tasks == task]
        np.testing.assert_array_equal(own, np.arange(len(own)))
    thirds = tasks[:31_500].reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(thirds, [0.25, 0.5, 0.75], atol=1e-3)
    assert tasks[31_500:].mean() == pytest.approx(0.75, abs=1e-3)
    assert tasks[:40].sum() == 10, "spread evenly within a cycle too"


def test_smallest_share_is_never_0():
    selection = AnnealedSelection([(0.99999, 0.00001)], 1000)
    tasks, _ = selection.select(np.arange(1000))
    assert tasks.sum() == 1


def test_class_sampling_goes_by_the_rarest_label_of_a_multilabel_set_or_a_tag_sequence(tokenizer):
    sets = [("law",)] * 6 + [("money", "law")] * 2 + [()] * 2
    tags = [("NOUN", "OTHER", "OTHER")] * 3 + [("VERB", "NOUN", "")]
    rows = [record("Tom ran .", subjects=s) for s in sets]
    rows += [record("Tom ran .", pos=t) for t in tags]
    options = {f"tasks__{name}__class_sampling": "over" for name in ("subjects", "pos")}
    config = four_task_config(**options)
    examples = encoded(rows, tokenizer, config.task_list)
    parts = parts_by_task(examples, config)
    # law occurs in 8 sets, money in 2; the empty set is drawn once.
    drawn = np.bincount(parts["subjects"], minlength=len(rows))
    assert drawn[:10].tolist() == [1] * 6 + [4, 4] + [1, 1]
    # NOUN occurs in 4 sentences, OTHER in 3, VERB in 1.
    drawn = np.bincount(parts["pos"], minlength=len(rows))[10:]
    assert drawn[3] == 4
    assert all(1 <= times <= 2 for times in drawn[:3])
