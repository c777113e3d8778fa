"""Hosts A, B and C on one NFS export, each a Linux kernel of its own: its own caches, clock, locks and inotify."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .machine import Machine
from .network import SERVER, SUBNET, Network
from .server import MOUNT_PORT, Server

#: Mount options by name. `hard` is what spoolq asks for, and the default of mount.nfs.
V4 = "vers=4.2,hard"
#: Locks of this mount exclude nobody on another host, and say so to nobody.
V3_LYING_LOCKS = f"vers=3,hard,nolock,proto=tcp,port=2049,mountport={MOUNT_PORT},mountproto=tcp"
#: Where each host mounts the export.
AT = "/mnt/nfs"


class Bed:
    """The server and the hosts that *names* tells, in a folder and a network of their own; `close` removes them."""

    def __init__(self, names: Iterable[str] = "ABC") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spoolq-netfs-"))
        self.folder.chmod(0o755)
        self.machines = {
            name: Machine(self.folder, f"host-{name}", f"{SUBNET}.{ord(name) - 54}", self.folder.name) for name in names
        }
        self.network: Network | None = None
        self.server: Server | None = None
        try:
            self.network = Network(self.folder.name, [machine.tap for machine in self.machines.values()])
            self.server = Server(self.folder, self.folder.name)
            self.server.start()
        except BaseException:
            self.close()
            raise

    def on(self, name: str) -> Machine:
        """The host of that name, switched on and with the export mounted."""
        machine = self.machines[name]
        if machine.guest is None:
            machine.boot()
            machine.await_up()
            self.mount(name)
        return machine

    def mount(self, name: str, at: str = AT, options: str = V4, port: int | None = None) -> None:
        """Mount the export on a host."""
        source = f"{SERVER}:/spool" if "vers=3" not in options else f"{SERVER}:{self.folder}/export"
        port_option = f",port={port}" if port else ""
        command = f"mkdir -p {at} && mount -t nfs -o {options}{port_option} {source} {at}"
        self.machines[name].sh(command, timeout=90).ok()

    def part(self, name: str) -> None:
        """Cut a host off from the network."""
        assert self.network is not None
        self.network.part(self.machines[name].tap)

    def join(self, name: str) -> None:
        """Heal that."""
        assert self.network is not None
        self.network.join(self.machines[name].tap)

    def close(self) -> None:
        """End everything, and remove it."""
        for machine in self.machines.values():
            machine.cut()
        if self.server is not None:
            self.server.close()
        if self.network is not None:
            self.network.close()
        if "SPOOLQ_KEEP_NETFS" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)
