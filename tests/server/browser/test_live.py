"""What runs, seen from the page: the log as it is written, a cancel, a reload, a server that dies and comes back."""

import re
import time

from tests.server.browser.expecting import expect
from tests.spooltest.waiting import wait_for

SLOW = 20_000


def lines_of(page):
    """The lines of the log that is open."""
    return page.locator(".log .line").all_inner_texts()


def test_the_log_of_a_running_job_appears_as_it_is_written(lab, visitor, tmp_path):
    # Given a job that prints what a file tells it to, and the page
    gate = tmp_path / "gate"
    base = lab.start()
    job = lab.job("gated", str(gate))
    page = visitor.open(base)
    log = page.get_by_role("log")
    expect(log).to_contain_text("here", timeout=SLOW)
    # When it prints another line, Then the page shows it in a moment, with nothing reloaded
    began = time.monotonic()
    gate.write_text("first word\n")
    expect(log).to_contain_text("first word")
    assert time.monotonic() - began < 5
    card = page.locator("article.run")
    expect(card).to_contain_text(job[:8])
    expect(card.locator(".badge")).to_have_text("running")
    # When it ends, Then it is among those that have ended, without a word from the reader
    gate.write_text("first word\nend\n")
    expect(page.get_by_role("region", name="Recently ended").locator(".badge").first).to_have_text(
        "completed", timeout=SLOW
    )
    expect(page.get_by_role("region", name="Running")).to_contain_text("Nothing runs")


def test_progress_is_shown_as_a_bar_with_words(lab, visitor, tmp_path):
    # Given a job that prints a bar as harnesses do
    gate = tmp_path / "gate"
    gate.write_text("Running requests:  25%|##5       | 40/160 [00:10<00:30,  4.00it/s]\n")
    base = lab.start()
    lab.job("gated", str(gate))
    page = visitor.open(base)
    # When the page shows it, Then the bar has its share, and says it in words
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "25", timeout=SLOW)
    expect(page.locator(".progress-text")).to_have_text("Running requests 25% (40/160)")
    # When it gets on, Then the bar does
    gate.write_text(gate.read_text() + "Running requests:  75%|#######5  | 120/160 [00:30<00:10,  4.00it/s]\n")
    expect(bar).to_have_attribute("value", "75", timeout=SLOW)


def test_a_running_job_says_who_runs_it_on_which_gpu_and_how_often_it_was_tried(lab, visitor):
    # Given a slot that has two GPUs
    lab.settings('[slots]\nbig = "2,3"\n')
    base = lab.start()
    job = lab.job("stubborn", max_attempts=2)
    page = visitor.open(base)
    facts = page.locator("article.run .facts")
    # When its job runs, Then the card says so, and the job's own page
    expect(facts).to_contain_text(".big", timeout=SLOW)
    expect(facts).to_contain_text("GPU2,3")
    expect(facts).to_contain_text("attempt1 of 2")
    expect(facts).to_contain_text("heartbeat")
    page.goto(f"{base}/#/job/{job}")
    expect(page.locator(".facts.wide")).to_contain_text("(GPU 2,3)")


def test_a_running_job_is_cancelled_once_and_says_so_meanwhile(lab, visitor):
    # Given a job that takes a while to end
    base = lab.start()
    job = lab.job("stubborn")
    page = visitor.open(base, clock=True)
    expect(page.get_by_role("log")).to_contain_text("ready", timeout=SLOW)
    card = page.locator("article.run")
    # When Cancel is double-clicked, Then that is one press: it asks for a second, and nothing is sent
    card.get_by_role("button", name="Cancel").dblclick()
    again = card.get_by_role("button", name="Press again to cancel")
    expect(again).to_be_visible()
    assert visitor.sent("POST", "/cancel") == []
    # When that is double-clicked after a moment
    page.clock.run_for(600)
    again.dblclick()
    # Then the job is being cancelled, the button cannot be pressed, and the badge says so, until it is done
    under_way = card.get_by_role("button", name="Cancelling…")
    expect(under_way).to_be_disabled()
    expect(card.locator(".badge")).to_have_text("cancelling")
    assert card.locator(".actions").get_attribute("data-state") == "cancelling"
    under_way.click(force=True)
    expect(page.get_by_role("region", name="Recently ended").locator(".badge").first).to_have_text(
        "cancelled", timeout=SLOW
    )
    assert lab.queue.spool.get(job).status == "cancelled"
    assert len(visitor.sent("POST", "/cancel")) == 1


