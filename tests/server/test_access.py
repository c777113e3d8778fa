"""The door: which requests and WebSockets reach a route, and what the others are told."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from spoolq.server.access import COOKIE, Access, Tokens, cookie_of
from spoolq.server.failures import Failures
from spoolq.server.hosts import Hosts

TOKEN, LOOK = "t" * 32, "r" * 32


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse({"bytes": len(body), "read_only": request.scope["spoolq.read_only"]})


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture
def door():
    """A client behind a door; *named* replaces parts of it."""
    clients = []

    def build(tokens=None, **named) -> TestClient:
        routes = [Route("/{path:path}", echo, methods=["GET", "POST", "DELETE", "PUT"]), WebSocketRoute("/ws", talk)]
        inner = Starlette(routes=[*reversed(routes)])
        hosts = named.get("hosts") or Hosts.of("127.0.0.1", ["queue.lab"], ["https://lab.example"])
        failures = named.get("failures") or Failures(3, 60)
        access = Access(inner, tokens or Tokens(), hosts, failures, named.get("max_body", 100))
        clients.append(TestClient(access, base_url="http://127.0.0.1:8000"))
        return clients[-1]

    yield build
    for client in clients:
        client.close()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "queue.lab", "10.0.0.5"])
def test_a_name_of_ours_and_any_address_is_let_in(door, host):
    assert door().get("/api", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(door, host):
    # Given a page whose name resolves to this host, When it asks, Then it still says its own name, and gets nothing
    answer = door().get("/api", headers={"Host": host})
    assert answer.status_code == 421
    assert "allowed_hosts" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8000"])
def test_another_sites_page_may_not_ask(door, method, origin):
    # Given a request that a page of another origin makes, another port of this host among them
    answer = door().request(method, "/evaluate", headers={"Origin": origin})
    # Then it is refused, whatever its method
    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://lab.example", "HTTPS://LAB.EXAMPLE"])
def test_our_own_page_and_one_that_the_operator_names_may_ask(door, origin):
    assert door().post("/evaluate", headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_or_a_form_of_another_site_takes_no_job(door, site):
    # Given a browser that says that another site's page asks, without an Origin, as for <img src=…/job>
    client = door()
    assert client.get("/job", headers={"Sec-Fetch-Site": site}).status_code == 403
    # Then a link to the page itself may still be followed
    assert client.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200
    assert client.get("/job", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_without_a_token_all_on_this_host_may_do_all(door):
    assert door().post("/evaluate").json() == {"bytes": 0, "read_only": False}


def test_with_a_token_nothing_is_had_without_it(door):
    client = door(Tokens(TOKEN))
    answer = client.get("/queue")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/queue", headers=bearer(TOKEN)).status_code == 200
    # and the page, which holds nothing of the spool, is there to sign in by
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("shown", ["", "x", TOKEN[:-1], TOKEN + "t", LOOK[:-1], "Ü" * 3])
def test_a_wrong_token_is_refused(door, shown, caplog):
    client = door(Tokens(TOKEN, LOOK))
    with caplog.at_level(logging.WARNING, "spoolq.server"):
        answer = client.get("/queue", headers={"Authorization": f"Bearer {shown}".encode()})
    assert answer.status_code == 401
    assert all(TOKEN not in record.getMessage() and (not shown or shown not in record.getMessage().split())
               for record in caplog.records)  # fmt: skip


def test_tokens_are_compared_in_constant_time(monkeypatch):
    # Given a comparison that is watched
    seen = []
    monkeypatch.setattr("spoolq.server.access.hmac.compare_digest", lambda a, b: seen.append((a, b)) or a == b)
    # When a token is judged, Then both known ones were compared by it, whole, whatever the first said
    assert Tokens(TOKEN, LOOK).role(TOKEN) == "full"
    assert seen == [(TOKEN.encode(), TOKEN.encode()), (TOKEN.encode(), LOOK.encode())]


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/queue", 200), ("HEAD", "/queue", 405), ("POST", "/evaluate", 403), ("DELETE", "/jobs/1", 403),
    ("PUT", "/api/v1/jobs/1/priority", 403), ("GET", "/job", 403),
])  # fmt: skip
def test_with_the_other_token_one_may_only_look(door, method, path, status):
    # Given the token for looking, When it is used, Then nothing that changes anything is reached; nor a worker's GET
    answer = door(Tokens(TOKEN, LOOK)).request(method, path, headers=bearer(LOOK))
    assert answer.status_code in (status, 200 if method == "HEAD" else status)
    if answer.status_code == 200 and method == "GET":
        assert answer.json()["read_only"] is True


def test_the_pages_cookie_opens_the_door_and_does_not_hold_the_token(door):
    client = door(Tokens(TOKEN, LOOK))
    assert client.get("/queue", headers={"Cookie": f"{COOKIE}={cookie_of(TOKEN)}"}).json()["read_only"] is False
    assert client.get("/queue", headers={"Cookie": f"{COOKIE}={cookie_of(LOOK)}"}).json()["read_only"] is True
    assert client.get("/queue", headers={"Cookie": f"{COOKIE}={TOKEN}"}).status_code == 401
    assert client.get("/queue", headers={"Cookie": f"{COOKIE}={cookie_of('x' * 32)}"}).status_code == 401
    assert TOKEN not in cookie_of(TOKEN)


def test_a_cookie_alone_lets_no_other_sites_page_in(door):
    # Given a browser that sends the cookie with another site's request all the same
    headers = {"Cookie": f"{COOKIE}={cookie_of(TOKEN)}", "Origin": "https://evil.example"}
    # Then it is refused
    assert door(Tokens(TOKEN)).post("/evaluate", headers=headers).status_code == 403


def test_after_too_many_wrong_tokens_the_right_one_must_wait_too(door):
    # Given three wrong tokens
    now = [0.0]
    client = door(Tokens(TOKEN), failures=Failures(3, 60, lambda: now[0]))
    for _ in range(3):
        assert client.get("/queue", headers=bearer("wrong")).status_code == 401
    # When the next comes, right or wrong, Then it is not even looked at
    for token in ("wrong", TOKEN):
        answer = client.get("/queue", headers=bearer(token))
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    # And when the time is over, it is
    now[0] = 60.1
    assert client.get("/queue", headers=bearer(TOKEN)).status_code == 200


def test_a_body_that_is_too_large_is_refused_also_without_a_length(door):
    client = door(max_body=100)
    assert client.post("/evaluate", content=b"x" * 100).json()["bytes"] == 100
    assert client.post("/evaluate", content=b"x" * 101).status_code == 413
    assert client.post("/evaluate", content=(b"x" * 50 for _ in range(3))).status_code == 413
    assert client.post("/evaluate", headers={"Content-Length": "many"}).status_code == 413


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
def test_a_websocket_of_another_site_is_refused(door, headers):
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        door().websocket_connect("ws://127.0.0.1:8000/ws", headers=headers),
    ):
        pass
    assert refused.value.code == 4403


def test_a_websocket_needs_the_token_too(door):
    client = door(Tokens(TOKEN, LOOK))
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("ws://127.0.0.1:8000/ws"):
        pass
    assert refused.value.code == 4401
    for headers in (bearer(TOKEN), bearer(LOOK), {"Cookie": f"{COOKIE}={cookie_of(TOKEN)}"}):
        with client.websocket_connect("ws://127.0.0.1:8000/ws", headers=headers) as socket:
            assert socket.receive_text() == "hello"
