"""A network of its own: a bridge in a network namespace, and a tap device for each machine. Nothing leaves it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

SUBNET = "10.77.0"
#: Where the file server listens.
SERVER = f"{SUBNET}.1"


class Network:
    """The namespace *name* with the devices *taps*; `close` removes it all."""

    def __init__(self, name: str, taps: Iterable[str]) -> None:
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self._ip("link", "set", "lo", "up")
        # One packet at a time: a machine's network card loses those that were put together (GSO), which costs seconds.
        self._ip("link", "add", "br0", "gso_max_segs", "1", "type", "bridge")
        self._ip("addr", "add", f"{SERVER}/24", "dev", "br0")
        self._ip("link", "set", "br0", "up")
        for tap in taps:
            self._ip("tuntap", "add", "dev", tap, "mode", "tap")
            self._ip("link", "set", tap, "up")
            self.join(tap)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.name, *words], check=True)

    def part(self, tap: str) -> None:
        """Cut a machine off: it lives, and nothing reaches it."""
        self._ip("link", "set", tap, "nomaster")

    def join(self, tap: str) -> None:
        """Put it (back) on the network."""
        self._ip("link", "set", tap, "master", "br0")

    def close(self) -> None:
        """Remove it; every process in it must have ended."""
        subprocess.run(["ip", "netns", "del", self.name], check=False)
