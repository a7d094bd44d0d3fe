"""The OpenAPI description of the server, from the pydantic models, and the page that shows it."""

import html
from string import Template
from typing import Any

from pydantic.json_schema import models_json_schema

from mtt_jax import __version__
from mtt_jax.serve import schema

_REF = "#/components/schemas/{model}"
_ERRORS = {
    400: "The body is not JSON in UTF-8, or repeats a key.",
    401: "The bearer token is missing or wrong.",
    404: "There is no such model.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The body has other contents than expected, or exceeds a limit.",
    500: "A fault of the server; its log has the request.",
    503: "Not ready, or too many texts are waiting; see the header Retry-After.",
    504: "No answer in time.",
}
_OF_PREDICT = (400, 401, 404, 408, 413, 415, 422, 500, 503, 504)


def description() -> dict[str, Any]:
    """The description, as OpenAPI 3.1. It names no task or label of the models that are served."""
    models = [
        (schema.PredictRequest, "validation"),
        *[
            (model, "serialization")
            for model in (
                schema.PredictResponse, schema.ErrorResponse, schema.Status, schema.Info,
            )
        ],
    ]  # fmt: skip
    _, schemas = models_json_schema(models, ref_template=_REF)  # type: ignore[arg-type]
    predict = {
        "operationId": "predict",
        "summary": "Every task's answer to one or several texts.",
        "requestBody": {"required": True, "content": _json("PredictRequest")},
        "responses": {
            "200": _response("Results in the order of the texts.", "PredictResponse"),
            **_errors(*_OF_PREDICT),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mtt_jax",
            "version": __version__,
            "description": "One model reads a text once and answers every question about it.",
        },
        "paths": {
            "/predict": {"post": predict},
            "/info": {
                "get": _get("info", "The models, their labels, scores and cards.", "Info", 401)
            },
            "/healthz": {"get": _get("healthz", "Whether the server runs.", "Status") | _OPEN},
            "/readyz": {
                "get": _get("readyz", "Whether all models are warmed up.", "Status", 503) | _OPEN
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Metrics in the format of Prometheus.",
                    "responses": {
                        "200": {
                            "description": "The metrics.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        },
                        **_errors(401),
                    },
                }
            },
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


_OPEN: dict[str, Any] = {"security": []}


def _json(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model)}}}


def _response(text: str, model: str) -> dict[str, Any]:
    return {"description": text, "content": _json(model)}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _response(_ERRORS[status], "ErrorResponse") for status in statuses}


def _get(name: str, summary: str, model: str, *statuses: int) -> dict[str, Any]:
    responses = {"200": _response(summary, model), **_errors(*statuses)}
    return {"operationId": name, "summary": summary, "responses": responses}


def page(found: dict[str, Any]) -> str:
    """The description as an HTML page that loads nothing but its style sheet."""
    operations = [
        _operation(path, method, operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [
        f'<h3 id="{_text(name)}">{_text(name)}</h3>'
        f"<p>{_text(one.get('description', ''))}</p>{_fields(one)}"
        for name, one in found["components"]["schemas"].items()
    ]
    return _PAGE.substitute(
        version=_text(found["info"]["version"]),
        operations="".join(operations),
        schemas="".join(schemas),
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{_text(status)}</td><td>{_text(answer['description'])}</td>"
        f"<td>{_links(answer.get('content', {}))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    body = operation.get("requestBody", {}).get("content", {})
    return (
        f"<h3><code>{method.upper()} {_text(path)}</code></h3><p>{_text(operation['summary'])}</p>"
        + (f"<p>Body: {_links(body)}</p>" if body else "")
        + "<table><thead><tr><th>status</th><th>when</th><th>content</th></tr></thead>"
        + f"<tbody>{rows}</tbody></table>"
    )


def _links(content: dict[str, Any]) -> str:
    return ", ".join(f"{_text(kind)} {_type(one['schema'])}" for kind, one in content.items())


def _fields(one: dict[str, Any]) -> str:
    needed = one.get("required", [])
    rows = "".join(
        f"<tr><td><code>{_text(name)}</code></td><td>{_type(field)}</td>"
        f"<td>{'required' if name in needed else ''}</td>"
        f"<td>{_text(field.get('description', ''))}</td></tr>"
        for name, field in one.get("properties", {}).items()
    )
    more = one.get("additionalProperties")
    if isinstance(more, dict):
        rows += f"<tr><td>any other name</td><td>{_type(more)}</td><td></td><td></td></tr>"
    head = "<tr><th>name</th><th>type</th><th></th><th></th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _type(field: dict[str, Any]) -> str:
    """A JSON schema in a few words, with links."""
    if "$ref" in field:
        name = _text(field["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    kind = field.get("type", "anything")
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"name → {_type(field['additionalProperties'])}"
    bounds = f" from {field['minimum']:g} to {field['maximum']:g}" if "minimum" in field else ""
    return _text(kind) + bounds


def _text(value: Any) -> str:
    return html.escape(str(value))


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>mtt_jax: HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/style.css">
</head>
<body>
<main>
<h1>HTTP interface</h1>
<p>mtt_jax $version. The same as OpenAPI 3.1: <a href="openapi.json">openapi.json</a>.
The <a href="./">page to try it</a>.</p>
<pre>curl -H 'Content-Type: application/json' \\
    -d '{"text": "Tom works at Microsoft in Seattle."}' \\
    http://127.0.0.1:8000/predict</pre>
<h2>Operations</h2>
$operations
<h2>Contents</h2>
$schemas
</main>
</body>
</html>
""")
