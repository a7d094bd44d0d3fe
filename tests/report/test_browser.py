"""Pages in a real browser: nothing is cut off or loaded, hovering works, both themes are legible.

Needs requirements-peers.txt, and a browser: `playwright install chromium`, or chromium on the path.
"""

import shutil
from collections import Counter

import pytest

from mtt_jax.check.examine import Examined
from mtt_jax.check.page import render as check_page
from mtt_jax.check.suspects import Suspect
from mtt_jax.data.check.findings import WARNING, Finding
from mtt_jax.diagnose.page import render as diagnose_page
from mtt_jax.report import compare, run_page
from mtt_jax.report.run_files import RunFiles, read_run
from tests.helpers import CALIBRATED, FINAL, NER, ROOT, Elements, make_config
from tests.report.test_run_page import history

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="needs: pip install -r requirements-peers.txt"
)
pytestmark = pytest.mark.peers

LONG = "Donaudampfschifffahrtsgesellschaft" * 4
TEXTS = {
    "arabic": "أعلن الرئيس محمد في القاهرة أن 25 شركة ستعمل هناك",
    "hebrew": "דוד לוי עבר מתל אביב לירושלים",
    "emoji": "🙂👍🏽 Ann 👩‍👩‍👧 moved to Oslo",
    "long": f"Ann {LONG} Oslo",
}


def mistake(text):
    words = [word for word in text.split() if word.isalpha()]
    spans = [
        {"start": text.index(word), "end": text.index(word) + len(word), "label": label}
        for word, label in zip(words, ("PER", "ORG", "LOC"), strict=False)
    ]
    return {"text": text, "given": spans[:2], "found": spans[1:], "probability": 0.1, "loss": 2.0}


def a_run(name="run"):
    phases = [
        {"name": task, "start": start, "end": start + 20, "tasks": [task],
         "before": {"topic": 0.5, "ner": 0.25}, "after": {"topic": 0.25, "ner": 0.5}}
        for task, start in (("topic", 0), ("ner", 20))
    ]  # fmt: skip
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 3}
    many = {f"{LONG} {n}": row for n in range(9)}
    counts = [[3] * 9 for _ in range(9)]
    wide = {**CALIBRATED, "per_class": many, "confusion": {"labels": list(many), "counts": counts}}
    final = {**FINAL, "phases": phases, "test": {"topic": CALIBRATED, LONG: wide, "ner": NER},
             "data": {"notes": [LONG], "sentences": {"train": {"topic": 9}}}}  # fmt: skip
    mistakes = {"dev": {"ner": [mistake(text) for text in TEXTS.values()]}}
    return RunFiles(name, {"data": {"train": LONG}}, history(40), final, mistakes)


def a_diagnosis():
    row = {"mean": 0.1, "low": 0.05, "high": 0.15}
    layers = {n: dict.fromkeys(("cosine", "norm_ratio", "conflict_rate"), row) for n in "abcdefghi"}
    scores = {"topic": {"joint": {"mean": 0.5, "seeds": [0.5]}}}
    return {
        "seeds": 2, "dev_sentences": {"topic": 9}, "device": "CPU", "steps": {"joint": 9},
        "titles": {"topic": "macro F1"}, "scores": scores,
        "verdicts": {"share or separate": {"finding": "share", "text": LONG}},
        "differences": {"joint minus alone": {"topic": row, LONG: {**row, "low": -0.5}}},
        "cost": {"joint": {"parameters": 9, "training_seconds": 1.0, "dev_seconds": 1.0}},
        "gradients": [{"step": step, "pairs": {"topic and ner": layers}} for step in (1, 2)],
    }  # fmt: skip


def a_check():
    finding = Finding(WARNING, "n", "topic", "dev", LONG, (f"{LONG}.csv, line 3",))
    counts = {"topic": {"train": Counter({LONG: 1200})}}
    one = mistake(TEXTS["arabic"])
    place = f"{LONG}.csv, line 1"
    suspect = Suspect("ner", place, one["text"], one["given"], one["found"], 0.1, True)
    return Examined(make_config(), {}, [LONG], [finding], counts, {}, {}), [suspect]


