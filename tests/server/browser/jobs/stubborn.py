"""Runs on for a while after it was asked to end, and says that it heard."""

import signal
import sys
import time


def heard(_number, _frame):
    print("asked to end")
    time.sleep(1.2)
    sys.exit(1)


signal.signal(signal.SIGTERM, heard)
print("ready")
while True:
    time.sleep(0.05)
