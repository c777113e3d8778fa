"""Tidies up on SIGTERM and exits 0."""

import signal
import sys
import time


def tidy(*_):
    print("tidy")
    sys.exit(0)


signal.signal(signal.SIGTERM, tidy)
print("up", flush=True)
time.sleep(600)
