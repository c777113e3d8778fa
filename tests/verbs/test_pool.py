"""`spoolq pool`."""

import json
import os
import signal
import subprocess
import threading

import pytest

from spoolq.leases import shown
from spoolq.pools import acquire, look
from spoolq.store import Store
from tests.server.conftest import Served
from tests.spooltest.shelves import age, holders
from tests.spooltest.waiting import wait_for
from tests.verbs.program import PROGRAM, spoolq

RESOURCES = {"a_1": [{"host": "h", "port": 1}], "b_1": [{"host": "g", "port": 2}, {"url": "x"}]}
JOBS = [
    {"id": 0, "payload": {"task": "t"}, "resource_type": "a_1"},
    {"id": 1, "payload": {}, "resource_type": "none", "status": "done"},
    {"id": 2, "payload": {}, "resource_type": "none"},
]


@pytest.fixture
def store(spool):
    return Store(spool)


@pytest.fixture
def files(tmp_path):
    resources, jobs = tmp_path / "resources.json", tmp_path / "jobs.json"
    resources.write_text(json.dumps(RESOURCES))
    jobs.write_text(json.dumps(JOBS))
    return resources, jobs


class TestAdd:
    def test_takes_endpoints_and_json(self, spool):
        # When resources are added in every form, Then they are there
        ran = spoolq("pool", "add", "a_1", "gpu-07:5000", "[::1]:80", '{"url": "http://x", "n": [1]}')
        assert ran.lines == ["added a_1[0]", "added a_1[1]", "added a_1[2]"]
        rows = spoolq("pool", "list", "--json").json()["pools"][0]["resources"]
        assert [row["resource"] for row in rows] == [
            {"host": "gpu-07", "port": 5000},
            {"host": "::1", "port": 80},
            {"url": "http://x", "n": [1]},
        ]

    @pytest.mark.parametrize("text", ["gpu-07", "gpu-07:", ":80", "h:99999", "[1]", "7", "{", "a b:1", '{"a": NaN}'])
    def test_what_is_no_resource_adds_nothing(self, store, text):
        # When one of several is none, Then that is a mistake of usage, and nothing is added
        ran = spoolq("pool", "add", "a_1", "h:1", text, ok=False)
        assert ran.code == 2 and "Traceback" not in ran.err
        assert look(store, "a_1").total == 0

    def test_a_type_that_can_be_none_is_said(self, spool):
        ran = spoolq("pool", "add", "a/b", "h:1", ok=False)
        assert (ran.code, ran.out) == (2, "") and "cannot add a resource of type 'a/b'" in ran.err


class TestList:
    def test_an_empty_spool_says_what_to_do(self, spool):
        assert spoolq("pool", "list").out == "no resources; `spoolq pool add` adds some\n"
        assert spoolq("pool", "list", "--json").json() == {"pools": []}

    def test_shows_who_has_what(self, store):
        # Given two types, one with a lease, drained, and a resource that cannot be read
        spoolq("pool", "add", "a_1", "h:1", '{"x": "\\u001b[2J"}')
        spoolq("pool", "add", "b_1", "h:2")
        acquire(store, "a_1", "w\x1b[1m", "7")
        spoolq("pool", "drain", "a_1")
        store.layout.resource("b_1", "000000.json").write_text("{")
        # When they are listed, Then with all that, and nothing that a terminal obeys
        ran = spoolq("pool", "list")
        assert ran.lines[0] == "a_1  1 of 2 leased (50%)  draining"
        assert ran.lines[1].startswith("    0  h 1  w") and " for job 7, heard " in ran.lines[1]
        assert ran.lines[3:] == ["b_1  0 of 1 leased (0%)", "    0  cannot be read"]
        assert "\x1b" not in ran.out
        # and in JSON
        (pool,) = [pool for pool in spoolq("pool", "list", "--json").json()["pools"] if pool["type"] == "a_1"]
        assert (pool["total"], pool["used"], pool["draining"], pool["utilisation"]) == (2, 1, True, 0.5)
        assert pool["resources"][0]["lease"]["job_id"] == "7"
        assert pool["resources"][1]["lease"] is None
        assert spoolq("pool", "list", "b_1").lines[0].startswith("b_1")
        assert spoolq("pool", "list", "none", ok=False).code == 3


