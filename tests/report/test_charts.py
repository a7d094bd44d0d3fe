"""Charts are valid Vega-Lite with the values that they were given."""

import re
import sys

import pytest
import vl_convert

from mtt_jax.errors import UserError
from mtt_jax.report import charts
from mtt_jax.report.charts import Curve, Interval, Series
from tests.helpers import Elements

LINES = charts.lines(
    "Loss", [Series("a.b[0]", [(1, 2.0), (2, 3.0)]), Series("c", [(2, 1.0)], dashed=True)],
    starts=[("one", 0), ("two", 1)],
)  # fmt: skip
DOTS = charts.dots("Labels", [("x", {"precision": 0.93, "recall": None}), ("y", {"recall": 1.0})])
RELIABILITY = charts.reliability("Right", [Curve("with", [(0.5, 0.25, 3), (0.9, 1.0, 1)])])
INTERVALS = charts.intervals("Change", [Interval("a", 0.1, 0.05, 0.15), Interval("b", 0, -1, 1)])


def spec(html):
    ((_, found),) = Elements(html).charts.items()
    return found


@pytest.mark.parametrize("html", [LINES, DOTS, RELIABILITY, INTERVALS])
def test_vega_draws_the_chart(html):
    svg = vl_convert.vegalite_to_svg({**spec(html), "width": 350})
    assert svg.startswith("<svg")
    # Lines or points, and the labels of both axes.
    assert svg.count("<path") > 5
    assert len(re.findall(r"<text[^>]*>[^<]+</text>", svg)) >= 6


def test_a_chart_is_as_wide_as_its_container():
    for html in (LINES, DOTS, RELIABILITY, INTERVALS):
        assert spec(html)["width"] == "container"


def test_all_series_are_in_the_legend_and_in_the_tooltip():
    assert "a.b[0]" in Elements(LINES).text
    (tips,) = [x["encoding"]["tooltip"] for x in spec(LINES)["layer"] if "tooltip" in x["encoding"]]
    assert [tip["title"] for tip in tips] == ["step", "a.b[0]", "c"]


@pytest.mark.parametrize(
    "html",
    [
        charts.lines("t", []),
        charts.lines("t", [Series("a", [])]),
        charts.dots("t", []),
        charts.reliability("t", [Curve("a", [])]),
        charts.intervals("t", []),
    ],
)
def test_a_chart_of_nothing_is_left_out(html):
    assert html == ""


def test_losses_of_several_magnitudes_are_on_a_logarithmic_scale():
    def scale(values):
        html = charts.lines("t", [Series("a", list(enumerate(values)))], log=True)
        return spec(html)["layer"][0]["encoding"]["y"]["scale"].get("type")

    assert scale([1.0, 0.001]) == "log"
    assert scale([1.0, 0.5]) is None
    assert scale([1.0, 0.0]) is None


def test_values_that_json_cannot_hold_are_left_out():
    html = charts.lines("t", [Series("a", [(1, 2.0), (2, float("nan")), (3, float("inf"))])])
    assert [(p["x"], p["y"]) for p in spec(html)["data"]["values"]] == [(1, 2.0)]
    assert "NaN" not in html
    assert "Infinity" not in html


def test_a_chart_names_the_values_of_each_step_and_a_dash_where_there_is_none():
    bands = spec(LINES)["layer"][-1]["data"]["values"]
    assert [(b["x"], b["from"], b["to"], b["s0"], b["s1"]) for b in bands] == [
        (1, 1, 1.5, "2", "\u2013"),
        (2, 1.5, 2, "3", "1"),
    ]


def test_a_constant_is_drawn_on_a_scale_around_it():
    html = charts.lines("t", [Series("a", [(1, 0.6), (2, 0.6)])])
    svg = vl_convert.vegalite_to_svg({**spec(html), "width": 350})
    assert ">0.60</text>" in svg


def test_a_few_steps_are_whole_numbers_each_named_once():
    html = charts.lines("t", [Series("a", [(1, 0.1), (2, 0.2)])])
    svg = vl_convert.vegalite_to_svg({**spec(html), "width": 350})
    assert [svg.count(f">{step}</text>") for step in (1, 2)] == [1, 1]


def test_a_missing_library_ends_in_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UserError, match="pip install vl-convert-python, and run the same command"):
        charts.scripts.__wrapped__()


def test_labels_near_1_are_told_apart():
    domain = spec(DOTS)["encoding"]["x"]["scale"]["domain"]
    assert domain == [0.9, 1]


def test_more_series_than_colors_differ_by_their_dashes():
    html = charts.lines("t", [Series(f"{n}", [(0, n), (1, n)]) for n in range(20)])
    drawn = spec(html)["layer"][0]["encoding"]
    looks = zip(
        drawn["color"]["scale"]["range"], drawn["strokeDash"]["scale"]["range"], strict=True
    )
    assert len({(color, tuple(dash)) for color, dash in looks}) == 20


def test_an_interval_without_zero_is_told_apart():
    assert [row["sure"] for row in spec(INTERVALS)["data"]["values"]] == [True, False]
