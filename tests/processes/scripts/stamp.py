"""stamp.py FILE: appends the time."""

import json
import sys
import time
from pathlib import Path

with Path(sys.argv[1]).open("a") as out:
    out.write(json.dumps(time.time()) + "\n")
