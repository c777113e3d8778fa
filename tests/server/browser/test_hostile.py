"""What a job prints, or is called, is text on the page, whatever it looks like."""

import json

from tests.server.browser.expecting import expect

SLOW = 20_000


def test_what_a_job_prints_is_shown_as_text(lab, visitor):
    # Given a job that prints markup, escape sequences and control characters
    base = lab.start()
    job = lab.job("hostile")
    lab.queue.until(job, "completed")
    # When its page is read
    page = visitor.open(base, f"job/{job}")
    log = page.get_by_role("log")
    expect(log).to_contain_text("stay as they are", timeout=SLOW)
    lines = [line for line in page.locator(".log .line").all_inner_texts() if line]
    # Then markup is its characters, colours are a class, and what a terminal would obey is dropped or a picture
    assert lines == [
        "<script>document.title = 'taken'; alert(1)</script>",
        "<img src=x onerror=\"alert(2)\"><a href='javascript:alert(3)'>here</a>",
        "red and plain home",
        "bell null⟨00⟩ escapend⟨7f⟩",  # ESC, space and a letter are one sequence
        "over ⟨202e⟩edirrw⟨202c⟩ and ⟨200b⟩nothing",
        "100% done",
        "no utf-8: ��",
        "&lt;b&gt; &amp; stay as they are",
    ]
    assert page.locator(".log .ansi-red").all_inner_texts() == ["red"]
    # Then nothing of it became an element, or ran (a dialog would fail the test at its end)
    assert page.locator(".log script, .log img, .log a").count() == 0
    assert "taken" not in page.title()


def test_what_a_job_is_called_is_shown_as_text(lab, visitor):
    # Given jobs whose commands, reasons and errors hold markup
    base = lab.start()
    bad = "<img src=x onerror=alert(1)>"
    failed = lab.queue.command("sh", "-c", 'echo "$0" >&2; exit 3', bad)
    lab.queue.until(failed, "failed")
    lab.queue.spool.pause(bad)
    waiting = lab.queue.command(bad, "\u202egnorw")
    # When each view shows them
    page = visitor.open(base)
    expect(page.get_by_role("row").filter(has_text=waiting[:8])).to_contain_text(bad)
    expect(page.get_by_role("row").filter(has_text=waiting[:8])).to_contain_text("⟨202e⟩gnorw")
    for route in ("history?state=queued&state=failed", f"job/{failed}", f"job/{waiting}", f"new?from={failed}"):
        page.goto(f"{base}/#/{route}")
        expect(page.locator("main")).to_contain_text("onerror", timeout=SLOW) if "new" not in route else expect(
            page.get_by_label("command (needed)")
        ).to_have_value(f'sh\n-c\necho "$0" >&2; exit 3\n{bad}')
        # Then it is text
        assert page.locator("main img").count() == 0


def test_a_message_of_the_server_is_shown_as_text(lab, visitor):
    # Given a page whose server answers with markup
    visitor.allow()
    base = lab.serve()
    page = visitor.open(base, "new")
    detail = json.dumps({"detail": "<img src=x onerror=alert(1)> field `x`: <b>no</b>"})
    page.route(
        "**/api/v1/validate", lambda route: route.fulfill(status=422, content_type="application/json", body=detail)
    )
    page.get_by_label("Recipe").select_option("command")
    # When the form is checked, Then that is text
    page.get_by_label("command (needed)").fill("true")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("alert")).to_contain_text("<b>no</b>")
    assert page.locator("main img, main b").count() == 0


def test_a_log_of_one_endless_line_and_one_of_very_many_do_not_stop_the_page(lab, visitor):
    # Given a job that prints a line of 3 MB, then 60,000 lines
    base = lab.start()
    text = "import sys; sys.stdout.write('x' * 3_000_000 + '\\n'); [print('row', n) for n in range(60_000)]"
    job = lab.queue.python(text)
    lab.queue.until(job, "completed")
    # When its page is read, Then the last lines are there, and a word about the others
    page = visitor.open(base, f"job/{job}")
    expect(page.get_by_role("log")).to_contain_text("row 59999", timeout=SLOW)
    expect(page.locator(".log-note")).to_contain_text("not shown here")
    assert page.locator(".log .line").count() <= 3001
    # When something is looked for in all of it, Then it is found with its number
    page.get_by_label("Find in the log").fill("row 123")
    page.get_by_role("button", name="Search the whole log").click()
    expect(page.locator(".found-lines li").first).to_have_text("row 123")
    assert page.locator(".found-lines li").first.get_attribute("value") == "125"
    # Then the page was never held up for long
    assert max(page.evaluate("tasks"), default=0) < 700
