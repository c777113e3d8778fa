"""Who may do what, as the page shows it: a token, a read-only one, and a session that ends."""

import pytest

from tests.server.browser.expecting import expect

SLOW = 20_000
TOKEN = "a token of the operator, long enough"
READING = "a token with which one may look"


@pytest.fixture
def guarded(lab):
    """The lab with a server that wants a token; its URL."""
    lab.settings(f'[server]\ntoken = "{TOKEN}"\nread_only_token = "{READING}"\n')
    return lab.start()


def sign_in(page, token):
    """Fill the panel."""
    panel = page.get_by_role("dialog", name="Sign in")
    expect(panel).to_be_visible(timeout=SLOW)
    panel.get_by_label("Token").fill(token)
    panel.get_by_role("button", name="Sign in").click()
    return panel


def test_the_page_asks_for_the_token_and_then_does_everything(guarded, lab, visitor):
    # Given a server that wants a token
    visitor.allow()
    job = lab.job("stubborn")
    page = visitor.open(guarded, f"job/{job}")
    # When a wrong one is shown, Then that is said, and the field is ready for another
    panel = sign_in(page, "a wrong one, but long enough too")
    expect(panel.get_by_role("alert")).to_have_text("The token is not right.")
    expect(panel.get_by_label("Token")).to_be_focused()
    # When the right one is, Then the page is there, where it was asked for, with its buttons, and stays so
    panel.get_by_label("Token").fill(TOKEN)
    panel.get_by_label("Token").press("Enter")
    expect(panel).to_be_hidden()
    expect(page.get_by_role("log")).to_contain_text("ready", timeout=SLOW)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_role("link", name="New job")).to_be_visible()
    page.reload()
    expect(page.get_by_role("log")).to_contain_text("ready", timeout=SLOW)
    # Then no script of the page can read the cookie
    assert page.evaluate("document.cookie") == ""
    # When it signs out, Then the panel is there again
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible(timeout=SLOW)


def test_who_may_only_look_sees_everything_and_no_button(guarded, lab, visitor):
    # Given a running job and one that waits
    visitor.allow()
    running, waiting = lab.job("stubborn"), lab.job("counting", "1")
    page = visitor.open(guarded)
    # When somebody signs in with the token for looking
    sign_in(page, READING)
    # Then the jobs and the log are there, and nothing that would change something
    expect(page.get_by_role("log")).to_contain_text("ready", timeout=SLOW)
    expect(page.get_by_role("row").filter(has_text=waiting[:8])).to_contain_text("normal")
    expect(page.get_by_text("You may look, and change nothing")).to_be_visible()
    names = {text.strip() for text in page.get_by_role("button").all_inner_texts()}
    assert not names & {"Cancel", "Pause", "Retry", "Resume"}
    assert page.get_by_role("combobox").count() == 0
    assert page.get_by_role("link", name="New job").count() == 0
    for route in (f"job/{running}", "history", "new", "results"):
        page.goto(f"{guarded}/#/{route}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.get_by_role("button", name="Submit").count() == 0
        assert page.get_by_role("button", name="Cancel").count() == 0
    # Then the form says why it is not there
    page.goto(f"{guarded}/#/new")
    expect(page.get_by_text("You may only look: your token cannot submit.")).to_be_visible()


def test_a_refusal_that_comes_late_does_not_sign_out_again(guarded, lab, visitor):
    # Given a page that asks something without a token, and gets no answer for a while
    visitor.allow()
    held = []
    page = visitor.open(
        guarded, before=lambda page: page.route("**/api/v1/status", lambda route: held.append(route), times=1)
    )
    # When it has signed in meanwhile, and then the refusal of the old request comes
    panel = sign_in(page, TOKEN)
    expect(page.locator("#connection")).to_have_text("live", timeout=SLOW)
    held[0].fulfill(status=401, content_type="application/json", body='{"detail": "a token is needed"}')
    # Then it stays signed in
    job = lab.job("counting", "1")
    expect(page.get_by_role("main")).to_contain_text(job[:8], timeout=SLOW)
    expect(panel).to_be_hidden()
    expect(page.locator("#connection")).to_have_text("live")


def test_a_session_that_has_ended_is_asked_for_again_where_it_ended(guarded, lab, visitor):
    # Given a page that is signed in
    visitor.allow()
    page = visitor.open(guarded)
    sign_in(page, TOKEN)
    expect(page.locator("#connection")).to_have_text("live", timeout=SLOW)
    # When its cookie is no longer right, Then the next answer has the panel shown, and what is there is marked as old
    page.context.clear_cookies()
    page.keyboard.press("h")
    expect(page.get_by_role("dialog", name="Sign in")).to_be_visible(timeout=SLOW)
    expect(page.locator("#connection")).to_have_text("signed out")
    # When the token is shown again, Then the page goes on
    sign_in(page, TOKEN)
    expect(page.locator("#connection")).to_contain_text("live", timeout=SLOW)
    expect(page.get_by_role("heading", name="History")).to_be_visible()
