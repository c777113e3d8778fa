"""An NFS server on the host (nfs-ganesha: v4.2 and v3) in the machines' network, which can be killed and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.spooltest.waiting import wait_for

from .network import SERVER

PROGRAMS = ("ganesha.nfsd", "rpcbind", "ip", "nsenter", "unshare", "mount.nfs", "modprobe", "strace")
#: After a restart clients may reclaim for so long, in seconds. A client that says nothing for the lease is forgotten.
#: The usual lease is 60 or 90 s; with one of 5 s an idle client met errors.
GRACE_S, LEASE_S = 10, 20
#: Where mountd listens; NFSv3 needs it.
MOUNT_PORT = 20048

_CONFIG = """\
NFS_CORE_PARAM {{
  Protocols = 3, 4; NFS_Port = 2049; MNT_Port = {mount_port}; Bind_addr = {address};
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
}}
NFSV4 {{
  Grace_Period = {grace}; Lease_Lifetime = {lease}; Only_Numeric_Owners = true;
  RecoveryBackend = fs; RecoveryRoot = {folder}/recovery;
}}
EXPORT {{
  Export_Id = 1; Path = {folder}/export; Pseudo = /spool; Protocols = 3, 4; Transports = TCP;
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = WARN; }}
"""


class Server:
    """Exports `export` in *folder* to the network *namespace*. That directory, on the host, shows what is true."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder, self.namespace = folder, namespace
        self.export = folder / "export"
        self.export.mkdir()
        (folder / "recovery").mkdir()
        self.config = folder / "ganesha.conf"
        self.config.write_text(
            _CONFIG.format(mount_port=MOUNT_PORT, address=SERVER, grace=GRACE_S, lease=LEASE_S, folder=folder)
        )
        self._ganesha: subprocess.Popen[bytes] | None = None
        # Its /run is its own: rpcbind has a socket there that must not be the host's.
        prepare = "mount -t tmpfs run /run && mkdir -p /run/ganesha /run/rpcbind && touch /run/ready"
        argv = [
            "ip",
            "netns",
            "exec",
            namespace,
            "unshare",
            "--mount",
            "sh",
            "-c",
            f"{prepare}; exec timeout -s KILL 1800 rpcbind -f -w",
        ]
        self._rpcbind = self._spawn(argv, "rpcbind")
        ready = Path(f"/proc/{self._rpcbind.pid}/root/run/ready")
        wait_for(ready.exists, 20, "rpcbind")

    def _spawn(self, argv: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def start(self) -> None:
        """Start it, and return when it listens. It refuses new locks and opens for GRACE_S."""
        enter = ["nsenter", f"--target={self._rpcbind.pid}", "--mount", "--net"]
        serve = [
            "ganesha.nfsd",
            "-F",
            "-f",
            str(self.config),
            "-L",
            str(self.folder / "ganesha.txt"),
            "-p",
            "/run/g.pid",
        ]
        self._ganesha = self._spawn(["timeout", "-s", "KILL", "1800", *enter, *serve], "ganesha")
        wait_for(self._listens, 30, f"the NFS server; see {self.folder}/ganesha.txt")

    def _listens(self) -> bool:
        table = Path(f"/proc/{self._rpcbind.pid}/net")
        wanted = f":{2049:04X} "
        return any(
            wanted in row.split()[1] + " " and row.split()[3] == "0A"
            for name in ("tcp", "tcp6")
            for row in (table / name).read_text().splitlines()[1:]
        )

    def kill(self) -> None:
        """SIGKILL: what it has answered is in the export, what it has not answered may be."""
        if self._ganesha is not None:
            os.killpg(self._ganesha.pid, signal.SIGKILL)
            self._ganesha.wait()
            self._ganesha = None
            wait_for(lambda: not self._listens(), 30, "the end of the NFS server")

    def close(self) -> None:
        """End all of it."""
        self.kill()
        os.killpg(self._rpcbind.pid, signal.SIGKILL)
        self._rpcbind.wait()
