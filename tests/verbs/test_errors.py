"""Whatever goes wrong: one sentence that says what was tried, why not, and what to do next."""

import fcntl
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spoolq.cli import VERBS, module_of
from spoolq.names import format_stamp, parse_stamp
from tests.spooltest.users import close, without_rights
from tests.spooltest.waiting import wait_for
from tests.verbs.conftest import submit
from tests.verbs.program import Ran, spoolq, spoolq_program


def refused(ran: Ran, code: int, *parts: str) -> None:
    """It ended with *code*, said nothing on stdout, and one sentence on stderr that holds all *parts*."""
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert re.fullmatch(r"spoolq: cannot [^\n]+\.\n", ran.err), ran.err
    assert "Traceback" not in ran.err
    for part in parts:
        assert part in ran.err, ran.err


class TestSpool:
    @pytest.mark.parametrize(
        "argv",
        [
            ["submit", "--", "true"],
            ["run", "--drain"],
            ["status"],
            ["list"],
            ["show", "last"],
            ["position", "last"],
            ["logs", "-f", "last"],
            ["wait", "last"],
            ["cancel", "last"],
            ["retry", "last"],
            ["priority", "last", "high"],
            ["pause"],
            ["resume"],
            ["results"],
            ["prune", "--all"],
            ["doctor"],
        ],
    )
    @pytest.mark.parametrize("more", [[], ["--json"]])
    def test_missing(self, outside, argv, more):
        # Given no spool where one is looked for
        # When a verb needs one
        ran = spoolq(argv[0], *more, *argv[1:], ok=False)
        # Then it says so, how to make one, and how to name another
        refused(ran, 5, "cannot open spool spool: it does not exist.", "`spoolq init --spool spool`", "SPOOLQ_SPOOL")

    def test_a_folder_that_is_none(self, outside):
        ran = spoolq("status", "--spool", outside, ok=False)
        refused(ran, 5, f"cannot open spool {outside}: it is no spool.", f"`spoolq init --spool {outside}`")

    def test_one_that_lacks_a_directory(self, spool):
        shutil.rmtree(spool / "failed")
        refused(spoolq("list", ok=False), 5, "failed missing", "Mend it with `spoolq init")

    def test_as_a_program(self, outside):
        # When a program of its own meets no spool
        ran = spoolq_program("status", cwd=outside)
        # Then what a shell sees is the same
        refused(ran, 5, "cannot open spool spool: it does not exist.")


class TestSettings:
    @pytest.mark.parametrize(
        ("text", "line", "cause"),
        [
            ("# ours\npoll = \n", 2, "Invalid value"),
            ('\n\nretrys = 3\nmax_attempts = "x"\n', 3, "there is no such setting; known are "),
            ('timeout = "2h"\n\n\nmax_attempts = "many"\n', 4, "`max_attempts`"),
            ('timeout = "soon"\n', 1, "'soon' is no duration; write 90, 15m, 2h30m or 7d"),
            ("[slots]\ngpu0 = 0\n", 2, "`slots.gpu0`"),
            ('heartbeat = "3m"\nheartbeat_timeout = "4m"\n', 2, "at least three times `heartbeat`"),
        ],
    )
    def test_a_fault_is_named_by_its_line(self, spool, text, line, cause):
        # Given settings with a fault
        (spool / "spoolq.toml").write_text(text)
        # When a verb reads them
        for argv in (["status"], ["submit", "--", "true"]):
            ran = spoolq(*argv, ok=False)
            # Then it says in which line, and stops before it does anything
            refused(ran, 5, f"cannot read settings {spool / 'spoolq.toml'}: ", cause, "Mend that line.")
            assert f"line {line}" in ran.err
        assert list((spool / "queued").iterdir()) == []

    def test_that_are_no_text(self, spool):
        (spool / "spoolq.toml").write_bytes(b"poll = '\xff'\n")
        refused(spoolq("status", ok=False), 5, "Make it readable UTF-8 text.")


class TestLock:
    @pytest.fixture
    def holder(self, spool, tmp_path):
        """Another process that holds the spool's lock; nobody waits long for it."""
        (spool / "spoolq.toml").write_text('lock_timeout = "200ms"\n')
        script = "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX)\n"
        script += "open(sys.argv[2], 'w').close(); time.sleep(60)"
        process = subprocess.Popen([sys.executable, "-c", script, str(spool / ".lock"), str(tmp_path / "held")])
        wait_for((tmp_path / "held").exists)
        yield process
        process.kill()
        process.wait()

    @pytest.mark.parametrize("argv", [["cancel", "last"], ["priority", "last", "high"]])
    def test_time_out_names_the_holder(self, spool, holder, argv):
        # Given a queued job, and a lock that somebody keeps
        job = submit(spool, "--", "true")
        # When a move needs it
        ran = spoolq(*argv, ok=False)
        # Then the message names the process, and the exit code says that it may work later
        refused(
            ran, 75, f"cannot lock {spool / '.lock'}: process {holder.pid} (", "over 0.2 s", "Try again, or end it."
        )
        assert spoolq("position", job).out == "0\n"

    def test_submitting_needs_no_lock(self, spool, holder):
        assert submit(spool, "--", "true") != ""


