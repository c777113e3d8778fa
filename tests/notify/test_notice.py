"""The texts that hooks are told."""

import pytest

from spoolq.jobs import blank
from spoolq.notify import notice
from spoolq.transitions import State
from tests.spooltest.jobs import submitted


@pytest.fixture
def stem(store):
    return submitted(store)


def told(store, stem, word="failed", why="", **facts):
    record = {**blank(store, State.FAILED, stem), **facts}
    return notice.texts(store, "h", word, stem, record, why), record


def test_every_placeholder_has_a_text(store, stem):
    # Given a record in which next to nothing is known, When its texts are made, Then each is there, on one line
    texts, _ = told(store, stem)
    assert set(texts) == set(notice.PLACEHOLDERS)
    assert texts["outcome"] == "" and texts["job_id"] == stem.uuid and texts["host"] == "host-a"


@pytest.mark.parametrize(
    ("facts", "subject"),
    [
        ({"recipe": "lm-eval", "request": {"model": "hf", "tasks": ["a", "b"]}, "outcome": "exit"},
         "failed: lm-eval hf a b (exit), "),
        ({"recipe": "command", "request": {"command": ["python", "x.py"]}, "outcome": "succeeded"},
         "failed: command python x.py, "),
        ({"recipe": None, "request": None, "outcome": "invalid"}, "failed:  (invalid), "),
        ({"recipe": "mine", "request": {"model": {"a": 1}, "tasks": 3}, "outcome": None}, "failed: mine {'a': 1} 3, "),
    ],
)  # fmt: skip
def test_the_subject_says_what_ended_and_how(store, stem, facts, subject):
    texts, _ = told(store, stem, **facts)
    assert texts["subject"] == subject + stem.uuid[:8]


def test_the_subject_of_an_empty_queue_and_of_a_job_that_stands_still(store, stem):
    assert told(store, stem, "idle")[0]["subject"].startswith("idle: the queue of ")
    assert told(store, stem, "stuck", "it is quiet")[0]["error"] == "it is quiet"


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{group}", " -x"),
        ("{tasks}{group}", " -x"),
        ("a{group}", "a-x"),
        ("--group={group}", "--group=-x"),
        ("-v", "-v"),
        ("{{{group}}}", "{-x}"),
        ("", ""),
    ],
)
def test_an_element_is_an_option_only_if_the_operator_wrote_it_so(store, stem, template, filled):
    texts, _ = told(store, stem, group="-x")
    assert notice.argv(("p", template), texts) == ["p", filled]


def test_braces_in_a_value_are_no_placeholder(store, stem):
    texts, _ = told(store, stem, group="{job_id} {{}} {")
    assert notice.argv(("p", "{group}"), texts) == ["p", "{job_id} {{}} {"]


def test_a_text_is_short_and_on_one_line(store, stem):
    texts, _ = told(store, stem, error="a\nb\x00\x1b" + "x" * 5000 + "the end")
    assert len(texts["error"]) < 1010 and texts["error"].startswith("a b") and texts["error"].endswith("the end")
    assert all(ord(letter) >= 32 for letter in texts["error"])


def test_the_document_has_the_record_with_secrets_masked(store, stem):
    texts, record = told(store, stem, request={"env": {"HF_TOKEN": "hunter2", "SEED": "1"}}, error="e" * 5000)
    document = notice.document(texts, record)
    assert document["job"]["request"] == {"env": {"HF_TOKEN": "***", "SEED": "1"}}
    assert document["job"]["error"] == "e" * 5000 and document["event"] == "failed"
    assert record["request"]["env"]["HF_TOKEN"] == "hunter2", "the record itself stays as it is"


def test_the_environment_has_the_same_texts(store, stem):
    texts, _ = told(store, stem)
    environment = notice.environment(texts)
    assert environment["SPOOLQ_SUBJECT"] == texts["subject"] and len(environment) == len(texts)
