"""Runs that are killed and started again end as a run that was never stopped, bit for bit."""

import pytest

from tests.faults.kills import Field, at_operations, at_random


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    field = Field(tmp_path_factory.mktemp("kills"), workers=1)
    yield field
    field.close()


def failures(found):
    return {name: problem for name, (_, problem) in found.items() if problem}


@pytest.mark.peers  # slow: one more run
def test_the_hook_lists_what_a_run_does_to_its_files(field):
    listed = set(field.operations)
    assert {"rename config.json", "rename checkpoints/2", "rename model", "rename metrics.json",
            "open metrics.jsonl", "remove checkpoints/2"} <= listed  # fmt: skip
    assert any(name.startswith("fsync") for name in listed)


# As a checkpoint becomes visible, and as one is removed half.
@pytest.mark.peers  # slow: three runs each
@pytest.mark.parametrize(
    "operation", ["rename checkpoints/4", "remove checkpoints/2/state/_METADATA"]
)
def test_a_run_killed_at_a_file_operation_ends_as_one_never_stopped(operation, field):
    assert field.killed("killed", matching=operation) == (1, "")


@pytest.mark.peers  # slow: twenty runs that are killed and started again
def test_a_run_killed_before_and_after_any_file_operation_ends_as_one_never_stopped(field):
    found = field.sweep(at_operations(range(3, len(field.operations), 13)))
    assert failures(found) == {}
    assert sum(kills for kills, _ in found.values()) > 15


@pytest.mark.peers  # slow: three runs that are killed thrice
def test_a_run_killed_at_random_moments_ends_as_one_never_stopped(field):
    assert failures(field.sweep(at_random(9, field.seconds))) == {}
