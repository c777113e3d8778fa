"""`python -m spoolq.notify.webhook`: post one notice to one URL; the order is JSON on stdin. Exit 0 for a 2xx answer.

The URL is the operator's and no job can change it, so private addresses are allowed. A redirect is not followed: it
would carry the record to where somebody else says.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any, NoReturn
from urllib.parse import urlsplit

#: So much of an answer is read, in bytes: its beginning says what was wrong.
_ANSWER = 2048


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_given: Any, **_named: Any) -> None:
        """Make no second request: the answer stands as the error that it is."""


def check_url(url: str) -> str:
    """What is wrong with a URL; "" when it can be posted to."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "it is no http:// or https:// URL with a host"
    if parts.username is not None:
        return "it has a user in it, which is not sent"
    return "" if url.isascii() and url.isprintable() and " " not in url else "it has a character that must be escaped"


def headers(body: bytes, secret: str | None, now: float) -> dict[str, str]:
    """What goes with *body*. The signature is of moment and body, so that neither can be changed or sent again."""
    found = {"Content-Type": "application/json", "User-Agent": "spoolq"}
    if secret is not None:
        moment = str(int(now))
        digest = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
        found |= {"X-Spoolq-Timestamp": moment, "X-Spoolq-Signature": f"sha256={digest}"}
    return found


def post(url: str, body: bytes, secret: str | None, timeout: float) -> str:
    """Post *body*; what went wrong, "" for a 2xx answer. *timeout* in seconds is for each step of the connection."""
    if fault := check_url(url):
        return fault
    request = urllib.request.Request(url, data=body, headers=headers(body, secret, time.time()), method="POST")
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=timeout) as answer:
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except urllib.error.HTTPError as error:
        if 300 <= error.code < 400:
            return f"it answered {error.code}, which leads elsewhere; write the URL that it leads to"
        said = error.read(_ANSWER).decode("utf-8", "replace")
        return f"it answered {error.code}: {' '.join(said.split())[:200]}"
    except urllib.error.URLError as error:
        return f"it cannot be reached: {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer as HTTP does: {type(error).__name__}: {error}"


def main() -> NoReturn:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    faults = [post(url, order["body"].encode(), order["secret"], order["timeout"]) for url in order["urls"]]
    failed = [fault for fault in faults if fault]
    sys.stdout.write("; ".join(failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
