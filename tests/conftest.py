"""What every test may ask for: a spool, and its Store. Slot locks never leave the test's own folder."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.spooltest")

from spoolq.create import create  # noqa: E402
from spoolq.store import Store  # noqa: E402

# A shell starts what it sends to the background deaf to SIGINT, and our children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _slot_locks_of_this_test(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
    monkeypatch.delenv("SPOOLQ_SPOOL", raising=False)


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    """A spool as `spoolq init` makes it."""
    path = tmp_path / "spool"
    create(path)
    return path


@pytest.fixture
def public_store() -> Iterator[Store]:
    """A spool in a folder that every user of this host can reach, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="spoolq-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        create(Path(folder, "spool"))
        Path(folder, "spool").chmod(0o755)
        yield Store(Path(folder, "spool"), host="host-a")


@pytest.fixture
def store(spool_path: Path) -> Store:
    return Store(spool_path, host="host-a")
