"""Single keys: where they lead, that they leave writing alone, and that they can be switched off."""

import re

import pytest

from tests.server.browser.expecting import expect

from .lab import fill_history


@pytest.fixture
def page(lab, visitor):
    """The history of a server with some jobs."""
    fill_history(lab.queue.path, 20)
    base = lab.serve()
    made = visitor.open(base, "history")
    expect(made.get_by_role("table", name="Jobs").locator("tbody tr")).to_have_count(20)
    return made


def focused(page):
    """The address of the link that has the focus."""
    return page.evaluate("document.activeElement.getAttribute('href')")


def links(page):
    """The addresses of the jobs in the list."""
    return [link.get_attribute("href") for link in page.locator("main .row-link").all()]


def test_j_and_k_go_from_job_to_job_and_enter_opens(page):
    # Given a list of jobs
    order = links(page)
    # When j and k are pressed, Then the focus goes down and up, and no further than the ends
    for keys, place in (("j", 0), ("jj", 2), ("k", 1), ("kkk", 0), ("j" * 25, 19)):
        for key in keys:
            page.keyboard.press(key)
        assert focused(page) == order[place]
    # When Enter is pressed, Then that job is there, and back leads to the list
    page.keyboard.press("Enter")
    expect(page.locator(".job-head code.id")).to_have_text(order[19].removeprefix("#/job/"))
    page.go_back()
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def test_x_chooses_the_job_that_has_the_focus(page):
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Choose job").first).to_be_checked()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Choose job").first).not_to_be_checked()


def test_slash_leads_to_the_search_and_escape_out_of_it(page):
    # When / is pressed, Then one writes in the search, where keys are letters
    page.keyboard.press("/")
    field = page.get_by_label("Search")
    expect(field).to_be_focused()
    page.keyboard.type("jk?n/")
    expect(field).to_have_value("jk?n/")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # When Escape is pressed, Then keys lead around again
    page.keyboard.press("Escape")
    page.keyboard.press("q")
    expect(page).to_have_url(re.compile("#/$"))


@pytest.mark.parametrize(("key", "heading"), [("h", "History"), ("r", "Results"), ("n", "New job")])
def test_a_key_leads_to_each_view(page, key, heading):
    page.keyboard.press("q")
    expect(page.get_by_role("heading", level=1, name="Queue")).to_be_focused()
    page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_focused()
    page.keyboard.press("q")
    expect(page.get_by_role("heading", level=1, name="Queue")).to_be_focused()


def test_the_list_of_keys_and_the_switch(page):
    # When ? is pressed, Then the keys are listed
    page.keyboard.press("?")
    panel = page.get_by_role("dialog", name="Keys")
    expect(panel).to_contain_text("next and previous job")
    # When single keys are switched off, Then they do nothing, also after a reload
    panel.get_by_label("Use single keys").uncheck()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press("q")
    page.reload()
    page.keyboard.press("q")
    expect(page.get_by_role("heading", level=1, name="History")).to_be_visible()
    # Then the button still shows them
    page.get_by_role("button", name="Keys and help").click()
    expect(panel).to_be_visible()


def test_keys_with_modifiers_are_left_to_the_browser(page):
    for key in ("Control+j", "Alt+q", "Meta+n"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1, name="History")).to_be_visible()
