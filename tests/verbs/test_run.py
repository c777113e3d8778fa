"""`spoolq run`, as its user sees it; what it does to jobs is told in tests/processes."""

import json
import signal

import pytest

from spoolq.models import JobInfo
from tests.verbs.conftest import drain, submit
from tests.verbs.program import spoolq, spoolq_program


def test_drain_says_what_it_does_on_stderr(spool, golden):
    # Given a job that succeeds and one that does not
    submit(spool, "--", "true")
    submit(spool, "--", "sh", "-c", "exit 3")
    # When the queue is drained
    said = drain(spool)
    # Then each start and end is a line, and nothing is on stdout
    golden("run", said)


def test_json_is_the_counts_at_the_end(spool):
    # Given a job
    job = submit(spool, "--", "true")
    # When the queue is drained with --json
    ran = spoolq_program("run", "--drain", "--json")
    # Then stdout is one document, the status of the spool
    status = ran.json()
    assert ran.code == 0
    assert (status["queue_size"], status["completed_jobs"], status["spool"]) == (0, 1, str(spool))
    assert job[:8] in ran.err


def test_a_first_signal_ends_it_when_nothing_runs(spool, run_it):
    # Given a runner that runs a job
    job = submit(spool, "--", "true")
    runner = run_it(spool, job)
    assert spoolq("wait", "--timeout", "20s", job).code == 0
    # When it gets SIGTERM
    runner.send_signal(signal.SIGTERM)
    # Then it ends, and ends well
    assert runner.wait(20) == 0


def test_slots_are_runners_and_show_their_devices(spool):
    # Given two jobs that say what they see
    show = ["sh", "-c", 'echo "$SPOOLQ_SLOT sees $CUDA_VISIBLE_DEVICES"']
    jobs = [submit(spool, "--", *show) for _ in range(2)]
    # When two slots run them
    ran = spoolq_program("run", "--drain", "--slots", "gpu0=0", "--slots", "gpu1=2,3")
    # Then each job saw the devices of the slot that it ran in
    said = {spoolq("logs", job).out for job in jobs}
    assert ran.code == 0 and "slots gpu0, gpu1" in ran.err
    assert said <= {"gpu0 sees 0\n", "gpu1 sees 2,3\n"}


@pytest.mark.parametrize("slots", [["GPU 0"], ["a", "a"], [""], ["a" * 33]])
def test_a_slot_has_a_plain_name_of_its_own(spool, slots):
    ran = spoolq("run", *(word for slot in slots for word in ("--slots", slot)), ok=False)
    assert (ran.code, ran.out) == (2, "")
    assert "Invalid value for --slots: " in ran.err and "each named once" in ran.err


def test_an_ended_job_has_the_whole_record(ended):
    # Given jobs that ended in every way
    for name in ended.ids:
        # When one is asked for
        record = spoolq("show", ended[name], "--json").json()
        # Then it has exactly the keys of JobInfo
        assert set(record) == set(JobInfo.model_fields), name
        assert json.loads(JobInfo.model_validate(record).model_dump_json())["job_id"] == ended[name]
