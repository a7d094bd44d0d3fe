"""Progress: metrics.jsonl as it happens, lines in a log without a terminal, and their wording."""

import io
import json
import re
import time
from types import SimpleNamespace

import pytest
from rich.console import Console as RichConsole

from mtt_jax.report.console import Console, duration
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import Figure
from mtt_jax.train.progress import History, bar_line, headlines, progress_bar, speed
from mtt_jax.train.step import StepMetrics
from tests.helpers import make_config

CONFIG = make_config(train__steps=1000, train__log_every=2, train__log_to=())
METRICS = StepMetrics(
    loss=1.5, losses={"topic": 0.5, "ner": 1.0}, counts={}, weights={"topic": 1.0, "ner": 1.0},
    gradient_norm=2.0, tokens=300, skipped=False,
)  # fmt: skip
PHASES = [SimpleNamespace(config=CONFIG, start=0, end=1000)]


def score_of(title, value):
    return Score(
        figures=(Figure("figure", title, value),), sentences=7, rows={}, totals={}, confusion=None,
        ceiling=None, loss=0.5,
    )  # fmt: skip


SCORES = {"topic": score_of("macro F1", 0.925), "ner": score_of("entity F1, strict", 0.843)}


# metrics.jsonl


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_metrics_jsonl_has_each_line_as_soon_as_it_is_added(tmp_path):
    with History(tmp_path, 0, CONFIG) as history:
        history.trained(2, {"loss": 1.5})
        assert rows(tmp_path) == [{"kind": "train", "step": 2, "loss": 1.5}]
        history.evaluated(4, 0.9, SCORES)
        assert len(rows(tmp_path)) == 2


def test_a_dev_line_of_metrics_jsonl_holds_headlines_and_whole_scores(tmp_path):
    with History(tmp_path, 0, CONFIG) as history:
        history.evaluated(4, 0.9, SCORES)
    (row,) = rows(tmp_path)
    assert (row["kind"], row["step"], row["score"]) == ("dev", 4, 0.9)
    assert row["scores"] == {"topic": 0.925, "ner": 0.843}
    assert Score.from_json(row["topic"]) == SCORES["topic"]


@pytest.mark.parametrize(("resumed", "kept"), [(0, []), (3, [2]), (4, [2, 4]), (9, [2, 4, 6])])
def test_a_resumed_run_drops_the_lines_after_its_checkpoint(tmp_path, resumed, kept):
    with History(tmp_path, 0, CONFIG) as history:
        for step in (2, 4, 6):
            history.trained(step, {})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "ste')  # cut off by a kill
    with History(tmp_path, resumed, CONFIG) as history:
        history.trained(10, {})
    assert [row["step"] for row in rows(tmp_path)] == [*kept, 10]
    assert [row["step"] for row in History.read(tmp_path)] == [*kept, 10]


def test_the_seconds_of_a_run_go_on_over_its_starts(tmp_path):
    assert History.seconds(tmp_path) == 0
    with History(tmp_path, 0, CONFIG, started=time.time() - 100) as history:
        history.trained(2, {})
        history.trained(4, {})
    assert 100 <= History.seconds(tmp_path) < 160
    with History(tmp_path, 2, CONFIG, started=time.time() - History.seconds(tmp_path)) as history:
        history.trained(4, {})
    assert [row["step"] for row in rows(tmp_path)] == [2, 4]
    assert 100 <= rows(tmp_path)[-1]["seconds"] < 160


def test_only_process_0_writes_metrics_jsonl(tmp_path):
    with History(tmp_path, 0, CONFIG, writes=False) as history:
        history.trained(2, {})
    assert not (tmp_path / "metrics.jsonl").exists()


# Progress lines


class Log:
    """Steps of a run whose console is not a terminal, on a clock that the test sets."""

    def __init__(self, folder, first=0):
        self.now, self.folder, self.text = 0.0, folder, io.StringIO()
        self.console = Console(RichConsole(file=self.text, width=200))
        self.history = History(folder, 0, CONFIG)
        self.bar = progress_bar(self.console, CONFIG, PHASES, first, clock=lambda: self.now)

    def __enter__(self):
        self.progress = self.bar.__enter__()
        return self

    def __exit__(self, *error):
        self.bar.__exit__(*error)
        self.history.__exit__(*error)

    def step(self, number, seconds):
        self.now += seconds
        self.progress.step(number, METRICS, self.history)

    @property
    def lines(self):
        return self.text.getvalue().splitlines()


def test_a_run_shorter_than_a_minute_prints_no_progress_line(tmp_path):
    with Log(tmp_path) as log:
        for number in range(1, 60):
            log.step(number, 1.0)
    assert log.lines == []


def test_a_log_without_a_terminal_gets_a_progress_line_every_minute(tmp_path):
    with Log(tmp_path) as log:
        for number in range(1, 131):
            log.step(number, 1.0)
    assert log.lines == [
        "step 60 of 1,000: loss topic 0.500, ner 1.000; 300 tokens/s; about 16 min left",
        "step 120 of 1,000: loss topic 0.500, ner 1.000; 300 tokens/s; about 15 min left",
    ]


def test_steps_longer_than_a_minute_get_a_progress_line_each(tmp_path):
    with Log(tmp_path, first=997) as log:
        for number in (998, 999, 1000):
            log.step(number, 90.0)
    assert [line.split(";")[2] for line in log.lines] == [
        " about 3 min left", " about 2 min left", " about 0 s left"
    ]  # fmt: skip