def test_a_press_that_is_not_repeated_cancels_nothing(lab, visitor):
    # Given a running job whose Cancel was pressed once
    base = lab.start()
    job = lab.job("stubborn")
    page = visitor.open(base)
    button = page.locator("article.run").get_by_role("button", name="Cancel")
    button.click(timeout=SLOW)
    # When the reader goes elsewhere, Then the button is as it was, and the job runs
    page.get_by_role("link", name="spoolq").focus()
    expect(page.locator("article.run").get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    assert visitor.sent("POST", "/cancel") == []
    assert lab.queue.spool.get(job).status == "running"


def test_a_queued_job_is_cancelled_at_once_and_can_be_put_back(lab, visitor):
    # Given a job that waits, as nobody runs anything
    base = lab.serve()
    job = lab.job("counting", "1")
    page = visitor.open(base)
    row = page.get_by_role("row").filter(has_text=job[:8])
    # When it is cancelled, Then it is gone from the queue, and a message offers to undo that
    row.get_by_role("button", name="Cancel").dblclick()
    expect(row).to_have_count(0)
    assert lab.queue.spool.get(job).status == "cancelled"
    assert len(visitor.sent("POST", "/cancel")) == 1
    # When that is taken, Then the job waits again
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    assert lab.queue.spool.get(job).status == "queued"


def test_the_queue_says_position_reason_and_priority_and_takes_another(lab, visitor):
    # Given two jobs that wait
    base = lab.serve()
    first, second = lab.job("counting", "1"), lab.job("counting", "2")
    page = visitor.open(base)
    rows = page.get_by_role("table", name="Queued jobs").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(first[:8])
    expect(rows.nth(0)).to_contain_text("no runner on this host")
    expect(rows.nth(1)).to_contain_text("behind 1 queued job")
    # When the second gets a higher priority, Then it is the first
    rows.nth(1).get_by_role("combobox").select_option("high")
    expect(rows.nth(0)).to_contain_text(second[:8])
    expect(rows.nth(0).get_by_role("combobox")).to_have_value("high")
    assert lab.queue.spool.get(second).position_in_queue == 0


def test_pause_and_resume(lab, visitor):
    # Given the page
    base = lab.start()
    page = visitor.open(base)
    # When the queue is paused with a reason, Then the page says so, and nothing is begun
    page.locator(".pause > summary").click()
    page.get_by_label("Reason for the pause").fill("the cluster is being moved")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="The queue is paused")).to_contain_text(
        "the cluster is being moved"
    )
    job = lab.job("counting", "1")
    expect(page.get_by_role("row").filter(has_text=job[:8])).to_contain_text("the queue is paused: the cluster")
    # When it is resumed, Then the job runs
    page.get_by_role("button", name="Resume").click()
    lab.queue.until(job, "completed")
    expect(page.get_by_text("The queue is paused")).to_have_count(0)


def test_a_reload_in_the_middle_of_a_run_comes_back_to_the_job_and_its_log(lab, visitor, tmp_path):
    # Given the page of a running job
    gate = tmp_path / "gate"
    gate.write_text("before\n")
    base = lab.start()
    job = lab.job("gated", str(gate))
    page = visitor.open(base, f"job/{job}")
    expect(page.get_by_role("log")).to_contain_text("before", timeout=SLOW)
    # When it is reloaded, Then it is the same job with the same log, each line once
    page.reload()
    expect(page.get_by_role("log")).to_contain_text("before")
    assert page.url.endswith(f"#/job/{job}")
    gate.write_text("before\nafter\n")
    expect(page.get_by_role("log")).to_contain_text("after")
    assert [line for line in lines_of(page) if line] == ["here", "before", "after"]
    # When it ends, Then the page says so by itself
    gate.write_text("before\nafter\nend\n")
    expect(page.locator(".job-head .badge")).to_have_text("completed", timeout=SLOW)


