"""Tokens in `env`: no view of the command line shows them, whatever became of the job."""

import json

import pytest

from spoolq.api import Spool
from tests.verbs.program import spoolq

TOKEN = "s3cr3t-t0ken"
ENV = {"HF_TOKEN": TOKEN, "DB_PASSWORD": TOKEN, "COLOUR": "blue"}


@pytest.fixture
def jobs(spool):
    """A job that waits, one that was cancelled, and one that no recipe took."""
    document = {"command": ["true"], "env": ENV}
    (spool / "spoolq.toml").write_text('settle = "0"\n')
    waits = spoolq("submit", "-", stdin=json.dumps(document)).out.strip()
    ended = spoolq("submit", "-", stdin=json.dumps({"request": document})).out.strip()
    spoolq("cancel", ended)
    (spool / "queued" / "slip.json").write_text(json.dumps({"comand": ["true"], "env": ENV, "nested": [{"env": ENV}]}))
    from spoolq.requests import accept
    from tests.spooltest.crashes import Admission

    store = Spool(spool).store
    Admission(store, lambda found, uid: accept(found, uid, store.settings)).turn()
    return {"waits": waits, "ended": ended, "slip": "slip.json"}


@pytest.mark.parametrize(
    "argv",
    [["status"], ["list"], ["results"], *([["show", name] for name in ("waits", "ended", "slip")])],
    ids=" ".join,
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["plain", "json"])
def test_no_view_shows_a_token(spool, jobs, argv, more):
    # Given jobs with tokens in their environment, When people or programs look, Then they are masked; the rest is not
    shown = spoolq(*(jobs.get(word, word) for word in argv), *more).out
    assert TOKEN not in shown
    if argv[0] == "show":
        assert "***" in shown and "blue" in shown


def test_the_record_and_the_python_api_hold_what_was_submitted(spool, jobs):
    # Given the same jobs, When a program asks for the request itself, Then it is whole, or it could not be run again
    assert Spool(spool).get(jobs["waits"]).request["env"] == ENV
    assert json.loads(next((spool / "cancelled").iterdir()).read_text())["request"]["env"] == ENV
