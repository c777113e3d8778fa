"""The spool that is looked at, whole or not, and the folder in which it is tried."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from spoolq.errors import SettingsInvalid, SpoolUnusable
from spoolq.files import Disk
from spoolq.layout import Layout
from spoolq.mounts import MOUNTINFO, Mount, is_network_type, mount_of
from spoolq.names import claim_host, token
from spoolq.settings import Settings, load_settings
from spoolq.store import Store
from spoolq.transitions import State


@dataclass
class Patient:
    """A spool that may lack directories or have settings that do not parse.

    *host* is this host's name in claims; *mountinfo* and *proc* are where the kernel tells of mounts and limits.
    """

    root: Path
    host: str = field(default_factory=claim_host)
    mountinfo: Path = MOUNTINFO
    proc: Path = Path("/proc")
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.settings_fault = ""
        try:
            self.settings = load_settings(self.layout.settings)
        except SettingsInvalid as error:
            self.settings, self.settings_fault = Settings(), str(error)

    @property
    def missing(self) -> list[Path]:
        """The directories that are not there now."""
        return [directory for directory in self.layout.directories() if not directory.is_dir()]

    def check_is_spool(self) -> None:
        """Raise SpoolUnusable when there is no spool at all, rather than one that lacks something."""
        if {self.layout.state(State.QUEUED), self.layout.runs} <= set(self.missing):
            Store(self.root)
            raise SpoolUnusable(f"cannot examine {self.root}: somebody is making it just now. Try again.")

    @cached_property
    def store(self) -> Store:
        """The spool as other verbs open it; raises SpoolUnusable while a directory is missing."""
        return Store(self.root, settings=self.settings, host=self.host, clock=self.clock)

    @cached_property
    def disk(self) -> Disk:
        """Calls without fsync, for probes."""
        return Disk(durable=False)

    @cached_property
    def mount(self) -> Mount | None:
        """What the spool lies on."""
        return mount_of(self.root, self.mountinfo)

    @property
    def network(self) -> bool:
        """Whether other hosts may change the spool."""
        return self.mount is not None and is_network_type(self.mount.kind)

    @property
    def member(self) -> bool:
        """Whether the caller is neither the operator nor root, and so may only put files in."""
        return os.geteuid() not in (0, self.root.stat().st_uid)

    def age(self, path: Path) -> float:
        """For how many seconds a file has had its name, by the file server's clock; 0 when it is gone."""
        try:
            return self.server_now - path.lstat().st_ctime
        except OSError:
            return 0.0

    @cached_property
    def server_now(self) -> float:
        """The file server's time when it was first asked for."""
        return self.store.server_time()

    @cached_property
    def cannot_write(self) -> str:
        """Why no file can be made in ``.tmp/``, without which nothing can be tried; "" when it can."""
        try:
            with self.probe() as folder:
                self.disk.write_new(folder / "probe", b"x" * 4096)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    @contextlib.contextmanager
    def probe(self) -> Iterator[Path]:
        """A hidden folder of our own in ``.tmp/``. CRASH: after a kill it is litter, which a sweep takes in an hour."""
        folder = self.layout.probe(token(8))
        self.disk.make_directory(folder, 0o700)
        try:
            yield folder
        finally:
            with contextlib.suppress(OSError):
                self.disk.remove_tree(folder)
