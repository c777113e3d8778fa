"""A request that stops before any route, or while its body is read."""

from __future__ import annotations

from fastapi import HTTPException


class Refused(HTTPException):
    """Answer with *status*, *detail* and *headers*, and nothing else.

    An HTTPException, because FastAPI makes "cannot parse the body" of every other error that reading it raises.
    """

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