def test_after_an_evaluation_the_next_progress_line_is_a_minute_of_training_away(tmp_path):
    with Log(tmp_path) as log:
        for number in range(1, 51):
            log.step(number, 1.0)
        log.now += 500  # evaluating
        log.progress.evaluated(50, 0.9, SCORES)
        for number in range(51, 111):
            log.step(number, 1.0)
    assert log.lines == [
        "step 50: dev topic macro F1 0.925, ner entity F1 0.843; score 0.9000",
        "step 110 of 1,000: loss topic 0.500, ner 1.000; 300 tokens/s; about 15 min left",
    ]


def test_an_evaluation_without_anything_to_score_says_so(tmp_path):
    with Log(tmp_path) as log:
        log.progress.evaluated(50, None, {}, {})
    assert log.lines == ["step 50: no dev data to be scored on"]


def test_a_log_says_that_the_step_is_being_compiled_and_the_time_of_it_is_no_training(tmp_path):
    with Log(tmp_path) as log:
        log.progress.compiling()
        log.now += 500
        log.progress.compiled()
        for number in range(1, 61):
            log.step(number, 1.0)
    assert log.lines == [
        "Compiling the training step.",
        "step 60 of 1,000: loss topic 0.500, ner 1.000; 300 tokens/s; about 16 min left",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_bar_of_a_terminal_says_compiling_then_step_total_and_time_left(tmp_path, width):
    text = io.StringIO()
    console = Console(RichConsole(file=text, force_terminal=True, width=width, soft_wrap=True))
    now = 0.0
    with (
        History(tmp_path, 0, CONFIG) as history,
        progress_bar(console, CONFIG, PHASES, 0, clock=lambda: now) as progress,
    ):
        progress.compiling()
        progress._bar.refresh()
        progress.compiled()
        for number in (1, 2):
            now += 1.0
            progress.step(number, METRICS, history)
        progress._bar.refresh()
    lines = [line.strip() for line in re.split(r"\x1b\[[0-9;?]*[a-zA-Z]|[\r\n]", text.getvalue())]
    assert any("step 0/1,000" in line and "compiling" in line for line in lines)
    assert any("step 2/1,000" in line and "0:16:38 left" in line for line in lines)
    assert all(len(line) < width for line in lines)


def test_a_terminal_gets_a_bar_and_no_progress_lines(tmp_path):
    with Log(tmp_path) as log:
        log.console.rich = RichConsole(file=log.text, force_terminal=True)
        log.step(1, 100.0)
    assert "tokens/s; about" not in log.text.getvalue()


def test_metrics_jsonl_is_written_every_log_every_steps_and_at_the_last(tmp_path):
    with Log(tmp_path, first=996) as log:
        for number in (997, 998, 999, 1000):
            log.step(number, 2.0)
        written = rows(tmp_path)
    assert [row["step"] for row in written] == [998, 1000]
    assert written[0]["losses"] == METRICS.losses
    assert written[0]["tokens_per_second"] == 150
    assert written[0]["fill"] == 300 / (CONFIG.train.batch_rows * CONFIG.train.row_length)


# Wording


def test_the_speed_names_tokens_padding_and_utilisation_if_known():
    assert speed(9000.4, 0.98, None) == ("9,000 tokens/s", "2% padding")
    assert speed(9000.4, 0.5, 0.408) == ("9,000 tokens/s", "50% padding", "41% MFU")


STATUS = ("loss topic 0.912  ner 1.234", "loss 2.146")
SPEEDS = ("9,000 tokens/s", "2% padding", "41% MFU")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (200, "step 240/480  ━━━━━━──────  loss topic 0.912  ner 1.234  9,000 tokens/s  2% padding"
              "  41% MFU  0:01:05  0:03:20 left"),
        (100, "step 240/480  ━━━━━━──────  loss topic 0.912  ner 1.234  9,000 tokens/s  0:01:05"
              "  0:03:20 left"),
        (80, "step 240/480  ━━━━━━──────  loss topic 0.912  ner 1.234  0:03:20 left"),
        (60, "step 240/480  ━━━━━━──────  loss 2.146  0:03:20 left"),
        (40, "step 240/480  loss 2.146  0:03:20 left"),
        (30, "step 240/480  0:03:20 left"),
        (20, "step 240/480"),
    ],
)  # fmt: skip
def test_a_narrow_bar_keeps_step_total_and_time_left(width, line):
    assert bar_line(width, 240, 480, STATUS, SPEEDS, 65.2, 200) == line
    assert len(line) <= width


@pytest.mark.parametrize("width", [40, 80])
def test_four_tasks_and_large_numbers_fit_with_step_total_and_time_left(width):
    status = ("loss " + "  ".join(f"subjects{i} 10.123" for i in range(4)), "loss 40.492")
    line = bar_line(width, 123_456, 1_000_000, status, SPEEDS, 100_000, 360_000)
    assert len(line) <= width
    assert line.startswith("step 123,456/1,000,000")
    assert line.endswith("100:00:00 left")


def test_the_time_left_is_unknown_until_a_step_is_done():
    assert bar_line(80, 0, 480, ("compiling",), (), 3.0, None).endswith("compiling  -:--:-- left")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3570, "1 h 0 min"), (11_100, "3 h 5 min")],
)
def test_a_duration_is_given_in_two_units_at_most(seconds, text):
    assert duration(seconds) == text


def test_headline_titles_are_named_once_if_all_tasks_have_the_same():
    same = {"topic": score_of("macro F1", 0.5), "tone": score_of("macro F1", 0.25)}
    assert headlines(same) == "macro F1 topic 0.500, tone 0.250"
    assert headlines(SCORES) == "topic macro F1 0.925, ner entity F1 0.843"