class TestMoves:
    @pytest.mark.parametrize(
        ("argv", "name", "cause"),
        [
            (["cancel", "JOB"], "plain", "it is completed. Only queued and running jobs can be cancelled."),
            (["cancel", "JOB"], "exit", "it is failed. Only queued and running jobs can be cancelled."),
            (["retry", "JOB"], "scores", "it is completed. Only failed and cancelled jobs can be retried;"),
            (["retry", "JOB"], "broken", "it is no valid request"),
            (["priority", "JOB", "high"], "dropped", "it is cancelled. Only queued jobs have a place to change."),
            (["position", "JOB"], "timed_out", "it is failed. See `spoolq show`."),
        ],
    )
    def test_not_allowed_in_this_state(self, ended, argv, name, cause):
        # When an ended job is to be moved as no ended job can be
        ran = spoolq(*(ended[name] if word == "JOB" else word for word in argv), ok=False)
        # Then that is refused
        refused(ran, 4, ended[name], cause)

    @pytest.mark.parametrize(
        ("argv", "cause"),
        [
            (["retry", "JOB"], "it is running. Only failed and cancelled jobs"),
            (["priority", "JOB", "urgent"], "it is running. Only queued jobs have a place to change."),
            (["position", "JOB"], "it is running."),
        ],
    )
    def test_not_allowed_while_it_runs(self, busy, argv, cause):
        ran = spoolq(*(busy["running"] if word == "JOB" else word for word in argv), ok=False)
        refused(ran, 4, busy["running"], cause)


class TestJobs:
    @pytest.mark.parametrize("verb", ["show", "position", "logs", "wait", "cancel", "retry", "results"])
    def test_unknown(self, spool, verb):
        refused(spoolq(verb, "0123abcd", ok=False), 3, "cannot find job '0123abcd'", str(spool), "See `spoolq list`.")

    def test_ambiguous_beginning_lists_the_candidates(self, spool):
        # Given three jobs, two of whose ids begin alike
        ids = [f"{first}-2fa1-4d2b-883f-0016d3cca42{n}" for n, first in enumerate(("abcd1234", "abcd9999", "ffff0000"))]
        for number, job in enumerate(ids):
            stamp = format_stamp(parse_stamp("20260101T000000.000000Z").replace(microsecond=number))
            (spool / "queued" / f"{stamp}-{job}.json").write_text('{"command": ["true"]}')
        # When one is named by what they share
        ran = spoolq("show", "abcd", ok=False)
        # Then both are named, and nobody guesses
        refused(ran, 3, f"2 ids begin so ({ids[0]}, {ids[1]})", "Give more digits.")
        assert spoolq("show", "abcd1", "--json").json()["job_id"] == ids[0]
        assert spoolq("position", "f").out == "2\n"


