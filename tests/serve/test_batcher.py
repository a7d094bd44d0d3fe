"""The batcher: what it puts together, what it refuses, and what it never computes."""

import json

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mtt_jax import Predictor
from mtt_jax.serve.batcher import Batcher, Job, QueueFullError, StoppedError
from mtt_jax.serve.metrics import Metrics
from mtt_jax.serve.schema import with_thresholds
from mtt_jax.serve.settings import Settings
from tests.serve.running import assert_alike

TEXTS = ["Tom Fry of Acme United scored in Rome .", "Shares fell .", "", "Ann Lee left Oslo ."]
SECONDS = 240
NEVER = 1e9  # milliseconds


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor.load(run)


class Started:
    """A batcher whose jobs are submitted before it starts, so that all of them wait together."""

    def __init__(self, predictors, *jobs, **settings):
        self.metrics = Metrics()
        if not isinstance(predictors, dict):
            predictors = {"news": predictors}
        self.batcher = Batcher(predictors, Settings(**settings), self.metrics)
        self.jobs = jobs
        for job in jobs:
            self.batcher.submit(job)
        self.batcher._texts.submit(lambda: None).result()  # all of them are in line now

    def __enter__(self):
        self.batcher.start()
        return self

    def __exit__(self, *exception):
        self.batcher.close(finish=False)

    def results(self, job):
        return [json.loads(answer.result) for answer in job.future.result(SECONDS)]

    def value(self, name, model="news"):
        families = text_string_to_metric_families(self.metrics.exposition().decode())
        samples = [s for family in families for s in family.samples if s.name == name]
        return sum(s.value for s in samples if s.labels.get("model") == model)


def news(*texts, **options):
    return Job("news", list(texts), **options)


def test_the_answers_are_those_of_the_predictor_in_the_order_of_the_texts(predictor):
    with Started(predictor, news(*TEXTS)) as started:
        found = started.results(started.jobs[0])
    assert [result["text"] for result in found] == TEXTS
    assert_alike(found, predictor(TEXTS))


def test_texts_of_several_jobs_share_a_batch(predictor):
    with Started(predictor, *(news(text) for text in TEXTS)) as started:
        for job in started.jobs:
            assert len(started.results(job)) == 1
        assert started.value("mtt_batch_texts_count") == 1
        assert started.value("mtt_batch_texts_sum") == len(TEXTS)


def test_no_batch_exceeds_its_budget_unless_it_is_one_text(predictor):
    texts = [TEXTS[0], "Shares fell .", ""]
    longest, *others = [len(example.tokens) for example in predictor.read(texts)]
    assert sum(others) < longest
    with Started(predictor, news(*texts), batch_tokens=sum(others), wait_ms=0) as started:
        assert [result["text"] for result in started.results(started.jobs[0])] == texts
        assert started.value("mtt_batch_texts_count") == 2
        assert started.value("mtt_tokens_total") == longest + sum(others)


def test_a_batch_that_is_full_does_not_wait_for_more(predictor):
    with Started(predictor, news(*TEXTS), batch_tokens=1, wait_ms=NEVER) as started:
        assert len(started.results(started.jobs[0])) == len(TEXTS)


def test_a_text_waits_for_others_until_the_budget_is_full(predictor):
    alone, others = news("Shares fell ."), news(*TEXTS)
    budget = sum(len(e.tokens) for e in predictor.read(["Shares fell .", *TEXTS]))
    with Started(predictor, alone, batch_tokens=budget, wait_ms=NEVER) as started:
        started.batcher.submit(others)
        assert len(started.results(alone)) == 1
        assert len(started.results(others)) == len(TEXTS)
        assert started.value("mtt_batch_texts_count") == 1


def test_a_job_that_is_dropped_while_it_waits_is_never_computed(predictor):
    gone, stays = news(*TEXTS), news("Shares fell .")
    started = Started(predictor, gone, stays)
    started.batcher.drop(gone)
    with started:
        assert len(started.results(stays)) == 1
        assert started.value("mtt_batch_texts_sum") == 1
        assert started.value("mtt_dropped_texts_total") == len(TEXTS)
        assert started.value("mtt_queue_texts") == 0
    assert gone.future.cancelled()


