"""A request that stops before any route."""

from __future__ import annotations


class Refused(Exception):
    """Answer with *status*, *detail* and *headers*, and nothing else."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}
