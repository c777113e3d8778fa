"""The server as a worker sees it: what is asked, and what each answer means."""

import socket
import threading

import pytest

from spoolq.worker.patience import Stopped, insist
from spoolq.worker.server import Offer, Refused, Server, Unreachable
from tests.worker.answering import answering

JOB = {"job": {"id": 3, "payload": {"task": "x"}, "resource_type": "a_1"}}


def test_a_job_is_taken_by_the_originals_route():
    # Given a server with a job and a token, When a worker asks, Then it has it, and was asked in the original's way
    with answering(lambda *_: (200, JOB)) as server:
        assert Server(server.url + "/", "me 1", "secret").claim(2.5) == Offer("3", {"task": "x"}, "a_1")
        assert server.asked == [("GET", "/job", {"worker": "me 1", "wait": "2.5"})]
        assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("body", [{"job": None}, {}])
def test_no_job_is_none(body):
    with answering(lambda *_: (200, body)) as server:
        assert Server(server.url, "me").claim(0) is None


@pytest.mark.parametrize(
    "body", [{"job": 3}, {"job": {"id": 1}}, {"job": {"id": 1, "payload": 5, "resource_type": "a"}}]
)
def test_what_is_no_job_is_refused(body):
    # Given a server that answers something else, When it is asked for a job, Then the words name it
    with answering(lambda *_: (200, body)) as server, pytest.raises(Refused, match="none of a job queue's"):
        Server(server.url, "me").claim(0)


def test_a_name_with_odd_letters_is_one_part_of_the_path():
    # Given a job's id with a slash and a question mark, When it is spoken of, Then it is quoted
    with answering(lambda *_: (200, {"status": "ok"})) as server:
        asked = Server(server.url, "me")
        assert asked.keep("a/b?c") and asked.done("a/b?c") and asked.fail("a/b?c", "why\nnot", 3, "exit")
        assert server.paths() == ["POST /job/a%2Fb%3Fc/heartbeat", "POST /done/a%2Fb%3Fc", "POST /fail/a%2Fb%3Fc"]
        assert server.asked[2][2] == {"worker": "me", "error": "why\nnot", "outcome": "exit", "exit_code": "3"}


@pytest.mark.parametrize("status", [400, 404])
def test_a_job_that_is_not_ours_any_more(status):
    # Given a server that says so, with either status, When the worker speaks of its job, Then it learns that
    with answering(lambda *_: (status, {"detail": "Job not assigned to worker"})) as server:
        asked = Server(server.url, "me")
        assert (asked.keep("1"), asked.done("1"), asked.fail("1", "", None, "lost")) == (False, False, False)


def test_the_original_has_no_route_for_a_failure():
    # Given a server without it, When a job has failed, Then that was all one can do; other routes must be there
    with answering(lambda *_: (404, {"detail": "Not Found"})) as server:
        asked = Server(server.url, "me")
        assert asked.fail("1", "why", 1, "exit")
        with pytest.raises(Refused, match="404 Not Found"):
            asked.keep("1")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, {"detail": "oh"}, Unreachable),
        (503, "busy", Unreachable),
        (429, {"detail": "later"}, Unreachable),
        (401, {"detail": "a token is needed"}, Refused),
        (422, {"detail": [{"loc": ["query"]}]}, Refused),
        (200, "<html>", Unreachable),
        (200, [1], Unreachable),
    ],
)
def test_what_may_work_later_is_told_from_what_never_will(status, body, error):
    # Given an answer, When a job is asked for, Then the error says which of the two it is, and what was said
    with answering(lambda *_: (status, body)) as server, pytest.raises(error, match=server.url) as raised:
        Server(server.url, "me").claim(0)
    assert error is Unreachable or str(status) in str(raised.value)


def test_nobody_there_is_unreachable():
    # Given a port where nobody listens, When it is asked, Then the words say why
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unreachable, match="Connection refused"):
            Server(url, "me").claim(0)


def test_an_answer_that_is_cut_off_is_unreachable():
    # Given a server that dies in the middle of an answer, When it is asked, Then whether it was done is not known
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"job"')

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(Unreachable):
            Server(f"http://127.0.0.1:{listener.getsockname()[1]}", "me").claim(0)
        thread.join()


def test_leases_are_given_back_by_their_index():
    # Given a server that says what we hold, When it is given back, Then by the index that acquiring it again tells
    def answer(_method, path, _query):
        held = {"status": "ok", "resources_heartbeated": {"a_1": 1}}
        return 200, held if path == "/heartbeat" else {"index": 7, "resource": {}}

    with answering(answer) as server:
        asked = Server(server.url, "me")
        assert asked.keep_leases() == {"a_1": 1}
        asked.release("a_1", "3")
        assert server.asked[1:] == [
            ("POST", "/resource/a_1/acquire", {"worker": "me", "job_id": "3"}),
            ("POST", "/resource/a_1/release", {"worker": "me", "job_id": "3", "resource_idx": "7"}),
        ]


def test_a_worker_insists_until_the_server_is_there():
    # Given a server that cannot answer twice, When a worker insists, Then it gets its answer, and complained once
    left = [500, 503]
    said: list[str] = []
    with answering(lambda *_: (left.pop(), {}) if left else (200, {"job": None})) as server:
        asked = Server(server.url, "me")
        assert insist(lambda: asked.claim(0), threading.Event(), said.append) is None
    assert len(said) == 1 and "503" in said[0]


def test_a_worker_that_is_told_to_stop_tries_once():
    # Given a server that cannot answer, and a worker that was told to stop, When it insists, Then it gives up
    told = threading.Event()
    told.set()
    with answering(lambda *_: (503, {})) as server, pytest.raises(Stopped):
        insist(lambda: Server(server.url, "me").claim(0), told, lambda _: None)
    assert len(server.asked) == 1


def test_a_limit_ends_the_insisting():
    # Given a server that cannot answer, When a worker insists for less than the first pause, Then it tries once
    with answering(lambda *_: (503, {})) as server, pytest.raises(Stopped):
        insist(lambda: Server(server.url, "me").claim(0), threading.Event(), lambda _: None, within=0.1)
    assert len(server.asked) == 1
