"""The state that a run starts from."""

import jax
import pytest

from mtt_jax.data.encode import encode_records, reading_of
from mtt_jax.data.prepare import Prepared
from mtt_jax.report.console import Console
from mtt_jax.train.setup import complete_config, initial_state, set_up
from mtt_jax.train.stop import stop_signals
from tests.helpers import assert_trees_equal, make_config


@pytest.fixture
def setup(records, tokenizer, tmp_path):
    config = complete_config(make_config(train__log_to=()), tmp_path)
    encoded = encode_records(records, tokenizer, config.task_list, reading_of(config))
    data = Prepared(tokenizer, {"train": encoded, "dev": encoded, "test": encoded}, ())
    with stop_signals() as asked, set_up(config, tmp_path, Console(), asked, data) as setup:
        yield setup


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
