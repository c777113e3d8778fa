"""The reader of job files as one function: arbitrary bytes and names to a job, or to an error that there is."""

import json
from typing import Any

from spoolq import requests
from spoolq.documents import MAX_BYTES, MAX_DEPTH, dump, parse_object
from spoolq.errors import RequestInvalid
from spoolq.names import parse_key, parse_queued, parse_running, parse_stamp, parse_terminal
from spoolq.settings import Settings

#: Somebody who is neither we nor root.
STRANGER = 64999
#: More than any message about a request needs.
ERROR_ROOM = 2100
_OPERATORS = {
    "command": ["/bin/eval", "{model}", ["--limit", "{limit}"], "{output}"],
    "parameters": {"model": {"type": "str", "required": True}, "limit": {"type": "int", "min": 1}},
}
SETTINGS = Settings(
    open_recipes=["command", "lm-eval", "lmms-eval", "own"], recipes={"own": _OPERATORS}, output_roots=["/tmp"]
)


def read(data: bytes, uid: int = STRANGER) -> requests.Job | None:
    """The job in *data*, None for one that is refused; fails for everything else that can happen."""
    try:
        job = requests.read(data, uid, SETTINGS)
    except RequestInvalid as error:
        assert 0 < len(str(error)) <= ERROR_ROOM
        str(error).encode("utf-8", "strict")
        return None
    _check(job, data, uid)
    return job


def _check(job: requests.Job, data: bytes, uid: int) -> None:
    """What holds for whatever was accepted."""
    assert len(data) <= MAX_BYTES or "outcome" in parse_object(data, limit=len(data), depth=MAX_DEPTH + 1)
    assert job.submitted_by == uid
    assert 0 < (job.timeout or 1) < 1e10 and 0 <= job.grace < 1e10 and 1 <= job.max_attempts <= 100
    # What is written into the record is a valid envelope again, of the same job.
    envelope: dict[str, Any] = {key: value for key, value in job.policy.items() if value is not None}
    again = requests.accept(
        parse_object(dump({"request": job.request, **envelope}), limit=16 << 20, depth=MAX_DEPTH + 1), uid, SETTINGS
    )
    assert (again.request, again.policy) == (job.request, job.policy)
    json.dumps(job.request, allow_nan=False).encode()


def read_name(name: str) -> None:
    """Whatever a name parses to says that name again, and its stamp is a moment."""
    for parse in (parse_queued, parse_running, parse_terminal):
        parsed = parse(name)
        if parsed is not None:
            assert f"{parsed}.json" == name and "/" not in name and "\0" not in name and name.isascii()
            stem = getattr(parsed, "stem", parsed)
            parse_stamp(stem.stamp)
            assert parse_key(stem.key) is not None