class TestLoad:
    def test_takes_the_two_files_once(self, spool, files):
        # When the files are loaded, Then it says what was added, and what waits in vain
        ran = spoolq("pool", "load", files[0], "--jobs", files[1])
        assert ran.lines == ["added 3 resources, 0 were there", "added 2 jobs and 1 that are done, 0 were there"]
        assert ran.err == "no resources of type none: 1 job waits for them in vain\n"
        # When again, Then nothing
        ran = spoolq("pool", "load", files[0], "--jobs", files[1], "--json")
        assert ran.json() == {
            "resources": 0,
            "resources_known": 3,
            "pending": 0,
            "done": 0,
            "jobs_known": 3,
            "missing": {"none": 1},
        }
        assert spoolq("status", "--json").json()["queue_size"] == 2
        assert spoolq("pool", "load", files[0]).lines == ["added 0 resources, 3 were there"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [("{", "it is no JSON"), ("[]", "must be an object"), ('{"a": []}', "No resources defined for type a")],
    )
    def test_a_file_that_is_none_is_said(self, spool, tmp_path, text, said):
        path = tmp_path / "bad.json"
        path.write_text(text)
        ran = spoolq("pool", "load", path, ok=False)
        assert (ran.code, ran.out) == (2, "") and said in ran.err and "Traceback" not in ran.err

    def test_a_file_that_is_not_there_is_said(self, spool):
        ran = spoolq("pool", "load", "nowhere.json", ok=False)
        assert ran.code == 5 and "nowhere.json" in ran.err


