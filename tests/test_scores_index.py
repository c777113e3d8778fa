"""The index of completed jobs: a hint that is never believed against the records."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spoolq.prune import prune
from spoolq.scores import index
from spoolq.scores.cards import card_of
from spoolq.scores.index import Cards, read
from spoolq.store import Store
from spoolq.transitions import State
from tests.spooltest.jobs import claimed, ended, submitted
from tests.spooltest.scored import job_id, scored


@pytest.fixture
def opened(monkeypatch):
    """The jobs whose records were read, in order."""
    names, describe = [], index.describe

    def noticed(store, entry):
        names.append(entry.stem.uuid)
        return describe(store, entry)

    monkeypatch.setattr(index, "describe", noticed)
    return names


def models(store):
    """What a fresh look finds: the models of the cards, oldest job first."""
    return [card.model for card in Cards(store).all()]


def fill(store, count=3):
    """Completed jobs of models m0, m1, … with a score each, one a day."""
    days = [f"2026-11-{n + 1:02d}T00:00:00+00:00" for n in range(count)]
    return [scored(store, n, f"m{n}", {"t": {"acc": n / 10}}, ended=day) for n, day in enumerate(days)]


def path_of(store, stem):
    return store.layout.terminal(State.COMPLETED, stem.key)


def test_the_second_look_reads_no_record(store, opened):
    # Given completed jobs that were looked at once
    fill(store)
    first = Cards(store).all()
    assert len(opened) == 3
    # When somebody else looks, Then nothing is read, and the cards are the same
    opened.clear()
    assert Cards(store).all() == first and opened == []
    assert [card.metrics for card in first] == [{"t": {"acc": n / 10}} for n in range(3)]


def test_a_card_from_the_index_is_the_card_of_the_record(store):
    # Given a record with everything that a card has
    stem = scored(store, 1, "m", {"t": {"acc": 0.5, "name": "x", "none": None}}, labels={"a": "b"}, group="g")
    Cards(store).all()
    # When the card comes from the index, Then it is that of the record
    assert Cards(store).all() == [card_of(json.loads(path_of(store, stem).read_text()))]


def test_only_what_is_new_is_read(store, opened):
    # Given an index, and a job that has ended since
    fill(store)
    models(store)
    opened.clear()
    scored(store, 9, "new", {})
    # When one looks, Then only that is read
    assert models(store) == ["m0", "m1", "m2", "new"] and opened == [job_id(9)]


def test_a_record_that_was_written_again_is_read_again(store, opened):
    # Given an index, and a record that was replaced by one of the same size
    stems = fill(store)
    models(store)
    path = path_of(store, stems[1])
    text = path.read_text().replace('"m1"', '"n1"')
    status = path.stat()
    (path.parent / ".new").write_text(text)
    (path.parent / ".new").rename(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    # When one looks, Then the new one counts
    opened.clear()
    assert models(store) == ["m0", "n1", "m2"] and opened == [job_id(1)]
    # and so it does when it was written over in place, with its mtime put back
    path.write_text(text.replace('"n1"', '"o1"'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert models(store) == ["m0", "o1", "m2"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\0" * len(data),
        lambda data: b"[]",
        lambda data: b'{"format": 999, "jobs": {}}',
        lambda data: b'{"format": 1, "jobs": {"x": [[1], 2]}}',
        lambda data: b'{"format": 1, "jobs": [1]}',
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b'{"acc"', b'[{"acc"').replace(b"}}]", b"}]}]"),
        lambda data: data.replace(b'{"t":', b'{"t":7,"u":'),
    ],
)
def test_a_damaged_index_is_made_anew(store, damage):
    # Given an index that was torn, is of another form, or holds anything else
    fill(store)
    models(store)
    good = store.layout.index.read_bytes()
    store.layout.index.write_bytes(damage(good))
    # When one looks, Then the table is right, and so is the index afterwards
    assert models(store) == ["m0", "m1", "m2"]
    assert store.layout.index.read_bytes() == good


def test_the_index_may_be_deleted_or_be_another_thing(store):
    # Given an index that is deleted, replaced by a link, or by a directory
    fill(store)
    for change in (
        lambda: shutil.rmtree(store.layout.index.parent),
        lambda: (store.layout.index.unlink(), store.layout.index.symlink_to("/etc/passwd")),
        lambda: (store.layout.index.unlink(), store.layout.index.mkdir()),
    ):
        models(store)
        change()
        # When one looks, Then it is right
        assert models(store) == ["m0", "m1", "m2"]
    assert [path.name for path in store.layout.tmp.iterdir()] == []  # what could not be renamed is removed


def test_an_index_of_another_spool_counts_for_nothing(store, tmp_path, opened):
    # Given a spool that was copied, index and all
    fill(store)
    models(store)
    shutil.copytree(store.root, tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    # When one looks at the copy, Then its own records are read
    opened.clear()
    assert models(copy) == ["m0", "m1", "m2"] and len(opened) == 3


def test_a_foreign_index_is_not_believed(public_store):
    # Given an index that a stranger put there, which tells of scores that there are not
    if os.getuid() != 0:
        pytest.skip("needs root, to give a file to somebody else")
    (stem,) = fill(public_store, 1)
    models(public_store)
    path = public_store.layout.index
    forged = path.read_text().replace('"m0"', '"evil"')
    path.write_text(forged)
    assert models(public_store) == ["evil"]  # from the owner it is believed
    os.chown(path, 65534, 65534)
    # When one looks, Then the record counts, and the index is the owner's again
    assert models(public_store) == ["m0"]
    assert path.stat().st_uid == os.getuid() and stem.uuid in path.read_text()


def test_who_does_not_own_the_spool_reads_it_and_writes_nothing(public_store):
    # Given a spool of another user, with and without an index
    if os.getuid() != 0:
        pytest.skip("needs root, to become somebody else")
    fill(public_store)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom spoolq.store import Store\n"
        "from spoolq.scores.index import Cards\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "print([card.model for card in Cards(Store(Path(sys.argv[1]))).all()])"
    )
    for _ in range(2):
        before = sorted(public_store.root.rglob("*"))
        words = [sys.executable, "-c", code, str(public_store.root)]
        # When they look, Then they see all, and nothing is written
        ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
        assert ran.stdout.strip() == "['m0', 'm1', 'm2']"
        assert sorted(public_store.root.rglob("*")) == before
        models(public_store)


def test_a_job_whose_record_is_not_written_yet_is_not_kept(store):
    # Given a job that was committed to completed/ without its record, as a kill leaves it
    fill(store, 1)
    taken = claimed(store, submitted(store))
    name = f"{taken.running.stem.key}.json"
    store.layout.running(taken.running).rename(store.layout.state(State.COMPLETED) / name)
    # When one looks, Then it is there without scores, and not in the index
    cards = Cards(store).all()
    assert [card.metrics for card in cards] == [{"t": {"acc": 0.0}}, {}]
    assert [kept[1].model for kept in read(store).values()] == ["m0"]


def test_a_store_that_is_kept_sees_what_comes_and_goes(store, opened):
    # Given cards that are kept, as a server keeps them
    stems = fill(store)
    cards = Cards(store)
    cards.all()
    # When a job ends and another is removed
    opened.clear()
    scored(store, 9, "new", {})
    path_of(store, stems[0]).unlink()
    # Then the next look has both, and reads the new one once
    for _ in range(2):
        assert [card.model for card in cards.all()] == ["m1", "m2", "new"]
    assert opened == [job_id(9)]


def test_a_few_changes_are_not_written_at_once(store):
    # Given an index of 300 jobs
    fill(store, 28)
    for n in range(28, 300):
        scored(store, n, "m", {})
    models(store)
    written = store.layout.index.stat().st_ino
    # When 3 more have ended, Then it is left as it is; with the fourth, over 1 %, it is written
    for n in (301, 302, 303):
        scored(store, n, "new", {})
        assert models(store).count("new") == n - 300
    assert store.layout.index.stat().st_ino == written
    scored(store, 304, "new", {})
    models(store)
    assert store.layout.index.stat().st_ino != written


def test_prune_takes_its_jobs_out(store):
    # Given an index of three jobs, of which one is old
    stems = [ended(store, submitted(store)).stem for _ in range(3)]
    models(store)
    # When all but the two newest are pruned
    prune(store, keep=2)
    # Then the index has the others only, at once
    assert sorted(read(store)) == sorted(f"{stem.key}.json" for stem in stems[1:])
    # and a dry run changes nothing
    before = store.layout.index.read_bytes()
    prune(store, dry_run=True)
    assert store.layout.index.read_bytes() == before


def test_two_at_once_do_not_break_it(store):
    # Given four processes that look and write all the time, with jobs that come and go meanwhile
    fill(store, 20)
    code = (
        "import sys\nfrom pathlib import Path\nfrom spoolq.store import Store\n"
        "from spoolq.scores.index import Cards, write\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for _ in range(30):\n"
        "    cards = Cards(store)\n"
        "    assert len(cards.all()) >= 20, cards.all()\n"
        "    write(store, cards._known)\n"
    )
    words = [sys.executable, "-c", code, str(store.root)]
    running = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(4)]
    # When they are done
    n = 100
    while any(process.poll() is None for process in running):
        path_of(store, scored(store, n, "passing", {})).unlink()
        n += 1
    # Then none has failed, and nothing is left behind
    assert [process.communicate()[1] for process in running] == [b""] * 4
    assert models(store) == [f"m{n}" for n in range(20)] and list(store.layout.tmp.iterdir()) == []


@pytest.mark.parametrize("step", ["mkdir", "create", "write", "rename"])
def test_a_kill_or_a_full_disk_leaves_what_there_was(store, step):
    # Given an index, and a disk that fails at one step of writing the next
    fill(store)
    models(store)
    good = store.layout.index.read_bytes()
    scored(store, 9, "new", {})

    def fail(name: str, _path: Path) -> None:
        if name == step:
            raise OSError(28, "No space left on device")

    broken = Store(store.root)
    broken.disk.step = fail
    # When one looks, Then the table is right, the index is the old one, and nothing lies about
    assert models(broken) == ["m0", "m1", "m2", "new"]
    assert store.layout.index.read_bytes() == good
    assert list(store.layout.tmp.iterdir()) == []
