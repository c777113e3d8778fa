"""stamp.py FILE: appends the time."""

import json
import sys
import time

with open(sys.argv[1], "a") as out:
    out.write(json.dumps(time.time()) + "\n")
