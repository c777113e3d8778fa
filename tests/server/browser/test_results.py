"""Scores side by side: the best of a row, the difference of two, a chart with the same numbers."""

import re
import sys

import pytest

from tests.server.browser.expecting import expect

from .lab import JOBS

SLOW = 20_000


@pytest.fixture
def scored(lab):
    """Three completed jobs with scores, in the order of submission."""
    lab.start()
    jobs = []
    for accuracy in ("0.40", "0.70", "0.41"):
        jobs.append(lab.queue.spool.submit({"command": script(accuracy), "results": "results.json"}).job_id)
    for job in jobs:
        lab.queue.until(job, "completed")
    return jobs


def script(accuracy):
    """The command of a job that leaves scores."""
    return [sys.executable, str(JOBS / "scores.py"), accuracy]


def row(page, metric):
    """The cells of the row of a metric."""
    return (
        page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile(metric))).get_by_role("cell")
    )


def test_jobs_stand_side_by_side_with_the_best_marked(lab, scored, visitor):
    # Given three jobs with scores
    page = visitor.open(lab.base, "results?" + "&".join(f"job={job}" for job in scored))
    # When they are shown, Then each has a column, and the best of each row is marked: more accuracy, less perplexity
    expect(page.get_by_role("columnheader")).to_have_count(4)
    accuracy, perplexity = row(page, "walking acc"), row(page, "word_perplexity")
    assert [re.sub(r"\s+", " ", text) for text in accuracy.all_inner_texts()] == [
        "0.4000 ± 0.0100",
        "★ best: 0.7000 ± 0.0100",
        "0.4100 ± 0.0100",
    ]
    expect(perplexity.nth(0)).to_contain_text("★")
    # When a direction is turned round, Then the mark is at the other end
    page.get_by_role("button", name=re.compile("word_perplexity: less is better")).click()
    expect(row(page, "word_perplexity").nth(1)).to_contain_text("★")
    expect(page.get_by_role("button", name=re.compile("word_perplexity: more is better"))).to_be_focused()
    # When a job is left out, Then two are left, and are compared
    page.get_by_role("button", name=re.compile("Leave out B")).click()
    expect(page.get_by_role("heading", name="Two jobs compared")).to_be_visible()


def test_two_jobs_are_compared_with_their_difference(lab, scored, visitor):
    # Given two jobs that differ clearly, and two that differ by less than chance
    first, second, third = scored
    page = visitor.open(lab.base, f"results?job={first}&job={second}")
    # When the first two are compared, Then the difference is there with its interval, and who is better in words
    last = row(page, "walking acc").last
    expect(last).to_have_text(re.compile(r"\+0\.3000 ± 0\.0277\s*B is better$"))
    expect(row(page, "word_perplexity").last).to_have_text(
        re.compile(r"\+3 ?B is worse|\+3\.0000 ?B is worse|\+3B is worse")
    )
    # Then what differs in their requests is told
    expect(page.get_by_role("table", name="What differs in the requests")).to_contain_text("0.70")
    # When the other two are, Then it says that this may be chance
    page.goto(f"{lab.base}/#/results?job={first}&job={third}")
    expect(row(page, "walking acc").last).to_contain_text("may be chance")


def test_the_chart_has_the_numbers_of_the_table_and_can_be_read_without_eyes(lab, scored, visitor):
    # Given two jobs
    page = visitor.open(lab.base, f"results?job={scored[0]}&job={scored[1]}")
    # When the chart is there, Then it tells its numbers, and its bars are as long as they say
    chart = page.locator("svg.chart")
    expect(chart).to_have_attribute("aria-label", "Everything from 0 to 1. walking acc: A 0.4000, B 0.7000 (best)")
    widths = [float(bar.get_attribute("width")) for bar in chart.locator("rect.bar").all()]
    assert widths[1] / widths[0] == pytest.approx(0.7 / 0.4, rel=0.01)
    # When another row is chosen, Then the chart is of that
    page.get_by_label("of", exact=True).select_option("walking word_perplexity")
    expect(chart).to_have_attribute("aria-label", re.compile("walking word_perplexity: A 4 .best., B 7"))


def test_who_has_chosen_none_sees_the_newest(lab, scored, visitor):
    # When the results are opened, Then the newest jobs are there
    page = visitor.open(lab.base, "results")
    expect(page.get_by_role("columnheader")).to_have_count(4)
    # When a task is asked for that there is not, Then that is said
    page.get_by_label("Task").fill("no such task")
    page.get_by_label("Task").press("Enter")
    expect(page.get_by_text("No job that has completed has scores here.")).to_be_visible()
