"""Pools and those who work: shown as soon as there are any."""

import pytest

from spoolq import pools, stock
from tests.server.browser.expecting import expect

from .lab import fill_history

SLOW = 20_000


@pytest.fixture
def crew(lab):
    """A pool of two resources of which one is leased, a worker with a job, a job that waits for the type, a runner."""
    store = lab.served.store
    stock.add(store, "sim", {"host": "gpu-07", "port": 5000})
    stock.add(store, "sim", {"host": "gpu-08", "port": 5000})
    lab.start()
    for _ in range(2):
        lab.queue.spool.submit_document({"request": {"scene": "<b>kitchen</b>"}, "resource_type": "sim"})
    with lab.served.client() as client:
        assert client.get("/job", params={"worker": "worker-1"}).json()["job"]["id"]
    pools.acquire(store, "sim", "worker-1", "7")
    return lab.ask("/jobs?state=running")["jobs"][0]["job_id"]


def test_pools_and_workers_are_shown(lab, crew, visitor):
    # Given a pool and a worker
    page = visitor.open(lab.base)
    # When the view of workers is opened, by a link that is there because of them
    page.get_by_role("link", name="Workers").click()
    # Then it says who holds what, who does what, and how much of the pool is in use
    pool = page.get_by_role("region", name="Pool sim")
    expect(pool).to_contain_text("1 of 2 in use (50 %)")
    expect(pool).to_contain_text("1 job waits")
    held = pool.get_by_role("row").filter(has_text="gpu-07:5000")
    expect(held).to_contain_text("worker-1")
    expect(pool.get_by_role("row").filter(has_text="gpu-08:5000")).to_contain_text("free")
    crew_table = page.get_by_role("table", name="Who runs jobs")
    mine = crew_table.get_by_role("row").filter(has_text="worker-1")
    expect(mine).to_contain_text("remote worker")
    expect(crew_table.get_by_role("row").filter(has_text="runner of a slot")).to_contain_text("none")
    # Then the job of the worker is reached from there
    mine.get_by_role("link").click()
    expect(page.locator(".job-head code.id")).to_have_text(crew)
    expect(page.locator(".job-head .badge")).to_have_text("running")
    # When such a job is taken as the beginning of another, Then it is written as JSON, for which no fields are known
    page.get_by_role("link", name="Edit and submit again").click()
    expect(page.get_by_label("Job as JSON")).to_have_value(
        '{\n  "request": {\n    "scene": "<b>kitchen</b>"\n  },\n  "resource_type": "sim"\n}'
    )


def test_a_pool_that_is_drained_and_a_lease_that_ends_are_shown(lab, crew, visitor):
    # Given the view of workers
    store = lab.served.store
    page = visitor.open(lab.base, "workers")
    pool = page.get_by_role("region", name="Pool sim")
    expect(pool).to_contain_text("1 of 2 in use")
    # When the lease ends and the pool is drained, Then the page says so by itself
    pools.release(store, "sim", "worker-1", "7", 0)
    stock.drain(store, "sim")
    lab.queue.command("true")
    expect(pool).to_contain_text("0 of 2 in use", timeout=SLOW)
    expect(pool).to_contain_text("draining")


def test_without_pools_and_workers_there_is_no_link(lab, visitor):
    fill_history(lab.queue.path, 3)
    base = lab.serve()
    page = visitor.open(base)
    expect(page.get_by_role("link", name="New job")).to_be_visible()
    expect(page.get_by_role("link", name="Workers")).to_have_count(0)
