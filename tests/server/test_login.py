"""The page's way in: a token for a cookie that no script reads and no other site sends."""

import pytest
from starlette.testclient import TestClient

from spoolq.sections import ServerSection
from spoolq.server.access import COOKIE
from spoolq.server.app import create_app

TOKEN, LOOK = "a" * 32, "b" * 32


@pytest.fixture
def client(store):
    clients = []

    def build(**options) -> TestClient:
        app = create_app(store, ServerSection(**options))
        clients.append(TestClient(app, base_url="http://127.0.0.1:8000"))
        return clients[-1]

    yield build
    for one in clients:
        one.close()


def test_a_token_is_exchanged_for_a_cookie(client):
    # Given a server that asks for a token
    page = client(token=TOKEN, read_only_token=LOOK)
    assert page.get("/openapi.json").status_code == 401
    # When the page sends it
    answer = page.post("/login", json={"token": TOKEN})
    # Then the browser gets a cookie, which is not the token, and which scripts and other sites do not get
    assert answer.json() == {"read_only": False}
    cookie = answer.headers["Set-Cookie"].lower()
    assert cookie.startswith(f"{COOKIE}=")
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert TOKEN not in cookie
    # And with it the door is open, until it is given back
    assert page.get("/openapi.json").status_code == 200
    page.post("/logout")
    assert page.get("/openapi.json").status_code == 401


def test_with_the_other_token_the_page_may_only_look(client):
    page = client(token=TOKEN, read_only_token=LOOK)
    assert page.post("/login", json={"token": LOOK}).json() == {"read_only": True}
    assert page.get("/openapi.json").status_code == 200
    assert page.post("/evaluate", json={}).status_code == 403


def test_a_wrong_token_is_refused_and_after_some_unheard(client):
    page = client(token=TOKEN, max_failures=3)
    assert [page.post("/login", json={"token": "x"}).status_code for _ in range(4)] == [401, 401, 401, 429]
    assert page.post("/login", json={"token": TOKEN}).status_code == 429


def test_over_tls_the_cookie_goes_over_tls_only(client, store):
    app = create_app(store, ServerSection(token=TOKEN))
    with TestClient(app, base_url="https://127.0.0.1") as page:
        assert "secure" in page.post("/login", json={"token": TOKEN}).headers["Set-Cookie"].lower()


def test_where_no_token_is_asked_for_there_is_no_cookie(client):
    answer = client().post("/login", json={"token": "anything"})
    assert answer.json() == {"read_only": False}
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("body", [{}, {"token": 5}, {"token": "x" * 5000}])
def test_what_is_no_token_is_a_fault_of_the_request(client, body):
    assert client(token=TOKEN).post("/login", json=body).status_code == 422


def test_another_sites_page_signs_nobody_in(client):
    page = client(token=TOKEN)
    headers = {"Origin": "https://evil.example"}
    assert page.post("/login", json={"token": TOKEN}, headers=headers).status_code == 403