def test_a_job_that_was_answered_counts_as_no_dropped_text(predictor):
    with Started(predictor, news("Shares fell .")) as started:
        started.results(started.jobs[0])
        started.batcher.drop(started.jobs[0])
        assert started.value("mtt_dropped_texts_total") == 0


def test_a_full_queue_refuses_further_jobs_until_there_is_room(predictor):
    first, second = news("Shares fell .", "Ann left ."), news("Shares fell .")
    with Started(predictor, first, queue=2, wait_ms=NEVER, batch_tokens=10**6) as started:
        with pytest.raises(QueueFullError) as error:
            started.batcher.submit(second)
        assert error.value.retry_after >= 1
        started.batcher.drop(first)
        started.batcher.submit(second)


def test_thresholds_apply_to_the_texts_of_their_own_job(predictor):
    none = with_thresholds(predictor.tasks, {"topic": None})
    plain, strict = news(TEXTS[0]), news(TEXTS[0], tasks=none)
    with Started(predictor, plain, strict) as started:
        assert started.results(plain)[0]["topic"]["label"]
        assert started.results(strict)[0]["topic"]["label"] is None
        assert started.value("mtt_batch_texts_count") == 1


def test_embeddings_are_those_of_encode_and_null_unless_asked_for(predictor):
    asked, other = news(*TEXTS, embeddings=True), news(*TEXTS)
    with Started(predictor, asked, other):
        vectors = [json.loads(answer.embedding) for answer in asked.future.result(SECONDS)]
        assert {answer.embedding for answer in other.future.result(SECONDS)} == {b"null"}
    np.testing.assert_allclose(vectors, predictor.encode(TEXTS), atol=1e-5)


def test_several_models_have_queues_of_their_own_and_share_the_thread(predictor, four):
    other = Job("four", TEXTS)
    predictors = {"news": predictor, "four": Predictor.load(four)}
    with Started(predictors, news(*TEXTS), other) as started:
        assert set(started.results(started.jobs[0])[0]) == {"text", "topic", "ner"}
        assert set(started.results(other)[0]) == {"text", "topic", "ner", "subjects", "pos"}
        assert started.value("mtt_batch_texts_count", "four") == 1


def test_a_job_without_texts_is_done_at_once(predictor):
    with Started(predictor, news()) as started:
        assert started.results(started.jobs[0]) == []


class Failing(Predictor):
    """A predictor whose model fails on texts with a certain number of words."""

    def infer(self, examples):
        if any(len(example.words) == 1 for example in examples):
            raise ZeroDivisionError("Shares")
        return super().infer(examples)


def test_a_failure_reaches_the_jobs_of_its_batch_and_no_other(run, capsys):
    with Started(Failing.load(run), news("Shares"), batch_tokens=1) as started:
        with pytest.raises(ZeroDivisionError):
            started.jobs[0].future.result(SECONDS)
        later = news("Shares fell .")
        started.batcher.submit(later)
        assert len(started.results(later)) == 1


class Cold(Predictor):
    """A predictor that cannot be warmed up."""

    def warm_up(self):
        raise ZeroDivisionError


def test_a_model_that_cannot_be_warmed_up_is_reported_and_never_ready(run):
    failures = []
    batcher = Batcher({"news": Cold.load(run)}, Settings())
    batcher.start(failures.append)
    with pytest.raises(ZeroDivisionError):
        batcher.wait_until_ready()
    assert not batcher.ready
    batcher.close()
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_closing_finishes_what_waits(predictor):
    started = Started(predictor, news(*TEXTS), wait_ms=NEVER)
    started.batcher.start()
    started.batcher.close()
    assert len(started.results(started.jobs[0])) == len(TEXTS)
    with pytest.raises(StoppedError):
        started.batcher.submit(news("Shares fell ."))


def test_closing_at_once_fails_what_waits(predictor):
    started = Started(predictor, news(*TEXTS), wait_ms=NEVER, batch_tokens=10**6)
    started.batcher.start()
    started.batcher.close(finish=False)
    with pytest.raises(StoppedError):
        started.jobs[0].future.result(SECONDS)
