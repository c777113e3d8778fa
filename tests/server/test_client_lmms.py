"""EvalClient and AsyncEvalClient: lmms-eval's names, parameters, defaults and messages; a cancelled job ends a wait."""

import asyncio
import inspect
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

import spoolq
from spoolq.client import AsyncEvalClient, EvalClient, JobCancelled

JOB = "abcdef01-0000-4000-8000-000000000000"


class Recorder:
    """A server that writes down what it is asked, and answers from a list."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str | None]] = []
        self.answers: list[tuple[int, Any]] = []
        recorder = self

        class Answers(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                said = json.loads(body) if body else None
                recorder.asked.append((self.command, self.path, said, self.headers.get("authorization")))
                status, document = recorder.answers.pop(0) if len(recorder.answers) > 1 else recorder.answers[0]
                data = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server(monkeypatch) -> Iterator[Recorder]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = Recorder()
    made.answers = [(200, {"a": 1})]
    yield made
    made.close()


#: A method, its arguments, and the request that it makes.
CALLS: list[tuple[str, dict[str, Any], tuple[str, str, Any]]] = [
    ("health", {}, ("GET", "/health", None)),
    ("get_job", {"job_id": JOB}, ("GET", f"/jobs/{JOB}", None)),
    ("cancel_job", {"job_id": JOB}, ("DELETE", f"/jobs/{JOB}", None)),
    ("get_queue_status", {}, ("GET", "/queue", None)),
    (
        "merge_checkpoint",
        {"checkpoint_path": "/c"},
        ("POST", "/merge", {"checkpoint_path": "/c", "output_path": None, "checkpoint_type": "regular"}),
    ),
]
LEAST = {"model": "m", "tasks": ["t"]}


@pytest.mark.parametrize("name, said, request_", CALLS, ids=[call[0] for call in CALLS])
def test_each_method_makes_its_request(server, name, said, request_):
    # Given a server, When the method is called on either client, Then it asks that, and gives the answer
    with EvalClient(server.base + "/") as client:
        assert getattr(client, name)(**said) == {"a": 1}

    async def ask() -> Any:
        async with AsyncEvalClient(server.base + "/") as other:
            return await getattr(other, name)(**said)

    assert asyncio.run(ask()) == {"a": 1}
    assert [asked[:3] for asked in server.asked] == [request_, request_]


def test_a_request_holds_what_is_not_none(server):
    with EvalClient(server.base) as client:
        client.evaluate("m", ["t"])
        client.evaluate("m", ["t"], {"p": 1}, 0, "auto", "cuda:0", 0.5, "x=1", False, True, 2, "/o")
    least, most = (asked[2] for asked in server.asked)
    assert least == {**LEAST, "log_samples": True, "predict_only": False, "num_gpus": 1}
    assert most == {
        **LEAST, "model_args": {"p": 1}, "num_fewshot": 0, "batch_size": "auto", "device": "cuda:0", "limit": 0.5,
        "gen_kwargs": "x=1", "log_samples": False, "predict_only": True, "num_gpus": 2, "output_dir": "/o",
    }  # fmt: skip


def test_the_asynchronous_one_sends_only_what_is_said(server):
    async def ask() -> None:
        async with AsyncEvalClient(server.base) as client:
            await client.evaluate("m", ["t"], limit=3)

    asyncio.run(ask())
    assert server.asked[0][2] == {**LEAST, "limit": 3}


def test_parameters_and_defaults_are_those_of_the_original():
    def defaults(method: Any) -> dict[str, Any]:
        parameters = list(inspect.signature(method).parameters.values())[1:]
        return {parameter.name: parameter.default for parameter in parameters}

    for kind in (EvalClient, AsyncEvalClient):
        assert defaults(kind.wait_for_job) == {
            "job_id": inspect.Parameter.empty, "poll_interval": 5.0, "timeout": None, "verbose": True,
        }  # fmt: skip
        assert list(defaults(kind.__init__).items())[:2] == [("base_url", "http://localhost:8000"), ("timeout", None)]
    assert list(defaults(EvalClient.evaluate)) == [
        "model", "tasks", "model_args", "num_fewshot", "batch_size", "device", "limit", "gen_kwargs", "log_samples",
        "predict_only", "num_gpus", "output_dir",
    ]  # fmt: skip


def test_lists_are_given_alone(server):
    server.answers = [(200, {"tasks": ["a"], "models": ["b"], "error": "x"})]
    with EvalClient(server.base) as client:
        assert (client.list_tasks(), client.list_models()) == (["a"], ["b"])

    async def ask() -> Any:
        async with AsyncEvalClient(server.base) as other:
            return await other.list_tasks(), await other.list_models()

    assert asyncio.run(ask()) == (["a"], ["b"])


def test_health_is_a_yes_or_a_no_whatever_happens(server):
    async def ask(base: str) -> bool:
        async with AsyncEvalClient(base) as other:
            return await other.is_healthy()

    for answer, expected in (((200, {"status": "healthy"}), True), ((200, {}), False), ((500, []), False)):
        server.answers = [answer]
        with EvalClient(server.base) as client:
            assert client.is_healthy() is expected
        assert asyncio.run(ask(server.base)) is expected
    with EvalClient("http://127.0.0.1:1") as nobody:
        assert nobody.is_healthy() is False


def test_a_token_is_sent(server):
    with EvalClient(server.base, token="secret") as client:
        client.health()
    assert server.asked[0][3] == "Bearer secret"


def test_what_is_no_success_raises(server):
    server.answers = [(404, {"detail": "Job x not found"})]
    with EvalClient(server.base) as client, pytest.raises(httpx.HTTPStatusError) as raised:
        client.get_job("x")
    assert raised.value.response.json() == {"detail": "Job x not found"}


def states(*statuses: str, **facts: Any) -> list[tuple[int, dict[str, Any]]]:
    return [
        (200, {"job_id": JOB, "status": status, "position_in_queue": 2, "error": None, **facts}) for status in statuses
    ]


def waited(server: Recorder, kind: str, **said: Any) -> Any:
    """Wait for JOB by the client of that *kind*."""
    if kind == "sync":
        with EvalClient(server.base) as client:
            return client.wait_for_job(JOB, poll_interval=0.001, **said)

    async def wait() -> Any:
        async with AsyncEvalClient(server.base) as client:
            return await client.wait_for_job(JOB, poll_interval=0.001, **said)

    return asyncio.run(wait())


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


def test_a_wait_tells_and_gives_the_whole_job(server, kind, capsys):
    # Given a job that waits, runs and completes
    server.answers = states("queued", "running", "completed", result={"m": {}})
    assert waited(server, kind)["result"] == {"m": {}}
    # Then each state was told, in the original's words
    assert capsys.readouterr().out.splitlines() == [
        "Job abcdef01... queued (position: 2)", "Job abcdef01... running", "Job abcdef01... completed!",
    ]  # fmt: skip
    assert len(server.asked) == 3


def test_a_wait_can_be_silent(server, kind, capsys):
    server.answers = states("queued", "completed")
    waited(server, kind, verbose=False)
    assert capsys.readouterr().out == ""


def test_a_wait_for_a_job_that_failed_or_was_cancelled_raises(server, kind):
    server.answers = states("failed", error="rc 3")
    with pytest.raises(RuntimeError, match=r"^Job failed: rc 3$"):
        waited(server, kind)
    server.answers = states("cancelled", error="cancelled before it ran")
    with pytest.raises(JobCancelled, match=r"^Job cancelled: cancelled before it ran$"):
        waited(server, kind)
    assert issubclass(JobCancelled, RuntimeError)


def test_a_wait_has_a_limit_that_is_looked_at_after_each_look(server, kind):
    server.answers = states("queued")
    with pytest.raises(TimeoutError, match=f"^Timeout waiting for job {JOB}$"):
        waited(server, kind, timeout=0.02, verbose=False)
    assert len(server.asked) >= 2
    # 0 is none: it waits until the job has completed.
    server.answers = states(*["queued"] * 5, "completed")
    assert waited(server, kind, timeout=0, verbose=False)["status"] == "completed"


def test_a_job_that_has_gone_raises(server, kind):
    server.answers = [*states("queued"), (404, {"detail": "gone"})]
    with pytest.raises(httpx.HTTPStatusError):
        waited(server, kind, verbose=False)


def test_they_are_names_of_the_package():
    assert (spoolq.EvalClient, spoolq.AsyncEvalClient) == (EvalClient, AsyncEvalClient)


def test_without_httpx_the_extra_is_named():
    # Given a Python without httpx
    code = "import sys; sys.modules['httpx'] = None\nimport spoolq\ntry:\n    spoolq.EvalClient\n"
    code += "except ModuleNotFoundError as error:\n    print(error)\n"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == (
        "cannot use spoolq.client: httpx is not installed. Install the extra: pip install 'spoolq[client]'.\n"
    )
