"""The page's way in: a token once, a cookie from then on that no script can read and no other site's page sends."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from spoolq.server.access import COOKIE, Tokens, cookie_of
from spoolq.server.face import Face
from spoolq.server.failures import Failures

#: For how long a browser keeps the cookie, in seconds: a week of nights.
_KEEP_S = 7 * 86400


class Login(BaseModel):
    """What the page sends."""

    token: str = Field(max_length=4096)


def router(face: Face) -> APIRouter:
    """`POST /login`, `POST /logout`."""
    routes = APIRouter(tags=["page"])
    failures = Failures(face.options.max_failures, face.options.failure_window)

    @routes.post("/login", responses={401: {"description": "The token is not right"}, 429: {"description": "Wait"}})
    def login(body: Login, request: Request) -> Response:
        """Exchange a token for the page's cookie."""
        tokens: Tokens = request.app.state.tokens
        address = request.client.host if request.client else "?"
        wait = failures.wait(address)
        if wait:
            return JSONResponse({"detail": "too many refused tokens. Try again later"}, 429, {"Retry-After": str(wait)})
        role = "full" if tokens.full is None else tokens.role(body.token)
        if role is None:
            failures.count(address)
            return JSONResponse({"detail": "the token is not right"}, 401)
        answer = JSONResponse({"read_only": role == "read"})
        secure = request.url.scheme == "https"
        if tokens.full is not None:
            answer.set_cookie(
                COOKIE, cookie_of(body.token), _KEEP_S, httponly=True, samesite="strict", secure=secure, path="/"
            )
        return answer

    @routes.post("/logout")
    def logout() -> Response:
        """Forget the cookie."""
        answer = JSONResponse({"read_only": False})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return routes
