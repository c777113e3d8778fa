"""step.py FILE NAME SECONDS: appends a line when it begins and one when it ends."""

import json
import sys
import time
from pathlib import Path

path, name, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
with Path(path).open("a") as out:
    out.write(json.dumps([name, "b", time.time()]) + "\n")
    out.flush()
    time.sleep(seconds)
    out.write(json.dumps([name, "e", time.time()]) + "\n")
