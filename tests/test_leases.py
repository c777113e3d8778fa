"""The names in a pool: who has what can be read from them, whatever clients call themselves."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoolq.leases import Lease, new_lease, parse_lease, parse_resource, resource_name, safe, shown

texts = st.text(max_size=40) | st.sampled_from(["", ".", "..", "a.b", "a@b", "x/y", "é", "\0", "%41", "~", "u" * 300])


@given(texts, texts, st.integers(0, 10**6))
def test_a_lease_is_read_back_from_its_name(worker, job, index):
    # Given a lease of whoever, When its file name is read, Then it is the same, and his
    lease = new_lease(index, worker, job)
    assert parse_lease(lease.name) == lease
    assert lease.is_of(worker, job) and lease.is_of(worker)
    # and the name is one that every file system takes
    assert re.fullmatch(r"[A-Za-z0-9_%~@.-]+", lease.name) and len(os.fsencode(lease.name)) < 255
    assert parse_resource(lease.name) is None
    assert parse_resource(lease.free_name) == index


@given(texts, texts)
def test_two_names_are_never_one(one, other):
    # Given two names, When they are made safe, Then they are the same only if they were
    assert (safe(one) == safe(other)) == (one == other)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_short_name_can_be_shown(text):
    # Given a name of usual length, When it is shown, Then whole
    assert shown(safe(text)) == text or "~" in safe(text)
    assert "~" not in safe(text[:6])


def test_a_long_name_is_cut_and_told_apart_by_its_hash():
    # Given two long names with the same beginning
    one, other = "w" * 300 + "1", "w" * 300 + "2"
    # When they are made safe, Then they differ, and show where they were cut
    assert safe(one) != safe(other)
    assert shown(safe(one)) == "w" * 60 + "…"
    # and a character that was cut in two does no harm
    assert shown(safe("é" * 100)).endswith("…")


def test_names_sort_as_numbers():
    # Given the names of free resources, When they are sorted, Then by their numbers
    numbers = [10, 2, 0, 999, 11]
    assert [parse_resource(name) for name in sorted(map(resource_name, numbers))] == sorted(numbers)


@pytest.mark.parametrize(
    "name",
    ["", "draining", ".load.lock", "1.json", "000001", "000001@a.b.json", "000001@a.b.c.01234567.json", "x@a.b.0.json",
     "000001@a.b.0123456.json", "000001@a/b.c.01234567.json"],
)  # fmt: skip
def test_what_is_no_resource_is_neither(name):
    # Given another name, When it is read, Then it is nothing
    assert parse_lease(name) is None
    assert parse_resource(name) is None


def test_a_lease_is_not_anothers():
    # Given a lease, When others ask, Then it is not theirs
    lease = Lease(1, safe("w"), safe("j"), "01234567")
    assert not lease.is_of("v") and not lease.is_of("w", "k")
