"""count.py FILE JOB: appends how many processes have that job in their environment."""

import json
import sys

import psutil

environments = (process.info["environ"] or {} for process in psutil.process_iter(["environ"]))
count = sum(environment.get("SPOOLQ_JOB_ID") == sys.argv[2] for environment in environments)
with open(sys.argv[1], "a") as out:
    out.write(json.dumps(count) + "\n")
