"""The OpenAPI description, and requests that are made from it."""

import re
import subprocess
import sys

import pytest

from mtt_jax.serve import openapi
from mtt_jax.serve.schema import PredictRequest
from tests.helpers import Elements
from tests.serve.running import SECONDS, Server

DESCRIBED = openapi.description()


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def test_every_reference_is_to_a_schema_that_is_there():
    schemas = DESCRIBED["components"]["schemas"]
    assert {ref.rpartition("/")[2] for ref in references(DESCRIBED)} <= set(schemas)
    assert set(schemas["PredictRequest"]["properties"]) == set(PredictRequest.model_fields)


def test_every_operation_describes_its_errors_as_the_server_sends_them():
    responses = DESCRIBED["paths"]["/predict"]["post"]["responses"]
    assert {"200", "400", "413", "415", "422", "503", "504"} <= set(responses)
    for status, response in responses.items():
        name = "PredictResponse" if status == "200" else "ErrorResponse"
        (content,) = response["content"].values()
        assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}


def test_the_page_is_whole_and_fetches_only_from_the_server():
    page = openapi.page(DESCRIBED)
    found = Elements(page.replace("<link", "<meta"))
    assert found.open == []
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "<script" not in page
    for name in DESCRIBED["components"]["schemas"]:
        assert f'id="{name}"' in page


def test_what_a_description_says_is_escaped():
    schemas = {"<b>": {"description": "<i>", "properties": {"<u>": {"type": "<s>"}}}}
    page = openapi.page(
        {"info": {"version": "<x>"}, "paths": {}, "components": {"schemas": schemas}}
    )
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>", "<s>", "<x>"))


@pytest.mark.peers  # slow: hundreds of requests
def test_no_request_that_schemathesis_makes_is_a_server_error(run, four, tmp_path):
    pytest.importorskip("schemathesis", reason="needs: pip install -r requirements-peers.txt")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance"
    with Server(run, f"other={four}") as server:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}openapi.json",
             f"--checks={checks},response_schema_conformance", "--max-examples=100",
             "--seed=1", "--generation-database=none", "--phases=examples,coverage,fuzzing"],
            cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS * 3,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        predictions = server.metric("mtt_requests_total", path="/predict", status="200")
        assert predictions > 10, done.stdout
        assert server.metric("mtt_requests_total", status="500") == 0
