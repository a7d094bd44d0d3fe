"""Profile: the steps asked for, and no others, in files for TensorBoard and Perfetto."""

import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from mtt_jax.train.profile import Trace


def traced_steps(folder):
    """The numbers of the steps in the only trace of a folder."""
    (trace,) = (folder / "profile").rglob("*.xplane.pb")
    assert b"train" in trace.read_bytes()
    (timeline,) = (folder / "profile").rglob("perfetto_trace.json.gz")
    events = json.loads(gzip.decompress(timeline.read_bytes()))["traceEvents"]
    return {int(e["args"]["step_num"]) for e in events if "step_num" in e.get("args", {})}


@pytest.mark.parametrize(
    ("steps", "expected"), [(range(2, 4), {2, 3}), (range(3, 901), {3, 4})], ids=["2:3", "3:900"]
)
def test_a_trace_holds_the_steps_asked_for_up_to_the_last_one(tmp_path, steps, expected):
    double, state = jax.jit(lambda x: 2 * x), jnp.ones(8)
    with Trace(tmp_path, steps) as trace:
        for number in range(1, 5):
            with trace.step(number):
                state = double(state)
            trace.after(number, state)
    assert traced_steps(tmp_path) == expected


def test_without_steps_to_trace_nothing_is_written(tmp_path):
    with Trace(tmp_path, range(0)) as trace:
        with trace.step(1):
            pass
        trace.after(1, ())
    assert list(tmp_path.iterdir()) == []


def test_a_trace_is_closed_if_the_run_ends_within_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), Trace(tmp_path, range(1, 6)) as trace, trace.step(1):
        raise KeyboardInterrupt
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    with Trace(tmp_path / "again", range(1, 2)) as trace:  # a second one can start
        with trace.step(1):
            pass
        trace.after(1, ())
        assert list((tmp_path / "again").rglob("*.xplane.pb"))
