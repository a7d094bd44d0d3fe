"""Logs: one JSON object per line on standard error, without the texts that clients send."""

import json
import logging
import sys
import time
import traceback
from typing import Any, TextIO

_LOGGER = logging.getLogger("mtt_jax.serve")
# Loggers of the HTTP server, which write what they have to say as ours do.
_THEIRS = ("uvicorn", "uvicorn.error", "asyncio")


def start(stream: TextIO | None = None) -> None:
    """Sends the logs of this process to a stream, standard error by default."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json())
    for name in (_LOGGER.name, *_THEIRS):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == _LOGGER.name else logging.WARNING)
    logging.getLogger("uvicorn.error").handlers = []  # "uvicorn" above it writes them
    logging.getLogger("uvicorn.error").propagate = True


def event(name: str, level: int = logging.INFO, **about: Any) -> None:
    """Writes one line.

    Args:
      name: of what happened.
      level: of `logging`.
      about: further keys; never a text of a client, nor a part of one.
    """
    _LOGGER.log(level, name, extra={"about": about})


def failure(name: str, error: BaseException, **about: Any) -> None:
    """Writes where an unexpected error was raised.

    Not its message: those of tokenizers and parsers quote what they were given.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    event(name, logging.ERROR, error=type(error).__name__, trace=places, **about)


class _Json(logging.Formatter):
    """A record as JSON: time, level, event and its other keys."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        row = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage() if record.name == _LOGGER.name else "server",
        }
        if record.name != _LOGGER.name:
            row["message"] = record.getMessage()
        if record.exc_info and record.exc_info[0]:
            row["error"] = record.exc_info[0].__name__
        return json.dumps(row | getattr(record, "about", {}))
