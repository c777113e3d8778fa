"""The tokens that a server asks for, from the settings or from a file that only the operator can read."""

from __future__ import annotations

import stat
from pathlib import Path

from spoolq.errors import SettingsInvalid
from spoolq.sections import ServerSection
from spoolq.server.access import Tokens

#: A shorter token can be guessed.
_LEAST = 16


def tokens_of(options: ServerSection, *, shared: bool = False) -> Tokens:
    """The tokens of `[server]`; raises SettingsInvalid for one that is too short, or that others can read.

    In a *shared* spool the members can read the settings.
    """
    if shared and (options.token or options.read_only_token):
        raise SettingsInvalid(
            "cannot use a token in spoolq.toml: the members of this shared spool can read it there. "
            "Put it into a file of mode 0600 and name that as `token_file`."
        )
    full, read_only = options.token, options.read_only_token
    if options.token_file is not None:
        full, *second = _from_file(Path(options.token_file))
        read_only = next(iter(second), read_only)
    for name, token in (("token", full), ("read_only_token", read_only)):
        if token is not None and len(token) < _LEAST:
            raise SettingsInvalid(
                f"cannot use `{name}` of [server]: it has {len(token)} characters, and {_LEAST} are the least. "
                "Make one with `openssl rand -hex 32`."
            )
    if full is None and read_only is not None:
        raise SettingsInvalid(
            "cannot use `read_only_token` of [server]: without a `token` everybody may do everything. Set `token` too."
        )
    if full is not None and full == read_only:
        raise SettingsInvalid("cannot use `read_only_token` of [server]: it is the `token`. Make another one.")
    return Tokens(full, read_only)


def _from_file(path: Path) -> list[str]:
    """The token, and the one with which one may only look, if there is a second line."""
    try:
        status, text = path.stat(), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SettingsInvalid(f"cannot read token_file {path}: {cause}. Make it, with one line, mode 0600.") from None
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsInvalid(f"cannot use token_file {path}: others can read it. Run `chmod 600 {path}`.")
    return [line.strip() for line in text.splitlines() if line.strip()][:2] or [""]
