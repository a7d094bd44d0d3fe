"""Limits: what is refused before anything is loaded."""

import pytest

from mtt_jax import UserError
from mtt_jax.serve.settings import Settings


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_body", 0, "--max-body: 0 is out of range; must be at least 1."),
        ("queue", 0, "--queue: 0 is out of range; must be at least 1."),
        ("wait_ms", -1.0, "--wait-ms: -1.0 is out of range; must be at least 0."),
        ("timeout", float("nan"), "--timeout: nan is out of range; must be at least 1."),
        ("grace", float("inf"), "--grace: inf is out of range; must be at least 1."),
    ],
)
def test_a_limit_out_of_range_is_refused_by_its_flag(field, value, message):
    with pytest.raises(UserError) as error:
        Settings(**{field: value}).check()
    assert str(error.value) == message


def test_a_queue_that_no_full_request_fits_in_is_refused():
    with pytest.raises(UserError, match="--queue: 10 is less than a request may hold"):
        Settings(queue=10).check()
    assert Settings(queue=10, max_texts=10).check().queue == 10
