"""The page of one job: found by any name that it has, with all that is on record, and its log to search and to take."""

import re

import pytest

from tests.server.browser.expecting import expect

from .lab import fill_history
from .test_results import script

SLOW = 20_000


@pytest.fixture
def ended(lab):
    """A job that has ended with scores."""
    lab.start()
    job = lab.queue.spool.submit({"command": script("0.5"), "results": "results.json"}, timeout="2h").job_id
    lab.queue.until(job, "completed")
    return job


@pytest.mark.parametrize("name", ["whole", "beginning", "last"])
def test_a_job_is_found_by_its_id_a_beginning_of_it_and_last(lab, ended, visitor, name):
    # Given a job, When its page is asked for by any of these, Then it is there, under the address of its whole id
    asked = {"whole": ended, "beginning": ended[:6], "last": "last"}[name]
    page = visitor.open(lab.base, f"job/{asked}")
    expect(page.locator(".job-head code.id")).to_have_text(ended)
    expect(page).to_have_url(re.compile(f"#/job/{ended}$"))


def test_a_job_that_is_not_there_is_said_in_words(lab, ended, visitor):
    visitor.allow()
    page = visitor.open(lab.base, "job/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("There is no job 00000000-0000-4000-8000-000000000000 here")


def test_all_that_is_on_record_is_there(lab, ended, visitor):
    # Given the page of a job
    page = visitor.open(lab.base, f"job/{ended}")
    # Then its facts and scores are there
    facts = page.locator(".facts.wide")
    expect(facts).to_contain_text("Recipecommand")
    expect(facts).to_contain_text("Outcomesucceeded")
    expect(facts).to_contain_text("Time limit2h")
    accuracy = page.get_by_role("table", name="Scores").get_by_role("row").filter(has_text="acc")
    expect(accuracy).to_contain_text("0.5000")
    expect(accuracy).to_contain_text("0.0100")
    # When what is folded is opened, Then what happened is there, and the request, and the record as it is on disk
    page.locator("summary", has_text="History").click()
    expect(page.get_by_role("table", name="What happened").locator("tbody tr")).to_have_count(3)
    page.locator("summary", has_text="Request").click()
    expect(page.locator("details", has=page.get_by_text("Request", exact=True)).locator("pre")).to_contain_text(
        '"results": "results.json"'
    )
    page.locator("summary", has_text="Whole record").click()
    expect(page.locator("details", has=page.get_by_text("Whole record", exact=True)).locator("pre")).to_contain_text(
        f'"job_id": "{ended}"'
    )
    # Then it is not offered to be tried again, as it has not failed
    assert page.get_by_role("button", name="Retry").count() == 0


@pytest.mark.parametrize("old", [False, True])
def test_the_id_is_copied_also_where_there_is_no_clipboard_for_pages(lab, ended, visitor, old):
    # Given a browser with, and one without, what pages served over TLS have
    hide = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
    page = visitor.open(
        lab.base,
        f"job/{ended}",
        before=lambda page: old and page.add_init_script(hide),
        permissions=["clipboard-read", "clipboard-write"],
    )
    expect(page.locator(".job-head code.id")).to_have_text(ended)
    # When the id is copied, Then it can be pasted
    page.get_by_role("button", name="Copy the job's id").click()
    page.goto(f"{lab.base}/#/history")
    page.get_by_label("Search").focus()
    page.keyboard.press("Control+v")
    expect(page.get_by_label("Search")).to_have_value(ended)


def test_the_log_is_searched_and_taken(lab, visitor):
    # Given a log of 300 lines
    lab.start()
    job = lab.job("counting", "300")
    lab.queue.until(job, "completed")
    page = visitor.open(lab.base, f"job/{job}")
    expect(page.get_by_role("log")).to_contain_text("line 000299", timeout=SLOW)
    # When something is looked for, Then the lines that hold it are counted, and gone to one by one
    field = page.get_by_label("Find in the log")
    field.fill("line 00004")
    expect(page.locator(".log-search .dim")).to_have_text("10 lines")
    assert page.locator(".line.hit").count() == 10
    field.press("Enter")
    expect(page.locator(".line.here")).to_have_text("line 000040 of the count")
    expect(page.locator(".line.here")).to_be_in_viewport()
    field.press("Enter")
    expect(page.locator(".log-search .dim")).to_have_text("2 of 10 lines")
    page.get_by_role("button", name="Previous match").click()
    page.get_by_role("button", name="Previous match").click()
    expect(page.locator(".line.here")).to_have_text("line 000049 of the count")
    # When the search is left, Then nothing is marked; and the end can be followed again
    field.press("Escape")
    expect(page.locator(".line.hit")).to_have_count(0)
    page.get_by_role("button", name="Follow the end").click()
    expect(page.get_by_text("line 000299")).to_be_in_viewport()
    # When lines are not to be wrapped, Then they are not
    page.get_by_label("Wrap").uncheck()
    assert page.locator(".log .line").first.evaluate("(node) => getComputedStyle(node).whiteSpace") == "pre"
    # When it is taken, Then it is what the job has printed
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download").click()
    text = taken.value.path().read_text()
    assert text == lab.queue.text(job)
    assert taken.value.suggested_filename == f"{job}.log"


def test_a_log_that_is_read_higher_up_does_not_jump_when_more_comes(lab, visitor, tmp_path):
    # Given a running job with a long log, and a reader at its beginning
    gate = tmp_path / "gate"
    gate.write_text("".join(f"row {number}\n" for number in range(200)))
    lab.start()
    job = lab.job("gated", str(gate))
    page = visitor.open(lab.base, f"job/{job}")
    expect(page.get_by_role("log")).to_contain_text("row 199", timeout=SLOW)
    page.get_by_role("log").evaluate("(node) => { node.scrollTop = 0; }")
    expect(page.get_by_role("button", name="Follow the end")).to_be_visible()
    # When more comes, Then he is where he was
    gate.write_text(gate.read_text() + "a new row\n")
    expect(page.get_by_role("log")).to_contain_text("a new row")
    assert page.get_by_role("log").evaluate("(node) => node.scrollTop") == 0


def test_a_job_that_is_pruned_while_it_is_read_is_said_to_be_gone(lab, visitor):
    # Given the page of an ended job
    visitor.allow()
    (job,) = fill_history(lab.queue.path, 1)
    lab.serve()
    page = visitor.open(lab.base, f"job/{job}")
    expect(page.locator(".job-head code.id")).to_have_text(job)
    # When it is pruned, and the page looks again, Then it says so
    lab.queue.spool.prune(keep=0)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("it was pruned")


def test_a_queued_job_says_why_it_waits_and_takes_the_log_when_it_comes(lab, visitor):
    # Given the page of a job that waits for a runner
    base = lab.serve()
    job = lab.job("counting", "2")
    page = visitor.open(base, f"job/{job}")
    expect(page.locator(".facts.wide")).to_contain_text("no runner on this host")
    # When one comes, Then the log is there, and the end
    lab.queue.start()
    expect(page.get_by_role("log")).to_contain_text("line 000001", timeout=SLOW)
    expect(page.locator(".job-head .badge")).to_have_text("completed", timeout=SLOW)
