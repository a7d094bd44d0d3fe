"""What tests of prediction share: an untrained model with a topic and entities."""

import pytest

from mtt_jax import Predictor
from tests.helpers import save_untrained


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    """Its run directory."""
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture(scope="module")
def predictor(run):
    """Its predictor."""
    return Predictor.load(run)
