"""Every route against its own OpenAPI document: no 500, no status, no type, and no body that it does not tell of.

Requests are made by schemathesis, some of them fitting the document and some not, always the same ones. For more of
them: `SPOOLQ_SCHEMA_EXAMPLES=500 pytest tests/server/test_schema.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from spoolq.stock import add
from spoolq.submit import publish
from tests.server.conftest import Served
from tests.spooltest.jobs import claimed, ended, submitted

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
#: The groups of routes; a new one must be listed, or the last test here fails.
TAGS = (
    "jobs", "queue", "logs", "results", "workers", "metrics", "page", "lmms-eval", "eval-jobqueue", "benchmark runs",
)  # fmt: skip
#: Requests of each kind to each route; fewer where one takes seconds: a harness is imported, a start is waited for.
EXAMPLES = int(os.environ.get("SPOOLQ_SCHEMA_EXAMPLES", "20"))
SLOW = {"/merge": 2, "/tasks": 1, "/models": 1, "/api/benchmark/start": 2}
#: What the original answers with 500, and so do we: it is written down, and no fault of the server.
SAYS_500 = {"/merge": ("lmms_engine not available: ", "Merge failed: ")}
#: What the benchmark runs run; nobody does here.
RECIPE = """
[recipes.orchestrator]
command = ["true", "{experiments}", "{n}", "{seed}", "{perf_rounds}", ["--no-perf", "{no_perf}"], ["--ci", "{ci_mode}"]]
[recipes.orchestrator.parameters]
experiments = { type = "list", default = ["all"] }
n = { type = "int", default = 1000 }
seed = { type = "int", default = 42 }
perf_rounds = { type = "int", default = 5 }
no_perf = { type = "bool" }
ci_mode = { type = "bool" }
notes = { type = "str", default = "" }
"""
#: What a route may wait for a resource, in seconds, however long it is asked to.
WAIT = "0.05"


@dataclass
class Target:
    """A server with jobs in every state, and its document."""

    base: str
    schema: Any
    session: requests.Session
    ids: list[str]
    said: Any

    def operations(self, tag: str) -> list[Any]:
        """Its operations with that tag."""
        found = [result.ok() for result in self.schema.get_all_operations()]
        return [operation for operation in found if tag in operation.definition.raw.get("tags", ())]


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Iterator[Target]:
    """It has its own spool; what is pruned or cancelled there is nobody's."""
    served = Served(tmp_path_factory.mktemp("schema"))
    served.settings(RECIPE)
    store = served.store
    add(store, "sim", {"host": "a", "port": 1})
    stems = [submitted(store), claimed(store, submitted(store)).running.stem]
    stems.append(publish(store, {"request": {"x": 1}, "resource_type": "sim"}))
    stems += [ended(store, submitted(store), outcome).stem for outcome in ("succeeded", "exit", "cancelled")]
    store.layout.run(stems[0].key).path.mkdir(parents=True)
    store.layout.run(stems[0].key).log.write_text("hello\nworld\n")
    served.start(env={"SPOOLQ_LOCK_DIR": str(tmp_path_factory.mktemp("locks"))})
    session = requests.Session()
    session.trust_env = False
    document = session.get(f"{served.base}/openapi.json", timeout=30).json()
    yield Target(served.base, schemathesis.openapi.from_dict(document), session, [s.uuid for s in stems], served.said)
    session.close()
    served.stop()
    assert "Traceback" not in served.said()


def check(target: Target, operation: Any, examples: int) -> None:
    """Send requests that fit the operation, and such that do not; check each answer."""
    takes = bool(operation.body) or any(True for _ in operation.iter_parameters())
    for mode in schemathesis.GenerationMode:
        if mode is schemathesis.GenerationMode.NEGATIVE and not takes:
            continue

        @hypothesis.seed(20261120)
        @hypothesis.settings(
            max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode), known=st.none() | st.sampled_from(target.ids))
        def send(case: Any, known: str | None) -> None:
            for name in case.path_parameters or {}:
                if known is not None and name in ("id", "job_id"):
                    case.path_parameters[name] = known
            if "wait" in (case.query or {}):
                case.query["wait"] = WAIT
            if is_stream(operation):
                check_stream(target, case)
            else:
                response = case.call(base_url=target.base, session=target.session, timeout=30)
                # A 500 that is documented is another server's contract: a client of lmms-eval expects it.
                told = "500" in operation.definition.raw["responses"]
                case.validate_response(response, checks=CHECKS[1:] if told else CHECKS)

        try:
            send()
        except Unsatisfiable:  # any text is a text: nothing that goes into a path does not fit
            assert mode is schemathesis.GenerationMode.NEGATIVE


def is_stream(operation: Any) -> bool:
    """Whether its answer has no end."""
    return "text/event-stream" in operation.definition.raw["responses"].get("200", {}).get("content", {})


def check_stream(target: Target, case: Any) -> None:
    """Look at the beginning of an answer, and let it go."""
    sent = case.as_transport_kwargs(base_url=target.base)
    with target.session.request(**sent, stream=True, timeout=30) as response:
        assert str(response.status_code) in case.operation.definition.raw["responses"], response.status_code
        expected = "text/event-stream" if response.status_code == 200 else "application/json"
        assert response.headers["content-type"].startswith(expected)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("tag", TAGS)
def test_routes_keep_to_their_document(target, tag):
    for operation in target.operations(tag):
        check(target, operation, min(EXAMPLES, SLOW.get(operation.path, EXAMPLES)))


def test_every_route_is_described_and_has_a_known_tag(target):
    for result in target.schema.get_all_operations():
        raw = result.ok().definition.raw
        assert set(raw.get("tags", ())) & set(TAGS), f"{result.ok().label}: list its tag"
        assert raw.get("summary") and raw.get("description"), f"{result.ok().label} does not say what it does"
        for status, answer in raw["responses"].items():
            assert answer.get("content") or status in ("204", "304"), f"{result.ok().label}: {status} says nothing"
