"""`GET /metrics`: the spool in figures, and the requests."""

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from spoolq import pools
from spoolq.server.figures import route_of
from spoolq.stock import add
from spoolq.transitions import State
from tests.server.live import events
from tests.spooltest.jobs import claimed, ended, submitted


def scraped(live):
    """(name, labels) -> value of all samples of a scrape."""
    answer = live.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_spool_in_figures(live, store):
    # Given jobs in some states, one that waits for ten minutes at a low priority, a pool, a pause, a heartbeat
    submitted(store), ended(store, submitted(store)), ended(store, submitted(store), "exit")
    old = submitted(store, "low")
    store.disk.rename(
        store.layout.queued(old), store.layout.queued(type(old)("9-", "20250101T000000.000000Z", old.uuid))
    )
    taken = claimed(store, submitted(store))
    beat = store.layout.beat(taken.running)
    beat.write_text("")
    os.utime(beat, (store.clock() - 100, store.clock() - 100))
    add(store, "sim", {"x": 1}), add(store, "sim", {"x": 2})
    pools.acquire(store, "sim", "w", "j")
    live.post("/pause")
    # When they are scraped, Then they say so
    found = scraped(live)
    for state, count in (("queued", 2), ("running", 1), ("completed", 1), ("failed", 1), ("cancelled", 0)):
        assert found["spoolq_jobs", ("state", state)] == count
    assert found["spoolq_paused",] == 1
    assert found["spoolq_pool_resources", ("state", "free"), ("type", "sim")] == 1
    assert found["spoolq_pool_resources", ("state", "leased"), ("type", "sim")] == 1
    assert found["spoolq_oldest_queued_seconds",] > 300 * 86400
    assert 100 <= found["spoolq_heartbeat_age_seconds", ("worker", "host-a.gpu0")] < 160


def test_an_empty_spool(live):
    found = scraped(live)
    assert found["spoolq_jobs", ("state", "queued")] == found["spoolq_oldest_queued_seconds",] == 0
    assert found["spoolq_paused",] == 0


def test_requests_are_counted_by_the_routes_template(live, store):
    # Given requests of several kinds, one of them a stream that has not ended
    job = submitted(store).uuid
    for _ in range(3):
        live.get(f"/jobs/{job}")
    live.get("/jobs/zz", 404)
    live.client.get("/nowhere/at/all")
    live.client.request("PROPFIND", "/api/v1/status")
    with events(live.client, f"/api/v1/jobs/{job}/log/events"):
        # When they are scraped
        found = scraped(live)

    # Then each is under its route, and no path is a label
    def count(route, method, status):
        return found["spoolq_http_requests_total", ("method", method), ("route", route), ("status", status)]

    assert count("/api/v1/jobs/{id}", "GET", "200") == 3
    assert count("/api/v1/jobs/{id}", "GET", "404") == 1
    assert count("none", "GET", "404") == 1
    assert count("/api/v1/status", "other", "405") == 1
    assert count("/api/v1/jobs/{id}/log/events", "GET", "200") == 1
    assert found["spoolq_http_request_seconds_count", ("route", "/api/v1/jobs/{id}")] == 4
    assert not any(job in str(key) for key in found)


def test_a_spool_that_is_gone_is_said(live, store):
    away = store.layout.state(State.QUEUED).rename(store.root / "away")
    assert live.client.get("/metrics").status_code == 503
    away.rename(store.layout.state(State.QUEUED))
    scraped(live)


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("/jobs/{id}", "/api/v1/jobs/abc", "/api/v1/jobs/{id}"),
        ("/api/v1/jobs/{id}", "/api/v1/jobs/abc", "/api/v1/jobs/{id}"),
        ("/", "/", "/"),
        (None, "/x", "none"),
    ],
)
def test_the_template_has_the_prefix_of_its_router(template, path, expected):
    route = None if template is None else type("Route", (), {"path": template})()
    assert route_of({"route": route, "path": path}) == expected
