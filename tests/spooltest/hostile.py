"""Files, folders and names that nobody should drop, how each is made, and what is said of it."""

import json
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from spoolq.documents import MAX_BYTES
from spoolq.names import format_stamp

#: A stamp that a job may have today: one that is older than a day is taken for made up.
NOW = format_stamp(datetime.now(UTC))
UUID = "1b4e28ba-2fa1-4d2b-883f-0016d3cca427"
_WIDE = str.maketrans("0123456789", "".join(map(chr, range(0xFF10, 0xFF1A))))
_ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e"
GOOD = b'{"command": ["true"]}'


@dataclass(frozen=True)
class Drop:
    """One hostile thing: *make* puts it at a path in ``queued/``; *said* is in the error of its record.

    *said* None: it is a job like any other, and completes.
    """

    make: Callable[[Path], object]
    said: str | None
    name: str = ""
    #: Only root can make it.
    root: bool = False


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _link(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside.json").write_bytes(GOOD)


def _socket(path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    here = os.open(path.parent, os.O_RDONLY)
    try:
        sock.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be longer than sun_path
    finally:
        os.close(here)
        sock.close()


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero never ends


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.write(GOOD)
        file.truncate(1 << 30)


def _many_keys() -> bytes:
    return json.dumps({"command": ["true"], **{f"k{n}": 1 for n in range(20_000)}}).encode()


def _envelope(**policy: object) -> bytes:
    return json.dumps({"request": {"command": ["true"]}, **policy}).encode()


def filled(size: int) -> bytes:
    """A whole job of exactly *size* bytes, whose one argument no exec takes."""
    data = b'{"command": ["true", "' + b"x" * (size - 25) + b'"]}'
    assert len(data) == size
    return data


#: What stands under the name of the case, or under a name of its own.
DROPS: dict[str, Drop] = {
    # Not files.
    "link to a secret": Drop(_link("/etc/shadow"), "no regular file"),
    "link to itself": Drop(_link("loop.json"), "no regular file", "loop.json"),
    "dangling link": Drop(_link("/does/not/exist"), "no regular file"),
    "link to a job": Drop(_link("../spoolq.toml"), "no regular file"),
    "fifo": Drop(os.mkfifo, "no regular file"),
    "socket": Drop(_socket, "no regular file"),
    "device": Drop(_device, "no regular file", root=True),
    "folder": Drop(_folder, "no regular file"),
    # Not files, under a job's name.
    "folder as a job": Drop(_folder, "directory", f"0-{NOW}-{UUID}.json"),
    "link as a job": Drop(_link("/etc/shadow"), "symbolic link", f"0-{NOW}-{UUID[:-1]}8.json"),
    "fifo as a job": Drop(os.mkfifo, "FIFO", f"0-{NOW}-{UUID[:-1]}9.json"),
    "socket as a job": Drop(_socket, "socket", f"1-{NOW}-{UUID[:-1]}a.json"),
    "device as a job": Drop(_device, "device", f"{NOW}-{UUID[:-1]}b.json", root=True),
    "text as a job": Drop(_bytes(b"run me"), "no valid JSON", f"{NOW}-{UUID[:-1]}c.json"),
    # Not a document.
    "empty": Drop(_bytes(b""), "is empty"),
    "blank": Drop(_bytes(b" \n\t" * 1000), "is empty"),
    "NULs": Drop(_bytes(b"\0" * 1000), "no valid JSON"),
    "ELF": Drop(_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256))), "not UTF-8"),
    "truncated": Drop(_bytes(GOOD[:-2]), "no valid JSON"),
    "list": Drop(_bytes(b"[" + GOOD + b"]"), "a list"),
    "two objects": Drop(_bytes(b'{"a":1}{"b":2}'), "Extra data"),
    "two lines": Drop(_bytes(GOOD + b"\n" + GOOD), "Extra data"),
    "trailing garbage": Drop(_bytes(GOOD + b"\0\0"), "Extra data"),
    "comment": Drop(_bytes(b"// job\n" + GOOD), "no valid JSON"),
    "deep objects": Drop(_bytes(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "deeper than"),
    "deep lists": Drop(_bytes(b'{"a":' + b"[" * 400_000 + b"]" * 400_000 + b"}"), "deeper than"),
    "duplicate key": Drop(_bytes(b'{"command": ["true"], "command": ["false"]}'), "stands twice"),
    "NaN": Drop(_bytes(_envelope(timeout=float("nan"))), "NaN"),
    "Infinity": Drop(_bytes(_envelope(timeout=float("-inf"))), "-Infinity"),
    "overflowing float": Drop(_bytes(b'{"command": ["true"], "x": 1e999}'), "too large"),
    "number of 5000 digits": Drop(_bytes(b'{"command": ["true"], "x": 1' + b"0" * 5000 + b"}"), "too long"),
    "sparse GiB": Drop(_sparse, "larger than"),
    "one byte too long": Drop(_bytes(filled(MAX_BYTES + 1)), "larger than"),
    # Not UTF-8.
    "UTF-16": Drop(_bytes(GOOD.decode().encode("utf-16")), "not UTF-8"),
    "UTF-32": Drop(_bytes(GOOD.decode().encode("utf-32")), "not UTF-8"),
    "UTF-16 without a mark": Drop(_bytes(GOOD.decode().encode("utf-16-le")), "no valid JSON"),
    "Latin-1": Drop(_bytes('{"command": ["é"]}'.encode("latin-1")), "not UTF-8"),
    "overlong": Drop(_bytes(b'{"command": ["\xc0\xaf"]}'), "not UTF-8"),
    "surrogate in UTF-8": Drop(_bytes(b'{"command": ["\xed\xa0\x80"]}'), "not UTF-8"),
    "half a pair": Drop(_bytes(b'{"command": ["\\ud800"]}'), "surrogate"),
    "two marks": Drop(_bytes(b"\xef\xbb\xbf" * 2 + GOOD), "no valid JSON"),
    # Not a request.
    "key of a MB": Drop(_bytes(b'{"command": ["true"], "' + b"k" * 1_000_000 + b'": 1}'), "no such field"),
    "key of a MB, twice": Drop(_bytes(b'{"%(k)s": 1, "%(k)s": 2}' % {b"k": b"k" * 500_000}), "stands twice"),
    "20 000 keys": Drop(_bytes(_many_keys()), "no such field"),
    "key of escapes": Drop(_bytes(json.dumps({"command": ["true"], _ESCAPES: 1}).encode()), "no such field"),
    "recipe of a MB": Drop(_bytes(_envelope(recipe="r" * 1_000_000)), "there is no recipe"),
    "recipe by path": Drop(_bytes(_envelope(recipe="../../spoolq.toml")), "there is no recipe"),
    "huge time limit": Drop(_bytes(_envelope(timeout=10**400)), "`timeout`"),
    "long time limit": Drop(_bytes(_envelope(timeout="9" * 900_000 + "h")), "`timeout`"),
    "huge grace": Drop(_bytes(_envelope(grace=1e300)), "`grace`"),
    "huge attempts": Drop(_bytes(_envelope(max_attempts=10**4000)), "`max_attempts`"),
    "unknown priority": Drop(_bytes(_envelope(priority="0-")), "`priority`"),
    "NUL in the command": Drop(_bytes(b'{"command": ["true\\u0000x"]}'), "`command.0`"),
    "no program": Drop(_bytes(b'{"command": [""]}'), "`command.0`"),
    "name of a variable": Drop(_bytes(b'{"command": ["true"], "env": {"A=B": "c"}}'), "`env.A=B"),
    "results elsewhere": Drop(_bytes(b'{"command": ["true"], "results": "../../../*.json"}'), "`results`"),
    # Whole jobs, oddly made: these run.
    "mark": Drop(_bytes(b"\xef\xbb\xbf" + GOOD), None),
    "CRLF": Drop(_bytes(b'\r\n{"command":\r\n["true"]}\r\n'), None),
    "whole pair": Drop(_bytes(b'{"command": ["true", "\\ud83d\\ude00"]}'), None),
    "name of escapes": Drop(_bytes(GOOD), None, _ESCAPES + ".json"),
    "name of 255 bytes": Drop(_bytes(GOOD), None, "n" * 250 + ".json"),
    "undecodable name": Drop(_bytes(GOOD), None, os.fsdecode(b"\xff" * 250 + b".json")),
    "option": Drop(_bytes(GOOD), None, "--help.json"),
    "shell": Drop(_bytes(GOOD), None, "$(touch owned);`id`|*.json"),
    "dots": Drop(_bytes(GOOD), None, "%2e%2e%2f..\\..json"),
    "wide digits": Drop(_bytes(GOOD), None, f"{NOW}-{UUID}.json".translate(_WIDE)),
    "upper case": Drop(_bytes(GOOD), None, f"{NOW}-{UUID.upper()}.json"),
    "no such day": Drop(_bytes(GOOD), None, f"20260231T120730.123456Z-{UUID}.json"),
    "claim": Drop(_bytes(GOOD), None, f"{NOW}-{UUID}@host.all.0badcafe.json"),
    "line feed after a job's name": Drop(_bytes(GOOD), None, f"{NOW}-{UUID}\n.json"),
}
