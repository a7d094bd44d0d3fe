"""The parts of a page: escaped, and a policy that lets nothing else load or run."""

import base64
import hashlib
import re

from mtt_jax.report import charts
from mtt_jax.report.page import Cell, contents, document, folded, section, settings, table
from tests.helpers import Elements

CHART = charts.lines("A", [charts.Series("a", [(1, 2.0), (2, 3.0)])])


def policy(page):
    return re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]


def test_a_page_allows_its_own_scripts_and_nothing_else():
    page = document("t", [CHART])
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    rules = dict(rule.split(" ", 1) for rule in policy(page).split("; "))
    assert rules["default-src"] == "'none'"
    assert {
        name.strip("'").removeprefix("sha256-") for name in rules["script-src"].split()
    } == digests


def test_a_page_without_charts_has_no_script():
    page = document("t", ["<p>a</p>"])
    assert "script-src 'none'" in policy(page)
    assert "script" not in Elements(page).counts
    assert len(page) < 10_000


def test_a_page_with_charts_has_at_most_1_1_mb():
    assert len(document("t", [CHART]).encode()) < 1_100_000


def test_cells_and_titles_of_tables_are_escaped():
    html = table(("<b>", "n"), [("<i>", 1234), (Cell("<u>", "best"), 0.5)])
    assert "<b>" not in html
    assert "<u>" not in html
    assert Elements(html).rows == [["<b>", "n"], ["<i>", "1,234"], ["<u>", "0.5000"]]


def test_an_empty_section_is_left_out_and_has_no_link():
    parts = [
        section("First", "<p>a</p>"),
        section("Second", ""),
        section("Third & last", "<p></p>"),
    ]
    assert parts[1] == ""
    links = contents([part for part in parts if part])
    assert links.count("<a ") == 2
    assert '<a href="#third-last">Third &amp; last</a>' in links
    assert '<h2 id="third-last">' in parts[2]


def test_folded_parts_are_closed_unless_opened():
    assert folded("<s>", "x") == "<details><summary>&lt;s&gt;</summary>x</details>"
    assert folded("s", "x", opened=True).startswith("<details open>")


def test_settings_name_every_field_of_a_config():
    assert settings({"a": {"b": {"c": 1}}, "d": ()}) == {"a.b.c": 1, "d": ()}
