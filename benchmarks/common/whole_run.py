"""A whole training run, and where its time goes."""

import time

import jax
from rich.console import Console as RichConsole

from benchmarks.common.configs import AG_NEWS, overrides_of
from benchmarks.common.corpora import write_corpus
from mtt_jax.config.files import load_config
from mtt_jax.data.prepare import prepare
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train

_COMPILED = "/jax/core/compile/backend_compile_duration"
# The smallest run that can be stopped between two checkpoints.
_TINY = {
    "encoder.layers": 1, "encoder.width": 32, "encoder.heads": 2, "encoder.feedforward": 32,
    "train.steps": 12, "train.eval_every": 6, "train.save_every": 4, "train.batch_rows": 4,
    "train.row_length": 64, "train.warmup": 2, "data.max_length": 64, "data.overlap": 8,
    "data.source": "files", "tokenizer.vocab_size": 500,
}  # fmt: skip


def tiny_run(folder):
    """Fields of a run of seconds on files that are written to a folder."""
    write_corpus(folder, 200)
    files = {"data.topic.train": folder / "topic.csv", "data.ner.train": folder / "ner.conll"}
    return {**AG_NEWS, **_TINY, **files}


class _Compilation:
    """The moments at which XLA finished compiling or loading a program, and its seconds."""

    def __init__(self):
        self._found = []

    def __enter__(self):
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_):
        jax.monitoring.unregister_event_duration_listener(self._listen)

    def _listen(self, event, seconds, **_):
        if event == _COMPILED:
            self._found.append((time.time(), seconds))

    def seconds(self, begin, end):
        """Of the programs that were compiled between two moments."""
        return sum(seconds for moment, seconds in self._found if begin <= moment < end)


def timed_run(name, fields, folder, run):
    """Trains a config.

    Args:
      name: of the config.
      fields: to change, such as "encoder.dtype" -> value.
      folder: for the run, and for data that the next run finds encoded.
      run: name of the run's folder.

    Returns:
      {"seconds", "split": seconds of reading and encoding data, of compilation, of the steps with
      their evaluations on dev, and of the final evaluation with the report, "scores": on test, or
      on dev without one}.
    """
    config = load_config(name, overrides_of({**fields, "data.cache_dir": folder / "cache"}))
    start = time.time()
    data = prepare(config)
    trained = time.time()
    with _Compilation() as compilation:
        final = train(config, folder / run, Console(RichConsole(quiet=True)), data)
    end = time.time()
    stepped = trained + final["seconds"]
    before, after = compilation.seconds(trained, stepped), compilation.seconds(stepped, end)
    split = {
        "data": trained - start,
        "compilation": before + after,
        "steps": stepped - trained - before,
        "final evaluation": end - stepped - after,
    }
    scores = {
        task: score[score["headline"]]
        for task, score in (final.get("test") or final["dev"]).items()
    }
    return {"seconds": end - start, "split": split, "scores": scores}