class TestRequests:
    @pytest.mark.parametrize(
        ("text", "where"),
        [
            ('{"model": "a",\n "tasks": [}', "line 2, column 12"),
            ("{'model': 1}", "line 1, column 2"),
            ('{"model": "a"} {', "line 1, column 16"),
            ("", "it is empty"),
            ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
            ('{"limit": NaN}', "NaN is no JSON number"),
            ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "nested deeper than"),
            ("null", "it holds null"),
        ],
    )
    def test_bad_json_says_where(self, spool, outside, text, where):
        (outside / "job.json").write_text(text)
        ran = spoolq("submit", "job.json", ok=False)
        refused(ran, 2, "cannot submit job.json: ", where, "Nothing was queued.")

    @pytest.mark.parametrize(
        ("document", "field"),
        [
            ({"recipe": "lm-eval", "request": {"model": "hf", "tasks": ["a"], "limit": -1}}, "limit"),
            ({"recipe": "lm-eval", "request": {"model": "hf", "tasks": ["a"], "colour": 1}}, "colour"),
            ({"recipe": "lm-eval", "request": {"tasks": ["a"]}}, "model"),
            ({"request": {"command": ["true"]}, "priority": "soon"}, "priority"),
            ({"request": {"command": ["true"]}, "timeout": "soon"}, "timeout"),
            ({"request": {"command": ["true"]}, "max_attempts": 0}, "max_attempts"),
            ({"request": {"command": ["true"]}, "retries": 3}, "retries"),
            ({"request": {"command": "true"}}, "command"),
            ({"request": {"command": ["true"], "cwd": "here"}}, "cwd"),
            ({"request": []}, "request"),
        ],
    )
    def test_what_no_recipe_takes_names_the_field(self, spool, document, field):
        ran = spoolq("submit", "-", stdin=json.dumps(document), ok=False)
        refused(ran, 2, "cannot submit line 1 of stdin: ", f"field `{field}`: ", "Nothing was queued.")
        assert list((spool / "queued").iterdir()) == []

    def test_what_a_job_says_cannot_break_the_line(self, spool):
        # Given a key that would clear the screen and begin a new line
        ran = spoolq(
            "submit", "-", stdin=json.dumps({"request": {"command": ["true"]}, "\x1b[2J\nspoolq: done": 1}), ok=False
        )
        # Then the message is one line that a terminal can be shown
        refused(ran, 2, "field `")
        assert "\x1b" not in ran.err


class TestRights:
    """A spool that its reader may not write in: the owner's rights are taken away, and root steps down first."""

    def run(self, *argv: object) -> Ran:
        for module in ("api", "render", "results", "prune", "waiting", "status", "watcher", "logs", "create"):
            importlib.import_module(f"spoolq.{module}")  # who has stepped down may not read them any more
        for verb in VERBS:
            importlib.import_module(module_of(verb))

        def ran() -> str:
            os.chdir("/")
            ended = spoolq(*argv, ok=False)
            return json.dumps([ended.code, ended.out, ended.err])

        said = without_rights(ran)
        assert said.startswith("ok: "), said
        return Ran(*json.loads(said.removeprefix("ok: ")))

    @pytest.fixture
    def foreign(self, public_store):
        """Another user's spool, with a job in it."""
        spool = public_store.root
        submit(spool, "--", "true")
        close(spool)
        yield spool
        spool.chmod(0o755)
        for folder in spool.rglob("*/"):
            folder.chmod(0o755)

    @pytest.mark.parametrize(
        ("argv", "code"),
        [
            (["submit", "--", "true"], 5),
            (["pause"], 4),
            (["cancel", "last"], 4),
            (["priority", "last", "high"], 4),
            (["init"], 5),
        ],
    )
    def test_writing(self, foreign, argv, code):
        # Given a spool that we may read, and that lacks nothing but our rights
        if argv == ["init"]:
            foreign.chmod(0o755)
            (foreign / "pools").rmdir()
            foreign.chmod(0o555)
        # When we change something
        ran = self.run("--spool", foreign, *argv)
        # Then that is refused
        refused(ran, code)

    @pytest.mark.parametrize("argv", [["status"], ["list"], ["show", "last"], ["position", "last"], ["results"]])
    def test_looking_is_allowed(self, foreign, argv):
        ran = self.run(*argv, "--spool", str(foreign))
        assert (ran.code, ran.err.replace("no completed jobs\n", "")) == (0, "")

    @pytest.mark.parametrize("argv", [["status"], ["list"], ["show", "last"], ["submit"], ["run", "--drain"]])
    def test_of_a_private_spool_not_even_looking(self, foreign, argv):
        # Given a spool that only its owner may enter
        foreign.chmod(0o000)
        # When another looks
        ran = self.run(*argv, "--spool", str(foreign))
        # Then that is refused, and the path is named
        assert ran.code in (4, 5)
        refused(ran, ran.code, str(foreign))

    def test_settings_that_may_not_be_read(self, foreign):
        (foreign / "spoolq.toml").chmod(0o000)
        ran = self.run("status", "--spool", str(foreign))
        refused(ran, 5, "cannot read settings", "spoolq.toml")


class TestOutput:
    def test_a_full_disk_behind_stdout_is_no_traceback(self, ended):
        # When the answer goes to a device that is full
        with Path("/dev/full").open("w") as full:
            ran = subprocess.run(
                [sys.executable, "-m", "spoolq", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        # Then the message says so
        refused(Ran(ran.returncode, "", ran.stderr), 5, "cannot run `spoolq list`: No space left on device")

    def test_a_lock_that_is_free_again_is_no_error(self, spool):
        # Given a lock file that was held and let go
        with (spool / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        # When a move needs it
        job = submit(spool, "--", "true")
        # Then it has it
        assert spoolq("cancel", job).code == 0
