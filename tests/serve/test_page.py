"""The web page in a real Chromium: typing, marking, files, models, the server gone and back.

Needs requirements-peers.txt and a Chromium: apt-get install chromium, or playwright install
chromium.
"""

import csv
import io
import json
import shutil
import signal
import time

import pytest

from mtt_jax import Predictor, train
from mtt_jax.config import default_config
from mtt_jax.serve.settings import Settings
from mtt_jax.weights import manifest
from tests.serve.running import SECONDS, InThread, Server

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs: pip install -r requirements-peers.txt"
)
expect = playwright.expect
pytestmark = pytest.mark.peers

PERSON = "Maria Lopez works at Microsoft in Seattle."
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script> Ann & "Bo" </p>'


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of seconds that knows a few sentences by heart."""
    folder = tmp_path_factory.mktemp("data")
    entities = [(0, 11, "PER"), (21, 30, "ORG"), (34, 41, "LOC")]
    labelled = {PERSON: ("others", entities), "Shares fell.": ("others", [])}
    labelled["Rovers beat City again."] = ("sports", [(0, 6, "ORG"), (12, 16, "ORG")])
    labelled["The minister resigned."] = ("politics", [])
    rows = [
        {
            "text": text,
            "label": topic,
            "entities": [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans],
        }
        for text, (topic, spans) in labelled.items()
    ]
    file = folder / "train.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in 5 * rows), encoding="utf-8")
    config = default_config()
    config.data.update(source="files", cache_dir=str(folder / "cache"), max_length=64)
    for task in ("topic", "ner"):
        config.data[task].train = str(file)
    config.encoder.update(layers=1, width=32, heads=2, feedforward=64, max_positions=64)
    config.tokenizer.vocab_size = 200
    config.train.update(steps=60, warmup=5, batch_rows=4, row_length=64, learning_rate=1e-2)
    config.train.log_to = ()
    return train(config, folder / "trained").path


@pytest.fixture(scope="module")
def server(trained, four):
    with Server(trained, f"other={four}") as server:
        yield server


@pytest.fixture(scope="module")
def chromium(trained):
    """After training, since Playwright leaves an event loop running, in which Orbax would hang."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as engine:
        try:
            browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"needs a browser: playwright install chromium ({str(error)[:80]})")
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium):
    """Opens the page of a server; nothing may be loaded from elsewhere, and no script may fail."""
    pages, faults, origins = [], [], set()

    def opened(url, **options):
        context = chromium.new_context(**options)
        context.set_default_timeout(SECONDS * 1000)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: origins.add(request.url.split("/")[2]))
        page.goto(url)
        pages.append(page)
        return page

    expect.set_options(timeout=SECONDS * 1000)
    yield opened
    assert faults == []
    assert all(origin.startswith("127.0.0.1:") for origin in origins if origin)
    for page in pages:
        page.context.close()


@pytest.fixture
def page(open_page, server):
    return open_page(server.url)


def text_box(page):
    return page.get_by_role("textbox", name="Text")


def answer(page, task):
    return page.locator(f'.answer[data-task="{task}"]')


def marks(page, task="ner"):
    """(text, label) of what is marked."""
    return [
        (mark.locator(".piece").text_content(), mark.get_attribute("data-label"))
        for mark in answer(page, task).locator("mark").all()
    ]


# The text of the task in which words are marked, without the labels of the marks.
SHOWN = """task => {
  const box = document.querySelector(`#answers:not(.stale) [data-task="${task}"] .marked`);
  if (!box) return null;
  const copy = box.cloneNode(true);
  copy.querySelectorAll(".tag").forEach((tag) => tag.remove());
  return copy.textContent;
}"""


def wait_for_answer(page, text, task="ner"):
    """Waits until the answer to a text is shown, with exactly this text."""
    end = time.monotonic() + SECONDS
    while (shown := page.evaluate(SHOWN, task)) != text:
        assert time.monotonic() < end, shown
        page.wait_for_timeout(20)


def spans(result, task="ner"):
    return [(span["text"], span["label"]) for span in result[task] if span["label"]]


