"""What all routes of `/api/v1` share: faults in one form, the body as one JSON object, documented errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from spoolq.documents import parse_object
from spoolq.errors import RequestInvalid
from spoolq.server.shapes import Fault

Responses = dict[int | str, dict[str, Any]]
_SAYS = {
    404: "There is no such job",
    409: "The job's state does not allow it",
    416: "The log has no such bytes",
    422: "The request is not valid",
    503: "The spool cannot be used at this moment: try again",
}


def faults(*statuses: int, **said: str) -> Responses:
    """The error answers of a route for its documentation; 422 and 503 may come from any."""
    return {
        status: {"model": Fault, "description": said.get(f"at_{status}", _SAYS[status])}
        for status in sorted({*statuses, 422, 503})
    }


class Route(APIRoute):
    """A route whose faults in parameters and bodies are answered as all others are: `detail` a text, and `field`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route with that done around it."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as error:
                raise _in_words(error) from None
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                # Of FastAPI itself, for a body that is no UTF-8, or nested too deep for the parser.
                raise RequestInvalid("cannot read the body: it is no JSON. Send one JSON object.") from None

        return answered


def _in_words(error: RequestValidationError) -> RequestInvalid:
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"][1:]]
    field = ".".join(where) or None
    if fault["type"] == "json_invalid":
        return RequestInvalid(f"cannot read the body: it is no JSON at byte {field}. Send one JSON object.")
    named = f"`{field}`" if field else f"the {fault['loc'][0]}"
    return RequestInvalid(f"cannot use {named}: {str(fault['msg']).removeprefix('Value error, ')}.", field)


async def body_of(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object that a request carries; raises RequestInvalid, with line and column, for anything else."""
    data = await request.body()
    try:
        return parse_object(data, "the body", limit=limit)
    except RequestInvalid as error:
        raise RequestInvalid(f"cannot read the request: {error}.", error.field) from None


def json_body(*models: type[BaseModel], required: bool = True, **examples: Any) -> dict[str, Any]:
    """OpenAPI for a body that we parse ourselves: any of *models*, or (without one) any object, with *examples*."""
    schemas: list[dict[str, Any]] = [model.model_json_schema() for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if schemas else {"type": "object"}
    content: dict[str, Any] = {"schema": schema}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}
