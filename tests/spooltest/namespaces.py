"""Mounts of a test's own, in a mount namespace that ends with it."""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@cache
def _may_mount() -> str:
    """Why this user can have no namespace with mounts of its own; "" when it can."""
    if not shutil.which("unshare"):
        return "unshare (util-linux) is not installed"
    words = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespace can be had: {tried.stderr.strip()}"


def with_mounts(script: str, *argv: object) -> Any:
    """Run a shell *script* (its $1, $2, … are *argv*, $0 is Python) where it may mount; the JSON that it prints."""
    reason = _may_mount()
    if reason:
        pytest.skip(reason)
    words = ["unshare", "-rm", "sh", "-ec", script, sys.executable, *map(str, argv)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def examined(mount: str, place: Path) -> dict[str, Any]:
    """What `doctor` says of a new spool at $1, once *mount* has been run there; finding by name."""
    place.mkdir(parents=True, exist_ok=True)
    script = (
        f'{mount}\n"$0" -m spoolq init --spool "$1" >/dev/null 2>&1\n"$0" -m spoolq doctor --json --spool "$1" || true'
    )
    return {finding["name"]: finding for finding in with_mounts(script, place)["findings"]}
