"""Who may ask for what, before any route is reached: Host, Origin, size, token; for requests and WebSockets alike.

- *Host*: a page of the internet whose name is made to lead here (DNS rebinding) still sends its own name.
- *Origin*, *Sec-Fetch-Site*: a browser says which page asks; another site's page may not, whatever cookies it has.
- *Token*: compared in constant time; refusals are counted by address. The page's cookie is made of the token.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spoolq.server.failures import Failures
from spoolq.server.hosts import Hosts
from spoolq.server.refusal import Refused

log = logging.getLogger("spoolq.server")

COOKIE = "spoolq"
#: What one may have without a token: the page itself, which holds nothing of the spool, and where one says the token.
OPEN = {("GET", "/"), ("HEAD", "/"), ("POST", "/login"), ("POST", "/logout"), ("GET", "/favicon.ico")}
_SAFE = ("GET", "HEAD", "OPTIONS")
#: Reads by method that change something all the same: a worker takes a job by GET.
_CHANGING = ("/job",)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What callers must show; None: nothing is asked for, or nobody may only look."""

    full: str | None = None
    read_only: str | None = None

    def role(self, shown: str | None) -> str | None:
        """``full``, ``read``, or None for a token that is neither; every comparison takes the same time."""
        given = (shown or "").encode()
        full = self.full is not None and hmac.compare_digest(given, self.full.encode())
        read = self.read_only is not None and hmac.compare_digest(given, self.read_only.encode())
        return "full" if full else "read" if read else None

    def role_of_cookie(self, value: str | None) -> str | None:
        """The same for the page's cookie."""
        given = (value or "").encode()
        known = [(role, token) for role, token in (("full", self.full), ("read", self.read_only)) if token is not None]
        matching = [role for role, token in known if hmac.compare_digest(given, cookie_of(token).encode())]
        return matching[0] if matching else None


def cookie_of(token: str) -> str:
    """What the page's cookie holds for *token*: nothing from which the token can be had."""
    return hmac.new(token.encode(), b"spoolq page cookie", hashlib.sha256).hexdigest()


class Access:
    """ASGI middleware. *failures* counts refused tokens by address, *max_body* is in bytes."""

    def __init__(self, app: ASGIApp, tokens: Tokens, hosts: Hosts, failures: Failures, max_body: int) -> None:
        self.app, self.tokens, self.hosts, self.failures, self.max_body = app, tokens, hosts, failures, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope, Headers(scope=scope))
        except Refused as refused:
            await _refuse(refused, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await self._limited(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        method = scope.get("method", "GET")
        navigates = method in _SAFE and scope["path"] == "/"
        self.hosts.check(scope, headers, navigates=navigates)
        role = self._role(scope, headers)
        if role is None and (method, scope["path"]) not in OPEN:
            raise Refused(401, "a token is needed: send Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        changes = method not in _SAFE or scope["path"] in _CHANGING
        scope["spoolq.read_only"] = role == "read"
        if role == "read" and changes and (method, scope["path"]) not in OPEN:
            raise Refused(403, "this token may only look")

    def _role(self, scope: Scope, headers: Headers) -> str | None:
        if self.tokens.full is None:
            return "full"
        address = (scope.get("client") or ("?", 0))[0]
        shown, cookie = _shown(headers), _cookie(headers)
        if shown is None and cookie is None:
            return None
        wait = self.failures.wait(address)
        if wait:
            raise Refused(429, "too many refused tokens. Try again later", {"Retry-After": str(wait)})
        role = self.tokens.role(shown) if shown is not None else self.tokens.role_of_cookie(cookie)
        if role is None and shown is not None:  # an old cookie is nobody's guess: it is 256 bits of a hash
            self.failures.count(address)
            log.warning("refused a token from %s", address)
            raise Refused(401, "the token is not right", {"WWW-Authenticate": "Bearer"})
        return role

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a body of at most `max_body` bytes, also one that does not say its length."""
        length = Headers(scope=scope).get("content-length", "0")
        too_large = Refused(413, f"the body is larger than {self.max_body} bytes")
        if not length.isdecimal() or int(length) > self.max_body:
            await _refuse(too_large, scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.max_body:
                raise too_large
            return message

        await self.app(scope, counted, send)


def _shown(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie(headers: Headers) -> str | None:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake must be read before it is refused
        await send({"type": "websocket.close", "code": 4401 if refused.status_code == 401 else 4403})
        return
    await JSONResponse({"detail": refused.detail}, refused.status_code, refused.headers)(scope, receive, send)
