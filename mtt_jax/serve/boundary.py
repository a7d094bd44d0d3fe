"""What every request passes on its way in and out: its id, the token, headers, metrics, the log."""

import hmac
import json
import re
import secrets
import time
from collections.abc import Collection
from typing import Any

from mtt_jax.serve import logs
from mtt_jax.serve.metrics import Metrics

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
# Nothing is loaded from elsewhere, no script stands in a page, and no other site frames it.
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def error_body(request: str, message: str) -> bytes:
    """The JSON of an error; in ASCII, whatever the message quotes."""
    return json.dumps({"error": message, "request": request}).encode()


class Boundary:
    """ASGI middleware around the whole application.

    It gives a request its id (the client's X-Request-ID, if that is harmless), refuses one without
    the token, adds headers, counts, and logs one line and unexpected exceptions. The keys of the
    dict `scope["state"]["about"]` go into that line.
    """

    def __init__(
        self,
        app: Any,
        metrics: Metrics,
        paths: Collection[str],
        quiet: Collection[str],
        open_paths: Collection[str],
        token: str = "",
    ):
        """Wraps an application.

        Args:
          app: ASGI.
          metrics: to count in.
          paths: that the application has; metrics and logs name no others.
          quiet: paths that probes ask for all the time, and of which only errors are logged.
          open_paths: that need no token.
          token: "" if none is needed anywhere.
        """
        self._app, self._metrics = app, metrics
        self._paths, self._quiet, self._open = paths, quiet, open_paths
        self._token = token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request = given.decode() if _ID.fullmatch(given) else secrets.token_hex(8)
        state = scope.setdefault("state", {})
        about: dict[str, Any] = {}
        state["about"], state["request"] = about, request
        status = 0

        async def respond(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                more = [*_HEADERS, (b"x-request-id", request.encode())]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        try:
            if self._refuses(scope["path"], headers):
                await _unauthorized(request, respond)
            else:
                await self._app(scope, receive, respond)
        except Exception as error:  # which the client was told as a 500
            logs.failure("request_failed", error, request=request)
        finally:
            self._note(scope, request, status, time.perf_counter() - begun, about)

    def _refuses(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if not self._token or path in self._open:
            return False
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        # Compared in constant time, so that the time says nothing about how much of it is right.
        same = hmac.compare_digest(given.strip(), self._token)
        return not (same and scheme.lower() == b"bearer")

    def _note(
        self, scope: Any, request: str, status: int, seconds: float, about: dict[str, Any]
    ) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # As nginx does for a client that closed the connection before there was an answer.
        status = status or 499
        self._metrics.requests.labels(method, path, status).inc()
        self._metrics.request_seconds.labels(path).observe(seconds)
        if path in self._quiet and status in (200, 503):
            return
        client = (scope.get("client") or ("",))[0]
        logs.event(
            "request", request=request, method=method, path=path, status=status,
            seconds=round(seconds, 4), client=client, **about,
        )  # fmt: skip


async def _unauthorized(request: str, send: Any) -> None:
    body = error_body(request, "the bearer token is missing or wrong.")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
