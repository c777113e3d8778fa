"""`spoolq demo`, where lm-eval is not installed; with it, it is tried in tests/processes."""

import importlib.util

import pytest

from tests.verbs.program import spoolq, spoolq_on_terminal, spoolq_program

without_harness = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is not None, reason="two of its jobs would be real evaluations"
)


@without_harness
def test_shows_the_queue_the_scores_and_what_went_wrong(tmp_path):
    # When the demonstration is run
    ran = spoolq_program("demo", "--dir", tmp_path / "demo")
    # Then it says what is missing, shows each job's way, the scores, and how to look on
    assert ran.code == 0
    shown = ran.out + " ".join(ran.out.split())  # as it stands, and without the line breaks
    for said in (
        "lm-eval is not installed here",
        "  mv count.json spool/queued/",
        "count  acc     0.3250",
        "Rejected ",
        "return code 3. Its log ends: the model file is not there",
        f"status --spool {tmp_path / 'demo' / 'spool'}",
    ):
        assert said in shown, said
    # And the spool that it leaves is a spool like any other
    records = spoolq("list", "--json", "--spool", tmp_path / "demo" / "spool").json()
    assert sorted(record["outcome"] for record in records) == ["exit", "invalid", "succeeded"]


@without_harness
def test_json_is_one_document_and_the_talk_goes_to_stderr(tmp_path):
    ran = spoolq_program("demo", "--json", "--dir", tmp_path / "demo")
    said = ran.json()
    assert ran.code == 0 and said["done"] is True
    assert set(said) == {"spool", "done", "jobs", "results"}
    assert [row["value"] for row in said["results"]] == [0.325]
    assert "A spool is a directory tree." in ran.err


@without_harness
def test_on_a_terminal_it_draws_a_bar_a_job_and_cleans_up(tmp_path):
    ran = spoolq_on_terminal("demo", "--dir", tmp_path / "d")
    assert ran.code == 0
    assert "━" in ran.out and ran.out.count("\x1b[?25l") == ran.out.count("\x1b[?25h")


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    # Given a folder with somebody's file in it
    (tmp_path / "precious").write_text("mine")
    # When the demonstration is to be made there
    ran = spoolq("demo", "--dir", tmp_path, ok=False)
    # Then nothing is
    assert (ran.code, ran.out) == (2, "")
    assert f"Invalid value for --dir: {tmp_path} is not empty" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
