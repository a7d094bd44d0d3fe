"""Every command of the pages in docs/ runs as a reader would paste it.

A block for a shell is a test: its commands run in order, in a folder that stands for the reader's
checkout (`checkout.py`), and each has to exit with 0. What cannot run here is in the table
`CHECKED` (`tables.py`), and its flags and files are checked. Training is cut short, see `warm.py`.
"""

import pytest

from tests.docs.pages import BLOCKS, Command
from tests.docs.tables import ADDED_TO, CHECKED, each_block, row_of, run_block, written

HERE = [block for block in BLOCKS if block[0].page.startswith("docs/")]


@pytest.mark.peers  # slow: runs every command of the pages
@each_block(HERE)
def test_every_command_of_a_block_runs(checkout, block):
    run_block(checkout, block)


def test_every_row_of_the_tables_is_about_a_command_of_its_page():
    commands = [command for block in BLOCKS for command in block]
    for row in [*CHECKED, *ADDED_TO]:
        assert any(row_of([row], command) for command in commands), row


def test_no_command_leaves_a_part_of_it_open():
    for block in BLOCKS:
        for command in block:
            assert not any("..." in word for word in command.words), str(command)


def test_what_a_command_leaves_behind_is_read_off_its_flags():
    def of(text):
        return list(written(Command("a.md", 1, text).words))

    assert of("mtt distill --config=configs/a.py --teachers=b") == [
        "runs/a-distilled/metrics.json",
        "runs/a-distilled/report.html",
    ]
    assert of("mtt predict runs/a b.txt --output=c.jsonl  # resumes") == ["c.jsonl"]
    assert of("mtt export runs/a b --to=onnx") == ["b"]
