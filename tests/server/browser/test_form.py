"""The form: typed fields, faults beside them, one job for one filling, and all of it by the keyboard."""

import json

import pytest

from tests.server.browser.expecting import expect
from tests.spooltest.waiting import wait_for

from .lab import RECIPE

SLOW = 20_000


@pytest.fixture
def form(lab, visitor):
    """The form of a server that runs jobs and has the recipe `walk`."""
    lab.settings(RECIPE)
    base = lab.start()
    page = visitor.open(base, "new")
    expect(page.get_by_label("Recipe")).to_contain_text("walk")
    return page


def jobs_of(lab):
    """All jobs of the spool."""
    return lab.ask("/jobs")["jobs"]


def test_a_job_is_submitted_by_fields_and_followed_to_its_end(lab, form):
    # Given the fields of a recipe with a parameter of each type
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("steps (needed)").fill("12")
    form.get_by_label("pace").select_option("fast")
    form.get_by_label("loud").check()
    form.get_by_label("places").fill("here, there")
    form.get_by_label("priority").select_option("high")
    form.get_by_label("time limit").fill("15m")
    form.get_by_label("attempts").fill("2")
    # When it is submitted, Then the page shows the job, through its run to its end
    form.get_by_role("button", name="Submit").click()
    panel = form.get_by_role("region", name="The job submitted last")
    expect(panel.locator(".badge")).to_have_text("completed", timeout=SLOW)
    # Then what was queued is what was written, each value of its type
    (job,) = jobs_of(lab)
    assert job["request"] == {"steps": 12, "pace": "fast", "loud": True, "places": ["here", "there"]}
    assert (job["recipe"], job["priority"], job["timeout"], job["max_attempts"]) == ("walk", "high", 900.0, 2)


def test_a_double_click_and_a_third_press_queue_one_job(lab, form, visitor):
    # Given a filled form
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("steps (needed)").fill("1")
    # When Submit is pressed again and again
    submit = form.locator("button.primary")
    submit.dblclick()
    expect(submit).to_have_text("Submitted")
    submit.click(force=True)
    # Then one job was asked for, and there is one
    assert len(visitor.sent("POST", "/jobs")) == 1
    assert len(jobs_of(lab)) == 1
    # When a field is changed, Then the next press is for another one
    form.get_by_label("steps (needed)").fill("2")
    form.get_by_role("button", name="Submit").click()
    expect(submit).to_have_text("Submitted")
    assert [job["request"]["steps"] for job in jobs_of(lab)] == [2, 1]


def test_a_reply_that_is_lost_is_asked_for_again_and_queues_nothing_twice(lab, form, visitor):
    # Given a line that loses the reply to the first two tries, after the server has done its work
    visitor.allow()
    lost = []

    def lose(route):
        if len(lost) < 2:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    form.route("**/api/v1/jobs", lambda route: lose(route) if route.request.method == "POST" else route.continue_())
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("steps (needed)").fill("1")
    # When the job is submitted, Then the page says that it asks again, and ends with the one job
    form.get_by_role("button", name="Submit").click()
    expect(form.locator(".verdict")).to_contain_text("it cannot be queued twice")
    expect(form.locator("button.primary")).to_have_text("Submitted", timeout=SLOW)
    assert lost == [201, 200]
    keys = {request.headers["idempotency-key"] for request in visitor.sent("POST", "/jobs")}
    assert len(keys) == 1
    assert len(jobs_of(lab)) == 1


def test_a_page_that_is_reloaded_before_the_reply_queues_nothing_twice(lab, form, visitor):
    # Given a job that was queued, but whose reply never came to the page
    visitor.allow()
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("steps (needed)").fill("1")
    done = []
    form.route("**/api/v1/jobs", lambda route: done.append(route.fetch().status), times=1)
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("button.primary")).to_have_text("Submitting…")
    wait_for(lambda: form.locator("button.primary").is_visible() and done, what="the server's answer")
    # When the page is reloaded, Then the form is as it was, and another press is for the same job
    form.reload()
    expect(form.get_by_label("steps (needed)")).to_have_value("1")
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("button.primary")).to_have_text("Submitted", timeout=SLOW)
    assert len(jobs_of(lab)) == 1


