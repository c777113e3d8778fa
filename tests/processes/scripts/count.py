"""count.py FILE JOB: appends how many processes have that job in their environment."""

import json
import sys
from pathlib import Path

import psutil

environments = (process.info["environ"] or {} for process in psutil.process_iter(["environ"]))
count = sum(environment.get("SPOOLQ_JOB_ID") == sys.argv[2] for environment in environments)
with Path(sys.argv[1]).open("a") as out:
    out.write(json.dumps(count) + "\n")
