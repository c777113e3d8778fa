"""spoolq: the evaluation queue that is a directory tree.

`Spool` is the Python API; `Client`, `EvalClient` and `AsyncEvalClient` speak to a spool behind `spoolq serve`. They are
imported when first used, so that ``import spoolq`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spoolq.api import Spool
    from spoolq.client import AsyncEvalClient, Client, EvalClient
    from spoolq.models import Envelope, JobInfo

__version__ = "0.1.0"
__all__ = ["AsyncEvalClient", "Client", "Envelope", "EvalClient", "JobInfo", "Spool", "__version__"]

_HOMES = {
    "Spool": "spoolq.api",
    "JobInfo": "spoolq.models",
    "Envelope": "spoolq.models",
    "Client": "spoolq.client",
    "EvalClient": "spoolq.client",
    "AsyncEvalClient": "spoolq.client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'spoolq' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