class TestLeasesOnDisk:
    def test_acquire_prints_host_and_port_or_the_json(self, spool, files):
        spoolq("pool", "load", files[0])
        # When resources are leased, Then their endpoint is printed, or all there is
        assert spoolq("pool", "acquire", "a_1").out == "h 1\n"
        assert spoolq("pool", "acquire", "a_1").out == "h 1\n"  # the same again
        assert spoolq("pool", "acquire", "b_1", "--job", "1").out == "g 2\n"
        assert spoolq("pool", "acquire", "b_1", "--job", "2").out == '{"url": "x"}\n'
        ran = spoolq("pool", "acquire", "b_1", "--job", "1", "--json").json()
        assert ran == {"type": "b_1", "index": 0, "resource": {"host": "g", "port": 2}}

    def test_none_free_and_none_known(self, spool, store):
        spoolq("pool", "add", "a_1", "h:1")
        acquire(store, "a_1", "w", "j")
        ran = spoolq("pool", "acquire", "a_1", "--wait", "0", ok=False)
        assert (ran.code, ran.out) == (75, "") and "none is free" in ran.err
        ran = spoolq("pool", "acquire", "a_1", "--wait", "100ms", ok=False)
        assert ran.code == 75
        ran = spoolq("pool", "acquire", "none", ok=False)
        assert ran.code == 3 and "cannot find resources of type 'none'" in ran.err

    def test_waits_until_one_is_given_back(self, spool, store):
        # Given a resource that another has, and a program that waits for it
        spoolq("pool", "add", "a_1", "h:1")
        spoolq("pool", "acquire", "a_1", "--worker", "w", "--job", "j")
        argv = [*PROGRAM, "pool", "acquire", "a_1", "--worker", "v", "--job", "j", "--spool", str(spool)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waits:
            try:
                wait_for(lambda: "waiting" in (waits.stderr.readline()), 20)
                # When it is given back, Then the program has it
                spoolq("pool", "release", "a_1", "--worker", "w", "--job", "j")
                out, _ = waits.communicate(timeout=20)
            finally:
                waits.kill()
        assert (waits.returncode, out) == (0, "h 1\n")
        assert holders_of(store) == {0: ("v", "j")}

    def test_ctrl_c_ends_the_waiting(self, spool, store):
        spoolq("pool", "add", "a_1", "h:1")
        acquire(store, "a_1", "w", "j")
        argv = [*PROGRAM, "pool", "acquire", "a_1", "--spool", str(spool)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waits:
            try:
                wait_for(lambda: "waiting" in (waits.stderr.readline()), 20)
                waits.send_signal(signal.SIGINT)
                _, err = waits.communicate(timeout=20)
            finally:
                waits.kill()
        assert waits.returncode == 130 and "Traceback" not in err

    def test_heartbeat_and_release_are_of_what_one_has(self, spool, store):
        # Given a lease for each of two jobs
        spoolq("pool", "add", "a_1", "h:0", "h:1", "h:2")
        for job in ("j", "k"):
            spoolq("pool", "acquire", "a_1", "--worker", "w", "--job", job)
        age(store, 500)
        # When one is beaten for, Then it is young
        assert spoolq("pool", "heartbeat", "a_1", "--worker", "w", "--job", "j").out == "a_1 is kept\n"
        times = [path.stat().st_mtime for path in sorted(store.layout.pool("a_1").glob("*@*"))]
        assert times[0] - times[1] > 400
        # When it is given back, Then only that one
        assert spoolq("pool", "release", "a_1", "--worker", "w", "--job", "j").out == "a_1 is given back\n"
        assert holders(store) == {0: None, 1: ("w", "k"), 2: None}
        for action in ("heartbeat", "release"):
            ran = spoolq("pool", action, "a_1", "--worker", "w", "--job", "j", ok=False)
            assert ran.code == 4 and "has none for this job" in ran.err
        assert spoolq("pool", "release", "a_1", "--worker", "w", "--job", "k", "--index", "0", ok=False).code == 4
        spoolq("pool", "release", "a_1", "--worker", "w", "--job", "k", "--index", "1")
        assert holders(store) == {0: None, 1: None, 2: None}


def holders_of(store):
    """Who has resources of the type a_1."""
    shelf = look(store, "a_1")
    return {lease.index: (shown(lease.worker), shown(lease.job)) for lease in shelf.leases}


class TestDrainAndRemove:
    def test_drain_and_open(self, spool):
        spoolq("pool", "add", "a_1", "h:1")
        assert spoolq("pool", "drain", "a_1").out == "a_1 is draining\n"
        assert spoolq("pool", "drain", "a_1").out == "a_1 was already draining\n"
        assert spoolq("pool", "acquire", "a_1", "--wait", "0", ok=False).code == 75
        assert spoolq("pool", "drain", "a_1", "--off", "--json").json() == {
            "type": "a_1",
            "draining": False,
            "changed": True,
        }
        assert spoolq("pool", "drain", "a_1", "--off").out == "a_1 was already open\n"
        assert spoolq("pool", "drain", "none", ok=False).code == 3

    def test_remove_one_and_all(self, spool, store):
        spoolq("pool", "add", "a_1", "h:0", "h:1", "h:2")
        acquire(store, "a_1", "w", "j")
        assert spoolq("pool", "remove", "a_1", "--index", "1").out == "removed a_1[1]\n"
        ran = spoolq("pool", "remove", "a_1", ok=False)
        assert ran.code == 4 and "a_1[0] by w" in ran.err
        spoolq("pool", "release", "a_1", "--worker", "w", "--job", "j")
        assert spoolq("pool", "remove", "a_1").out == "removed 1 of type a_1\n"
        assert spoolq("pool", "remove", "a_1", ok=False).code == 3


class TestUsage:
    @pytest.mark.parametrize(
        "argv",
        [
            [],
            ["frobnicate"],
            ["add"],
            ["add", "a_1"],
            ["acquire"],
            ["acquire", "a_1", "b_1"],
            ["list", "a", "b"],
            ["load"],
            ["list", "--off"],
            ["acquire", "a_1", "--jobs", "x"],
            ["drain", "a_1", "--index", "1"],
            ["acquire", "a_1", "--wait", "soon"],
            ["remove", "a_1", "--index", "-1"],
        ],
        ids=" ".join,
    )
    def test_a_slip_is_a_mistake_of_usage(self, spool, argv):
        ran = spoolq("pool", *argv, ok=False)
        assert ran.code == 2 and ran.out == "" and "Traceback" not in ran.err


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server, and the environment that a worker's command finds."""
    made = Served(tmp_path / "remote")
    secret = tmp_path / "token"
    secret.write_text("t" * 32 + "\n")
    secret.chmod(0o600)
    made.start("--token-file", str(secret))
    for name, value in {"URL": made.base + "/", "WORKER": "w-1", "JOB": "a/7", "TOKEN_FILE": str(secret)}.items():
        monkeypatch.setenv(f"SPOOLQ_{name}", value)
    yield made
    if made.process is not None:
        made.kill()


class TestLeasesOfAServer:
    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path, monkeypatch):
        (tmp_path / "remote").mkdir()
        monkeypatch.chdir(tmp_path)

    def test_a_workers_command_has_its_leases_from_its_server(self, served):
        # Given a server with one resource of a type
        store = served.store
        spoolq("pool", "add", "a_1", "h:1", "--spool", served.path)
        # When a worker's command asks, Then it has it, under the worker's name and job
        assert spoolq("pool", "acquire", "a_1").out == "h 1\n"
        assert holders_of(store) == {0: ("w-1", "a/7")}
        age(store, 500)
        spoolq("pool", "heartbeat", "a_1")
        (path,) = store.layout.pool("a_1").glob("*@*")
        assert store.server_time() - path.stat().st_mtime < 100
        # When another asks, Then there is none, until the first gives it back
        argv = ["pool", "acquire", "a_1", "--worker", "v", "--job", "8"]
        assert spoolq(*argv, "--wait", "100ms", ok=False).code == 75
        got = []
        other = threading.Thread(target=lambda: got.append(program(*argv, "--json")))
        other.start()
        assert spoolq("pool", "release", "a_1").out == "a_1 is given back\n"
        other.join(20)
        assert json.loads(got[0].stdout) == {"type": "a_1", "index": 0, "resource": {"host": "h", "port": 1}}
        # and what one has not cannot be kept or given back
        for action in ("heartbeat", "release"):
            assert spoolq("pool", action, "a_1", ok=False).code == 4
        assert spoolq("pool", "release", "a_1", "--index", "0", ok=False).code == 4
        assert spoolq("pool", "acquire", "none", ok=False).code == 3
        # and with a spool that is named, it is the disk that counts
        ran = spoolq("pool", "release", "a_1", "--worker", "v", "--job", "8", "--spool", served.path)
        assert ran.out == "a_1 is given back\n"

    def test_a_server_that_is_down_is_asked_again(self, served):
        # Given a server that is killed while a command asks, When it comes back, Then the command has its resource
        spoolq("pool", "add", "a_1", "h:1", "--spool", served.path)
        served.stop(signal.SIGKILL)
        assert spoolq("pool", "acquire", "a_1", "--wait", "0", ok=False).code == 75
        got = []
        asks = threading.Thread(target=lambda: got.append(program("pool", "acquire", "a_1")))
        asks.start()
        served.restart()
        asks.join(30)
        assert got[0].stdout == "h 1\n"

    def test_a_wrong_token_is_said(self, served, tmp_path, monkeypatch):
        wrong = tmp_path / "wrong"
        wrong.write_text("x" * 32)
        monkeypatch.setenv("SPOOLQ_TOKEN_FILE", str(wrong))
        ran = spoolq("pool", "acquire", "a_1", ok=False)
        assert ran.code == 4 and "401" in ran.err
        monkeypatch.setenv("SPOOLQ_TOKEN_FILE", str(tmp_path / "nowhere"))
        assert spoolq("pool", "acquire", "a_1", ok=False).code == 5

    def test_another_kind_of_server_is_said(self, served, monkeypatch):
        monkeypatch.setenv("SPOOLQ_URL", f"{served.base}/api/v1")
        ran = spoolq("pool", "acquire", "a_1", ok=False)
        assert ran.code == 4 and "job queue" in ran.err


def program(*argv):
    """`spoolq` in a process of its own, with this process's environment."""
    return subprocess.run([*PROGRAM, *argv], capture_output=True, text=True, timeout=60, env=os.environ, check=True)
