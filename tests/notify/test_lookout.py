"""The watcher's part, with real couriers: what is handed over, and again when it was not told."""

import json
import signal
import sys
import time

import pytest

from spoolq import history
from spoolq.errors import SettingsInvalid
from spoolq.notify.lookout import Lookout
from spoolq.store import Store
from tests.spooltest.jobs import ended, submitted
from tests.spooltest.waiting import wait_for


@pytest.fixture
def told(tmp_path):
    return tmp_path / "told"


@pytest.fixture
def said():
    return []


@pytest.fixture
def make(spool_path, told, said):
    """A lookout whose hook appends the job's id to a file; ended when the test ends."""
    made = []

    def build(text=None, **named):
        write = "import os, sys; open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
        command = json.dumps([sys.executable, "-c", text or write, str(told), "{job_id}"])
        (spool_path / "spoolq.toml").write_text(f'[notify.all]\non = ["finished", "idle"]\ncommand = {command}\n')
        lookout = Lookout(Store(spool_path), said.append, **named)
        made.append(lookout)
        return lookout

    yield build
    for lookout in made:
        if lookout.courier is not None:
            lookout.courier.kill()
            lookout.courier.wait(10)


def turned(lookout, condition):
    """Turn until *condition* holds."""

    def turn():
        lookout.turn()
        return condition()

    wait_for(turn, timeout=30)


def rows(told):
    return told.read_text().split() if told.exists() else []


def lines(lookout, entry):
    return [event for event in history.events(lookout.store, entry.stem.key) if event["event"] == "notified"]


def test_an_end_is_handed_over_and_told(make, told):
    # Given a job that has ended, When the lookout turns, Then its end is told, and that the queue is empty
    lookout = make()
    entry = ended(lookout.store, submitted(lookout.store), "exit")
    turned(lookout, lambda: lookout.courier is None and len(rows(told)) == 2)
    assert {line["about"] for line in lines(lookout, entry)} == {"end", "idle"}
    # And nothing more is started for it
    lookout.look_at = 0.0
    lookout.turn()
    assert lookout.courier is None


def test_a_turn_waits_for_nobody(make):
    # Given a hook that hangs
    lookout = make("import time; time.sleep(600)")
    ended(lookout.store, submitted(lookout.store), "exit")
    turned(lookout, lambda: lookout.courier is not None)
    # When the lookout turns meanwhile, Then that takes no time
    began = time.monotonic()
    for _ in range(20):
        lookout.turn()
    assert time.monotonic() - began < 2


def test_what_a_killed_courier_carried_is_handed_over_again(make, told):
    # Given a courier whose hook waits for a file
    text = (
        "import os, sys, time\nwhile not os.path.exists(sys.argv[1] + '.go'): time.sleep(0.01)\n"
        "open(sys.argv[1], 'a').write(sys.argv[2] + '\\n')"
    )
    lookout = make(text, again=0.1)
    entry = ended(lookout.store, submitted(lookout.store), "exit")
    folder = lookout.store.layout.run(entry.stem.key).path
    turned(lookout, lambda: lookout.courier is not None and len(list(folder.glob("telling.*"))) == 2)
    # When it is killed
    lookout.courier.send_signal(signal.SIGKILL)
    told.with_name("told.go").touch()
    # Then the next one tells it, once
    turned(lookout, lambda: lookout.courier is None and len(rows(told)) == 2 and not list(folder.glob("telling.*")))
    assert sorted(line["about"] for line in lines(lookout, entry)) == ["end", "idle"]


def test_a_courier_that_fails_is_followed_by_another_with_the_same(make, told, said):
    # Given a run folder in which no mark can be made, since it is a file
    lookout = make(again=0.1)
    entry = ended(lookout.store, submitted(lookout.store), "exit")
    folder = lookout.store.layout.run(entry.stem.key).path
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.write_text("in the way")
    turned(lookout, lambda: lookout.left.ended)
    assert rows(told) == []
    # When that is mended, Then it is told
    folder.unlink()
    aside.rename(folder)
    turned(lookout, lambda: len(rows(told)) == 2 and lookout.courier is None)


def test_a_courier_that_takes_too_long_is_killed(make, said):
    # Given a courier that hangs with its hook, and a clock that the test turns
    now = [0.0]
    lookout = make("import time; time.sleep(600)", clock=lambda: now[0])
    ended(lookout.store, submitted(lookout.store), "exit")
    lookout.turn()
    courier = lookout.courier
    assert courier is not None
    # When its time is over
    now[0] = lookout.until + 1
    lookout.turn()
    # Then it is killed, and what it carried is kept
    courier.wait(10)
    lookout.turn()
    assert "has taken too long" in said[-1] and lookout.left.ended


def test_a_spool_that_is_gone_is_said_once_and_looked_at_again(make, said):
    # Given a spool whose directory of failed jobs has gone
    now = [0.0]
    lookout = make(clock=lambda: now[0])
    failed = lookout.store.root / "failed"
    failed.rename(failed.with_name("away"))
    for _ in range(3):
        lookout.turn()
        now[0] += 2
    assert len(said) == 1 and "cannot look for what hooks are to be told" in said[0]
    # When it is back, Then all is well again
    failed.with_name("away").rename(failed)
    lookout.turn()
    assert lookout.fault == "" and lookout.patience() > 0


def test_at_the_end_it_waits_until_all_is_told_unless_somebody_is_in_a_hurry(make, told):
    # Given ends that have not been seen
    lookout = make()
    for _ in range(3):
        ended(lookout.store, submitted(lookout.store), "exit")
    # When the watcher ends, Then they are told first
    lookout.finish(lambda: False)
    assert len(rows(told)) == 4 and lookout.courier is None
    # And a hook that hangs is left to its courier when somebody is in a hurry
    hanging = make("import time; time.sleep(600)")
    ended(hanging.store, submitted(hanging.store), "exit")
    hanging.finish(lambda: True)
    assert hanging.courier is not None and hanging.courier.poll() is None


def test_hooks_that_could_never_work_stop_it(spool_path):
    (spool_path / "spoolq.toml").write_text("[notify.a]\non = 'failed'\n")
    with pytest.raises(SettingsInvalid):
        Lookout(Store(spool_path), print)


def test_what_nobody_wants_to_know_is_not_looked_for(spool_path):
    (spool_path / "spoolq.toml").write_text("[notify.a]\non = 'stuck'\ncommand = ['true']\n")
    lookout = Lookout(Store(spool_path), print)
    assert not lookout.wants_ends and not lookout.wants_idle and lookout.standing is not None
    lookout.turn()
    assert not lookout.ends._known
