"""Programs that are asked about GPUs: they fail, hang, and cannot be killed."""

import subprocess
import sys

import pytest

from spoolq.gpus import DriverSilent, NoDriver, child


def python(text, timeout=10.0):
    return child.ask([sys.executable, "-c", text], timeout)


def test_what_it_prints_is_the_answer():
    assert python("print('yes')") == "yes\n"


def test_one_that_fails_is_quoted():
    # Given a program that fails, When it is asked, Then its last line is told, and what to do
    with pytest.raises(DriverSilent, match="why not"):
        python("import sys; print('first', file=sys.stderr); print('why not', file=sys.stderr); sys.exit(3)")
    with pytest.raises(DriverSilent, match="exit code 4"):
        python("raise SystemExit(4)")


def test_one_that_is_not_there_is_no_driver(tmp_path):
    with pytest.raises(NoDriver, match="there is no"):
        child.ask([str(tmp_path / "nvidia-smi"), "-L"], 1)


def test_one_that_hangs_goes_with_all_that_it_started(tmp_path):
    # Given a program that starts another and waits for it, both deaf to SIGTERM
    text = "import subprocess; subprocess.run(['sh', '-c', 'trap \"\" TERM; sleep 300 & wait'])"
    # When its time is over, Then we have our word back, and nothing is left to be waited for
    with pytest.raises(DriverSilent, match=r"did not answer within 0\.3 s"):
        python(text, 0.3)
    assert child._left == []


def test_beside_one_that_cannot_be_killed_no_second_one_is_started(monkeypatch):
    # Given a program that has outlived its limit and its SIGKILL, as one in the kernel's hands does
    with subprocess.Popen(["sleep", "300"]) as stuck:
        monkeypatch.setattr(child, "_left", [stuck])
        # When it is asked again, Then that one is named
        with pytest.raises(DriverSilent, match=f"process {stuck.pid}, still hangs"):
            python("print()")
        # And when it has gone, Then all is well
        stuck.kill()
        stuck.wait()
        assert python("print('again')") == "again\n"
