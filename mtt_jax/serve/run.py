"""Running a server: its address, its token, its signals and its end."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn

from mtt_jax.errors import UserError
from mtt_jax.serve import logs, models
from mtt_jax.serve.app import make_app
from mtt_jax.serve.settings import Settings
from mtt_jax.untrusted.folder import user_path

TOKEN = "MTT_TOKEN"
_LOCAL = ("127.", "::1", "localhost")
# Seconds that an idle connection stays open: longer than usual load balancers keep theirs.
_KEEP_ALIVE = 75
_MAX_HEADERS = 32_768
# Connections that wait to be accepted.
_BACKLOG = 2048


def serve(
    runs: Mapping[str, str],
    host: str,
    port: int,
    settings: Settings,
    engine: str,
    aggregation: str,
    token: str,
    examples: Sequence[str],
    say: Callable[[str], None],
    verify: bool = True,
) -> int:
    """Serves models until a signal asks to stop.

    Args:
      runs: name -> path of each model; the first is the default.
      host: address to listen on.
      port: 0 for a free one.
      settings: limits.
      engine: as for `Predictor.load`.
      aggregation: as for `Predictor.load`.
      token: that requests need; "" for none.
      examples: texts that the page offers.
      say: prints a line to a person.
      verify: as for `Predictor.load`.

    Returns:
      The exit status: 0 after SIGTERM or SIGINT.

    Raises:
      UserError: if the address is taken, or a model cannot be read or run.
    """
    with bound(host, port) as listener:
        served = {
            name: models.load(path, engine, aggregation, verify) for name, path in runs.items()
        }
        logs.start()
        failures: list[Exception] = []
        server: _Server

        def failed(error: Exception) -> None:
            failures.append(error)
            server.should_exit = True

        app = make_app(served, settings, engine, token, examples, failed)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            http="h11",
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(settings.grace),
            h11_max_incomplete_event_size=_MAX_HEADERS,
        )
        server = _Server(config)
        url = _url(listener)
        say(f"Serving {', '.join(served)} at {url} (interface: {url}docs). Ctrl-C stops it.")
        if not token and not host.startswith(_LOCAL):
            say(f"note: whoever reaches {host} can use it; --token-file asks for a token.")
        logs.event("listening", url=url, models=list(served), engine=engine)
        with _signals():
            server.run(sockets=[listener])
        logs.event("stopped")
    if failures:
        raise failures[0]
    return 0


class _Server(uvicorn.Server):
    """uvicorn, which finishes requests in progress on the first signal; Ctrl-C twice ends it."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Asks to stop, or stops at once."""
        if self.should_exit and sig == signal.SIGINT:
            logs.event("ended_at_once")
            sys.stderr.flush()
            os._exit(128 + sig)  # a thread may be in the middle of a batch
        super().handle_exit(sig, frame)  # first, so that the next signal finds that this one came
        logs.event("stopping", signal=signal.Signals(sig).name)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Keeps signals from ending the process by themselves while uvicorn handles them.

    uvicorn sends them again to the handlers from before once it has stopped; these do nothing, so
    that the exit status is 0. Without the file descriptor, no other thread watches for them.
    """
    descriptor = signal.set_wakeup_fd(-1)
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, frame: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; connections wait until they are accepted.

    Raises:
      UserError: if the address is taken, or not one of this machine.
    """
    if not 0 <= port < 1 << 16:
        raise UserError(f"--port: {port} is out of range; must be from 0 to 65535.")
    found = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        if found:
            found.close()
        reason = (error.strerror if isinstance(error, OSError) else "") or "not an address"
        if isinstance(error, socket.gaierror):
            raise UserError(f"--host: {host}: {reason}; name an address of this machine.") from None
        raise UserError(
            f"--port: cannot use {host}:{port}: {reason}; choose another with --port=N, or "
            "--port=0 for a free one."
        ) from None
    return found


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/"


def read_token(file: str, environment: Mapping[str, str]) -> str:
    """The token that requests need, from a file or from the environment; "" for none.

    Raises:
      UserError: if the file cannot be read, or the token is empty or no header could carry it.
    """
    if file:
        where = f"--token-file: {file}"
        try:
            token = user_path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"{where}: cannot be read: {reason}.") from None
    elif TOKEN in environment:
        where, token = TOKEN, environment[TOKEN].strip()
    else:
        return ""
    if not token:
        raise UserError(f"{where} is empty; write a token into it, as openssl rand -hex 32 prints.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"{where}: a token is one word of visible ASCII characters.")
    return token
