r"""Answer over HTTP, with a web page to try the model.

    mtt serve runs/balanced
    mtt serve runs/balanced news=runs/pretrained --port=8080
    curl -H 'Content-Type: application/json' -d '{"text": "Ann left Oslo."}' \
        http://127.0.0.1:8000/predict

Only this machine can reach the server unless --host says otherwise. Texts of requests that arrive
together are read as one batch. Logs are JSON on standard error, without the texts.
"""

import argparse
import importlib
import os
from dataclasses import fields

from mtt_jax.cli.options import RUN, add_aggregation, add_engine, add_no_verify
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.errors import UserError
from mtt_jax.serve.settings import Settings

HELP = "answer over HTTP, with a web page to try the model"
# What requirements-serve.txt installs.
_PACKAGES = ("starlette", "uvicorn", "h11", "pydantic", "prometheus_client")
# Field of `Settings` -> (unit, meaning).
_MEANINGS = {
    "max_body": ("BYTES", "of a request"),
    "max_texts": ("N", "texts of a request"),
    "max_characters": ("N", "characters of a text"),
    "queue": ("N", "texts per model that may wait, beyond which answers are 503"),
    "wait_ms": ("MS", "longest time that a text waits for others to share its batch"),
    "batch_tokens": ("N", "subwords of a batch"),
    "timeout": ("SECONDS", "of a request"),
    "grace": ("SECONDS", "for requests in progress after SIGTERM"),
}

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=f"{RUN}; also NAME=RUN")
    parser.add_argument(
        "more", metavar="NAME=RUN", nargs="*", help="further models, which requests name"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address; 0.0.0.0 for all of IPv4")
    parser.add_argument("--port", type=int, default=8000, help="0 for a free one")
    parser.add_argument(
        "--token-file",
        default="",
        metavar="FILE",
        help="holds the bearer token that requests need; or the variable MTT_TOKEN",
    )
    add_engine(parser)
    add_aggregation(parser)
    parser.add_argument(
        "--examples", default="", metavar="FILE", help="texts for the page to offer, one per line"
    )
    add_limits(parser)
    add_no_verify(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of what bounds the server, which are the fields of `Settings`."""
    group = parser.add_argument_group("batches and limits")
    for field in fields(Settings):
        unit, meaning = _MEANINGS[field.name]
        default = "what suits the engine" if field.name == "batch_tokens" else field.default
        group.add_argument(
            "--" + field.name.replace("_", "-"),
            type=type(field.default),
            default=field.default,
            metavar=unit,
            help=f"{meaning}; {default} by default",
        )


def run(options: argparse.Namespace) -> int:
    """Serves until a signal asks to stop; returns the exit status."""
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            raise UserError(
                f"{package} is not installed: pip install -r requirements-serve.txt"
            ) from None
    from mtt_jax.serve.models import examples_in, named
    from mtt_jax.serve.run import read_token, serve

    settings = Settings(**{one.name: getattr(options, one.name) for one in fields(Settings)})
    return serve(
        named([options.run_dir, *options.more]),
        options.host,
        options.port,
        settings.check(),
        options.engine,
        options.aggregation,
        read_token(options.token_file, os.environ),
        examples_in(options.examples),
        lambda line: print(line, flush=True),
        options.verify,
    )
