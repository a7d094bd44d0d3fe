"""Batching: texts of requests that arrive together are read by the model together.

    event loop          texts thread                      model thread

    submit(job)   ->    read: words and subwords    ->    queue, a line per model
                                                          take a batch, run the model
    future        <-    answers, as JSON            <-

A batch is taken as soon as the texts that wait fill its budget of subwords, or the first of them
has waited long enough. Only one thread runs models, whatever their number. It needs no interpreter
lock meanwhile, so that the next texts are read and the last ones answered at the same time.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.predict.predictor import Prediction, Predictor
from mtt_jax.scoring.infer import Inference
from mtt_jax.serve import logs
from mtt_jax.serve.metrics import Metrics
from mtt_jax.serve.settings import Settings
from mtt_jax.tasks import Task
from mtt_jax.types import Example

# Weight of the latest batch in the pace that Retry-After is estimated from.
_LATEST = 0.2
_LONGEST_RETRY = 60
# Of the engine in one of ours by default: together they are sorted by length and fill rows better.
_BATCHES = 2


class QueueFullError(Exception):
    """More texts wait than may.

    Attributes:
      retry_after: whole seconds after which there should be room.
    """

    def __init__(self, retry_after: int):
        super().__init__(f"the queue is full; retry in {retry_after} s")
        self.retry_after = retry_after


class StoppedError(Exception):
    """The server ended before the job was done."""


class Answer(NamedTuple):
    """What a request gets for one text, as JSON.

    Attributes:
      result: the result, or {"error": the reason} if the model has no finite answer.
      embedding: a list of numbers; b"null" without one.
    """

    result: bytes
    embedding: bytes


class Job:
    """The texts of one request, all for one model.

    Attributes:
      model: its name.
      texts: to read.
      tasks: in place of the model's, such as its tasks with other thresholds; None for its own.
      embeddings: whether embeddings are asked for.
      future: of the answers, one for each text in their order.
      tokens: subwords of all texts, once they are read.
    """

    def __init__(
        self,
        model: str,
        texts: Sequence[str],
        tasks: tuple[Task, ...] | None = None,
        embeddings: bool = False,
    ):
        self.model, self.texts, self.tasks, self.embeddings = model, texts, tasks, embeddings
        self.future: Future[list[Answer]] = Future()
        self.tokens = 0
        self._answers: dict[int, Answer] = {}
        # Changed by the batcher alone, under its lock.
        self.dropped = False
        self.waiting = 0

    def put(self, place: int, answer: Answer) -> None:
        """Takes the answer to a text; the last one completes the job."""
        self._answers[place] = answer
        if len(self._answers) == len(self.texts):
            self.settle([self._answers[index] for index in range(len(self.texts))])

    def settle(self, outcome: list[Answer] | Exception) -> None:
        """Completes the job, unless it is completed or nobody waits for it any more."""
        try:
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
        except InvalidStateError:
            pass


class _Item(NamedTuple):
    """A text that waits for its batch; `since` is when it began to, in monotonic seconds."""

    job: Job
    place: int
    example: Example
    since: float

    @property
    def size(self) -> int:
        """Subwords."""
        return len(self.example.tokens)


class _Line:
    """What waits for one model.

    Attributes:
      predictor: of the model.
      budget: subwords of a batch.
      items: in the order in which they came.
      tokens: subwords of the items.
      waiting: texts of jobs that were let in and that no batch has taken yet.
      pace: seconds per text, as of late.
    """

    def __init__(self, predictor: Predictor, settings: Settings):
        self.predictor = predictor
        self.budget = settings.batch_tokens or _BATCHES * predictor.batch_tokens
        self.items: deque[_Item] = deque()
        self.tokens = 0
        self.waiting = 0
        self.pace = 0.0

    def add(self, items: Sequence[_Item]) -> None:
        """Puts items at the end."""
        self.items.extend(items)
        self.tokens += sum(item.size for item in items)

    def take(self) -> list[_Item]:
        """Removes a batch: the first item, and all others in their order that fit beside it."""
        batch: list[_Item] = []
        rest: deque[_Item] = deque()
        used = 0
        for item in self.items:
            if batch and used + item.size > self.budget:
                rest.append(item)
                continue
            batch.append(item)
            used += item.size
        self.items, self.tokens = rest, self.tokens - used
        for item in batch:
            item.job.waiting -= 1
        self.waiting -= len(batch)
        return batch

    def forget(self, job: Job) -> int:
        """Removes what waits of a job; returns how many texts that were."""
        self.items = deque(item for item in self.items if item.job is not job)
        self.tokens = sum(item.size for item in self.items)
        count, job.waiting = job.waiting, 0
        self.waiting -= count
        return count


class Batcher:
    """The threads that answer jobs.

    Attributes:
      failure: why the models could not be warmed up; None if they could, or are not yet.
    """

    def __init__(
        self, predictors: dict[str, Predictor], settings: Settings, metrics: Metrics | None = None
    ):
        """Prepares the threads; `start` starts them.

        Args:
          predictors: by the name of the model.
          settings: sizes and times of batches and the queue.
          metrics: to count in.
        """
        self._lines = {name: _Line(one, settings) for name, one in predictors.items()}
        self._settings, self._metrics = settings, metrics or Metrics()
        self._changed = threading.Condition()
        self._refusing = self._ending = False
        self._ready = threading.Event()
        self._texts = ThreadPoolExecutor(1, "texts")
        self._model = threading.Thread(target=self._run, name="model", daemon=True)
        self.failure: Exception | None = None
        for name, line in self._lines.items():
            self._metrics.watch_queue(name, partial(getattr, line, "waiting"), settings.queue)

    def start(self, failed: Callable[[Exception], None] | None = None) -> None:
        """Starts the threads, which first warm the models up.

        Args:
          failed: called with the error if that fails, in the thread of the model.
        """
        self._failed = failed
        self._model.start()

    @property
    def ready(self) -> bool:
        """Whether all models are warmed up."""
        return self._ready.is_set() and not self.failure

    def wait_until_ready(self) -> None:
        """Waits for the warm-up.

        Raises:
          Exception: what the warm-up failed with.
        """
        self._ready.wait()
        if self.failure:
            raise self.failure

    def submit(self, job: Job) -> Future[list[Answer]]:
        """Lets a job in; its answers are the result of the future.

        Raises:
          QueueFullError: if its texts are too many, with those that wait.
          StoppedError: if the batcher is closed.
        """
        line, size = self._lines[job.model], len(job.texts)
        with self._changed:
            if self._refusing:
                raise StoppedError
            if line.waiting + size > self._settings.queue:
                seconds = int(line.waiting * line.pace) + 1
                raise QueueFullError(min(seconds, _LONGEST_RETRY))
            line.waiting += size
            job.waiting = size
        if not size:
            job.settle([])
        else:
            self._texts.submit(self._read, line, job)
        return job.future

    def drop(self, job: Job) -> None:
        """Forgets a job: those of its texts that no batch has taken are never computed."""
        job.future.cancel()
        with self._changed:
            if job.dropped:
                return
            job.dropped = True
            count = self._lines[job.model].forget(job)
        if count:
            self._metrics.dropped.labels(job.model).inc(count)

    def close(self, finish: bool = True) -> None:
        """Ends the threads.

        Args:
          finish: answers what waits first; otherwise it fails with `StoppedError`.
        """
        with self._changed:
            self._refusing = True
            lines = [] if finish else list(self._lines.values())
            left = {item.job for line in lines for item in line.items}
        for job in left:
            job.settle(StoppedError())
            self.drop(job)
        self._texts.submit(lambda: None).result()  # after which all that it reads is in line
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._model.join()
        self._texts.shutdown()

    # In the texts thread

    def _read(self, line: _Line, job: Job) -> None:
        """Reads a job's texts and puts them in line."""
        if job.dropped:
            return
        try:
            examples = line.predictor.read(job.texts)
        except Exception as error:
            self._fail([job], error)
            return
        job.tokens = sum(len(example.tokens) for example in examples)
        now = time.monotonic()
        with self._changed:
            if job.dropped:
                return
            line.add([_Item(job, place, example, now) for place, example in enumerate(examples)])
            self._changed.notify_all()

    def _answer(self, line: _Line, batch: list[_Item], found: list[Inference]) -> None:
        """Completes the jobs of a batch, as far as it goes."""
        groups: dict[Any, list[int]] = {}
        for index, item in enumerate(batch):
            if not item.job.dropped:
                groups.setdefault(item.job.tasks, []).append(index)
        for group in groups.values():
            jobs = [batch[index].job for index in group]
            examples = [batch[index].example for index in group]
            inferences = [found[index] for index in group]
            texts = [batch[index].job.texts[batch[index].place] for index in group]
            try:
                answers = line.predictor.answers(texts, examples, inferences, jobs[0].tasks)
                vectors = line.predictor.embeddings(examples, inferences)
                written = [
                    Answer(_result(answer), _vector(vector) if job.embeddings else b"null")
                    for answer, vector, job in zip(answers, vectors, jobs, strict=True)
                ]
            except Exception as error:
                self._fail(jobs, error)
                continue
            self._metrics.texts.labels(jobs[0].model).inc(len(jobs))
            for index, answer in zip(group, written, strict=True):
                batch[index].job.put(batch[index].place, answer)

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        logs.failure("prediction_failed", error, model=jobs[0].model, texts=len(jobs))
        for job in dict.fromkeys(jobs):
            job.settle(error)
            self.drop(job)

    # In the model thread

    def _run(self) -> None:
        try:
            self._warm_up()
        except Exception as error:
            self.failure = error
            self._ready.set()
            if self._failed:
                self._failed(error)
            return
        while (taken := self._take()) is not None:
            line, batch = taken
            begun = time.monotonic()
            try:
                found = line.predictor.infer([item.example for item in batch])
            except Exception as error:
                self._texts.submit(self._fail, [item.job for item in batch], error)
                continue
            self._measure(line, batch, begun, time.monotonic())
            self._texts.submit(self._answer, line, batch, found)

    def _warm_up(self) -> None:
        begun = time.monotonic()
        for name, line in self._lines.items():
            shapes = 0
            for _ in line.predictor.warm_up():
                shapes += 1
                if self._ending:
                    return
            logs.event("warmed_up", model=name, shapes=shapes)
        self._ready.set()
        self._metrics.ready.set(1)
        logs.event("ready", seconds=round(time.monotonic() - begun, 3))

    def _take(self) -> tuple[_Line, list[_Item]] | None:
        """Waits for the next batch; None once the batcher is closed and nothing waits."""
        with self._changed:
            while True:
                lines = [line for line in self._lines.values() if line.items]
                lines.sort(key=lambda line: line.items[0].since)
                now = time.monotonic()
                until = [line.items[0].since + self._settings.wait_ms / 1000 for line in lines]
                for line, end in zip(lines, until, strict=True):
                    if self._ending or end <= now or line.tokens >= line.budget:
                        return line, line.take()
                if self._ending:
                    return None
                self._changed.wait(min(until) - now if until else None)

    def _measure(self, line: _Line, batch: list[_Item], begun: float, ended: float) -> None:
        name, metrics = batch[0].job.model, self._metrics
        tokens = sum(item.size for item in batch)
        per_text = (ended - begun) / len(batch)
        line.pace += (_LATEST if line.pace else 1.0) * (per_text - line.pace)
        metrics.tokens.labels(name).inc(tokens)
        metrics.batch_texts.labels(name).observe(len(batch))
        metrics.batch_fill.labels(name).observe(min(tokens / line.budget, 1.0))
        metrics.batch_seconds.labels(name).observe(ended - begun)
        queued = metrics.queue_seconds.labels(name)
        for item in batch:
            queued.observe(begun - item.since)


def _result(prediction: Prediction) -> bytes:
    row = {"error": prediction.fault} if prediction.fault else prediction.result
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode()


def _vector(vector: np.ndarray) -> bytes:
    return json.dumps(vector.tolist(), allow_nan=False).encode()
