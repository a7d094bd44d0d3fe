"""What tests of the documentation share: a reader's shell, and a checkout for each page."""

import pytest

from tests.docs.checkout import Checkout, Reader
from tests.helpers import ROOT


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp("reader"))
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def checkout(request, reader, tmp_path_factory):
    """The checkout of a page, which is the parameter of the test, as a path from the root."""
    checkout = Checkout(reader, ROOT / request.param, tmp_path_factory.mktemp("checkout"))
    yield checkout
    checkout.close()