PAGES = {
    "run": lambda: run_page.render(a_run()),
    "old run": lambda: run_page.render(read_run(ROOT / "tests/old_runs/v0_1/finished")),
    "compared": lambda: compare.render([a_run("one"), a_run("two"), a_run(LONG)]),
    "diagnosis": lambda: diagnose_page("diagnosis", a_diagnosis()),
    "check": lambda: check_page("check", *a_check()),
}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        try:
            # As root, as in a container, Chromium runs only without its sandbox.
            found = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
        except sync_api.Error as error:
            pytest.skip(f"needs a browser: playwright install chromium ({str(error)[:80]})")
        yield found
        found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page as a function of name, width and theme; at the end nothing was complained of."""
    contexts, trouble = [], []

    def open_page(name, width=1280, theme="light"):
        file = tmp_path / "page.html"
        html = PAGES[name]()
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=theme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda r: r.url == file.as_uri() or trouble.append(r.url))
        page.goto(file.as_uri())
        page.wait_for_function(
            "count => document.querySelectorAll('.chart svg').length === count",
            arg=len(Elements(html).charts) if "<figure" in html else 0,
        )
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        return page

    yield open_page
    assert trouble == []
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_screen_and_no_chart_than_its_place(name, width, opened):
    page = opened(name, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.chart svg text')].filter(text => {
             const box = text.getBoundingClientRect();
             const place = text.closest('figure').getBoundingClientRect();
             return box.width && (box.left < place.left - 1 || box.right > place.right + 1);
           }).map(text => text.textContent)"""
    )
    assert cut == []


@pytest.mark.parametrize("width", [1280, 390])
def test_hovering_a_curve_shows_the_values_of_all_tasks(width, opened):
    page = opened("run", width)
    figure = page.locator("figure", has=page.locator("figcaption", has_text="Loss"))
    chart = figure.locator("svg").last
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    shown = dict(
        zip(
            tooltip.locator("td.key").all_text_contents(),
            tooltip.locator("td.value").all_text_contents(),
            strict=True,
        )
    )
    step = int(shown["step"])
    assert float(shown["topic, train"]) == pytest.approx(1 / step, rel=1e-3)
    assert float(shown["ner, train"]) == pytest.approx(2 / step, rel=1e-3)
    inside = tooltip.bounding_box()
    assert inside["x"] >= 0
    assert inside["x"] + inside["width"] <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_text_has_enough_contrast_to_what_is_behind_it(name, theme, opened):
    """At least 4.5, as WCAG 2.2 asks for text: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
    page = opened(name, theme=theme)
    assert page.evaluate(CONTRASTS) == []


# What is behind a text is the nearest background that is not transparent; colors are drawn on a
# canvas to read them as numbers, whatever their notation.
CONTRASTS = """() => {
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colors) => {
    pixel.clearRect(0, 0, 1, 1);
    for (const color of colors) { pixel.fillStyle = color; pixel.fillRect(0, 0, 1, 1); }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || element.closest("script, style, #vg-tooltip-element")) continue;
    const behind = [];
    for (let at = element; at; at = at.parentElement) {
      behind.unshift(getComputedStyle(at).backgroundColor);
    }
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(over(behind)), light(over([...behind, ink]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const about = `${element.tagName} ${element.textContent.slice(0, 20)}`;
    if (ratio < 4.5) found.add(`${about} ${ratio.toFixed(2)}`);
  }
  return [...found];
}"""


def test_right_to_left_text_is_laid_out_from_the_right_and_its_marks_stay_in_place(opened):
    page = opened("run")
    for name in ("arabic", "hebrew"):
        paragraph = page.locator(".card p[dir=auto]", has_text=TEXTS[name][:6]).first
        assert paragraph.evaluate("p => getComputedStyle(p).direction") == "rtl"
        marks = paragraph.locator("mark")
        first, second = marks.nth(0).bounding_box(), marks.nth(1).bounding_box()
        assert first["x"] > second["x"], "the first word is further right"


def test_links_lead_to_the_sections(opened):
    page = opened("run")
    links = page.locator("nav a")
    assert links.count() > 4
    for index in range(links.count()):
        anchor = links.nth(index).get_attribute("href")
        assert page.locator(f"h2[id='{anchor[1:]}']").count() == 1
