"""What every verb keeps: --json, pipes that close, terminals of any width, colours, completion."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spoolq.cli import VERBS
from spoolq.render import columns
from tests.verbs.conftest import submit
from tests.verbs.program import PROGRAM, spoolq, spoolq_on_terminal, spoolq_program

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: One command line a verb. `demo` and `run` have a test of their own for --json.
_LINES = {
    "init": ["init"],
    "submit": ["submit", "--", "true"],
    "status": ["status"],
    "list": ["list"],
    "show": ["show", "QUEUED"],
    "position": ["position", "QUEUED"],
    "logs": ["logs", "exit"],
    "wait": ["wait", "plain"],
    "cancel": ["cancel", "QUEUED"],
    "retry": ["retry", "exit"],
    "priority": ["priority", "QUEUED", "high"],
    "pause": ["pause"],
    "resume": ["resume"],
    "results": ["results"],
    "prune": ["prune", "--all"],
    "doctor": ["doctor"],
    "pool": ["pool", "list"],
    "notify": ["notify", "list"],
    "top": ["top", "--once"],
}


def filled(verb, ended):
    """The command line of *verb*, with ids for the names of jobs; one that is queued is made for it."""
    queued = submit(ended.spool, "--", "true") if "QUEUED" in _LINES[verb] else ""
    return [queued if word == "QUEUED" else ended.ids.get(word, word) for word in _LINES[verb]]


class TestJson:
    def test_no_verb_is_forgotten(self):
        assert set(_LINES) == set(VERBS) - {"run", "demo", "serve", "worker", "generate", "check-results"}

    @pytest.mark.parametrize("verb", _LINES)
    def test_is_one_document_on_stdout(self, ended, verb):
        # When a verb is asked for JSON
        argv = filled(verb, ended)
        ran = spoolq(argv[0], "--json", *argv[1:])
        # Then that is all there is on stdout, and nobody talks
        assert isinstance(ran.json(), dict | list)
        assert ran.err == ""

    @pytest.mark.parametrize("verb", _LINES)
    def test_without_it_stdout_is_plain_text(self, ended, verb):
        ran = spoolq(*filled(verb, ended))
        assert ran.out.endswith("\n") and not ran.out.startswith(("{", "["))
        assert "\x1b" not in ran.out

    def test_is_utf_8_whatever_the_locale(self, spool):
        # Given a job with letters of many scripts
        job = submit(spool, "--", "echo", "größe 模型 🙂")
        # When a program in the C locale asks for it
        ran = spoolq_program("show", job, "--json", env={"LC_ALL": "C", "PYTHONIOENCODING": ""})
        # Then they have come through
        assert ran.json()["request"]["command"] == ["echo", "größe 模型 🙂"]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
    def test_no_locale_breaks_an_answer(self, spool, encoding):
        # Given a job with letters that the locale may not have
        job = submit(spool, "--", "echo", "größe 模型 🙂")
        for argv in (["list"], ["status"], ["show", job]):
            # When it is shown
            ran = subprocess.run(
                [*PROGRAM, *argv], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False
            )
            # Then what cannot be written is escaped
            assert (ran.returncode, ran.stderr) == (0, b"")
            assert b"echo '" in ran.stdout.replace(b'"', b"'")
        shown = subprocess.run(
            [*PROGRAM, "show", job, "--json"],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=True,
        )
        # And JSON is the same document
        assert json.loads(shown.stdout.decode(encoding))["request"]["command"] == ["echo", "größe 模型 🙂"]

    def test_a_path_that_is_no_text(self, tmp_path):
        # Given a spool whose path is not UTF-8
        spool = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
        # When it is made, used and looked at
        assert spoolq_program("init", "--spool", spool).code == 0
        job = spoolq_program("submit", "--spool", spool, "--cwd", "/", "--", "true")
        seen = spoolq_program("status", "--spool", spool)
        # Then it is a spool like any other
        assert (job.code, job.err, seen.code, seen.err) == (0, "", 0, "")
        assert spoolq_program("status", "--spool", spool, "--json").json()["queued_jobs"] == [job.out.strip()]

    def test_json_holds_nothing_that_a_terminal_obeys(self, spool):
        job = submit(spool, "--", "echo", "\x9b2J\x7f\u202e\x1b[2J")
        ran = spoolq("show", job, "--json")
        assert ran.json()["request"]["command"][1] == "\x9b2J\x7f\u202e\x1b[2J"
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ran.out)


class TestPipes:
    @pytest.mark.parametrize(
        "argv",
        [["list"], ["list", "--json"], ["status"], ["show", "last"], ["results"], ["submit", "--", "true"], ["pause"]],
    )
    def test_a_reader_that_has_gone_is_no_error(self, ended, argv):
        # Given a pipe that nobody reads
        reader, writer = os.pipe()
        os.close(reader)
        # When a verb writes into it
        ran = subprocess.run([*PROGRAM, *argv], stdout=writer, stderr=subprocess.PIPE, check=False)
        os.close(writer)
        # Then it ends well, and quietly
        assert (ran.returncode, ran.stderr) == (0, b"")

    def test_head_takes_one_line_of_many(self, spool):
        # Given more jobs than a pipe can hold
        lines = '{"command": ["echo", "' + "x" * 900 + '"]}\n'
        spoolq("submit", "-", stdin=lines * 200)
        # When a shell takes the first line
        script = f"{' '.join(PROGRAM)} list | head -1; echo ${{PIPESTATUS[0]}}"
        ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        # Then that is all
        assert ran.stdout.splitlines()[0].startswith("job ") and ran.stdout.splitlines()[1:] == ["0"]
        assert ran.stderr == ""

    def test_an_exit_code_outlives_its_reader(self, ended):
        reader, writer = os.pipe()
        os.close(reader)
        buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        argv = [*PROGRAM, "wait", ended["exit"]]
        ran = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, env=buffered, check=False)
        os.close(writer)
        assert (ran.returncode, ran.stderr) == (1, b"")


class TestTerminal:
    def test_colours_are_for_terminals_that_want_them(self, ended):
        # When the same is shown on a terminal, on one without colours, and into a pipe
        bright = spoolq_on_terminal("status")
        plain = [
            spoolq_on_terminal("status", env={"NO_COLOR": "1"}),
            spoolq_on_terminal("status", env={"TERM": "dumb"}),
            spoolq_program("status"),
        ]
        # Then only the first has escape sequences, and all say the same
        assert "\x1b[32m3 completed\x1b[0m" in bright.out
        assert [ran.out for ran in plain] == [_COLOUR.sub("", bright.out)] * 3

    @pytest.mark.parametrize("width", [80, 60])
    @pytest.mark.parametrize("argv", [["status"], ["list"], ["results"], ["results", "--compare"]])
    def test_no_line_is_wider(self, ended, width, argv):
        # Given jobs with long names, also in scripts whose letters take two columns, and a long reason to pause
        submit(
            ended.spool, "--priority", "urgent", "--", "python", "evaluate.py", "--model", "an/organisation/" + "x" * 80
        )
        submit(ended.spool, "--", "echo", "評価" * 60)
        spoolq("pause", "--reason", "updating the driver on every host of the cluster, which takes until noon")
        (ended.spool / "queued" / "half.json").write_text("{")
        # When they are shown
        ran = spoolq_on_terminal(*argv, columns=width)
        # Then every line fits, but for the one with the path, which is to be copied
        wide = [line for line in _COLOUR.sub("", ran.out).splitlines() if columns(line) > width]
        assert [line for line in wide if line != f"spool {ended.spool}"] == []
        assert ran.code == 0 and len(ran.lines) > 2

    def test_the_facts_of_a_job_fit_too(self, ended):
        # When a job that failed is shown
        facts, *rest = _COLOUR.sub("", spoolq_on_terminal("show", ended["exit"]).out).split("\n\n")
        history = rest[-1]
        # Then all but what it was asked to do and what it said is in lines that fit
        assert all(columns(line) <= 80 for line in f"{facts}\n{history}".splitlines())
        assert "run dir" in facts and "claimed" in history

    def test_of_a_spool_at_work(self, busy, golden):
        # Where the line of what runs is cut depends on this host's name.
        golden("status_terminal", re.sub(r"(\.all  ).*", r"\1SUBJECT", spoolq_on_terminal("status").out))
        # The same with how long it has run: from ten seconds on that takes a wider column.
        listed = re.sub(r"(command  ).*", r"\1SUBJECT", spoolq_on_terminal("list").out)
        listed = re.sub(r" {2,}", "  ", re.sub(r"\b(?:\d+m\d\ds|\d+(?:\.\d)?s)\b", "0.0s", listed))
        golden("list_terminal", listed)

    @pytest.mark.parametrize("verb", ["", *VERBS])
    def test_help_fits_and_is_whole(self, verb):
        # When help is shown
        ran = spoolq(*([verb] if verb else []), "--help")
        # Then no line is too wide, and no sentence is cut short
        assert all(len(line) <= 80 for line in ran.lines)
        assert not any(re.search(r"[a-z]\.\.\.$", line) for line in ran.lines)

    def test_an_empty_command_line_shows_the_verbs(self):
        ran = spoolq_program()
        assert ran.code == 2
        assert all(f"\n  {verb} " in ran.err for verb in VERBS)

    def test_version(self):
        from spoolq import __version__

        assert spoolq("--version").out == f"spoolq {__version__}\n"

    def test_a_verb_that_is_none_gets_a_suggestion(self):
        ran = spoolq("sumbit", ok=False)
        assert (ran.code, ran.out) == (2, "") and "Did you mean 'submit'?" in ran.err


class TestCompletion:
    def complete(self, words: str, at: int) -> list[str]:
        ran = spoolq_program(env={"_SPOOLQ_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)})
        assert (ran.code, ran.err) == (0, "")
        return ran.out.split()

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_a_script_is_printed(self, shell):
        ran = spoolq_program(env={"_SPOOLQ_COMPLETE": f"source_{shell}"})
        assert ran.code == 0 and "_SPOOLQ_COMPLETE=complete_" in ran.out

    def test_of_verbs_options_and_states(self):
        assert self.complete("spoolq ", 1) == list(VERBS)
        assert self.complete("spoolq re", 1) == ["retry", "resume", "results"]
        assert self.complete("spoolq prune --", 2)[:3] == ["--older-than", "--keep", "--state"]
        assert self.complete("spoolq list --state ca", 3) == ["cancelled"]

    def test_in_a_real_shell(self, tmp_path):
        # Given a shell that has read the script
        program = tmp_path / "spoolq"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m spoolq "$@"\n')
        program.chmod(0o755)
        script = """
        source <(_SPOOLQ_COMPLETE=source_bash spoolq)
        COMP_WORDS=(spoolq pri) COMP_CWORD=1
        _spoolq_completion spoolq
        echo "${COMPREPLY[@]}"
        """
        # When a verb is begun
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
        )
        # Then it is completed
        assert (ran.stdout, ran.stderr) == ("priority\n", "")


def test_every_golden_file_belongs_to_a_test():
    # Given what the tests ask for
    tests = Path(__file__).parent.parent
    source = "".join(path.read_text() for path in (*tests.glob("verbs/test_*.py"), *tests.glob("top/test_*.py")))
    asked = re.findall(r"(?:golden|goldens\.compare)\(f?\"([a-z_{}]+)\"", source)
    patterns = [re.compile(re.sub(r"\\{\w+\\}", r"\\w+", re.escape(name))) for name in asked]
    # Then no file is left over from a test that is gone
    names = [path.stem for path in (tests / "golden").iterdir()]
    assert [name for name in names if not any(pattern.fullmatch(name) for pattern in patterns)] == []
