"""The documentation as a site: built without a warning, and complete without a network."""

import re
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest

from tests.helpers import ROOT

pytestmark = pytest.mark.peers  # needs requirements-docs.txt


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    pytest.importorskip("sphinx", reason="needs: pip install -r requirements-docs.txt")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html",
         "-d", str(tmp_path_factory.mktemp("doctrees")), str(ROOT / "docs"), str(folder)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def attributes(page, name):
    return re.findall(rf'\s{name}="([^"]*)"', page.read_text(encoding="utf-8"))


def test_every_page_is_built(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}


def test_a_page_loads_nothing_from_elsewhere(site):
    for page in site.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = attributes(page, "src") + re.findall(r'<link[^>]* href="([^"]*)"', text)
        assert loaded
        assert [url for url in loaded if urlsplit(url).netloc] == [], page.name


def test_links_within_the_site_lead_to_files_and_headings(site):
    ids = {}
    for page in site.glob("*.html"):
        ids[page] = set(attributes(page, "id"))
    broken = []
    for page in ids:
        for link in attributes(page, "href"):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            there = target.exists()
            if there and parts.fragment and target in ids:
                there = unquote(parts.fragment) in ids[target]
            if not there:
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_the_references_show_what_they_are_made_from(site):
    config = (site / "config.html").read_text(encoding="utf-8")
    assert "config.train.learning_rate" in config
    reference = (site / "reference.html").read_text(encoding="utf-8")
    for name in ("Predictor.load", "train_run", "UserError", "with_answers"):
        assert f'id="mtt_jax.{name}"' in reference or f".{name}" in reference, name
    commands = (site / "commands.html").read_text(encoding="utf-8")
    from mtt_jax.cli import COMMANDS

    for name in COMMANDS:
        assert f"mtt {name}" in commands
