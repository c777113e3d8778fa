"""Prints numbered lines, some every few milliseconds, as many as its argument says."""

import sys
import time

for number in range(int(sys.argv[1])):
    print(f"line {number:06d} of the count")
    time.sleep(0.004)
