"""The tokens that a server asks for, from the settings or from a file that only the operator can read."""

from __future__ import annotations

import stat
from pathlib import Path

from spoolq.errors import SettingsInvalid
from spoolq.sections import ServerSection
from spoolq.server.access import Tokens

#: A shorter token can be guessed.
_LEAST = 16


def tokens_of(options: ServerSection) -> Tokens:
    """The tokens of `[server]`; raises SettingsInvalid for one that is too short, or a file that others can read."""
    full = options.token if options.token_file is None else _from_file(Path(options.token_file))
    for name, token in (("token", full), ("read_only_token", options.read_only_token)):
        if token is not None and len(token) < _LEAST:
            raise SettingsInvalid(
                f"cannot use `{name}` of [server]: it has {len(token)} characters, and {_LEAST} are the least. "
                "Make one with `openssl rand -hex 32`."
            )
    if full is None and options.read_only_token is not None:
        raise SettingsInvalid(
            "cannot use `read_only_token` of [server]: without a `token` everybody may do everything. Set `token` too."
        )
    if full is not None and full == options.read_only_token:
        raise SettingsInvalid("cannot use `read_only_token` of [server]: it is the `token`. Make another one.")
    return Tokens(full, options.read_only_token)


def _from_file(path: Path) -> str:
    try:
        status, text = path.stat(), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsInvalid(f"cannot read token_file {path}: {cause}. Make it, with one line, mode 0600.") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsInvalid(f"cannot use token_file {path}: others can read it. Run `chmod 600 {path}`.")
    return (text.splitlines() or [""])[0].strip()
