"""The faults of lmms-eval's dialect: 422 with one entry a fault, as FastAPI gives them, whoever has found the fault."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from spoolq.errors import RequestInvalid

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class Route(APIRoute):
    """A route whose faults are told as a list of `type`, `loc`, `msg` and `input`."""

    def get_route_handler(self) -> Handle:
        """The route with that done around it."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as error:
                return refusal(jsonable_encoder(error.errors()))
            except RequestInvalid as error:
                return refusal([entry(error, await _body(request))])

        return answered


def entry(error: RequestInvalid, body: Any) -> dict[str, Any]:
    """A recipe's word about a request, as an entry of the list; *body* is what was sent."""
    parts: list[str | int] = []
    for part in (error.field or "").split("."):
        if not part or not isinstance(body, dict | list):
            break
        place = int(part) if isinstance(body, list) and part.isdecimal() else part
        try:
            body = body[place]  # type: ignore[index]
        except (LookupError, TypeError):
            return _entry([*parts, part], error, None)
        parts.append(place)
    return _entry(parts, error, body if parts else None)


def _entry(where: list[str | int], error: RequestInvalid, given: Any) -> dict[str, Any]:
    return {"type": "value_error", "loc": ["body", *where], "msg": str(error), "input": given}


def refusal(entries: list[dict[str, Any]]) -> Response:
    """422 with *entries*; what JSON or UTF-8 cannot say of what was sent is said as a text."""
    try:
        body = json.dumps({"detail": entries}, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        body = json.dumps({"detail": _sayable(entries)}, separators=(",", ":")).encode()
    return Response(body, 422, media_type="application/json")


def _sayable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sayable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None
