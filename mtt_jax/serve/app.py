"""The routes: what each path answers."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mtt_jax import __version__
from mtt_jax.serve import metrics as metrics_room
from mtt_jax.serve import openapi
from mtt_jax.serve.batcher import Answer, Batcher, Job, QueueFullError, StoppedError
from mtt_jax.serve.boundary import Boundary, error_body
from mtt_jax.serve.metrics import Metrics
from mtt_jax.serve.models import EXAMPLES, Served
from mtt_jax.serve.schema import RequestError, checked, nearest, parsed, with_thresholds
from mtt_jax.serve.settings import Settings

# Of the page, each with its media type; package data.
_ASSETS = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "files.js": "text/javascript; charset=utf-8",
}
# A body of more bytes is parsed in another thread, during which the event loop goes on.
_SMALL = 1 << 16
# Of an announced length; more would say the same.
_DIGITS = 15
_PROBED = ("/healthz", "/readyz", "/metrics")


def make_app(
    served: dict[str, Served],
    settings: Settings,
    engine: str = "jax",
    token: str = "",
    examples: Sequence[str] = EXAMPLES,
    failed: Callable[[Exception], None] | None = None,
) -> Any:
    """The ASGI application; its lifespan starts and ends the threads that predict.

    Args:
      served: the models by name; the first answers requests that name none.
      settings: limits.
      engine: what runs the models, for GET /info.
      token: that requests need; "" for none.
      examples: texts that the page offers.
      failed: called with the error if the models cannot be warmed up.
    """
    metrics = Metrics()
    batcher = Batcher({name: one.predictor for name, one in served.items()}, settings, metrics)
    info = {
        "version": __version__,
        "engine": engine,
        "default": next(iter(served)),
        "models": {name: one.about for name, one in served.items()},
        "limits": {
            "body_bytes": settings.max_body,
            "texts": settings.max_texts,
            "characters": settings.max_characters,
            "queue": settings.queue,
            "seconds": settings.timeout,
        },
        "examples": list(examples),
    }
    described = openapi.description()

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        _refuse_unready(batcher)
        return JSONResponse({"status": "ready"})

    async def exposition(request: Request) -> Response:
        return Response(metrics.exposition(), media_type=metrics_room.CONTENT_TYPE)

    async def predict(request: Request) -> Response:
        return await _predict(request, served, batcher, settings)

    routes = [
        Route("/predict", predict, methods=["POST"]),
        Route("/healthz", health),
        Route("/readyz", ready),
        Route("/metrics", exposition),
        Route("/info", _constant(bytes(JSONResponse(info).body), "application/json")),
        Route("/openapi.json", _constant(bytes(JSONResponse(described).body), "application/json")),
        Route("/docs", _constant(openapi.page(described).encode(), _ASSETS["index.html"])),
        Route("/", _asset("index.html")),
        *(Route(f"/static/{name}", _asset(name)) for name in _ASSETS if name != "index.html"),
    ]
    paths = {route.path for route in routes}

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        batcher.start(failed)
        yield
        await asyncio.to_thread(batcher.close, False)

    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            RequestError: _refused,
            HTTPException: _no_route,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    needing = {"/predict", "/info", "/metrics"}
    return Boundary(app, metrics, paths, _PROBED, paths - needing, token)


def _constant(body: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    """A route that always answers the same, or that the client has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def answer(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return answer


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    body = (resources.files("mtt_jax.serve") / "page" / name).read_bytes()
    return _constant(body, _ASSETS[name])


async def _predict(
    request: Request, served: dict[str, Served], batcher: Batcher, settings: Settings
) -> Response:
    """POST /predict."""
    _refuse_unready(batcher)
    end = asyncio.get_running_loop().time() + settings.timeout
    body = await _body(request, settings, end)
    asked = parsed(body) if len(body) <= _SMALL else await asyncio.to_thread(parsed, body)
    texts = checked(asked, settings)
    name = asked.model or next(iter(served))
    if name not in served:
        known = ", ".join(served)
        raise RequestError(
            404, f"model: no such model; the models are {known}.{nearest(name, list(served))}"
        )
    tasks = with_thresholds(served[name].predictor.tasks, asked.thresholds)
    job = Job(name, texts, tasks, asked.embeddings)
    request.state.about.update(model=name, texts=len(texts))
    answers = await _answers(request, batcher, job, settings, end)
    request.state.about["tokens"] = job.tokens
    return Response(_joined(name, answers, asked.embeddings), media_type="application/json")


async def _body(request: Request, settings: Settings, end: float) -> bytes:
    """The body of a request, within the limits."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise RequestError(
            415, "expected a JSON body in UTF-8; send the header Content-Type: application/json."
        )
    too_large = RequestError(
        413, f"the body is larger than {settings.max_body:,} bytes.", {"Connection": "close"}
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:_DIGITS]) > settings.max_body:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout_at(end):
            async for piece in request.stream():
                body += piece
                if len(body) > settings.max_body:
                    raise too_large
    except TimeoutError:
        message = f"the body did not arrive within {settings.timeout:g} seconds."
        raise RequestError(408, message, {"Connection": "close"}) from None
    return bytes(body)


async def _answers(
    request: Request, batcher: Batcher, job: Job, settings: Settings, end: float
) -> list[Answer]:
    """The answers to a job, which is dropped if the client goes away or time runs out."""
    try:
        answers = asyncio.wrap_future(batcher.submit(job))
    except QueueFullError as full:
        raise RequestError(
            503,
            f"{settings.queue:,} texts at most may wait, and these would be more; retry later.",
            {"Retry-After": str(full.retry_after)},
        ) from None
    except StoppedError:
        raise _stopping() from None
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        left = end - asyncio.get_running_loop().time()
        either: set[asyncio.Future[Any]] = {answers, gone}
        await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if answers.done():
            return answers.result()
        if gone.done():
            raise ClientDisconnect
        raise RequestError(504, f"no answer within {settings.timeout:g} seconds.")
    except StoppedError:
        raise _stopping() from None
    finally:
        gone.cancel()
        batcher.drop(job)


async def _disconnected(request: Request) -> None:
    """Returns when the client has closed the connection; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _joined(name: str, answers: list[Answer], embeddings: bool) -> bytes:
    """`schema.PredictResponse` as JSON, from answers that are JSON already."""
    parts = [b'{"model":"', name.encode(), b'","results":[']
    parts += [b",".join(answer.result for answer in answers), b"]"]
    if embeddings:
        parts += [b',"embeddings":[', b",".join(answer.embedding for answer in answers), b"]"]
    return b"".join([*parts, b"}"])


def _refuse_unready(batcher: Batcher) -> None:
    if not batcher.ready:
        message = "the models are being warmed up; retry in a moment."
        raise RequestError(503, message, {"Retry-After": "1"})


def _stopping() -> RequestError:
    return RequestError(503, "the server is stopping.", {"Retry-After": "1"})


async def _gone(request: Request, error: Exception) -> Response:
    """For the log: nobody reads it. 499 is what nginx calls it."""
    return Response(status_code=499)


async def _failed(request: Request, error: Exception) -> Response:
    """Says nothing about the error, which `Boundary` logs."""
    body = error_body(request.state.request, "a fault of the server; its log has the request.")
    return Response(body, 500, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    body = error_body(request.state.request, error.message)
    return Response(body, error.status, error.headers, media_type="application/json")


async def _no_route(request: Request, error: Exception) -> Response:
    """A path or method that does not exist; OPTIONS says which methods do."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405 and request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    message = {
        404: "no such path; GET /docs lists them.",
        405: f"{request.method[:20]} is not answered here; only {headers.get('Allow', '')}.",
    }.get(error.status_code, str(error.detail))
    body = error_body(request.state.request, message)
    return Response(body, error.status_code, headers, media_type="application/json")
