"""What every view must be: readable, named, in order for a screen reader, and no wider than a phone."""

import itertools
import re
from pathlib import Path

import pytest

from tests.server.browser.expecting import expect
from tests.spooltest.waiting import wait_for

from .lab import RECIPE, fill_history

SLOW = 20_000
#: Every view; JOB is a running job, FAILED and DONE are ended ones.
VIEWS = [
    "",
    "history",
    "results",
    "results?job=DONE&job=OTHER",
    "workers",
    "new",
    "job/JOB",
    "job/FAILED",
    "job/nothing",
]
PROBES = Path(__file__).with_name("probes.js").read_text(encoding="utf-8")


@pytest.fixture
def shop(lab):
    """A server with something to see in every view; `at(view)` names the jobs in a route."""
    lab.settings(RECIPE)
    fill_history(lab.queue.path, 60)
    lab.start()
    running = lab.job("stubborn", priority="high")
    lab.queue.until(running, "running")
    for number in range(3):
        lab.job("counting", str(number), priority="low")
    done = lab.ask("/jobs?state=completed&limit=2")["jobs"]
    failed = lab.ask("/jobs?state=failed&limit=1")["jobs"][0]["job_id"]
    names = {"JOB": running, "FAILED": failed, "DONE": done[0]["job_id"], "OTHER": done[1]["job_id"]}
    return lambda view: re.sub("|".join(names), lambda found: names[found[0]], view)


def settled(page, visitor):
    """Wait until the view has all answers, and has shown them."""
    seen = []

    def still():
        now = page.locator("main").inner_html()  # events are heard while something is asked
        seen.append("" if visitor.waiting else now)
        return len(seen) > 12 and seen[-1] and len(set(seen[-12:])) == 1

    expect(page.get_by_role("heading", level=1)).to_have_count(1, timeout=SLOW)
    wait_for(still, what="a view that stands still")


def probe(page, name):
    """What a probe finds on the page."""
    return page.evaluate(f"({PROBES.strip()}).{name}()")


def luminance(colour):
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in colour[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(shop, lab, visitor, scheme):
    # Given every view in a theme
    visitor.allow()
    page = visitor.open(lab.base, scheme=scheme)
    for view in VIEWS:
        page.goto(f"{lab.base}/#/{shop(view)}")
        settled(page, visitor)
        # When each text is held against what it stands on, Then the contrast is enough
        texts = probe(page, "texts")
        assert len(texts) > 8, view
        pale = {text: contrast(colour, ground) for text, colour, ground in texts if contrast(colour, ground) < 4.5}
        assert pale == {}, view
    # Then the theme is the one that was asked for
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (luminance([int(part) for part in re.findall(r"\d+", ground)]) > 0.5) == (scheme == "light")


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_view_is_wider_than_its_window(shop, lab, visitor, width):
    # Given every view at a width
    visitor.allow()
    page = visitor.open(lab.base, width=width)
    for view in VIEWS:
        page.goto(f"{lab.base}/#/{shop(view)}")
        settled(page, visitor)
        # When its width is measured, Then it needs no scrolling to the side
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_everything_has_a_name_and_an_order(shop, lab, visitor):
    # Given every view
    visitor.allow()
    page = visitor.open(lab.base)
    for view in VIEWS:
        page.goto(f"{lab.base}/#/{shop(view)}")
        settled(page, visitor)
        # When it is read as a screen reader does, Then what can be used has a name and is large enough to be hit
        assert probe(page, "nameless") == [], view
        assert probe(page, "small") == [], view
        # Then no id is there twice, and headings go down by one step
        assert probe(page, "doubled") == [], view
        levels = probe(page, "levels")
        assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels)), view
        # Then the landmarks are there, once
        for role in ("banner", "main"):
            assert page.get_by_role(role).count() == 1, view
        assert page.get_by_role("navigation", name="Views").count() == 1


