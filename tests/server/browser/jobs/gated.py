"""Prints a line for each line that is appended to the file that its argument names; ends with the line `end`."""

import sys
import time
from pathlib import Path

gate = Path(sys.argv[1])
seen = 0
print("here")
while True:
    lines = gate.read_text().splitlines() if gate.exists() else []
    for line in lines[seen:]:
        if line == "end":
            sys.exit(0)
        print(line)
    seen = len(lines)
    time.sleep(0.02)
