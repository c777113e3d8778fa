"""What lmms-eval's dialect answers to requests with faults: 422, an entry each, as the original's clients parse it."""

import dataclasses
import json
import os

import pytest

from spoolq import requests
from spoolq.find import find
from spoolq.sections import ServerSection
from spoolq.server.lmms_models import EvaluateRequest
from spoolq.server.lmms_submit import document_of
from tests.server.dialect import FILLED, REQUEST, bare
from tests.spooltest.trees import queue

MISSING = {"type": "missing", "msg": "Field required"}
INT, FLOAT = "Input should be a valid integer", "Input should be a valid number"
PART = f"{INT}, got a number with a fractional part"
#: A body, and for each fault: type, loc without "body", msg, input.
FAULTS = {
    "{}": [("missing", ["model"], "Field required", {}), ("missing", ["tasks"], "Field required", {})],
    "": [("missing", [], "Field required", None)],
    "null": [
        ("model_attributes_type", [], "Input should be a valid dictionary or object to extract fields from", None)
    ],
    '{"model":"m","tasks":"a"}': [("list_type", ["tasks"], "Input should be a valid list", "a")],
    '{"model":1,"tasks":[]}': [("string_type", ["model"], "Input should be a valid string", 1)],
    '{"model":"m","tasks":["a",2]}': [("string_type", ["tasks", 1], "Input should be a valid string", 2)],
    '{"model":"m","tasks":[],"model_args":"a=b"}': [
        ("dict_type", ["model_args"], "Input should be a valid dictionary", "a=b")
    ],
    '{"model":"m","tasks":[],"num_gpus":1.5}': [("int_from_float", ["num_gpus"], PART, 1.5)],
    '{"model":"m","tasks":[],"limit":"x"}': [
        ("int_parsing", ["limit", "int"], f"{INT}, unable to parse string as an integer", "x"),
        ("float_parsing", ["limit", "float"], f"{FLOAT}, unable to parse string as a number", "x"),
    ],
    '{"model":"m","tasks":[],"batch_size":1.5}': [
        ("int_from_float", ["batch_size", "int"], PART, 1.5),
        ("string_type", ["batch_size", "str"], "Input should be a valid string", 1.5),
    ],
    '{"model":"m","tasks":[],"log_samples":"maybe"}': [
        ("bool_parsing", ["log_samples"], "Input should be a valid boolean, unable to interpret input", "maybe")
    ],
    '{"model":NaN,"tasks":[]}': [("string_type", ["model"], "Input should be a valid string", "nan")],
}


@pytest.mark.parametrize("body", FAULTS)
def test_a_fault_is_an_entry(lmms, store, body):
    # Given a body with faults, When it is sent, Then each is told as FastAPI tells it, and nothing is queued
    answer = bare(lmms.client, body.encode())
    expected = [
        {"type": kind, "loc": ["body", *where], "msg": message, "input": given}
        for kind, where, message, given in FAULTS[body]
    ]
    assert (answer.status_code, answer.json()) == (422, {"detail": expected})
    assert queue(store) == []


def test_what_is_no_json_says_where(lmms):
    answer = bare(lmms.client, b'{"model": "m",')
    (entry,) = answer.json()["detail"]
    assert (answer.status_code, entry["type"], entry["msg"]) == (422, "json_invalid", "JSON decode error")
    assert entry["loc"] == ["body", 14] and entry["input"] == {} and list(entry["ctx"]) == ["error"]