def test_answers_appear_as_one_types_and_are_those_of_the_predictor(page, trained):
    text_box(page).press_sequentially(PERSON)
    expect(page.locator("mark").first).to_be_visible()
    wait_for_answer(page, PERSON)
    result = Predictor.load(trained)(PERSON)
    assert marks(page) == spans(result)
    chosen = answer(page, "topic").locator("li.chosen .name")
    expect(chosen).to_have_text(result["topic"]["label"])
    scores = answer(page, "topic").locator("li .score").all_text_contents()
    assert scores == [f"{score:.2f}" for score in result["topic"]["scores"].values()]


def test_the_score_of_an_entity_is_shown_under_the_pointer_and_on_focus(page):
    text_box(page).fill(PERSON)
    mark = page.locator("mark").first
    score = mark.locator(".score")
    expect(mark).to_be_visible()
    expect(score).to_be_hidden()
    mark.hover()
    expect(score).to_be_visible()
    page.get_by_role("heading", name="A file").hover()
    expect(score).to_be_hidden()
    mark.focus()
    expect(score).to_be_visible()


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f600\U0001f44d\U0001f3fd Maria Lopez works at Microsoft \U0001f3e2 in Seattle.",
        "\u05de\u05e8\u05d9\u05d4 \u05dc\u05d5\u05e4\u05d6 works at Microsoft \u05d1\u05ea\u05dc.",
        "\u0645\u0627\u0631\u064a\u0627 \u0641\u064a Microsoft Seattle \U0001d49c.",
        "e\u0301 Maria\tLopez\nworks at  Microsoft.",
    ],
    ids=["emoji", "hebrew", "arabic", "combining"],
)
def test_marks_are_where_python_says_whatever_the_script(page, trained, text):
    text_box(page).fill(text)
    wait_for_answer(page, text)
    result = Predictor.load(trained)(text)
    assert marks(page) == spans(result)


def test_half_an_emoji_is_replaced_and_breaks_nothing(page):
    text_box(page).evaluate(
        "box => { box.value = 'Ann \\ud83d left.'; box.dispatchEvent(new Event('input')) }"
    )
    wait_for_answer(page, "Ann \ufffd left.")
    expect(page.locator("#status")).to_be_empty()


def test_a_right_to_left_text_runs_from_right_to_left(page):
    text_box(page).fill("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd")
    wait_for_answer(page, "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd")
    for locator in (text_box(page), page.locator(".marked")):
        assert locator.evaluate("e => getComputedStyle(e).direction") == "rtl"


def test_markup_in_a_text_is_shown_and_never_run(page):
    text_box(page).fill(HOSTILE)
    wait_for_answer(page, HOSTILE)
    assert page.locator("#answers img, #answers script").count() == 0
    assert page.title() == "mtt_jax"


def test_markup_in_a_file_is_shown_and_never_run(page):
    upload(page, "a.txt", HOSTILE)
    expect(page.locator("#table td").first).to_have_text(HOSTILE)
    assert page.locator("#table img, #table script").count() == 0


def test_an_empty_text_has_no_answers_and_spaces_have_none_to_give(page):
    text_box(page).fill(PERSON)
    expect(page.locator(".answer").first).to_be_visible()
    text_box(page).fill("")
    expect(page.locator(".answer")).to_have_count(0)
    text_box(page).fill("   ")
    expect(answer(page, "topic")).to_contain_text("The text has no word.")


def test_an_example_is_tried_by_a_click(page, server):
    examples = server.client.get("info").json()["examples"]
    page.get_by_role("group", name="Examples").get_by_role("button").nth(1).click()
    expect(text_box(page)).to_have_value(examples[1])
    wait_for_answer(page, examples[1])


def test_a_model_of_all_kinds_of_tasks_is_chosen_and_drawn(page, four):
    text_box(page).fill("Tom Fry of Acme United scored in Rome .")
    page.get_by_label("Model").select_option("other")
    expect(page.locator(".answer")).to_have_count(4)
    result = Predictor.load(four)("Tom Fry of Acme United scored in Rome .")
    assert marks(page) == spans(result)
    assert marks(page, "pos") == spans(result, "pos")
    chosen = answer(page, "subjects").locator("li.chosen .name").all_text_contents()
    assert sorted(chosen) == sorted(result["subjects"]["labels"])


