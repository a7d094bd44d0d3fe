"""The state that a run starts from."""

from contextlib import ExitStack

import jax
import pytest

from mtt_jax.data.encode import encode_records, reading_of
from mtt_jax.data.prepare import Prepared
from mtt_jax.devices import startup
from mtt_jax.report.console import Console
from mtt_jax.train.setup import complete_config, initial_state, set_up
from mtt_jax.train.stop import stop_signals
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import init_params
from mtt_jax.weights.initial import starting_params
from tests.helpers import assert_trees_equal, make_config


@pytest.fixture
def set_up_with(records, tokenizer, tmp_path):
    """Sets up a run with some fields of the config."""
    with ExitStack() as opened:

        def set_it_up(**fields):
            config = complete_config(make_config(train__log_to=(), **fields), tmp_path)
            encoded = encode_records(records, tokenizer, config.task_list, reading_of(config))
            data = Prepared(tokenizer, {"train": encoded, "dev": encoded, "test": encoded}, ())
            asked = opened.enter_context(stop_signals())
            return opened.enter_context(set_up(config, tmp_path, Console(), asked, data))

        yield set_it_up


@pytest.fixture
def setup(set_up_with):
    return set_up_with()


@pytest.mark.parametrize("parts", ["all", "encoder", "heads", "embedding"])
def test_what_another_model_does_not_give_is_drawn_as_without_it(
    parts, tiny, tokenizer, tmp_path, set_up_with
):
    config, _, params = tiny
    saved_model.save(tmp_path / "source", config, params, tokenizer, "# card\n")
    setup = set_up_with(init_from=str(tmp_path / "source"), init_parts=parts)
    key = jax.random.fold_in(jax.random.key(setup.config.seed), 0)
    drawn = jax.device_get(init_params(setup.model, key))
    expected = starting_params(setup.config, tokenizer, drawn)
    assert_trees_equal(initial_state(setup).params, expected)


@pytest.mark.peers  # slow: processes
def test_parameters_for_a_gpu_are_drawn_on_the_cpu_and_are_the_same(setup, monkeypatch):
    fresh = initial_state(setup).params
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert_trees_equal(initial_state(setup).params, fresh)


def test_parameters_are_drawn_where_they_will_be_if_jax_has_no_cpu(setup, monkeypatch):
    fresh = initial_state(setup).params

    def none_there(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "local_devices", none_there)
    assert_trees_equal(initial_state(setup).params, fresh)


@pytest.mark.parametrize(
    ("dtype", "lacks", "warned"),
    [("bfloat16", True, True), ("bfloat16", False, False), ("float32", True, False)],
)
def test_a_cpu_without_instructions_for_bfloat16_is_named_at_the_start(
    dtype, lacks, warned, set_up_with, monkeypatch, capsys
):
    monkeypatch.setattr(startup, "lacks_bfloat16", lambda: lacks)
    set_up_with(encoder__dtype=dtype)
    said = capsys.readouterr().out
    assert ("this CPU has no instructions for it" in said) == warned
    assert ("--config.encoder.dtype=float32 is more exact" in said) == warned
