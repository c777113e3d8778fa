"""Who may run what: the owner of the file is who asks."""

import os
import pwd

import pytest

from spoolq import requests
from spoolq.errors import RequestInvalid
from spoolq.settings import Settings
from spoolq.trust import check, submitter
from tests.spooltest.users import NOBODY, needs_root

ME = os.getuid()
STRANGER = 64999


@pytest.mark.parametrize("uid", [ME, 0])
def test_the_runners_own_user_and_root_may_use_every_recipe(uid):
    # Given a spool that opens nothing, When its own user or root asks, Then he may
    check(Settings(), uid, "command")


def test_a_stranger_may_use_nothing_until_it_is_opened():
    # Given a spool that says nothing about others
    with pytest.raises(RequestInvalid, match=f"not open to user {STRANGER}") as caught:
        check(Settings(), STRANGER, "lm-eval")
    assert caught.value.field == "recipe"
    # When the operator opens a recipe, Then he may use that one and no other
    opened = Settings(open_recipes=["lm-eval"])
    check(opened, STRANGER, "lm-eval")
    with pytest.raises(RequestInvalid):
        check(opened, STRANGER, "command")


@pytest.mark.parametrize("user", [STRANGER, "root"])
def test_a_trusted_user_may_use_every_recipe(user):
    # Given a user who is trusted by number or by name, When he asks, Then he may
    uid = user if isinstance(user, int) else pwd.getpwnam(user).pw_uid
    check(Settings(trusted=["nobody-of-that-name", user]), uid, "command")


def test_a_name_that_nobody_has_trusts_nobody():
    # Given trusted names that nobody has, one of them a number as text, When a stranger asks, Then he may not
    with pytest.raises(RequestInvalid):
        check(Settings(trusted=["nobody-of-that-name", str(STRANGER)]), STRANGER, "command")


RECORD = {"job_id": "x", "outcome": "exit", "request": {}, "submitted_by": STRANGER}


@pytest.mark.parametrize(
    ("document", "uid", "who"),
    [
        ({"request": {}}, ME, ME),
        ({"request": {}}, STRANGER, STRANGER),
        (RECORD, ME, STRANGER),
        (RECORD, STRANGER, STRANGER),
        ({**RECORD, "submitted_by": ME}, STRANGER, STRANGER),
        ({**RECORD, "submitted_by": 0}, STRANGER, STRANGER),
        ({**RECORD, "submitted_by": True}, ME, ME),
        ({**RECORD, "submitted_by": "0"}, ME, ME),
        ({**RECORD, "submitted_by": None}, ME, ME),
        ({"request": {}, "submitted_by": STRANGER}, ME, ME),
    ],
)
def test_a_record_of_ours_names_its_submitter_and_nothing_else_does(document, uid, who):
    # Given a document in a file of somebody
    # When it is asked whose job it is, Then only a record that we wrote ourselves is believed
    if uid != ME and ME == STRANGER:
        pytest.skip("this test's stranger is its user")
    assert submitter(document, uid, Settings()) == who
    # and somebody else who looks believes the operator as well
    assert submitter(document, uid, Settings(), operator=uid) == (
        who if uid == ME else document.get("submitted_by", uid)
    )


def test_a_strangers_record_cannot_make_him_somebody_else():
    # Given a stranger who drops a file that looks like a record of root's job
    data = b'{"job_id": "x", "outcome": "exit", "request": {"command": ["id"]}, "submitted_by": 0, "recipe": "command"}'
    # When it is read as his, Then it is refused
    with pytest.raises(RequestInvalid, match=f"user {STRANGER}"):
        requests.read(data, STRANGER, Settings())


def test_a_retried_command_of_a_strangers_is_still_his():
    # Given the record that we wrote of a stranger's job
    data = b'{"job_id": "x", "outcome": "exit", "request": {"command": ["id"]}, "submitted_by": %d}' % STRANGER
    # When it is back in the queue as a file of ours, Then it is still judged as his
    with pytest.raises(RequestInvalid, match=f"user {STRANGER}"):
        requests.read(data, ME, Settings())
    assert requests.read(data, ME, Settings(trusted=[STRANGER])).submitted_by == STRANGER


@needs_root
def test_the_owner_is_read_from_the_file(store):
    # Given a file of another user, When it is claimed and read, Then it is judged as his
    from tests.spooltest.jobs import claimed, submitted

    stem = submitted(store)
    os.chown(store.layout.queued(stem), NOBODY, -1)
    taken = claimed(store, stem)
    with pytest.raises(RequestInvalid, match=f"user {NOBODY}"):
        requests.read(taken.data, taken.uid, store.settings)


@needs_root
@pytest.mark.parametrize("raised", [False, True])
def test_a_strangers_level_counts_when_the_operator_gave_it(store, raised):
    # Given a stranger's job under an urgent name, which he wrote, or the operator gave it
    from spoolq.attempt import accept
    from spoolq.find import find
    from spoolq.people import prioritise
    from tests.spooltest.jobs import claimed, submitted

    store.settings = Settings(open_recipes=["command"])
    stem = submitted(store, "normal" if raised else "urgent")
    os.chown(store.layout.queued(stem), NOBODY, -1)
    stem = prioritise(store, find(store, stem.uuid), "urgent") if raised else stem
    taken = claimed(store, stem)
    # When it is claimed, Then it is a job only in the second case
    if raised:
        assert accept(store, taken).submitted_by == NOBODY
    else:
        with pytest.raises(RequestInvalid, match="`priority`: 'urgent' is not open"):
            accept(store, taken)