def test_what_is_not_said_to_be_json_is_no_request(lmms):
    answer = bare(lmms.client, json.dumps(REQUEST).encode(), **{"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "model_attributes_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/ld+json"])
def test_json_by_another_name_is_one(lmms, kind):
    assert bare(lmms.client, json.dumps(REQUEST).encode(), **{"content-type": kind}).status_code == 200


#: What the original queues, and this one does not: the field, and a value that an evaluation could not have.
NOT_TAKEN = [
    (["model"], "--model", "begins with `-`"),
    (["tasks", 1], "--help", "begins with `-`"),
    (["gen_kwargs"], "-x", "begins with `-`"),
    (["model"], "a\0b", "NUL"),
    (["output_dir"], "/etc/cron.d", "under no directory"),
    (["output_dir"], "relative", "not absolute"),
    (["tasks", 0], "/etc/task.yaml", "under no directory"),
    (["model_args", "a"], "x,y", "holds ','"),
]


@pytest.mark.parametrize("where, value, said", NOT_TAKEN)
def test_what_no_evaluation_could_have_is_refused_in_the_same_form(lmms, store, where, value, said):
    # Given a request with that value
    body = {**REQUEST, "tasks": ["mme", "mmmu"], "model_args": {}}
    inner = body
    for part in where[:-1]:
        inner = inner[part]
    inner[where[-1]] = value
    # When it is sent, Then the entry names the field and shows the value, and nothing is queued
    answer = bare(lmms.client, json.dumps(body).encode())
    (entry,) = answer.json()["detail"]
    assert (answer.status_code, entry["type"], entry["loc"]) == (422, "value_error", ["body", *where])
    assert entry["input"] == value and said in entry["msg"]
    assert queue(store) == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"'])
def test_what_json_cannot_say_back_is_refused_and_never_500(lmms, store, value):
    for body in ('{"model":"m","tasks":[],"model_args":{"a":%s}}', '{"model":"m","tasks":["a"],"limit":%s}'):
        answer = bare(lmms.client, (body % value).encode())
        assert answer.status_code == 422
        assert isinstance(answer.json()["detail"], list)
    assert queue(store) == []


def test_a_body_that_is_too_large(lmms_servers):
    lmms = lmms_servers(max_body=1000)
    big = json.dumps({**REQUEST, "model": "m" * 2000}).encode()
    assert bare(lmms.client, big).status_code == 413
    # Also one that does not say how long it is.
    chunks = (big[at : at + 500] for at in range(0, len(big), 500))
    answer = lmms.client.post("/evaluate", content=chunks, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_a_body_without_a_length_is_taken(lmms, store):
    body = json.dumps(REQUEST).encode()
    answer = lmms.client.post(
        "/evaluate", content=iter([body[:10], body[10:]]), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200
    assert queue(store) == [answer.json()["job_id"]]


def test_only_a_directory_that_the_operator_has_opened_is_taken(lmms_servers, store, tmp_path):
    # Given a root under [server], and a link in it that leads out of it
    root = tmp_path / "scores"
    root.mkdir()
    (root / "out").symlink_to("/etc")
    server = ServerSection(output_roots=[str(root)])
    store.settings = dataclasses.replace(store.settings, server=server)
    lmms = lmms_servers()
    # When directories are named, Then the one inside is taken, also by the runner's own check; behind the link is not
    job = lmms.submit(output_dir=str(root / "mine"))
    assert lmms.job(job)["request"]["output_dir"] == str(root / "mine")
    path = store.layout.queued(find(store, job).stem)
    assert requests.read(path.read_bytes(), os.getuid(), store.settings).request["output_dir"] == str(root / "mine")
    assert lmms.evaluate(422, output_dir=str(root / "out"))["detail"][0]["loc"] == ["body", "output_dir"]


def test_another_recipe_is_told_only_what_was_said():
    # Given a spool whose default is another harness
    said = EvaluateRequest(model="hf", tasks=["mmlu"], limit=8, num_gpus=0, output_dir="", batch_size=0)
    # When a request is made into its document, Then fields that it may not have are left out unless they say something
    assert document_of(said, "lm-eval") == {
        "recipe": "lm-eval", "request": {"model": "hf", "tasks": ["mmlu"], "limit": 8},
    }  # fmt: skip
    assert document_of(said, "lmms-eval")["request"] == {
        **FILLED, "model": "hf", "tasks": ["mmlu"], "limit": 8, "num_gpus": 0, "output_dir": "", "batch_size": 0,
    }  # fmt: skip


def test_recipes_that_are_not_open_are_refused(lmms_servers):
    (entry,) = lmms_servers(recipes=["command"]).evaluate(422)["detail"]
    assert entry["loc"] == ["body", "recipe"] and "not open to requests over HTTP" in entry["msg"]


LAX = [
    {},
    {"num_fewshot": "3", "limit": "0.5", "batch_size": "8", "log_samples": "no", "num_gpus": "2", "colour": 1},
    {"limit": 8.0, "batch_size": 1, "predict_only": 0, "model_args": {"b": 1, "a": "org/x", "c": None}, "tasks": []},
    {"limit": None, "gen_kwargs": "", "device": "cpu", "num_gpus": 0, "output_dir": ""},
    {"limit": True, "num_fewshot": False, "batch_size": True, "model": "m é"},
]


@pytest.mark.parametrize("said", LAX)
def test_past_the_router_the_same_is_queued_as_by_the_route(lmms, store, said):
    # Given a request that the lane takes, and the same by a name that it leaves to the route
    body = json.dumps({**REQUEST, **said}).encode()
    answers = [bare(lmms.client, body, **{"content-type": f"application/json{end}"}) for end in ("", "; charset=utf-8")]
    # Then both files are the same to the byte, and the answers differ by id and position alone
    assert [answer.status_code for answer in answers] == [200, 200]
    quick, slow = (store.layout.queued(find(store, answer.json()["job_id"]).stem).read_bytes() for answer in answers)
    assert quick == slow
    assert [answer.json()["position_in_queue"] for answer in answers] == [0, 1]
    assert answers[0].json().keys() == answers[1].json().keys()
