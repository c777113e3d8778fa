"""What a runner claims next: in order of service, past what cannot be had."""

import errno
import os

import pytest

from spoolq import upcoming
from spoolq.store import Store
from spoolq.upcoming import Upcoming
from tests.spooltest.faults import Steps, observed, refuse
from tests.spooltest.jobs import submitted
from tests.spooltest.users import NOBODY, needs_root, without_rights


def test_jobs_come_in_the_order_of_service(store):
    # Given jobs of several priorities
    low, first, second, urgent = (submitted(store, level) for level in ("low", "normal", "normal", "urgent"))
    # When they are claimed one by one, Then in the order of their names, and then there is none
    picks = Upcoming(store, "gpu0", print)
    taken = [picks.claim().running.stem for _ in range(4)]
    assert taken == [urgent, first, second, low]
    assert picks.claim() is None


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EBUSY])
def test_one_that_cannot_be_moved_does_not_hold_up_the_others(store, code):
    # Given two jobs, the first of which cannot be moved: immutable, a mount point, another user's folder
    first, second = submitted(store), submitted(store)
    said = []
    picks = Upcoming(store, "gpu0", said.append)
    commit = Steps(1, refuse(code))
    with observed(store, commit):
        # When one is claimed, Then it is the other, and somebody is told once
        assert picks.claim().running.stem == second
    assert said == [f"cannot claim {first}.json: {os.strerror(code)}. It stays; others go on."]
    # and it is not asked for at every turn
    assert picks.claim() is None
    # When the time of a poll has passed, Then it is tried again
    picks._stuck_until = 0
    assert picks.claim().running.stem == first


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_is_an_error_of_all(store, code):
    # Given a disk that refuses, When a job is claimed, Then the runner is told, and the job waits
    submitted(store)
    with observed(store, Steps(1, refuse(code))), pytest.raises(OSError) as caught:
        Upcoming(store, "gpu0", print).claim()
    assert caught.value.errno == code


@needs_root
def test_a_directory_that_cannot_be_written_is_an_error_of_all(public_store):
    # Given a runner without rights in queued/, When it claims, Then it is told so, and does not go through all names
    submitted(public_store)
    said = without_rights(lambda: Upcoming(Store(public_store.root), "gpu0", print).claim())
    assert said.startswith("PermissionError")


@needs_root
def test_another_users_folder_under_a_jobs_name_does_not_hold_up_the_others(public_store):
    # Given a spool of a user, a stranger's folder under the most urgent name there can be, and a job
    for path in (public_store.root, *public_store.layout.directories()):
        os.chown(path, NOBODY, NOBODY)
    stranger = public_store.root / "queued" / "0-20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427.json"
    stranger.mkdir()
    os.chown(stranger, NOBODY - 1, -1)
    job = submitted(public_store)
    # When the user's runner claims, Then it has the job: nobody but root may move a folder that he may not write
    said = without_rights(lambda: str(Upcoming(Store(public_store.root), "gpu0", print).claim().running.stem))
    assert said == f"ok: {job}"


def test_thousands_of_drops_before_the_first_job_do_not_hide_it(store, monkeypatch):
    # Given more names that are no jobs before the first job than are kept
    monkeypatch.setattr(upcoming, "_KEEP", 3)
    for number in range(10):
        store.layout.drop(f"!{number}.json").write_text("{")
    job = submitted(store)
    # When one is claimed, Then it is that job
    assert Upcoming(store, "gpu0", print).claim().running.stem == job


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def _taken(picks):
    claimed = picks.claim()
    return claimed and claimed.running.stem


def test_a_name_that_arrives_takes_its_place_without_a_scan(store):
    # Given a queue that has been read, and may not be read again soon
    clock = Clock()
    picks = Upcoming(store, "gpu0", print, clock)
    first, second, last = (submitted(store) for _ in range(3))
    assert _taken(picks) == first
    picks._cost, picks.stale = 1e9, True
    # When an urgent one arrives; and what is known, or no job, or not there
    urgent = submitted(store, "urgent")
    for name in (f"{urgent}.json", f"{second}.json", "0-drop.json", "", f"{urgent}.jso", f"{first}.json"):
        picks.hint(name)
    # Then it is next, and the others are in their places, once
    assert [_taken(picks) for _ in range(4)] == [urgent, second, last, None]


def test_a_hint_beyond_what_was_read_waits_for_the_scan(store, monkeypatch):
    # Given a list that ends before others that are queued
    monkeypatch.setattr(upcoming, "_KEEP", 2)
    picks = Upcoming(store, "gpu0", print, Clock())
    stems = [submitted(store) for _ in range(4)]
    assert _taken(picks) == stems[0]
    # When a later one is told, Then those between are not passed over
    picks.hint(f"{stems[3]}.json")
    assert [_taken(picks) for _ in range(3)] == stems[1:]


def test_hints_do_not_make_the_list_grow(store, monkeypatch):
    monkeypatch.setattr(upcoming, "_KEEP", 3)
    picks = Upcoming(store, "gpu0", print, Clock())
    normal = [submitted(store) for _ in range(4)]
    assert _taken(picks) == normal[0]
    high = [submitted(store, "high") for _ in range(5)]
    for stem in high:
        picks.hint(f"{stem}.json")
    assert len(picks._names) == 3
    assert [_taken(picks) for _ in range(8)] == [*high, *normal[1:]]


def test_a_wake_up_rescans_only_when_the_last_scan_has_paid_for_itself(store):
    # Given a scan that cost a second
    clock = Clock()
    picks = Upcoming(store, "gpu0", print, clock)
    first, second, third = (submitted(store) for _ in range(3))
    assert _taken(picks) == first
    picks._cost, picks.stale = 1.0, True
    urgent = submitted(store, "urgent")  # and nobody tells
    # When less than twenty seconds have passed, Then the next comes from the list; after that, from the directory
    clock.now += 19.9
    assert _taken(picks) == second
    clock.now += 0.2
    assert [_taken(picks) for _ in range(2)] == [urgent, third]


@pytest.mark.parametrize(("window", "order"), [(0, "cfccf"), (1, "fccfc"), (2, "fcfcc")])
def test_with_a_window_a_job_that_a_warm_parent_is_ready_for_may_overtake_in_its_own_priority(store, window, order):
    # Given jobs of two recipes in one priority, and one of the warm recipe in a lower one
    (store.root / "spoolq.toml").write_text(
        f'[warm]\naffinity_window = {window}\n[recipes.fast]\ncommand = ["true"]\n[recipes.cold]\ncommand = ["true"]\n'
    )
    opened = Store(store.root, host=store.host)
    kinds = {}
    for kind in "cfccf":
        kinds[submitted(opened, request={}, recipe={"c": "cold", "f": "fast"}[kind])] = kind
    last = submitted(opened, "low", request={}, recipe="fast")
    # When they are claimed while a warm parent may be ready for one of them
    picks = Upcoming(opened, "gpu0", print)
    picks.affine = "fast"
    # Then none is overtaken more often than the window says, and none by a lower priority
    taken = [picks.claim().running.stem for _ in range(6)]
    assert taken[-1] == last and "".join(kinds[stem] for stem in taken[:-1]) == order
