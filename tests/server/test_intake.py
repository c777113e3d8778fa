"""Submitting over HTTP: what may be asked for, and one job for one key."""

import dataclasses
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spoolq.errors import NotAllowed, RequestInvalid
from spoolq.names import parse_queued
from spoolq.sections import ServerSection
from spoolq.server import intake
from spoolq.server.face import Face
from spoolq.transitions import State
from tests.spooltest.jobs import ended
from tests.spooltest.trees import places, queue

COMMAND = {"command": ["true"]}
LMMS = {"model": "m", "tasks": ["mme"]}


@pytest.fixture
def face(store):
    def build(spool_roots=(), **options) -> Face:
        store.settings = dataclasses.replace(store.settings, output_roots=[str(root) for root in spool_roots])
        return Face(store, ServerSection(**options))

    return build


def test_a_request_becomes_a_job_at_its_priority(face, store):
    stem, new = intake.submit(face(), {"request": COMMAND, "priority": "high"})
    assert new
    assert stem.priority == "high"
    assert queue(store) == [stem.uuid]


def test_one_key_is_one_job_however_often_it_comes(face, store):
    # Given a request with a key
    first, new = intake.submit(face(), COMMAND, key="night 7")
    # When it comes again, by another server too, and after the job has ended
    again, newer = intake.submit(Face(store, ServerSection()), COMMAND, key="night 7")
    ended(store, first)
    last, newest = intake.submit(face(), COMMAND, key="night 7")
    # Then it is the same job each time
    assert (new, newer, newest) == (True, False, False)
    assert first == again == last
    assert len(places(store)) == 1
    # And another key is another job
    assert intake.submit(face(), COMMAND, key="night 8")[0].uuid != first.uuid


def test_the_id_of_a_key_is_a_uuid_that_a_name_can_carry():
    uuid = intake.uuid_of("night 7")
    assert parse_queued(f"20261120T120730.123456Z-{uuid}.json") is not None
    assert uuid != intake.uuid_of("night 8")
    assert uuid == intake.uuid_of("night 7")


def test_a_key_that_was_used_for_another_request_is_refused(face):
    stem, _ = intake.submit(face(), COMMAND, key="k")
    with pytest.raises(NotAllowed, match="was used for another request") as refused:
        intake.submit(face(), {"command": ["false"]}, key="k")
    assert stem.uuid in str(refused.value)


def test_threads_that_come_at_once_with_one_key_make_one_job(face, store):
    made = face()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: intake.submit(made, COMMAND, key="k"), range(8)))
    assert len({stem for stem, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1
    assert len(queue(store)) == 1


def test_processes_that_come_at_once_with_one_key_make_one_job(store):
    # Given six processes, each a server of its own, that wait for one word
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from spoolq.sections import ServerSection
        from spoolq.server import intake
        from spoolq.server.face import Face
        from spoolq.store import Store
        face = Face(Store(Path(sys.argv[1])), ServerSection())
        print("ready", flush=True)
        sys.stdin.readline()
        print(intake.submit(face, {"command": ["true"]}, key="k")[0].uuid)
    """)
    argv = [sys.executable, "-c", program, str(store.root)]
    servers = [subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) for _ in range(6)]
    for server in servers:
        assert server.stdout.readline() == "ready\n"
    # When all submit under one key
    for server in servers:
        server.stdin.write("go\n")
        server.stdin.flush()
    said = [server.communicate(timeout=20)[0].strip() for server in servers]
    # Then there is one job, and all name it
    assert said == [intake.uuid_of("k")] * 6
    assert list(places(store)) == [intake.uuid_of("k")]


def test_a_failed_submit_leaves_its_key_free(face, store):
    # Given a disk that refuses
    made = face()
    step = store.disk.step
    store.disk.step = lambda name, _path: (_ for _ in ()).throw(OSError(28, "full")) if name == "rename" else None
    with pytest.raises(Exception, match="cannot submit"):
        intake.submit(made, COMMAND, key="k")
    # When it has room again, Then the same key makes the job
    store.disk.step = step
    assert intake.submit(made, COMMAND, key="k")[1] is True


def test_all_or_none_are_queued(face, store):
    with pytest.raises(RequestInvalid, match="job 1: field `command`") as refused:
        intake.submit_all(face(), [COMMAND, {"command": []}])
    assert refused.value.field == "jobs.1.command"
    assert queue(store) == []
    assert len(intake.submit_all(face(), [COMMAND, COMMAND])) == 2


def test_a_recipe_that_is_not_open_over_http_is_refused(face):
    made = face(recipes=["lmms-eval"])
    intake.check(made, LMMS)
    with pytest.raises(RequestInvalid, match="'command' is not open to requests over HTTP") as refused:
        intake.submit(made, COMMAND)
    assert refused.value.field == "recipe"


@pytest.mark.parametrize("wanted", ["{root}/a", "{root}", "{root}/a/../b"])
def test_an_output_folder_under_an_open_root_may_be_named(face, tmp_path, wanted):
    (tmp_path / "open").mkdir()
    wanted = wanted.format(root=tmp_path / "open")
    assert intake.check(face([tmp_path / "open"]), {**LMMS, "output_dir": wanted})
    assert intake.check(face([tmp_path], output_roots=[str(tmp_path / "open")]), {**LMMS, "output_dir": wanted})


def test_a_path_elsewhere_may_not_be_named(face, tmp_path):
    # Given an open root with a link out of it, and one that is open to the spool and not to HTTP
    root = tmp_path / "open"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    made = face([tmp_path], output_roots=[str(root)])
    for wanted in (tmp_path, root / "..", root / "out" / "x", Path("/etc"), f"{root}-not"):
        # When a request names a way out, Then it is refused
        with pytest.raises(RequestInvalid, match="output_roots") as refused:
            intake.check(made, {**LMMS, "output_dir": str(wanted)})
        assert refused.value.field == "output_dir"


@pytest.mark.parametrize("task", ["/etc/passwd", "../x.yaml", "tasks/mine.yaml", "mine.py", "./folder"])
def test_a_task_that_is_a_file_is_refused_outside_the_open_roots(face, task):
    with pytest.raises(RequestInvalid, match="include_roots") as refused:
        intake.check(face(), {**LMMS, "tasks": ["mme", task]})
    assert refused.value.field == "tasks.1"


def test_a_task_and_an_include_path_under_an_open_root_may_be_named(face, tmp_path):
    made = face(include_roots=[str(tmp_path)])
    assert intake.check(made, {**LMMS, "tasks": [str(tmp_path / "mine.yaml")]})
    request = {"recipe": "lm-eval", "request": {"model": "hf", "tasks": ["a"], "include_path": str(tmp_path)}}
    assert intake.check(made, request)
    request["request"]["include_path"] = "/etc"
    with pytest.raises(RequestInvalid, match="include_roots"):
        intake.check(made, request)


def test_a_request_that_is_nested_too_deep_is_refused(face):
    deep: dict = {}
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(RequestInvalid, match="nested deeper"):
        intake.submit(face(), {"request": {"command": ["true"], "env": deep}})


def test_what_was_submitted_is_queued_when_it_returns(face, store):
    stem, _ = intake.submit(face(), COMMAND, key="k")
    assert [path.name for path in store.layout.state(State.QUEUED).iterdir()] == [f"{stem}.json"]
    assert not [path for path in store.layout.tmp.iterdir() if path.suffix == ".submit"]
