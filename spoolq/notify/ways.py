"""How a hook is run: its own command, or a program of ours that posts to a URL, or to the services of apprise.

URLs may hold secrets, so a program of ours is told them on stdin, where no list of processes shows them.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoolq.errors import SettingsInvalid
from spoolq.notify import notice
from spoolq.notify.delivery import Delivery
from spoolq.notify.hooks import Hook

#: The longest file of URLs, or secret, that is read, in characters.
_MOST = 65536


def delivery(hook: Hook, told: Mapping[str, str], body: Mapping[str, Any]) -> Delivery:
    """One run of *hook*. Raises SettingsInvalid when a file that it names cannot be used."""
    document = json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace")
    env = notice.environment(told)
    if hook.way == "command":
        return Delivery(notice.argv(hook.command, told), document + b"\n", env, hook.timeout)
    order = {
        "urls": urls_of(hook),
        "secret": None if hook.secret_file is None else private_lines(hook.secret_file)[0],
        "timeout": hook.timeout,
        "body": document.decode(),
        "told": dict(told),
    }
    return Delivery(program(hook), json.dumps(order).encode(), env, hook.timeout)


def program(hook: Hook) -> list[str]:
    """The command of a hook that is no command: a program of ours."""
    module = {"webhook": "spoolq.notify.webhook", "apprise": "spoolq.notify.services"}[hook.way]
    return [sys.executable, "-m", module]


def urls_of(hook: Hook) -> list[str]:
    """Where a hook posts to. Raises SettingsInvalid when they are in a file that cannot be used."""
    return list(hook.urls) if hook.url_file is None else private_lines(hook.url_file)


def private_lines(path: Path) -> list[str]:
    """The lines of a file that nobody else may read, without comments; one at least. Raises SettingsInvalid."""
    try:
        with path.open(encoding="utf-8") as file:
            status, text = path.stat(), file.read(_MOST)
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsInvalid(f"cannot read {path}: {cause}. Make it, mode 0600.") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsInvalid(f"cannot use {path}: others can read it. Run `chmod 600 {path}`.")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise SettingsInvalid(f"cannot use {path}: it is empty. Write a line into it.")
    return lines


def discreet(text: str, hook: Hook) -> str:
    """*text* without the URLs of *hook*: members of a shared spool read histories."""
    try:
        urls = urls_of(hook)
    except SettingsInvalid:
        urls = []
    for url in urls:
        text = text.replace(url, "URL")
    return text
