"""Listings of ten thousand jobs: what a page costs, and where it goes on."""

import time
from datetime import UTC, datetime

import pytest

from spoolq.sections import ServerSection
from spoolq.server.cursor import Cursor
from spoolq.server.face import Face
from spoolq.server.listing import Listings, Query
from spoolq.server.records import Records
from tests.server.jobs import ended_jobs

MANY = 10_000


@pytest.fixture
def listings(store):
    face = Face(store, ServerSection())
    return Listings(face, Records(face))


def timed(function, *args):
    began = time.process_time()
    answer = function(*args)
    return answer, time.process_time() - began


def test_ten_thousand_ended_jobs_cost_a_page_no_more_than_a_page(store, listings):
    # Given ten thousand ended jobs
    stems = ended_jobs(store, MANY)
    # When the first page is asked for, of a server that has looked at nothing yet, and then again
    page, first = timed(listings.page, Query(), Cursor())
    again, second = timed(listings.page, Query(), Cursor())
    # Then it holds the newest fifty, in well under 100 ms of this processor
    assert [job["job_id"] for job in page.jobs] == [stem.uuid for stem in stems[:-51:-1]]
    assert again.jobs == page.jobs
    assert first < 0.1
    assert second < 0.05
    assert listings.counts() == {"queued": 0, "running": 0, "completed": 3334, "failed": 3333, "cancelled": 3333}
    # And so is a page from the middle
    middle, third = timed(listings.page, Query(until=datetime(2026, 1, 4, tzinfo=UTC)), Cursor())
    assert middle.jobs[0]["created_at"].startswith("2026-01-03T23:59")
    assert third < 0.05
    # And a filter that finds nothing reads a bounded part of it, the second time from memory
    nothing, fourth = timed(listings.page, Query(model="nobody"), Cursor())
    assert nothing.jobs == [] and nothing.next is not None
    assert fourth < 0.6
    forgetful = timed(listings.page, Query(model="nobody"), Cursor())[1]
    assert forgetful < fourth


def test_a_filtered_listing_read_to_its_end_finds_all(store, listings):
    stems = ended_jobs(store, 2500, lambda n: "rare" if n % 500 == 7 else "gpt2")
    found, cursor, requests = [], Cursor(), 0
    while cursor is not None:
        page = listings.page(Query(model="rare", limit=3), cursor)
        found += [job["job_id"] for job in page.jobs]
        cursor, requests = page.next, requests + 1
    assert found == [stem.uuid for n, stem in enumerate(stems) if n % 500 == 7][::-1]
    assert 3 <= requests <= 6


def test_a_filter_takes_no_longer_than_its_time(store):
    # Given a clock that goes on by 0.2 s with each look at it
    ended_jobs(store, 50)
    now = [0.0]

    def clock():
        now[0] += 0.2
        return now[0]

    face = Face(store, ServerSection())
    slow = Listings(face, Records(face), clock)
    # When a filter is read on, Then each request ends after half a second, and goes on
    page = slow.page(Query(model="nobody"), Cursor())
    assert page.next is not None
    assert slow.page(Query(model="nobody"), page.next).next not in (None, page.next)
