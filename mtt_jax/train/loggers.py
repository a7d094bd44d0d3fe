"""Loggers: where the numbers of a run go in addition to metrics.jsonl.

A logger is a row in `_OPEN`. Those of Weights & Biases and MLflow log to a run of that service,
whose id is stored in the run directory, so that a run that is resumed continues it.
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mtt_jax.atomic import write
from mtt_jax.config.files import to_plain
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError

# In the run directory: logger -> the id of its run.
_IDS = "loggers.json"
# Project of Weights & Biases, and experiment of MLflow, if the environment names none.
_PROJECT = "mtt_jax"
# Parameters that MLflow takes in one request, and characters of a value.
_PARAMS, _LONGEST = 100, 6000
# Seconds after which TensorBoard gets what it has not been shown yet.
_UNFLUSHED = 60.0
# Modes of Weights & Biases that contact no server.
_OFFLINE = ("offline", "dryrun", "disabled")


class Logger(Protocol):
    """Takes the numbers of a run."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of a step, by names such as `train/loss`."""

    def final(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the numbers of the finished run, once; `step` is its last."""

    def flush(self) -> None:
        """Writes or sends what it has taken."""

    def close(self) -> None:
        """Ends; nothing is taken any more."""


class Start(NamedTuple):
    """What a logger starts from.

    Attributes:
      run: the run directory.
      step: steps done.
      config: the run's.
      id: of the logger's run in its service, from an earlier start; "" for a new one.
    """

    run: Path
    step: int
    config: Config
    id: str


@contextmanager
def _absent(*packages: str) -> Iterator[None]:
    """Hides packages that another one would import if they are there, and that it does not need.

    tensorboardX imports PyTorch to name a type of it, which takes more than a second.
    """
    hidden: dict[str, Any] = {name: None for name in packages if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _TensorBoard:
    """Event files in tensorboard/; TensorBoard hides those after the step that is resumed."""

    id = ""

    def __init__(self, start: Start):
        with _absent("torch", "comet_ml"):
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2

        self._scalar, self._proto = summary.scalar, event_pb2
        folder = start.run / "tensorboard"
        folder.mkdir(exist_ok=True)
        # Otherwise a start within the same second writes over the file of the one before.
        number = len(list(folder.glob("events.*")))
        # Not SummaryWriter: the thread in which it writes dies on a full disk, and its queue, which
        # nobody empties then, stops the run.
        self._events = event_file_writer.EventsWriter(str(folder / "events"), f".{number}")
        self._flushed = time.monotonic()
        if start.step:
            begin = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._add(start.step + 1, session_log=begin)

    def _add(self, step: int, **content: Any) -> None:
        self._events.write_event(self._proto.Event(wall_time=time.time(), step=step, **content))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, value in values.items():
            self._add(step, summary=self._scalar(name, value))
        if time.monotonic() - self._flushed > _UNFLUSHED:
            self.flush()

    final = scalars

    def flush(self) -> None:
        """See `Logger`."""
        self._events.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """See `Logger`."""
        self._events.close()


class _Wandb:
    """A run of Weights & Biases. https://docs.wandb.ai/ref/python/functions/init"""

    def __init__(self, start: Start):
        import wandb

        online = os.environ.get("WANDB_MODE", "online") not in _OFFLINE
        self._run = wandb.init(
            id=start.id or None,
            # Offline there is nothing to resume; `wandb sync` joins what has the same id.
            resume="allow" if online else None,
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=os.environ.get("WANDB_NAME", start.run.resolve().name),
            dir=os.environ.get("WANDB_DIR", str(start.run)),
            config=to_plain(start.config),
            # Otherwise every frame of the progress bar is stored.
            settings=wandb.Settings(console="off"),
        )
        self.id = self._run.id

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._run.log(dict(values), step=step)

    def final(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`. A run that is resumed cannot log at its last step any more."""
        self._run.summary.update(dict(values))

    def flush(self) -> None:
        """Does nothing: a process of its own writes and sends all the time."""

    def close(self) -> None:
        """See `Logger`."""
        self._run.finish()


class _MLflow:
    """A run of MLflow. https://mlflow.org/docs/latest/ml/tracking/"""

    def __init__(self, start: Start):
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._client, self._metric = MlflowClient(), Metric
        if start.id:
            self.id = start.id
            self._client.update_run(self.id, status="RUNNING")
            return
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        name = os.environ.get("MLFLOW_RUN_NAME", start.run.resolve().name)
        found = self._client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else self._client.create_experiment(experiment)
        self.id = self._client.create_run(number, run_name=name).info.run_id
        params = [Param(path, text[:_LONGEST]) for path, text in _flat(to_plain(start.config))]
        for first in range(0, len(params), _PARAMS):
            self._client.log_batch(self.id, params=params[first : first + _PARAMS])

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        now = int(time.time() * 1000)
        metrics = [self._metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self.id, metrics=metrics)

    final = scalars

    def flush(self) -> None:
        """Does nothing: what a call got is written or sent when it returns."""

    def close(self) -> None:
        """See `Logger`."""
        self._client.set_terminated(self.id)


class _Guarded:
    """A logger whose first failure is reported and ends it, not the run.

    Args:
      name: of the logger.
      logger: what is guarded.
      logged: the last step that an earlier start of the run has logged.
      say: tells the user.
    """

    def __init__(self, name: str, logger: Logger, logged: int, say: Callable[[str], None]):
        self._name, self._logged, self._say = name, logged, say
        self._logger: Logger | None = logger

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        if step > self._logged:
            self._guard(lambda logger: logger.scalars(step, values))

    def final(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._guard(lambda logger: logger.final(step, values))

    def flush(self) -> None:
        """See `Logger`."""
        self._guard(lambda logger: logger.flush())

    def close(self) -> None:
        """See `Logger`."""
        self._guard(lambda logger: logger.close())

    def _guard(self, call: Callable[[Logger], None]) -> None:
        if self._logger is None:
            return
        try:
            call(self._logger)
        except Exception as error:  # whatever a service, or a full disk, raises
            self._logger = None
            self._say(
                f"config.train.log_to: {self._name} failed and gets nothing more: {_line(error)}. "
                "Training continues; metrics.jsonl has all numbers."
            )


# Logger -> (what opens it, the package that it imports).
_OPEN: dict[str, tuple[Callable[[Start], Any], str]] = {
    "tensorboard": (_TensorBoard, "tensorboardX"),
    "wandb": (_Wandb, "wandb"),
    "mlflow": (_MLflow, "mlflow"),
}


def check_loggers(config: Config) -> None:
    """Checks that the packages of all loggers are installed.

    Raises:
      UserError: with what to install.
    """
    for name in config.train.log_to:
        package = _OPEN[name][1]
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"config.train.log_to: {name} needs a package that is not installed; "
                f"pip install {package}"
            )


def open_loggers(
    run: Path, step: int, logged: int, config: Config, say: Callable[[str], None]
) -> list[Logger]:
    """The loggers of a run; those of services continue what an earlier start of it logged.

    Args:
      run: the run directory.
      step: steps done; 0 for a run that starts anew, and so do its loggers.
      logged: the last step that an earlier start logged. After a kill it is later than `step`.
        Services cannot take a step back, so steps up to this one are left out there: the resumed
        run has the same numbers.
      config: the run's.
      say: tells the user that a logger failed.

    Raises:
      UserError: if a logger cannot be started.
    """
    path = run / _IDS
    ids = json.loads(path.read_text(encoding="utf-8")) if step and path.is_file() else {}
    loggers: list[Logger] = []
    for name in config.train.log_to:
        start = Start(run, step, config, ids.get(name, ""))
        try:
            logger = _OPEN[name][0](start)
        except Exception as error:  # no account, no server, a wrong address
            for other in loggers:
                other.close()
            raise UserError(f"config.train.log_to: {name}: {_line(error)}.") from None
        loggers.append(_Guarded(name, logger, logged if start.id else 0, say))
        if logger.id:
            ids[name] = logger.id
            write(path, json.dumps(ids, indent=2) + "\n")
    return loggers


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(path, value as text) of every field of a config."""
    for name, value in values.items():
        several = value if isinstance(value, (list, tuple)) else ()
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif any(isinstance(one, Mapping) for one in several):
            for index, one in enumerate(several):
                yield from _flat(one, f"{prefix}{name}.{index}.")
        else:
            yield f"{prefix}{name}", ", ".join(map(str, several)) if several else str(value)


def _line(error: Exception) -> str:
    """An error of another package on one line, without a full stop."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300].rstrip(".")
