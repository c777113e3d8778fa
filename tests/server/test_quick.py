"""The way past the router: what is plain is answered there, everything else as if nobody had looked at it."""

import pytest
from fastapi import FastAPI, HTTPException, Request
from starlette.testclient import TestClient

from spoolq.errors import NotAllowed, SpoolUnusable
from spoolq.server import faults
from spoolq.server.figures import route_of
from spoolq.server.quick import Lanes, Quick

JSON = {"content-type": "application/json"}


@pytest.fixture
def asked():
    """What the lanes were asked."""
    return []


@pytest.fixture
def client(asked):
    app, lanes = FastAPI(), Lanes()

    @app.get("/things/{name}")
    async def thing(name: str) -> dict[str, str]:
        if name == "gone":
            raise HTTPException(404, "no such thing")
        return {"by": "route", "name": name}

    @app.post("/things")
    async def make(request: Request) -> dict[str, str]:
        return {"by": "route", "body": (await request.body()).decode()}

    async def quick_thing(name: str, body: bytes) -> bytes | None:
        asked.append((name, body))
        if name == "refused":
            raise NotAllowed("cannot: /the/spool/x is not yours. Ask.")
        if name == "broken":
            raise OSError("/the/spool/x is broken")
        return b'{"by":"lane"}' if name == "plain" else None

    async def quick_make(_rest: str, body: bytes) -> bytes | None:
        asked.append(("", body))
        if body == b"{}":
            raise SpoolUnusable("cannot submit to /the/spool. Mend it.")
        return b'{"by":"lane"}' if body.startswith(b"{") else None

    lanes.add("GET", "/things/{name}", quick_thing)
    lanes.add("POST", "/things", quick_make)
    faults.install(app, "/the/spool")
    app.add_middleware(Quick, lanes=lanes, root="/the/spool")
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


def test_what_is_plain_is_answered_by_the_lane(client):
    answer = client.get("/things/plain")
    assert answer.json() == {"by": "lane"}
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("application/json", "13")


def test_what_a_lane_leaves_goes_to_its_route(client, asked):
    assert client.get("/things/other").json() == {"by": "route", "name": "other"}
    assert client.get("/things/gone").status_code == 404
    assert asked == [("other", b""), ("gone", b"")]


OTHERS = ["GET /things", "GET /other/plain", "PUT /things/plain", "GET /things/a/plain", "GET /thingsplain", "GET /"]


@pytest.mark.parametrize("line", OTHERS)
def test_other_paths_and_methods_are_nobodys(client, asked, line):
    client.request(*line.split())
    assert asked == []


def test_a_body_is_read_once_and_given_on(client):
    assert client.post("/things", content=b'{"a":1}', headers=JSON).json() == {"by": "lane"}
    assert client.post("/things", content=b"[1]", headers=JSON).json() == {"by": "route", "body": "[1]"}


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-8", None])
def test_a_body_that_is_not_plainly_json_is_not_looked_at(client, asked, kind):
    headers = {"content-type": kind} if kind else {}
    assert client.post("/things", content=b'{"a":1}', headers=headers).json()["by"] == "route"
    assert asked == []


def test_a_body_without_a_length_is_not_looked_at(client, asked):
    answer = client.post("/things", content=iter([b'{"a"', b":1}"]), headers=JSON)
    assert answer.json() == {"by": "route", "body": '{"a":1}'}
    assert asked == []


@pytest.mark.parametrize("name, status", [("refused", 409), ("broken", 503)])
def test_a_fault_is_answered_as_everywhere(client, name, status):
    answer = client.get(f"/things/{name}")
    assert answer.status_code == status
    assert "/the/spool" not in answer.text and "detail" in answer.json()


def test_a_spool_that_cannot_be_used_is_503(client):
    assert client.post("/things", content=b"{}", headers=JSON).status_code == 503


def test_the_lane_says_which_route_it_is():
    lanes = Lanes()

    async def nothing(_rest: str, _body: bytes) -> bytes | None:
        return None

    lanes.add("GET", "/things/{name}", nothing)
    scope = {"type": "http", "method": "GET", "path": "/things/x"}
    found = lanes.find(scope)
    assert found is not None
    lane, rest = found
    assert rest == "x" and route_of({**scope, "route": lane}) == "/things/{name}"
