"""The commands of README.md, CONTRIBUTING.md and the docstrings in configs/ run as they stand."""

import pytest

from tests.docs.pages import BLOCKS
from tests.docs.tables import each_block, run_block

pytestmark = pytest.mark.peers  # slow: trains each config

HERE = [block for block in BLOCKS if not block[0].page.startswith("docs/")]


@each_block(HERE)
def test_every_command_of_a_block_runs(checkout, block):
    run_block(checkout, block)
