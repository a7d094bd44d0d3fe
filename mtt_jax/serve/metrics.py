"""Metrics in the format of Prometheus; docs/serve.md lists them."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds of the histograms: seconds, shares and texts.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Creates all of them; those with labels appear once they have a value."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "mtt_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "mtt_request_seconds", "From a request's first byte to its answer's last.", ["path"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.texts = Counter("mtt_texts", "Texts answered.", ["model"], registry=registry)
        self.tokens = Counter("mtt_tokens", "Subwords read.", ["model"], registry=registry)
        self.dropped = Counter(
            "mtt_dropped_texts",
            "Texts dropped before the model read them, since nobody waits for them any more.",
            ["model"], registry=registry,
        )  # fmt: skip
        self.batch_texts = Histogram(
            "mtt_batch_texts", "Texts in a batch.", ["model"], buckets=_TEXTS, registry=registry
        )
        self.batch_fill = Histogram(
            "mtt_batch_fill", "Share of a batch's budget of subwords that is used.", ["model"],
            buckets=_SHARES, registry=registry,
        )  # fmt: skip
        self.batch_seconds = Histogram(
            "mtt_batch_seconds", "Time of the model for a batch.", ["model"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.queue_seconds = Histogram(
            "mtt_queue_seconds", "Time that a text waited for its batch to begin.", ["model"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._queue = Gauge("mtt_queue_texts", "Texts waiting.", ["model"], registry=registry)
        self._limit = Gauge(
            "mtt_queue_limit_texts", "Texts that may wait; beyond that, answers are 503.",
            ["model"], registry=registry,
        )  # fmt: skip
        self.ready = Gauge("mtt_ready", "1 once all models are warmed up.", registry=registry)

    def watch_queue(self, model: str, waiting: Callable[[], float], limit: int) -> None:
        """Shows a queue's length, read whenever the metrics are."""
        self._queue.labels(model).set_function(waiting)
        self._limit.labels(model).set(limit)

    def exposition(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self._registry)