def test_a_screen_reader_hears_the_queue(shop, lab, visitor):
    # Given the queue, When its tree of roles and names is read, Then it says what the eye sees
    page = visitor.open(lab.base)
    expect(page.get_by_role("log")).to_contain_text("ready", timeout=SLOW)
    expect(page.get_by_role("main")).to_match_aria_snapshot(
        """
        - main:
          - heading "Queue" [level=1]
          - region "Running":
            - heading "Running 1" [level=2]
            - article /stubborn/:
              - text: running
              - heading /stubborn/ [level=3]:
                - link /stubborn/
              - button "Log" [expanded]
              - group /Actions for job/:
                - button "Cancel"
              - term: job
              - definition
              - log /Log of job/: /ready/
          - region "Queued":
            - heading "Queued 3" [level=2]
            - table "Queued jobs":
              - rowgroup:
                - row "Position Job Recipe Priority Why it waits Starts Waits for Actions"
              - rowgroup:
                - row /counting/:
                  - cell "0"
                  - cell /counting/:
                    - link /counting/
                  - cell "command"
                  - cell "low":
                    - combobox /Priority of job/
                  - 'cell "next: a slot must become free"'
        """
    )


def test_changes_of_state_are_said_to_who_does_not_see_them(lab, visitor):
    # Given the page, away from the queue
    base = lab.start()
    page = visitor.open(base, "history")
    expect(page.locator("#connection")).to_have_text("live")
    # When a job ends, Then that is said politely
    job = lab.job("counting", "1")
    expect(page.locator("#announcer")).to_have_text(f"Job {job[:8]} completed", timeout=SLOW)
    assert page.locator("#announcer").get_attribute("aria-live") == "polite"
    # When twenty end, Then they are counted, not listed
    jobs = [lab.queue.command("true") for _ in range(20)]
    lab.queue.spool.wait(jobs, timeout=60)
    expect(page.locator("#announcer")).to_contain_text("completed", timeout=SLOW)
    assert len(page.locator("#announcer").inner_text()) < 200


def test_the_theme_can_be_chosen_and_is_remembered(lab, visitor):
    # Given a reader whose system is light
    base = lab.serve()
    page = visitor.open(base)
    dark = "() => getComputedStyle(document.documentElement).colorScheme === 'dark'"
    assert not page.evaluate(dark)
    # When he chooses dark, Then it is dark, also after a reload
    page.get_by_role("button", name=re.compile("Theme: as the system")).click()
    page.get_by_role("button", name=re.compile("Theme: light")).click()
    expect(page.get_by_role("button", name=re.compile("Theme: dark"))).to_be_visible()
    assert page.evaluate(dark)
    page.reload()
    assert page.evaluate(dark)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_who_does_not_want_it(lab, visitor, motion):
    # Given a reader who does, or does not, want things to move; and a line that is lost
    visitor.allow()
    base = lab.serve()
    page = visitor.open(base, reduced_motion=motion)
    expect(page.locator("#connection")).to_have_text("live")
    lab.served.kill()
    expect(page.locator("#connection")).to_contain_text("reconnecting…")
    # When animations are counted, Then there are some only for who wants them
    moving = page.evaluate("document.getAnimations().length")
    assert (moving == 0) == (motion == "reduce")


def test_one_can_leap_to_the_content(lab, visitor):
    # Given the page, When Tab is pressed once, Then a link leads past the head
    base = lab.serve()
    page = visitor.open(base)
    expect(page.get_by_role("link", name="New job")).to_be_visible()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_page_needs_nothing_but_its_own_answers(lab, visitor):
    # Given the page, When all that it asked for is listed, Then it is the page itself and the API
    base = lab.serve()
    page = visitor.open(base)
    expect(page.locator("#connection")).to_have_text("live")
    paths = {request.url.removeprefix(base).partition("?")[0].partition("#")[0] for request in visitor.requests}
    others = {path for path in paths if not path.startswith(("/api/v1/", "data:"))}
    assert others == {"/"}