def test_a_model_that_abstains_says_so(open_page, four, tmp_path):
    run = tmp_path / "strict"
    shutil.copytree(four, run)
    labels = ("sports", "politics", "others")
    never = {"topic": {"thresholds": dict.fromkeys(labels)}}
    never["pos"] = {"thresholds": dict.fromkeys(("NOUN", "VERB", "OTHER"))}
    (run / "model" / "fitted.json").write_text(json.dumps(never), encoding="utf-8")
    manifest.write(run / "model")
    with InThread(run, Settings()) as server:
        page = open_page(server.url)
        text_box(page).fill("Shares fell .")
        expect(answer(page, "topic")).to_contain_text("No label reaches its threshold.")
        expect(answer(page, "topic").locator("li.chosen")).to_have_count(0)
        expect(answer(page, "pos").locator("mark")).to_have_count(0)
        wait_for_answer(page, "Shares fell .", "pos")
        expect(page.get_by_label("Model")).to_be_hidden()


def test_the_answer_is_copied_as_json(open_page, server, trained):
    origin = server.url.rstrip("/")
    page = open_page(server.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    text_box(page).fill(PERSON)
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["text"] == PERSON
    assert spans(copied) == spans(Predictor.load(trained)(PERSON))


# Files


def upload(page, name, content):
    data = content if isinstance(content, bytes) else content.encode()
    page.set_input_files("#file", [{"name": name, "mimeType": "text/plain", "buffer": data}])


TABLE = 'id,text\r\n1,"Ann, of \u6771\u4eac"\r\n2,"She said ""no""."\r\n3,"two\nlines"'
ROWS = ["Ann, of \u6771\u4eac", 'She said "no".', "two\nlines"]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "Ann left.\r\n\r\nRovers beat City.\n", ["Ann left.", "Rovers beat City."]),
        ("a.jsonl", "".join(json.dumps({"text": t, "id": 1}) + "\n" for t in ROWS), ROWS),
        ("a.csv", TABLE, ROWS),
        ("a.tsv", "text\tlabel\nAnn left.\tx\n", ["Ann left."]),
    ],
)  # fmt: skip
def test_the_texts_of_a_file_are_answered_in_a_table_to_download(
    page, trained, name, content, texts
):
    upload(page, name, content)
    expect(page.locator("#file-status")).to_have_text(f"{len(texts)} texts.")
    cells = page.locator("#table tbody tr td:first-child").all_text_contents()
    assert cells == texts
    results = Predictor.load(trained)(texts)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSONL").click()
    with open(download.value.path(), encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    assert [row["text"] for row in found] == texts
    assert [spans(row) for row in found] == [spans(result) for result in results]

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))
    assert list(rows[0]) == ["text", "topic", "topic_score", "ner", "error"]
    assert [row["text"] for row in rows] == texts
    assert [row["topic"] for row in rows] == [r["topic"]["label"] for r in results]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "a.txt: holds no text."),
        ("a.txt", b"\xff\xfe", "a.txt: not UTF-8."),
        ("a.jsonl", '{"text": "a"}\n{', "a.jsonl, line 2: not JSON."),
        ("a.jsonl", '{"txt": "a"}', 'a.jsonl, line 1: no key "text".'),
        ("a.csv", "a,b\n1,2\n", 'a.csv: its first line names no column "text".'),
        ("a.txt", "a\n" * 2001, "a.txt: 2001 texts; at most 2000 here. Use mtt predict."),
        ("a.txt", "a" * 2_000_001, "a.txt: larger than 2 MB; use mtt predict for large files."),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(page, name, content, message):
    expect(page.locator("#about")).not_to_be_empty()
    upload(page, name, content)
    expect(page.locator("#file-status")).to_have_text(message)
    expect(page.get_by_role("button", name="Download CSV")).to_be_hidden()


def test_a_text_that_the_server_refuses_is_an_error_in_its_row_alone(page):
    upload(page, "a.txt", "Ann left.\n" + "word " * 20_000 + "\nRovers beat City.\n")
    expect(page.locator("#file-status")).to_have_text("3 texts.")
    rows = page.locator("#table tbody tr")
    expect(rows.nth(1)).to_contain_text("characters; at most 50,000.")
    expect(rows.nth(2)).not_to_contain_text("characters")


