"""The verdict on an ended evaluation."""

import pytest

from spoolq import requests
from spoolq.documents import dump
from spoolq.orders import End
from spoolq.outcome import TAIL_LINES, judge, tail
from spoolq.transitions import State

KEY = "20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427"


@pytest.fixture
def run(store):
    folder = store.layout.run(KEY)
    folder.partial.mkdir(parents=True)
    return folder


def _judge(store, run, end, *, cancelled=False, **request):
    job = requests.accept({"request": {"command": ["true"], **request}, "timeout": 90}, 0, store.settings)
    return judge(store.layout, store.disk, job, run, end, 0.0, cancelled)


@pytest.mark.parametrize(("end", "state", "outcome", "said"), [
    ({"exit_code": 0}, State.COMPLETED, "succeeded", None),
    ({"exit_code": 3}, State.FAILED, "exit", "return code 3"),
    ({"signal": 11}, State.FAILED, "signal", "SIGSEGV"),
    ({"signal": 9, "stopped": "timeout"}, State.FAILED, "timed_out", "limit of 1m30s"),
    ({"exit_code": 0, "stopped": "timeout"}, State.FAILED, "timed_out", "limit"),
    ({"exit_code": 0, "stopped": "cancel"}, State.CANCELLED, "cancelled", "while it ran"),
    ({"could_not_start": "x: No such file"}, State.FAILED, "could_not_start", "x: No such file"),
])  # fmt: skip
def test_each_end_has_one_verdict(store, run, end, state, outcome, said):
    verdict = _judge(store, run, End("n", "then", **end))
    assert (verdict.state, verdict.outcome) == (state, outcome)
    assert (verdict.error is None) if said is None else (said in verdict.error)
    # And only a success is published
    assert run.output.is_dir() == (state is State.COMPLETED)


def test_a_stop_by_signal_is_a_cancel_only_if_somebody_asked(store, run):
    end = End("n", "then", signal=15, stopped="signal")
    assert _judge(store, run, end, cancelled=True).outcome == "cancelled"
    assert _judge(store, run, end, cancelled=False).outcome == "signal"


def test_exit_0_without_the_results_that_were_promised_is_a_failure(store, run):
    # Given a run that wrote rubbish
    (run.partial / "r.json").write_text("{torn")
    verdict = _judge(store, run, End("n", "then", exit_code=0), results="r.json")
    assert verdict.outcome == "no_results" and verdict.error.startswith("Evaluation produced no parsed results.")
    assert not run.output.exists()


def test_an_exit_code_that_a_recipe_takes_is_no_failure(store, run):
    # Given an operator's recipe that takes 3 for an end like any other
    store.settings.recipes["mine"] = {"command": ["true"], "success": {"exit_codes": [0, 3]}}
    job = requests.accept({"recipe": "mine", "request": {}}, 0, store.settings)
    # When runs end with 3 and 4, Then only the other is a failure
    for code, outcome in ((4, "exit"), (3, "succeeded")):
        end = End("n", "then", exit_code=code)
        assert judge(store.layout, store.disk, job, run, end, 0.0, False).outcome == outcome


def test_judging_twice_gives_the_same_and_the_output_is_published_once(store, run):
    # Given results
    (run.partial / "r.json").write_bytes(dump({"results": {"task": {"acc": 0.5}}}))
    end = End("n", "then", exit_code=0)
    # When an adopter judges what a killed runner had published already
    first = _judge(store, run, end, results="r.json")
    second = _judge(store, run, end, results="r.json")
    # Then it finds the same
    assert first == second
    assert first.metrics == {"task": {"acc": 0.5}}
    assert not run.partial.exists()
    assert f"runs/{KEY}/output/r.json" in str(first.result)


def test_the_tail_is_short_readable_and_harmless(store, run):
    # Given a log with bars, colours, bad bytes and many lines
    rows = [f"line {number}" for number in range(200)]
    run.log.write_bytes("\n".join(rows).encode() + b"\n 10%\r 50%\r100%\n\x1b[31mred\x1b[0m \xff\n")
    # Then its tail has the last lines, a bar's last state, and no escape sequence
    shown = tail(run.log).splitlines()
    assert len(shown) <= TAIL_LINES
    assert shown[-2:] == ["100%", "red �"]
    assert tail(run.path / "missing") == "(log file unreadable)"
    run.log.write_bytes(b"")
    assert tail(run.log) == "(the log is empty)"
