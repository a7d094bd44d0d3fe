"""Models and servers that the tests of the server share."""

import pytest

from tests.helpers import save_four_tasks, save_untrained


@pytest.fixture(scope="session")
def run(tokenizer, tmp_path_factory):
    """A run with the tasks topic and ner."""
    return save_untrained(tmp_path_factory.mktemp("serve") / "news", tokenizer)


@pytest.fixture(scope="session")
def four(tokenizer, tmp_path_factory):
    """A run with a task of each kind."""
    return save_four_tasks(tmp_path_factory.mktemp("serve") / "four", tokenizer)
