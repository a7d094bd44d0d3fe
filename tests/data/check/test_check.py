"""The check of records as a whole."""

from mtt_jax.data.check import inspect
from tests.data.check.samples import GOOD, TOPIC


def test_clean_data_have_no_findings():
    assert inspect(GOOD, (TOPIC,)) == []
