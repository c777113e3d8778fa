"""JSON of ours as responses: what is shown is masked, says no place of this host, and can always be written."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

from spoolq.masking import mask
from spoolq.store import Store


class Answer(JSONResponse):
    """JSON in as few bytes as it needs; half a surrogate pair, which UTF-8 cannot have, is escaped."""

    def render(self, content: Any) -> bytes:
        """The body; raises ValueError for NaN and Infinity."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def placeless(store: Store, text: str) -> str:
    """*text* of ours with paths in the spool relative to it, and no word about where it is."""
    for root in sorted({str(store.root.absolute()), str(store.root)}, key=len, reverse=True):
        if root.startswith("/"):
            text = text.replace(f"{root}/", "").replace(root, "the spool")
    return text


def shown(store: Store, record: dict[str, Any]) -> dict[str, Any]:
    """A job's record as strangers see it: secrets masked, and our own words about it without places."""
    seen: dict[str, Any] = mask(record)
    if seen.get("error"):
        seen["error"] = placeless(store, str(seen["error"]))
    return seen
