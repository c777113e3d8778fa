"""Ten thousand jobs in the history: the page is quick, and stays so while one looks through them."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.server.browser.expecting import expect
from tests.spooltest.waiting import wait_for

from .lab import fill_history

SLOW = 30_000
COUNT = 10_000
#: No piece of work may hold up the page longer than this, in ms: some ten times what it takes on a machine at rest.
LONGEST_MS = 400
#: From a click to the list, in seconds; most of it is the server's first look at 10,000 records.
USABLE_S = 6.0


@pytest.fixture
def full(lab):
    """The ids of the history of a server that is running."""
    ids = fill_history(lab.queue.path, COUNT)
    lab.serve()
    return ids


def rows(page):
    """The rows of the list."""
    return page.get_by_role("table", name="Jobs").locator("tbody tr")


def shown(page):
    """The first characters of the ids in the list, in its order."""
    return rows(page).locator("code.id").all_inner_texts()


def test_ten_thousand_jobs_do_not_hold_up_the_page(lab, full, visitor):
    # Given 10,000 ended jobs
    began = time.monotonic()
    page = visitor.open(lab.base, "history")
    # When the history is opened, Then its first page is there soon, and no more of it than a page
    expect(rows(page)).to_have_count(50, timeout=SLOW)
    assert time.monotonic() - began < USABLE_S
    assert shown(page) == [job[:8] for job in full[:50]]
    # When one turns to older pages and back, Then each has the next ones, and the document does not grow
    for turn in range(1, 4):
        page.get_by_role("button", name="Older").click()
        expect(page.locator(".list-state")).to_contain_text(f"page {turn + 1}")
        expect(rows(page).first).to_contain_text(full[50 * turn][:8])
        assert shown(page) == [job[:8] for job in full[50 * turn : 50 * turn + 50]]
    page.get_by_role("button", name="Newer").click()
    expect(rows(page).first).to_contain_text(full[100][:8])
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    # When one scrolls to its end and back, Then that is smooth
    page.mouse.wheel(0, 20_000)
    page.mouse.wheel(0, -20_000)
    # Then no piece of all this took long
    assert max(page.evaluate("tasks"), default=0) < LONGEST_MS


def test_the_history_is_filtered_and_the_filter_is_in_the_address(lab, full, visitor):
    # Given the history
    page = visitor.open(lab.base, "history")
    expect(rows(page)).to_have_count(50, timeout=SLOW)
    # When one types a part of an id, as fast as one can, Then it is found, deep as it is
    wanted = full[8_765]
    page.keyboard.press("/")
    page.keyboard.type(wanted[:13])
    expect(rows(page)).to_have_count(1, timeout=SLOW)
    expect(rows(page)).to_contain_text(wanted[:8])
    expect(page.get_by_label("Search")).to_be_focused()
    # When states and a model are chosen, Then only such jobs are there
    page.get_by_label("Search").fill("")
    page.get_by_label("completed").uncheck()
    page.get_by_label("cancelled").uncheck()
    page.locator("summary", has_text="More filters").click()
    page.get_by_label("Model").fill("org/model-2")
    expect(rows(page).filter(has_text="org/model-2").filter(has_text="failed: exit")).to_have_count(50, timeout=SLOW)
    expect(rows(page)).to_have_count(50)
    # Then the address says so, and a reload finds the same
    query = parse_qs(urlsplit(page.url).fragment.partition("?")[2])
    assert query == {"state": ["failed"], "model": ["org/model-2"]}
    before = shown(page)
    page.reload()
    expect(rows(page)).to_have_count(50, timeout=SLOW)
    assert shown(page) == before
    expect(page.get_by_label("Model")).to_have_value("org/model-2")
    # When a day is asked for on which there was nothing, Then that is said
    page.get_by_label("Submitted from").fill("2001-01-01")
    page.get_by_label("to", exact=True).fill("2001-01-02")
    expect(page.locator(".list-state")).to_have_text("No job fits.", timeout=SLOW)
    assert max(page.evaluate("tasks"), default=0) < LONGEST_MS


def test_what_is_being_typed_stays_while_the_page_is_refreshed(lab, visitor):
    # Given a history, and a queue that grows while one types
    fill_history(lab.queue.path, 60)
    base = lab.serve()
    page = visitor.open(base, "history")
    expect(rows(page)).to_have_count(50)
    field = page.get_by_label("Search")
    field.focus()
    # When one types, with a space in it, and the page is drawn anew after each letter, Then every letter stays
    for number, letter in enumerate("model 1", 1):
        page.keyboard.type(letter)
        lab.queue.spool.submit({"command": ["true"]})
        wait_for(lambda count=number: f"{count} queued" in page.title(), what="the title")
    expect(field).to_have_value("model 1")


def test_the_first_view_does_not_mind_a_deep_history_or_a_deep_queue(lab, visitor):
    # Given 10,000 ended jobs, and 300 that wait
    fill_history(lab.queue.path, COUNT)
    for number in range(300):
        lab.queue.spool.submit({"command": ["true", str(number)]})
    base = lab.serve()
    # When the page is opened, Then the first of the queue are there, and a way to the others
    began = time.monotonic()
    page = visitor.open(base)
    queued = page.get_by_role("table", name="Queued jobs").locator("tbody tr")
    expect(queued).to_have_count(50, timeout=SLOW)
    assert time.monotonic() - began < USABLE_S
    page.get_by_role("button", name="Show more").click()
    expect(queued).to_have_count(100, timeout=SLOW)
    expect(page.get_by_role("region", name="Queued").locator("h2")).to_contain_text("300")
    assert max(page.evaluate("tasks"), default=0) < LONGEST_MS


def test_chosen_jobs_lead_to_their_results(lab, visitor):
    # Given a history
    ids = fill_history(lab.queue.path, 120)
    base = lab.serve()
    page = visitor.open(base, "history?state=completed")
    expect(rows(page)).to_have_count(50)
    # When two are chosen, on two pages, Then what is chosen is said, and leads to them side by side
    first = shown(page)[3]
    rows(page).nth(3).get_by_role("checkbox").check()
    page.get_by_role("button", name="Older").click()
    expect(page.locator(".list-state")).to_contain_text("page 2")
    second = shown(page)[0]
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator(".chosen")).to_contain_text("2 jobs chosen")
    page.get_by_role("link", name="Compare the two").click()
    expect(page.get_by_role("heading", name="Two jobs compared")).to_be_visible()
    heads = page.get_by_role("columnheader").all_inner_texts()
    assert any(first in head for head in heads) and any(second in head for head in heads)
    assert len({job for job in ids if job.startswith((first, second))}) == 2
