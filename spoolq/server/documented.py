"""The OpenAPI document: what the routes say of themselves, with what the door may answer in their stead."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from spoolq.server.access import OPEN

DESCRIPTION = """The queue of one spool over HTTP. `/api/v1` is for new clients; the other groups of routes are those of
lmms-eval's evaluation server, of BEHAVIOR-1K's eval-jobqueue, and of a benchmark-run server, for clients that there are
already. Nothing is kept here that is not in the spool."""
TAGS = [
    {"name": "jobs", "description": "Submit, list, show, cancel, retry, reorder."},
    {"name": "queue", "description": "The queue as a whole, and what changes in it."},
    {"name": "logs", "description": "What jobs print."},
    {"name": "results", "description": "Scores of completed jobs."},
    {"name": "workers", "description": "Who works here, on what, and what may be asked for."},
    {"name": "metrics", "description": "Figures for Prometheus."},
    {"name": "lmms-eval", "description": "The routes of lmms-eval's evaluation server."},
    {"name": "eval-jobqueue", "description": "The routes of BEHAVIOR-1K's eval-jobqueue."},
    {"name": "benchmark runs", "description": "The routes of a benchmark-run server."},
    {"name": "page", "description": "The page, and its way in."},
]
#: What the door answers before any route is reached.
_DOOR = {
    "401": "A token is needed, or the one shown is not right",
    "403": "The token may only look, or another site's page asks",
    "413": "The body is too large",
    "421": "The server does not go by this name",
    "429": "Too many refused tokens: wait",
}
_REFUSAL = {"type": "object", "title": "Refusal", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
#: The faults of a request as FastAPI lists them; a recipe's are one text.
_LISTED = {"$ref": "#/components/schemas/HTTPValidationError"}
_METHODS = ("get", "put", "post", "delete", "patch")


def install(app: FastAPI, *, token: bool) -> None:
    """Have *app* serve that document; *token*: one must be shown."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _completed(app, token)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _completed(app: FastAPI, token: bool) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS,
        openapi_version=app.openapi_version,
    )  # fmt: skip
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {})["Refusal"] = _REFUSAL
    if token:
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in found["paths"].items():
        for method in set(methods) & set(_METHODS):
            free = (method.upper(), path) in OPEN
            _complete(methods[method], token=token and not free)
            if not path.startswith("/api/v1/"):
                _complete_other(methods[method])
    return found


def _complete(operation: dict[str, Any], *, token: bool) -> None:
    for status, said in _DOOR.items():
        _answer(operation, status, said)
    for status in [status for status in operation["responses"] if status >= "400"]:
        _answer(operation, status, "")
    if token:
        operation["security"] = [{"token": []}]


def _complete_other(operation: dict[str, Any]) -> None:
    """What FastAPI and the spool may answer at any route of another dialect; ours say it themselves."""
    if "requestBody" in operation:
        _answer(operation, "400", "The body cannot be read")
    _answer(operation, "503", "The spool cannot be used at this moment: try again")
    invalid = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
    if invalid.get("schema") == _LISTED:
        invalid["schema"] = {"anyOf": [_LISTED, {"$ref": "#/components/schemas/Fault"}]}


def _answer(operation: dict[str, Any], status: str, said: str) -> None:
    """Say that *operation* may be answered so, if it does not; and with which body."""
    answer = operation.setdefault("responses", {}).setdefault(status, {"description": said})
    content = answer.setdefault("content", {})
    if "application/json" not in content:  # also where a good answer is plain text
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/Refusal"}}
