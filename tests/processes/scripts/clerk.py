"""clerk.py SPOOL LINES ACTS SEED NUMBER: people at a spool. Submits and drops NUMBER jobs; cancels, retries, reorders.

Appends to ACTS what was acknowledged (``submitted NAME``), and what is about to be asked (``cancel NAME``). It is
killed at any moment, and started again with another SEED.
"""

import contextlib
import json
import os
import random
import sys
import time
from pathlib import Path

from spoolq import Spool
from spoolq.errors import SpoolqError

spool, lines, acts = Spool(sys.argv[1]), sys.argv[2], sys.argv[3]
dice, number = random.Random(int(sys.argv[4])), int(sys.argv[5])


def tell(act, name):
    descriptor = os.open(acts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, json.dumps([act, name]).encode() + b"\n")
    os.close(descriptor)


def submit(name):
    script = str(Path(__file__).with_name("stormy.py"))
    code = dice.choice([0, 0, 0, 3, 3, 5])
    command = [sys.executable, "-I", "-S", script, lines, name, str(dice.choice([0, 0.05, 0.1, 0.3])), str(code)]
    policy = {"max_attempts": dice.choice([2, 100, 100, 100]), "grace": "200ms"}
    if dice.random() < 0.3:
        path = Path(f"{acts}.{name}.json")
        path.write_text(json.dumps({"request": {"command": command}, **policy}))
        path.rename(Path(sys.argv[1], "queued", f"{name}.json"))
    else:
        spool.submit({"command": command}, priority=dice.choice(["normal", "normal", "high", "low"]), **policy)
    tell("submitted", name)


def ask(act):
    known = [(info, info.request["command"][5]) for info in spool.list() if info.request]
    wanted = {"cancel": ("queued", "running"), "retry": ("failed", "cancelled"), "prioritise": ("queued",)}[act]
    fitting = [(info, name) for info, name in known if info.status in wanted]
    if fitting:
        info, name = dice.choice(fitting)
        tell(act, name)
        getattr(spool, act)(info.job_id, *(["urgent"] if act == "prioritise" else []))


for step in range(number):
    with contextlib.suppress(SpoolqError):
        submit(f"{sys.argv[4]}-{step}")
        if dice.random() < 0.3:
            ask(dice.choice(["cancel", "retry", "prioritise"]))
        if dice.random() < 0.05:
            spool.pause("the clerk")
            spool.resume()
    time.sleep(dice.uniform(0, 0.2))
