"""Checkpoints: state and stream resume where they were; the newest and the best are kept."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.data.pipeline import open_shards, training_stream
from mtt_jax.devices.mesh import make_mesh, replicated
from mtt_jax.errors import UserError
from mtt_jax.train.checkpoint import Checkpoints, abstract
from mtt_jax.weights import manifest
from tests.helpers import make_config

CONFIG = make_config(train__batch_rows=2)


@pytest.fixture
def stream(examples):
    return iter(training_stream(examples, CONFIG))


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path, keep=2)
    yield opened
    opened.close()


def state(value):
    return {"step": jnp.int32(value), "weights": jnp.full((3, 2), value, jnp.float32)}


def like():
    return abstract(state(0), replicated(make_mesh(1, 2)))


def test_state_and_stream_resume_where_they_were_saved(checkpoints, stream, examples):
    for _ in range(3):
        next(stream)
    checkpoints.save(3, state(3), stream, None)
    following = [next(stream) for _ in range(4)]
    checkpoints.wait()
    fresh = iter(training_stream(examples, CONFIG))
    back = checkpoints.restore(3, like(), fresh)
    jax.tree.map(np.testing.assert_array_equal, back, state(3))
    for ours in following:
        jax.tree.map(np.testing.assert_array_equal, ours, next(fresh))


def test_shards_saved_by_one_process_resume_in_two(checkpoints, examples):
    config = make_config(train__batch_rows=2, data__shards=2)
    whole = open_shards(examples, config)
    next(whole)
    checkpoints.save(1, state(1), whole, None)
    following = next(whole)
    checkpoints.wait()
    parts = []
    for process in range(2):
        stream = open_shards(examples, config, process, 2)
        checkpoints.restore(1, like(), stream)
        parts.append(next(stream))
    rows = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    jax.tree.map(np.testing.assert_array_equal, rows, following)


def test_a_stream_position_of_another_version_or_damaged_cannot_be_resumed(
    checkpoints, stream, tmp_path
):
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    (file,) = (tmp_path / "checkpoints" / "1" / "data").glob("process_*.json")
    of_another_pipeline = {"packed_rows": 3, "exhausted": 0, "next_in_source": 12}
    file.write_text(json.dumps(of_another_pipeline))
    manifest.write(tmp_path / "checkpoints" / "1", ("_CHECKPOINT_METADATA",))
    with pytest.raises(
        UserError, match="was saved by another version of mtt_jax, so the run cannot be resumed"
    ):
        checkpoints.restore(1, like(), stream)
    file.write_text('{"trunc')
    manifest.write(tmp_path / "checkpoints" / "1", ("_CHECKPOINT_METADATA",))
    with pytest.raises(
        UserError, match=r"damaged: not valid JSON. Delete .*/checkpoints/1 to resume"
    ):
        checkpoints.restore(1, like(), stream)


def test_the_newest_and_the_best_are_kept(checkpoints, stream):
    for step, score in enumerate([0.1, 0.9, 0.3, None, 0.4, None], start=1):
        checkpoints.save(step, state(step), stream, score)
    checkpoints.wait()
    assert sorted(checkpoints.manager.all_steps()) == [2, 5, 6]
    assert checkpoints.latest() == 6
    assert checkpoints.best() == (2, 0.9)
    np.testing.assert_array_equal(checkpoints.restore_state(2, like())["step"], 2)


def test_of_equal_scores_the_earliest_is_the_best_and_is_kept(checkpoints, stream):
    for step in range(1, 6):
        checkpoints.save(step, state(step), stream, 0.5)
    checkpoints.wait()
    assert checkpoints.best() == (1, 0.5)
    assert sorted(checkpoints.manager.all_steps()) == [1, 4, 5]


def test_the_best_by_each_task_is_kept_beside_the_best_of_all(stream, tmp_path):
    scores = [(0.5, 0.9, 0.1), (0.7, 0.8, 0.6), (0.6, 0.2, 0.8), (0.4, 0.4, 0.4), (0.3, 0.9, 0.8)]
    checkpoints = Checkpoints(tmp_path, 1, ("topic", "ner"))
    for step, (score, topic, ner) in enumerate(scores, start=1):
        by_task = {"topic": topic, "ner": ner, "unlabelled": 0.0}
        checkpoints.save(step, state(step), stream, score, by_task)
    checkpoints.save(6, state(6), stream)
    checkpoints.close()
    again = Checkpoints(tmp_path, 1, ("topic", "ner"))
    assert again.steps() == [1, 2, 3, 6]
    assert [again.best(), again.best("topic"), again.best("ner")] == [(2, 0.7), (1, 0.9), (3, 0.8)]
    again.close()


def test_without_a_score_there_is_no_best(checkpoints, stream):
    assert checkpoints.latest() is None
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    assert checkpoints.best() is None


def test_a_half_written_checkpoint_after_a_kill_is_ignored(checkpoints, stream, tmp_path):
    checkpoints.save(1, state(1), stream, 0.5)
    checkpoints.wait()
    half = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    (half / "state").mkdir(parents=True)
    again = Checkpoints(tmp_path, keep=2)
    assert again.latest() == 1
    assert again.best() == (1, 0.5)
    again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_state_of_another_shape_is_refused(checkpoints, stream):
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    wrong = like()
    wrong["weights"] = jax.ShapeDtypeStruct((4, 2), jnp.float32, sharding=wrong["step"].sharding)
    with pytest.raises(ValueError, match="shape"):
        checkpoints.restore_state(1, wrong)
