"""The line to the server, when it is not simply there or gone: silent, without streams, in a page that nobody sees."""

import os
import signal
import time

from tests.server.browser.expecting import expect
from tests.spooltest.waiting import wait_for

SLOW = 20_000
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_server_that_says_nothing_any_more_is_noticed(lab, visitor):
    # Given a page whose clock can be moved, and a server that hangs: its connections stand, and nothing comes
    visitor.allow()
    base = lab.serve()
    page = visitor.open(base, "history", clock=True)
    chip = page.locator("#connection")
    expect(chip).to_have_text("live")
    os.kill(lab.served.process.pid, signal.SIGSTOP)
    try:
        # When three of its signs of life have not come, Then the page is no longer live
        page.clock.run_for(50_000)
        expect(chip).not_to_contain_text("live", timeout=SLOW)
        page.clock.run_for(12_000)
        expect(page.locator("main.stale")).to_be_visible()
    finally:
        os.kill(lab.served.process.pid, signal.SIGCONT)
    # When it goes on, Then the page is back
    page.clock.resume()
    expect(chip).to_contain_text("live", timeout=SLOW)


def test_without_streams_the_page_asks_again_and_again(lab, visitor):
    # Given something on the way that lets no stream through
    visitor.allow()
    base = lab.serve()
    page = visitor.open(base, before=lambda page: page.route("**/api/v1/events", lambda route: route.abort()))
    expect(page.locator("#connection")).to_contain_text("reconnecting…")
    # When a job is queued, Then the page shows it nevertheless, and does not call it old
    job = lab.job("counting", "1")
    expect(page.get_by_role("row").filter(has_text=job[:8])).to_be_visible(timeout=SLOW)
    expect(page.locator("main.stale")).to_have_count(0)


def test_a_page_that_nobody_sees_lets_its_stream_go_and_takes_it_up_again(lab, visitor):
    # Given a page that is hidden for a while
    base = lab.serve()
    page = visitor.open(base, clock=True)
    chip = page.locator("#connection")
    expect(chip).to_have_text("live")
    page.evaluate(HIDE, True)
    page.clock.run_for(25_000)
    expect(chip).to_have_text("resting")
    # When something happens meanwhile, Then its title tells after some time
    job = lab.job("counting", "1")
    page.clock.run_for(61_000)
    wait_for(lambda: "1 queued" in page.title(), 30, "the title")
    # When it is seen again, Then it is live at once, and shows what happened
    page.evaluate(HIDE, False)
    expect(chip).to_have_text("live")
    expect(page.get_by_role("row").filter(has_text=job[:8])).to_be_visible()


def test_what_is_wrong_with_the_spool_is_said(lab, visitor):
    # Given something in the queue that is no job
    base = lab.serve()
    (lab.queue.path / "queued" / "notes.txt").write_text("not a job")
    # When the page is open, Then it says what, where and what to do
    page = visitor.open(base)
    expect(page.locator(".notice")).to_have_text("1 file in queued/ is no job: notes.txt. A job's name ends in .json.")


def test_a_page_that_is_older_than_its_server_says_so(lab, visitor):
    # Given a server of another version than the page that is open
    base = lab.serve()

    def newer(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "version": "99.0"})

    page = visitor.open(base, before=lambda page: page.route("**/api/v1/status", newer))
    # Then the page says so, and offers to load itself anew
    expect(page.get_by_text("The server runs version 99.0 now.")).to_be_visible()
    page.unroute("**/api/v1/status")
    page.get_by_role("button", name="Reload the page").click()
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.get_by_text("The server runs version")).to_have_count(0)


def test_a_server_that_cannot_use_its_spool_is_told_in_its_own_words(lab, visitor):
    # Given a server whose spool has gone
    visitor.allow()
    base = lab.serve()
    lab.queue.path.rename(lab.queue.path.with_name("elsewhere"))
    # When the page is opened, Then it says what the server says
    page = visitor.open(base)
    expect(page.get_by_role("alert")).to_contain_text("the spool cannot be used at this moment", timeout=SLOW)
    # When it is back, Then the page is
    lab.queue.path.with_name("elsewhere").rename(lab.queue.path)
    expect(page.get_by_text("Nothing waits.")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_many_retries_wait_longer_and_one_press_does_not(lab, visitor):
    # Given a server that has been away for some tries
    visitor.allow()
    base = lab.serve()
    page = visitor.open(base)
    expect(page.locator("#connection")).to_have_text("live")
    lab.served.kill()
    expect(page.locator("#connection")).to_contain_text("(try 5", timeout=SLOW)
    # When it is back, and the reader does not want to wait, Then the page is there at once
    expect(page.get_by_role("button", name="Try now")).to_be_visible(timeout=SLOW)
    lab.served.restart()
    began = time.monotonic()
    if page.get_by_role("button", name="Try now").is_visible():
        page.get_by_role("button", name="Try now").click()
    expect(page.locator("#connection")).to_contain_text("live")
    assert time.monotonic() - began < 5


def test_a_cancel_that_is_under_way_is_still_so_after_a_reload(lab, visitor):
    # Given a job that takes its time to end, and has been asked to
    base = lab.start()
    job = lab.job("stubborn")
    page = visitor.open(base, f"job/{job}", clock=True)
    page.get_by_role("button", name="Cancel").click(timeout=SLOW)
    page.clock.run_for(600)
    page.get_by_role("button", name="Press again to cancel").click()
    expect(page.get_by_role("button", name="Cancelling…")).to_be_visible()
    # When the page is reloaded meanwhile, Then it knows, until it is done
    page.reload()
    expect(page.locator(".job-head .badge")).to_have_text("cancelled", timeout=SLOW)
    expect(page.get_by_role("button", name="Cancelling…")).to_have_count(0)
    assert len(visitor.sent("POST", "/cancel")) == 1


def test_the_focus_stays_in_the_list_when_its_job_leaves_it(lab, visitor):
    # Given three jobs that wait, and the focus on the button of the second
    base = lab.serve()
    jobs = [lab.job("counting", str(number)) for number in range(3)]
    page = visitor.open(base)
    rows = page.get_by_role("table", name="Queued jobs").locator("tbody tr")
    expect(rows).to_have_count(3)
    rows.nth(1).get_by_role("button", name="Cancel").focus()
    # When that job leaves by the keyboard, Then the focus is in the row that has taken its place
    page.keyboard.press("Enter")
    expect(rows).to_have_count(2)
    inside = "() => document.activeElement.closest('tr')?.textContent ?? ''"
    wait_for(lambda: jobs[2][:8] in page.evaluate(inside), what="the focus")
    # When the first leaves by another hand, Then the focus stays where it is
    lab.queue.spool.cancel(jobs[0])
    expect(rows).to_have_count(1)
    assert jobs[2][:8] in page.evaluate(inside)
