"""The worked example in examples/benchmark-run, as its README says to use it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.server.benchmark_lab import Lab, frames, lines
from tests.server.conftest import Served

EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmark-run"


@pytest.fixture
def lab(serving: Served):
    """The example in a folder of its own, with a server and a runner."""
    made = Lab.__new__(Lab)
    made.served, made.folder, made.runners = serving, serving.root / "lab", []
    shutil.copytree(EXAMPLE, made.folder)
    serving.settings((EXAMPLE / "spoolq.toml").read_text().replace("/srv/lab", str(made.folder)))
    serving.start()
    made.run()
    yield made
    made.close()


def test_the_example_runs_from_start_to_results(lab):
    # Given the example, When a client starts two experiments and follows them
    status = lab.start("sine", "square_root", n=200, perf_rounds=2, notes="nightly")
    with lab.follow(status["job_id"]) as socket:
        found = list(frames(socket))
    # Then they complete, with progress up to the end
    assert found[-1] == {"type": "done", "status": "completed"}
    assert sum(line.startswith("[PROGRESS]") for line in lines(found)) == 8
    ended = lab.job(status["job_id"])
    assert (ended["current_experiment"], ended["current_step"], ended["progress_pct"]) == (
        *("square_root", "performance", 100.0),
    )
    # And the results are in the run's own folder, by time and experiment
    output = next((lab.served.path / "runs").glob(f"*-{status['job_id']}")) / "output"
    experiments = sorted(next((output / "results").iterdir()).iterdir())
    assert [folder.name for folder in experiments] == ["sine", "square_root"]
    assert sorted(path.name for path in experiments[0].iterdir()) == ["complex.json", "series.json", "summary.md"]
    result = json.loads((experiments[0] / "series.json").read_text())
    assert (result["n"], result["seed"]) == (200, 42) and result["performance"]["rounds"] == 2


def test_the_examples_flags_reach_the_orchestrator(lab):
    # Given an experiment that is not accurate, When it is run with --ci and without timings
    status = lab.wait(lab.start("small_angle", ci_mode=True, no_perf=True)["job_id"])
    # Then it has failed for that reason, and its only step was accuracy
    log = lab.get(f"/jobs/{status['job_id']}/logs").text
    assert status["status"] == "failed" and "the largest error is" in log
    assert "current=1 total=1 |" in log and "performance" not in log


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"n": 9}, "n"),
        ({"n": 100001}, "n"),
        ({"perf_rounds": 0}, "perf_rounds"),
        ({"seed": -1}, "seed"),
        ({"experiments": []}, "experiments"),
        ({"experiments": ["../x"]}, "experiments"),
        ({"experiments": ["-rf"]}, "experiments"),
    ],
)
def test_the_example_refuses_what_is_out_of_range(lab, body, field):
    # Given a value that the recipe does not take, When it is sent, Then the field is named
    answer = lab.post("/start", **body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_progress_of_the_example_is_in_the_record_too(lab):
    # Given the form of progress in the example's settings, When a run's line is read, Then every view has it
    from spoolq.status import with_progress

    store = lab.served.store
    path = store.root / "log.txt"
    path.write_text("[PROGRESS] experiment=sine step=accuracy current=3 total=8 | series\n")
    record = with_progress(store, {"status": "running", "recipe": "orchestrator", "log": "log.txt"})
    assert record["progress"] == {"stage": "sine accuracy", "percent": 37, "done": "3", "total": "8"}
