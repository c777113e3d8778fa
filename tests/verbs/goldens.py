"""Golden outputs: what a verb prints, with all that differs from run to run replaced by placeholders.

`SPOOLQ_UPDATE_GOLDEN=1 python -m pytest tests/verbs` writes the files anew; read the difference before it is committed.
"""

import os
import re
from pathlib import Path

from spoolq.names import claim_host

FOLDER = Path(__file__).parent.parent / "golden"
UPDATE = "SPOOLQ_UPDATE_GOLDEN"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_KEY = re.compile(rf"\d{{8}}T\d{{6}}\.\d{{6}}Z-({_UUID})")
_DURATION = re.compile(r"( *)\b(?:\d+m\d\ds|\d+\.\ds|\d+s)(?![\w\"])")


def ids_in(spool: Path) -> list[str]:
    """The ids of all jobs that the spool's names tell of, the oldest first."""
    keys = {found[0]: found[1] for path in spool.rglob("*") if (found := _KEY.search(path.name))}
    return [keys[key] for key in sorted(keys)]


def settled(text: str, spool: Path, home: Path) -> str:
    """*text* with ids numbered by age, and times, durations, sizes, paths, the host and the user made the same."""
    for number, job in enumerate(ids_in(spool), 1):
        text = text.replace(job, f"{number:08d}-0000-4000-8000-{number:012d}")
        text = re.sub(rf"\b{job[:8]}\b", f"{number:08d}", text)
    text = text.replace(str(spool), "SPOOL").replace(str(home), "HOME")
    text = re.sub(r"\d{8}T\d{6}\.\d{6}Z", "20260101T000000.000000Z", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", "2026-01-01T00:00:00.000000+00:00", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-01 00:00:00", text)
    text = re.sub(r"(?m)^\d\d:\d\d:\d\d ", "00:00:00 ", text)
    text = re.sub(rf"\b{re.escape(claim_host())}\.(all|admit|cancel)\b(?:\.[0-9a-f]{{8}})?", r"HOST.\1", text)
    text = re.sub(r"submitted\.[0-9a-f]{8}", "submitted.NONCE", text)
    text = re.sub(r"(peak memory +|\"peak_memory_mib\": )[\d.]+", r"\g<1>1.0", text)
    text = re.sub(r"(\"submitted_by\": )\d+", r"\g<1>0", text)
    text = re.sub(r"(?m)^  submitted by .*\n", "", text)
    text = re.sub(r"\b\d+(\.\d)? (B|kB|MB)\b", "N kB", text)
    text = re.sub(r"\b(about|ends|starts|by) (?:[A-Z][a-z]{2} )?\d\d:\d\d\b", r"\1 00:00", text)
    text = re.sub(r", heartbeat \S+ ago", "", text)
    text = re.sub(r"(?m)^(  took +)\S+$", r"\g<1>0.0s", text)
    return _DURATION.sub(lambda match: "0.0s".rjust(len(match[0])), text)


def level(screen: str) -> str:
    """A whole screen, already `settled`, with the blanks between columns and the moments in it made the same."""
    rows = [re.sub(r"(?<=\S) {2,}", "  ", row) for row in screen.splitlines()]
    return re.sub(r"(?m)  (?:[A-Z][a-z]{2} )?\d\d:\d\d(?::\d\d)?$", "  00:00", "\n".join(rows)) + "\n"


def compare(name: str, text: str) -> None:
    """Hold *text* against the golden file *name*, or write that anew when SPOOLQ_UPDATE_GOLDEN is set."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"there is no golden file {path.name}; {UPDATE}=1 makes it"
    assert text == path.read_text(encoding="utf-8"), f"the output is not that of {path.name}; {UPDATE}=1 renews it"