# Without a mouse, and on other screens


def test_all_of_it_is_reached_by_the_keyboard_and_has_a_name(page):
    text_box(page).fill(PERSON)
    expect(page.locator("mark").first).to_be_visible()
    page.locator("body").evaluate("body => { document.activeElement.blur() }")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(e => e.id || `${e.tagName}.${e.className}`)(document.activeElement)"
        )
        reached.add(found)
    assert {"text", "model", "copy", "file", "SUMMARY.", "A.skip", "A."} <= reached
    assert any(found.startswith("MARK.") for found in reached)
    for role, name in (("textbox", "Text"), ("combobox", "Model"), ("button", "Copy as JSON")):
        assert page.get_by_role(role, name=name).count() == 1
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="label")).to_be_visible()


def test_what_changes_is_announced(page):
    text_box(page).fill(PERSON)
    summary = page.locator("#summary")
    expect(summary).to_contain_text("topic: ")
    assert summary.get_attribute("aria-live") == "polite"
    assert page.locator("#status").get_attribute("role") == "status"


def contrast(page, selector):
    """The contrast of an element's text with its background, as WCAG 2 defines it."""
    pair = page.locator(selector).first.evaluate(
        """element => {
          let behind = element;
          while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)")
            behind = behind.parentElement;
          return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        }"""
    )

    def luminance(color):
        parts = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted(map(luminance, pair))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_is_readable_in_light_and_dark_wide_and_narrow(open_page, server, scheme, width):
    size = {"width": width, "height": 800}
    page = open_page(server.url, color_scheme=scheme, viewport=size)
    text_box(page).fill(PERSON)
    page.get_by_label("Model").select_option("other")
    expect(page.locator(".answer")).to_have_count(4)
    expect(page.locator("mark").first).to_be_visible()
    upload(page, "a.txt", PERSON)
    expect(page.locator("#table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 27)"
    assert dark == (scheme == "dark")
    for selector in ("mark", "#about", "a[href=docs]", "#examples button", ".bars .name", "td"):
        assert contrast(page, selector) >= 4.5, selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_colors_of_labels_are_readable(open_page, server, scheme):
    page = open_page(server.url, color_scheme=scheme)
    page.evaluate(
        """() => { for (let i = 0; i < 8; i++) {
          const mark = document.createElement("mark");
          mark.className = `c${i}`; mark.id = `color${i}`; mark.textContent = "x";
          document.body.append(mark); } }"""
    )
    assert min(contrast(page, f"#color{i}") for i in range(8)) >= 4.5


# The server


def test_a_server_that_is_gone_is_reported_and_its_return_noticed(open_page, trained):
    with Server(trained) as server:
        page = open_page(server.url)
        text_box(page).fill(PERSON)
        wait_for_answer(page, PERSON)
        port = server.url.rstrip("/").rpartition(":")[2]
        assert server.stop(signal.SIGTERM) == 0
    text_box(page).fill(PERSON + " Again.")
    expect(page.locator("#status")).to_contain_text("The server cannot be reached")
    assert text_box(page).input_value() == PERSON + " Again."
    with Server(trained, port=port):
        expect(page.locator("#status")).to_be_empty()
        wait_for_answer(page, PERSON + " Again.")


def test_a_server_with_a_token_asks_for_it(open_page, four):
    with InThread(four, Settings(), token="s3cret") as server:
        page = open_page(server.url.replace("/info", ""))
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#status")).to_have_text("This token is wrong.")
        page.get_by_label("Token").fill("s3cret")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Token")).to_be_hidden()
        text_box(page).fill("Shares fell .")
        expect(page.locator(".answer")).to_have_count(4)


def test_the_page_of_the_interface_loads_nothing_from_elsewhere(open_page, server):
    page = open_page(server.url + "docs")
    expect(page.get_by_role("heading", name="POST /predict")).to_be_visible()
    page.get_by_role("link", name="PredictRequest").first.click()
    expect(page.locator("#PredictRequest")).to_be_in_viewport()
