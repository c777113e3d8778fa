"""The two documents of the protocol: what is submitted, and the record of a job."""

import pytest
from pydantic import ValidationError

from spoolq.errors import RequestInvalid
from spoolq.jobs import POLICY, blank
from spoolq.models import Envelope, JobInfo, is_record, parse_envelope
from spoolq.names import new_stem
from spoolq.transitions import State


def test_a_bare_request_is_an_envelope_without_policy():
    # Given a document that has no `request`, When it is parsed, Then all of it is the request
    envelope = parse_envelope({"model": "hf", "tasks": ["a"], "priority": "high"})
    assert envelope == Envelope(request={"model": "hf", "tasks": ["a"], "priority": "high"})
    assert envelope.priority == "normal"


def test_an_envelope_carries_policy_in_the_forms_that_people_write():
    # Given durations as text
    envelope = parse_envelope(
        {
            "request": {"command": ["x"]},
            "recipe": "command",
            "priority": "urgent",
            "timeout": "2h",
            "grace": "500ms",
            "max_attempts": 5,
            "retry_on": ["lost", "exit"],
        }
    )
    # When it is parsed, Then they are seconds
    assert (envelope.timeout, envelope.grace, envelope.max_attempts) == (7200, 0.5, 5)
    assert (envelope.priority, envelope.recipe, envelope.retry_on) == ("urgent", "command", ["lost", "exit"])


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"priorty": "high"}, "priorty"),
        ({"priority": "soon"}, "priority"),
        ({"priority": ["high"]}, "priority"),
        ({"timeout": "0"}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": []}, "timeout"),
        ({"timeout": {"h": 1}}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"grace": [1]}, "grace"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 101}, "max_attempts"),
        ({"max_attempts": "many"}, "max_attempts"),
        ({"retry_on": "lost"}, "retry_on"),
        ({"retry_on": ["succeeded"]}, "retry_on"),
        ({"recipe": 1}, "recipe"),
        ({"resource_type": ""}, "resource_type"),
        ({"resource_type": "../a"}, "resource_type"),
        ({"resource_type": ".a"}, "resource_type"),
        ({"resource_type": "a" * 65}, "resource_type"),
        ({"resource_type": "a\n"}, "resource_type"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "x" * 201}, "external_id"),
        ({"external_id": "a\nb"}, "external_id"),
        ({"external_id": 7}, "external_id"),
        ({"attempts_before": -1}, "attempts_before"),
        ({"attempts_before": "some"}, "attempts_before"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_its_field(policy, field):
    # Given an envelope with one wrong field of whatever type
    with pytest.raises(RequestInvalid) as caught:
        parse_envelope({"request": {"command": ["x"]}, **policy})
    # When it is parsed, Then the error, which is always the same one, names the field
    assert f"`{field}" in str(caught.value)
    assert (caught.value.field or "").split(".")[0] == field


def test_an_unknown_field_is_told_which_ones_there_are():
    # Given a misspelt field, When the envelope is parsed, Then the error lists the right ones
    with pytest.raises(RequestInvalid, match=r"known are request, recipe, priority, timeout"):
        parse_envelope({"request": {}, "priorty": "high"})


def test_a_workers_job_says_what_it_needs_and_who_it_was():
    # Given an envelope for a remote worker, When it is parsed, Then it has the type, the id and the attempts of before
    envelope = parse_envelope(
        {"request": {"task": "t"}, "resource_type": "team_a.b-1", "external_id": "3 a/é", "attempts_before": 2}
    )
    assert (envelope.resource_type, envelope.external_id, envelope.attempts_before) == ("team_a.b-1", "3 a/é", 2)


@pytest.mark.parametrize("request_", [None, [], "x", 1])
def test_a_request_that_is_no_object_is_refused(request_):
    # Given a request of another type, When it is parsed, Then the field is named
    with pytest.raises(RequestInvalid) as caught:
        parse_envelope({"request": request_})
    assert caught.value.field == "request"


def test_a_record_is_a_valid_envelope(store):
    # Given the record of an ended job with its policy
    record = blank(store, State.FAILED, new_stem(store.next_stamp(), "high"))
    record |= {"request": {"command": ["x"]}, "outcome": "exit", "recipe": "command", "timeout": 60.0}
    # When it is read as a submission, as after a retry, Then request and policy count, nothing else
    assert is_record(record)
    assert parse_envelope(record) == Envelope(
        request={"command": ["x"]}, recipe="command", priority="high", timeout=60.0
    )


def test_what_is_no_record():
    # Given documents that lack a part, When they are looked at, Then they are no records
    assert not is_record({"request": {}})
    assert not is_record({"job_id": "x", "outcome": "exit"})
    assert not is_record({"job_id": "x", "outcome": "exit", "request": None})


def test_a_blank_record_has_every_key_of_jobinfo_and_no_other(store):
    # Given a record of which nothing is known yet
    record = blank(store, State.QUEUED, new_stem(store.next_stamp()))
    # When it is held against the model, Then it fits, and so do all its keys
    assert list(record) == list(JobInfo.model_fields)
    assert JobInfo.model_validate(record).status is State.QUEUED
    assert set(POLICY) <= set(record)


def test_times_in_a_record_have_an_offset(store):
    # Given a record, When its times are read, Then they are aware, in UTC
    info = JobInfo.model_validate(blank(store, State.QUEUED, new_stem(store.next_stamp())))
    assert info.created_at.utcoffset().total_seconds() == 0


def test_a_record_of_a_later_version_is_still_read(store):
    # Given a record with a key that this version does not know
    record = blank(store, State.COMPLETED, new_stem(store.next_stamp())) | {"colour": "blue"}
    # When it is validated, Then the key is left out, not refused
    assert not hasattr(JobInfo.model_validate(record), "colour")


def test_records_and_envelopes_are_frozen(store):
    # Given a record and an envelope, When somebody sets a field, Then that is refused
    info = JobInfo.model_validate(blank(store, State.QUEUED, new_stem(store.next_stamp())))
    with pytest.raises(ValidationError):
        info.status = State.COMPLETED
    with pytest.raises(ValidationError):
        Envelope(request={}).priority = "high"
