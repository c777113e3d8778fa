"""The benchmark programs: that they measure and report; never how fast anything is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report, results, samples, spools
from benchmarks.__main__ import parser
from benchmarks.bed import Bed
from benchmarks.clockwork import Clockwork
from benchmarks.peers.nq import Nq
from benchmarks.peers.task_spooler import TaskSpooler
from spoolq.find import entries
from spoolq.store import Store
from spoolq.transitions import State

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bed(tmp_path) -> Bed:
    made = Bed(tmp_path / "bed", python=Path(sys.executable), quick=True)
    yield made
    made.close()


def test_a_quick_run_reports_what_it_was_asked_for(tmp_path):
    # Given a page with the two marks
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    # When two figures are measured, small
    words = [sys.executable, "-m", "benchmarks", "--quick", "--no-peers", "--python", sys.executable]
    out = tmp_path / "all.json"
    words += ["--dir", str(tmp_path), "--json", str(out), "--update", str(page), "latency", "drain"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    # Then the report has both, with their marks, on stdout and between the two marks of the page
    assert ran.returncode == 0, ran.stderr
    assert page.read_text() == f"before\n{report.BEGIN}\n\n{ran.stdout.removesuffix(chr(10))}\n{report.END}\nafter\n"
    for durability in ("full", "process"):
        for regime in ("idle", "right after a claim"):
            row = rf"^\| spoolq, durability {durability}, {regime} \| p50 -?[\d.]+, .* \*\*(met|missed)\*\* \|$"
            assert re.search(row, ran.stdout, re.MULTILINE), ran.stdout
        row = rf"^\| spoolq, durability {durability} \| [\d.]+ /s \| .* \*\*(met|missed)\*\* \|$"
        assert re.search(row, ran.stdout, re.MULTILINE), ran.stdout
    # and the document has every sample
    document = json.loads(out.read_text())
    assert [figure["key"] for figure in document["figures"]] == ["latency", "drain"]
    latencies = document["figures"][0]["samples"]["spoolq, durability full, idle, ms"]
    assert len(latencies) == 6 and all(-50 < value < 60_000 for value in latencies)
    # and nothing is left behind
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.json", "page.md"]


def test_a_figure_that_does_not_exist_is_refused():
    # Given a word that is no figure, When it is asked for, Then those that exist are named
    words = [sys.executable, "-m", "benchmarks", "speed"]
    ran = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "99"}
    )
    assert ran.returncode == 2
    assert "no such figure: speed; there are limits, latency" in ran.stderr


@pytest.mark.parametrize("peer", [TaskSpooler, Nq])
def test_a_peer_that_is_missing_says_how_to_get_it(bed, peer, monkeypatch, tmp_path):
    # Given a path without the peer's program, When it is asked for, Then the line says what to install
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install" in peer(bed).missing()


@pytest.mark.parametrize("peer", [TaskSpooler, Nq])
def test_a_peer_runs_what_it_is_given(bed, peer):
    # Given a peer that is there, When it is given a job, Then it is heard; twice, since each figure starts it anew
    queue = peer(bed)
    if queue.missing():
        pytest.skip(queue.missing())
    for turn in ("first", "second"):
        queue.start(bed.fresh("peer"))
        queue.submit(bed.clockwork.stamp(turn))
        assert bed.clockwork.heard(turn) > 0
        queue.stop()


def test_a_timed_job_holds_its_slot_until_the_gate_is_opened(tmp_path):
    # Given a job that holds its slot
    clockwork = Clockwork(tmp_path / "clockwork")
    held = subprocess.Popen(clockwork.holder("holder"))
    began = clockwork.heard("holder")
    assert held.poll() is None
    # When the gate is opened, Then it says that it ends, and ends
    clockwork.open_gate()
    assert clockwork.heard("holder.end") >= began
    assert held.wait(10) == 0
    # and one that never says anything is not waited for
    with pytest.raises(TimeoutError, match="the job silent did not start"):
        clockwork.heard("silent", patience=0.01)
    clockwork.close()


def test_a_deep_spool_is_a_real_one(tmp_path):
    # Given a spool made at depth
    stems = spools.make(tmp_path / "spool", durability="process", depth=5)
    store = Store(tmp_path / "spool")
    # When a job is put behind the third, Then it is the fourth, and all are jobs whose STEM stands
    between = spools.after(stems[2])
    spools.put(tmp_path / "spool", between, ["true"])
    order = [entry.stem for entry in entries(store, [State.QUEUED])]
    assert order == [*stems[:3], between, *stems[3:]]
    assert store.settings.durability == "process"


def test_numbers_are_said_with_their_spread():
    # Given numbers, When they are said, Then three digits count, and the spread is beside the median
    assert [samples.number(value) for value in (0, 0.0456, 1.234, 45.67, 1630.4)] == [
        "0",
        "0.046",
        "1.23",
        "45.7",
        "1630",
    ]
    assert samples.spread([3.0, 1.0, 2.0], "ms") == "2.00 (1.00 to 3.00) ms"
    assert samples.ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    # and a quantile is a value that was measured
    assert [samples.quantile(range(1, 101), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert samples.quantile([7.0], 0.99) == 7.0


def test_a_page_without_the_two_marks_is_left_alone(tmp_path):
    # Given a page that lacks them, When it is to be updated, Then that is an error, and the page is as it was
    page = tmp_path / "page.md"
    page.write_text("a page\n")
    with pytest.raises(ValueError, match="lacks"):
        report.update(page, "new")
    assert page.read_text() == "a page\n"


def test_the_page_about_speed_can_be_written_anew_and_knows_every_option(tmp_path):
    # Given the page, When a report is put into it, Then it takes the place of the last one
    page = ROOT / "docs" / "performance.md"
    copy = tmp_path / "performance.md"
    copy.write_text(page.read_text())
    report.update(copy, "the newest figures")
    assert "the newest figures" in copy.read_text()
    # and every option is explained in it
    options = {option for action in parser()._actions for option in action.option_strings} - {"-h", "--help"}
    assert {option for option in options if option not in page.read_text()} == set()


def test_the_routes_over_http_are_measured_with_no_peer(tmp_path):
    # Given no Python with lmms-eval, When the figure is measured, small
    words = [sys.executable, "-m", "benchmarks", "--quick", "--no-peers", "--python", sys.executable]
    out = tmp_path / "all.json"
    words += ["--dir", str(tmp_path), "--json", str(out), "http"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    # Then each route has its row, the report says what is missing, and nothing is left behind
    assert ran.returncode == 0, ran.stderr
    for route in (r"GET /jobs/\{id\}", "GET /queue", "POST /evaluate"):
        assert re.search(rf"^\| {route}, answers \| [\d.]+ .*/s \|", ran.stdout, re.MULTILINE), ran.stdout
        assert re.search(rf"^\| {route}, p99 \| [\d.]+ .*ms \|", ran.stdout, re.MULTILINE), ran.stdout
    assert "give `--peer-python`" in ran.stdout
    (figure,) = json.loads(out.read_text())["figures"]
    assert len(figure["samples"]["POST /evaluate, ours, ms"]) == 2 * 300
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"]


def test_results_are_measured_with_and_without_an_index(bed):
    # Given a bed, When the table of scores is measured, small
    figure = results.measure(bed)
    # Then there are the first call and a later one, beside every record read, in the same rounds
    assert [line.what for line in figure.lines] == ["first call", "later call"]
    assert {len(values) for values in figure.samples.values()} == {2}
    names = ("first call", "later call", "every record read", "start only")
    assert set(figure.samples) == {f"{name}, ms" for name in names}
