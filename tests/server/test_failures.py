"""How often an address may be wrong."""

from spoolq.server import failures
from spoolq.server.failures import Failures


def test_the_door_closes_after_so_many_and_opens_when_they_are_old():
    # Given two failures allowed in ten seconds
    now = [0.0]
    counted = Failures(2, 10, lambda: now[0])
    counted.count("a")
    assert counted.wait("a") == 0
    # When the second comes, Then the address waits until the first is ten seconds old, and no other address does
    now[0] = 4.0
    counted.count("a")
    assert (counted.wait("a"), counted.wait("b")) == (6, 0)
    now[0] = 10.1
    assert counted.wait("a") == 0


def test_who_goes_on_failing_waits_on():
    now = [0.0]
    counted = Failures(2, 10, lambda: now[0])
    for at in (0.0, 1.0, 9.0):
        now[0] = at
        counted.count("a")
    assert counted.wait("a") == 2  # of the last two the older is of 1.0
    now[0] = 11.1
    assert counted.wait("a") == 0


def test_a_flood_of_addresses_is_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(failures, "_MOST", 3)
    counted = Failures(1, 10)
    for address in "abcd":
        counted.count(address)
    assert [address for address in "abcd" if counted.wait(address)] == ["b", "c", "d"]
