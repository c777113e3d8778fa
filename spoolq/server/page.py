"""The page: one response that holds all of its scripts and styles, put together from the files of `page/` at start-up.

Nothing is fetched but the API, from the same origin, and the policy that goes with the response lets a browser run
and fetch nothing else: a script that a log or a job's name smuggles in has no hash here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from spoolq import __version__
from spoolq.server.face import Face

_SOURCES = Path(__file__).with_name("page")
_ENTRY = "main"
#: In the order in which they win over one another.
_STYLES = ("colours", "frame", "controls", "parts", "overlays", "views", "log", "forms", "results", "phone")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) (\w+))", re.MULTILINE)
_GZIP = re.compile(r"(?:^|[,\s])gzip(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)
#: What would end the element before its text does.
_CLOSING = re.compile(r"</(?:script|style)|<!--", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """The document, the same as gzip, the policy for it, and a tag that changes with it."""

    body: bytes
    packed: bytes
    policy: str
    etag: str


def assemble(sources: Path = _SOURCES) -> Page:
    """The page of the files in *sources*; raises ValueError for sources that do not fit together."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in sources.glob("*.js")}
    script = bundle(scripts, _ENTRY)
    style = "\n".join((sources / f"{name}.css").read_text(encoding="utf-8") for name in _STYLES)
    for text in (script, style):
        if found := _CLOSING.search(text):
            raise ValueError(f"cannot put the page together: a source holds {found[0]!r}. Write it otherwise.")
    html = (sources / "page.html").read_text(encoding="utf-8")
    for mark, text in {"SPOOLQ_VERSION": __version__, "SPOOLQ_STYLE": style, "SPOOLQ_SCRIPT": script}.items():
        if html.count(mark) != 1:
            raise ValueError(f"cannot put the page together: page.html must hold {mark} once. Add it.")
        before, _, after = html.partition(mark)
        html = before + text + after
    body = html.encode()
    packed = gzip.compress(body, mtime=0)
    return Page(body, packed, _policy(script, style), hashlib.sha256(body).hexdigest()[:32])


def bundle(sources: Mapping[str, str], entry: str) -> str:
    """The modules that *entry* needs as one script, each in a scope of its own, what is imported before who imports.

    Knows the two forms that the sources use: ``import { a, b } from "./name.js";`` and ``export`` before a function, a
    class or a constant. Raises ValueError for a circle, and for a name that is imported and not exported.
    """
    parts: list[str] = []
    exports: dict[str, list[str]] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above or name not in sources:
            what = " → ".join((*above, name))
            raise ValueError(f"cannot put the page together: {what} is a circle, or not there. Mend the imports.")
        if name in exports:
            return
        text = sources[name]
        for names, other in _IMPORT.findall(text):
            add(other, (*above, name))
            missing = {one.strip() for one in names.split(",") if one.strip()} - set(exports[other])
            if missing:
                raise ValueError(f"cannot put the page together: {other}.js exports no {', '.join(sorted(missing))}.")
        exports[name] = _EXPORT.findall(text)
        text = _EXPORT.sub("", _IMPORT.sub(lambda found: f"const {{{found[1]}}} = {found[2]}_js;\n", text))
        parts.append(f"const {name}_js = (() => {{\n{text}return {{ {', '.join(exports[name])} }};\n}})();\n")

    add(entry, ())
    return "".join(parts)


def router(face: Face) -> APIRouter:  # noqa: ARG001
    """`GET /`, and an empty `/favicon.ico` for browsers that ask although the page names one."""
    routes = APIRouter(tags=["page"], include_in_schema=False)
    page = assemble()
    headers = {
        "Content-Security-Policy": page.policy,
        "ETag": f'W/"{page.etag}"',  # weak: packed or not, it is the same page
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    @routes.api_route("/", methods=["GET", "HEAD"])
    def index(request: Request) -> Response:
        """The page; 304 when the browser has it already."""
        known = [
            tag.strip().removeprefix("W/").strip('"') for tag in request.headers.get("if-none-match", "").split(",")
        ]
        if page.etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        body, coding = page.body, {}
        if _GZIP.search(request.headers.get("accept-encoding", "")):  # over a tunnel a quarter of it is worth having
            body, coding = page.packed, {"Content-Encoding": "gzip"}
        return Response(body, media_type="text/html; charset=utf-8", headers={**headers, **coding})

    @routes.get("/favicon.ico")
    def favicon() -> Response:
        """Nothing: the page brings its own."""
        return Response(status_code=204, headers={"Cache-Control": "max-age=86400"})

    return routes


def _policy(script: str, style: str) -> str:
    """The Content-Security-Policy: what is inlined, by hash, and this origin's API; no markup from text either."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "connect-src 'self'",
            "img-src data:",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