def test_faults_are_told_beside_the_fields_before_anything_is_sent(form, visitor):
    # Given a form with a number that is none, one that is missing, and a time that is none
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("time limit").fill("soon")
    # When it is submitted, Then each fault stands beside its field, and the first of them has the focus
    form.get_by_role("button", name="Submit").click()
    steps = form.get_by_label("steps (needed)")
    expect(steps).to_have_attribute("aria-invalid", "true")
    expect(steps).to_have_accessible_description("is needed How many steps. 1 to 100")
    expect(form.get_by_label("time limit")).to_have_accessible_description(
        "is no duration: write 90, 15m, 2h30m or 7d Of one attempt: 90, 15m, 2h30m, 7d. Empty is the spool's"
    )
    expect(steps).to_be_focused()
    expect(form.get_by_role("alert")).to_contain_text("Please look at these fields")
    # When it is mended to another wrong one, Then the word changes with it
    steps.fill("101")
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("#field-steps-fault")).to_have_text("must be at most 100")
    assert visitor.sent("POST", "/jobs") == []


def test_what_only_the_server_knows_is_told_beside_the_field_too(form, visitor):
    # Given a value that only the server can judge
    visitor.allow()
    form.get_by_label("Recipe").select_option("command")
    form.get_by_label("command (needed)").fill("true")
    # When it is written, Then the server's word stands beside its field, with no press
    form.get_by_label("cwd").fill("not/absolute")
    expect(form.locator("#field-cwd-fault")).to_contain_text("pattern", timeout=SLOW)
    # When it is submitted, Then it is not queued, and the field has the focus
    form.get_by_role("button", name="Submit").click()
    expect(form.get_by_label("cwd")).to_be_focused()
    expect(form.locator("#field-cwd-fault")).to_be_visible()
    # When it is mended, Then the word goes, and the server would take it
    form.get_by_label("cwd").fill("/")
    expect(form.locator("#field-cwd-fault")).to_be_hidden()
    form.get_by_role("button", name="Check").click()
    expect(form.get_by_text("The server would take this: recipe command.")).to_be_visible()


def test_a_job_is_submitted_as_json(lab, form, visitor):
    # Given fields that were begun, When JSON is chosen, Then it holds what they hold
    visitor.allow()
    form.get_by_label("Recipe").select_option("walk")
    form.get_by_label("steps (needed)").fill("3")
    form.get_by_label("JSON", exact=True).check()
    text = form.get_by_label("Job as JSON")
    assert json.loads(text.input_value()) == {"recipe": "walk", "request": {"steps": 3}}
    # When it is no JSON, Then that is said
    text.fill('{"recipe": "walk", ')
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("#raw-fault")).to_contain_text("this is no JSON")
    # When it is none that the server takes, Then the server's word is there
    text.fill(json.dumps({"recipe": "walk", "request": {"steps": "3"}}))
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("#raw-fault")).to_contain_text("steps: is no whole number")
    # When it is right, Then it is queued
    text.fill(json.dumps({"recipe": "walk", "request": {"steps": 3}, "priority": "low"}))
    form.get_by_role("button", name="Submit").click()
    expect(form.locator("button.primary")).to_have_text("Submitted", timeout=SLOW)
    (job,) = jobs_of(lab)
    assert (job["request"]["steps"], job["priority"]) == (3, "low")


def test_a_job_is_taken_as_the_beginning_of_another(lab, form):
    # Given a job that has ended
    job = lab.queue.spool.submit({"steps": 7, "pace": "fast"}, recipe="walk", priority="high").job_id
    lab.queue.until(job, "completed")
    # When its page's link is followed, Then the form holds its request
    form.goto(f"{lab.base}/#/job/{job}")
    form.get_by_role("link", name="Edit and submit again").click()
    expect(form.get_by_label("steps (needed)")).to_have_value("7")
    expect(form.get_by_label("pace")).to_have_value("fast")
    expect(form.get_by_label("priority")).to_have_value("high")


def test_a_job_is_submitted_by_the_keyboard_alone(lab, visitor):
    # Given the queue, When `n` is pressed, Then the form is there, and its heading has the focus
    lab.settings(RECIPE)
    base = lab.start()
    page = visitor.open(base)
    expect(page.get_by_role("link", name="New job")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New job")).to_be_focused()
    expect(page.get_by_label("Recipe")).to_contain_text("walk")
    # When one goes from field to field with Tab, Then each is reached in order, and each shows that it has the focus
    press(page, "Tab", until="field-recipe")
    page.keyboard.type("walk")
    press(page, "Tab", until="field-steps")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.type("5")
    press(page, "Tab", until="Submit")
    page.keyboard.press("Enter")
    # Then the job is queued, and its state is shown
    expect(page.get_by_role("region", name="The job submitted last").locator(".badge")).to_have_text(
        "completed", timeout=SLOW
    )
    (job,) = jobs_of(lab)
    assert job["request"]["steps"] == 5


def press(page, key, *, until, most=30):
    """Press *key* until what has the focus has that id or text."""
    for _ in range(most):
        page.keyboard.press(key)
        if until in page.evaluate("[document.activeElement.id, document.activeElement.textContent]"):
            return
    raise AssertionError(f"{until} is not reached by {key}")
