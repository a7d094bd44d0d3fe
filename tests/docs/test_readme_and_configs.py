"""The commands of README.md, CONTRIBUTING.md and the docstrings in configs/ run as they stand."""

from pathlib import Path

import pytest

from mtt_jax import Predictor
from tests.docs.pages import BLOCKS
from tests.docs.tables import CHECKED, each_block, row_of, run_block, written

pytestmark = pytest.mark.peers  # slow: trains each config

HERE = [block for block in BLOCKS if not block[0].page.startswith("docs/")]


@each_block(HERE)
def test_every_command_of_a_block_runs_and_the_model_of_a_config_predicts(checkout, block):
    run_block(checkout, block)
    if block[0].page.startswith("configs/"):
        for run in _runs(block):
            answer = Predictor.load(checkout.folder / run)("Tom Fry scored in Rome.")
            assert answer.keys() >= {"topic", "ner"}, run


def _runs(block):
    """The run directories that a block of commands leaves behind."""
    for command in block:
        if not row_of(CHECKED, command):
            for file in written(command.words):
                if file.endswith("metrics.json"):
                    yield Path(file).parent
