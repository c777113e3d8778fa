"""The application: the routes of every dialect behind one door. It is made of a spool, and holds nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from spoolq import __version__
from spoolq.sections import ServerSection
from spoolq.server import documented, faults
from spoolq.server.access import Access, Tokens
from spoolq.server.face import Face
from spoolq.server.failures import Failures
from spoolq.server.figures import Counted, Figures
from spoolq.server.headers import Headers
from spoolq.server.hosts import Hosts
from spoolq.server.quick import Quick
from spoolq.server.tokens import tokens_of
from spoolq.store import Store

if TYPE_CHECKING:
    from starlette.types import ASGIApp

#: Modules with routes, each with `router(face)`; one that must do something meanwhile has `running(face)` too.
ROUTERS = ("page", "login", "metrics", "v1", "events", "lmms", "jobqueue", "benchmark")
_TITLE = "spoolq"


def create_app(store: Store, options: ServerSection | None = None, *, prune: bool = False) -> FastAPI:
    """The application for one spool. Raises SpoolUnusable for a token file that cannot be read."""
    options = options or store.settings.server
    face = Face(store, options, prune)
    tokens = tokens_of(options, shared=store.shared)
    modules = [import_module(f"spoolq.server.{name}") for name in ROUTERS if find_spec(f"spoolq.server.{name}")]

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await face.wake.start()
            stack.push_async_callback(face.wake.stop)
            stack.push_async_callback(face.commits.stop)
            for module in modules:
                if hasattr(module, "running"):
                    await stack.enter_async_context(module.running(face))
            yield

    app = FastAPI(title=_TITLE, version=__version__, lifespan=lifespan, docs_url="/docs", redoc_url=None)
    app.state.face, app.state.tokens = face, tokens
    for module in modules:
        app.include_router(module.router(face))
    faults.install(app, str(store.root))
    documented.install(app, token=tokens.full is not None)
    app.add_middleware(Quick, lanes=face.lanes, root=str(store.root))
    _guard(app, options, tokens, face.figures)
    return app


def _guard(app: FastAPI, options: ServerSection, tokens: Tokens, figures: Figures) -> None:
    hosts = Hosts.of(options.host, options.allowed_hosts, options.allowed_origins)
    failures = Failures(options.max_failures, options.failure_window)

    def door(inner: ASGIApp) -> ASGIApp:
        return Access(inner, tokens, hosts, failures, options.max_body)

    app.add_middleware(door)
    if options.allowed_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=options.allowed_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Counted, figures=figures)
    app.add_middleware(Headers)
