"""After a job its GPUs' memory must come back, or the device goes into quarantine."""

import pytest

from spoolq.gpus import DriverSilent, Gpu, Process
from spoolq.gpus.aftermath import Aftermath
from spoolq.gpus.quarantine import standing
from spoolq.gpus.watched import Watched
from spoolq.lock import lock_directory
from tests.spooltest.gpus import Told


def gpu(used=500.0, on=(), uuid="GPU-a"):
    return Gpu(0, uuid, total_mib=81920.0, free_mib=81920.0 - used, processes=tuple(on))


class After:
    """The end of a job on one GPU that had 500 MiB in use before, with a limit of 10 s."""

    def __init__(self, store, before=None):
        self.now, self.said = 100.0, []
        self.told = Told()
        watched = Watched(store, "0", self.said.append, self.told, lambda: self.now)
        self.aftermath = Aftermath(watched, (before or gpu(),), 10.0, self.said.append, lambda: self.now)

    def run(self, *gpus):
        """Ask again and again with the GPUs like that, as a runner does, until it is content; how long that took."""
        self.told.say(*gpus)
        began = self.now
        while pause := self.aftermath.wait():
            self.now += pause
        return self.now - began


@pytest.fixture
def after(store):
    return lambda *before: After(store, *before)


def quarantines():
    return standing(lock_directory(None))


def test_memory_that_is_back_is_seen_at_the_first_look(after):
    # Given a GPU as it was before, but for what a driver keeps, When the job has ended, Then nothing is waited for
    one = after()
    assert one.run(gpu(used=700)) == 0
    assert (one.told.asked, quarantines(), one.said) == (1, [], [])


def test_memory_may_take_its_time(after):
    # Given a GPU that has not let go
    one = after()
    one.told.say(gpu(used=60000))
    pause = one.aftermath.wait()
    # When it has within the limit, Then all is well; and asking early looks at nothing
    assert 0 < pause < 2
    assert one.aftermath.wait() == pytest.approx(pause) and one.told.asked == 1
    one.now += pause
    assert one.run(gpu()) == 0
    assert quarantines() == []


def test_memory_that_does_not_come_back_is_a_quarantine(after):
    # Given a GPU that keeps 40 GiB for nobody
    one = after()
    waited = one.run(gpu(used=500 + 40960))
    # When the limit is over, Then the device is in quarantine, by a file that says which, since when, why, what to do
    (found,) = quarantines()
    assert 10 <= waited < 12
    assert (found.key, found.title, found.level_mib) == ("GPU-a", "GPU 0", 500)
    assert found.why.startswith("40 GiB of its memory did not come back within 10s after a job")
    assert "rm " + str(found.path) in found.path.read_text() and found.since.startswith("20")
    assert one.said == [f"GPU 0 is in quarantine: {found.why}. It ends when the memory is back; or rm {found.path}"]


def test_a_stranger_that_came_meanwhile_is_no_fault_of_the_device(after):
    # Given somebody who has started beside us, with a known amount or an unknown one
    for held in (60000, None):
        one = after()
        # When the job has ended, Then there is no quarantine: the next job asks for free memory
        assert one.run(gpu(used=60400, on=[Process(4242, held)])) == 0
    assert quarantines() == []


def test_who_was_there_before_does_not_excuse_what_is_missing(after):
    # Given a process that was there all along, When memory is missing, Then it is not taken for its
    one = after(gpu(used=500, on=[Process(4242, 400)]))
    one.run(gpu(used=60000, on=[Process(4242, 400)]))
    assert [found.key for found in quarantines()] == ["GPU-a"]


@pytest.mark.parametrize("gone", [(), (Gpu(1, "GPU-b", total_mib=1, free_mib=0),)])
def test_a_device_that_is_gone_is_not_judged(after, gone):
    # Given a GPU that nobody sees any more, When the job has ended, Then who comes next finds out
    assert after().run(*gone) == 0
    assert quarantines() == []


def test_a_driver_that_does_not_answer_proves_nothing(after):
    # Given a driver that hangs after the job, When it is looked at, Then that is said, and nothing is written
    one = after()
    one.told.now = DriverSilent("it hangs")
    assert one.aftermath.wait() == 0
    assert (one.said, quarantines()) == (["it hangs"], [])


def test_memory_that_is_not_told_is_not_waited_for(after):
    # Given a GPU by the operator's word alone, When the job has ended, Then it is not even looked at
    one = after(Gpu(0, None))
    assert one.aftermath.wait() == 0
    assert one.told.asked == 0