def test_a_server_that_is_killed_in_the_middle_of_a_run_is_found_again(lab, visitor):
    # Given the page of a job that prints all the time
    visitor.allow("Failed to load resource")
    count = 1500
    base = lab.start()
    job = lab.job("counting", str(count))
    page = visitor.open(base, f"job/{job}")
    chip = page.locator("#connection")
    expect(chip).to_have_text("live")
    expect(page.get_by_role("log")).to_contain_text("line 000010", timeout=SLOW)
    # When the server is killed, Then the page says that it tries to come back, and marks what it shows as old
    lab.served.kill()
    expect(chip).to_contain_text("reconnecting…")
    expect(page.locator("main.stale")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("No connection to the server. What is below is as of")).to_be_visible()
    # When it is started again, Then the page is back, says since when, and nothing is marked any more
    lab.served.restart()
    expect(chip).to_have_text(re.compile(r"live, back since \d\d:\d\d:\d\d"), timeout=SLOW)
    expect(page.locator("main.stale")).to_have_count(0)
    # Then the log has every line once, in order, to the end
    lab.queue.until(job, "completed", 60)
    expect(page.get_by_role("log")).to_contain_text(f"line {count - 1:06d}", timeout=SLOW)
    expect(page.locator(".job-head .badge")).to_have_text("completed", timeout=SLOW)
    assert [line for line in lines_of(page) if line] == [f"line {number:06d} of the count" for number in range(count)]


def test_a_change_that_came_while_the_server_was_away_is_shown(lab, visitor):
    # Given the page with a job that waits, and a server that dies
    visitor.allow("Failed to load resource")
    base = lab.serve()
    job = lab.job("counting", "1")
    page = visitor.open(base)
    expect(page.get_by_role("row").filter(has_text=job[:8])).to_be_visible()
    lab.served.kill()
    expect(page.locator("#connection")).to_contain_text("reconnecting…")
    # When the job is cancelled meanwhile, and the server comes back, Then the page shows it
    lab.queue.spool.cancel(job)
    lab.served.restart()
    expect(page.get_by_role("region", name="Recently ended")).to_contain_text(job[:8], timeout=SLOW)
    expect(page.get_by_role("row").filter(has_text=job[:8])).to_have_count(0)


def test_the_title_tells_the_counts(lab, visitor):
    # Given two jobs that wait, When the page is open, Then its title says so
    base = lab.serve()
    lab.job("counting", "1"), lab.job("counting", "2")
    page = visitor.open(base)
    wait_for(lambda: page.title() == "0 running, 2 queued · Queue · spoolq", what="the title")


def test_an_ended_job_that_is_put_back_runs_on_the_same_page(lab, visitor, tmp_path):
    # Given the page of a job that has failed
    gate = tmp_path / "gate"
    base = lab.start()
    job = lab.queue.command("sh", "-c", f"cat {gate}")
    page = visitor.open(base, f"job/{job}")
    expect(page.locator(".job-head .badge")).to_have_text("failed: exit 1", timeout=SLOW)
    expect(page.get_by_role("region", name="Error")).to_contain_text("No such file")
    # When it is retried, Then its second attempt and its log appear there
    gate.write_text("it is there now\n")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".job-head .badge")).to_have_text("completed", timeout=SLOW)
    expect(page.get_by_role("log")).to_contain_text("it is there now")
    expect(page.locator(".line.marker")).to_have_text("— attempt 2 —")
    # When the first attempt is chosen, Then its log is shown
    page.get_by_label("Attempt").select_option("1")
    expect(page.get_by_role("log")).to_contain_text("No such file")
    expect(page.get_by_role("log")).not_to_contain_text("it is there now")
