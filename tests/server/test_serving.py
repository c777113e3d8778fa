"""The process behind the other tests: it says where it is, and comes back there after a kill."""

import httpx
import pytest


def test_it_says_where_it_is_and_comes_back_there(served, client):
    # Given a server that answers
    assert client.get("/openapi.json").status_code == 200
    base = served.base
    # When it is killed, Then nobody answers
    served.kill()
    with pytest.raises(httpx.TransportError):
        client.get("/openapi.json")
    # When it is started again, Then it is where it was
    assert served.restart() == base
    assert client.get("/openapi.json").status_code == 200


def test_it_ends_by_itself_on_sigterm(served):
    assert served.stop() in (0, -15)
