"""Secrets in what is shown: the values of `env` objects whose names say that nobody should read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: Environment names whose values nobody should read over a shoulder. Compiled when used: most verbs print no `env`.
_SECRET = r"(?i)TOKEN(?!IZER)|SECRET|PASS(WORD|WD|PHRASE|$)|API_?KEY|AUTH(?!OR)|CREDENTIAL|PRIVATE|(^|_)KEY$"
_MASK = "***"


def mask(value: Any) -> Any:
    """*value* with what looks like a secret in any `env` object replaced."""
    if isinstance(value, Mapping):
        return {key: _mask_env(inner) if key == "env" else mask(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mask(inner) for inner in value]
    return value


def _mask_env(env: Any) -> Any:
    if not isinstance(env, Mapping):
        return mask(env)
    return {name: _MASK if re.search(_SECRET, str(name)) else value for name, value in env.items()}
