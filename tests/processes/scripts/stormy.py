"""stormy.py FILE NAME SECONDS CODE: tells FILE of its begin and end, and of another one that it found in hand.

It lasts SECONDS, and longer while there is a FILE.hold.

It holds FILE.lock while it lives; so does a daemon of its own, in another session, if CODE is 3.
"""

import fcntl
import json
import os
import sys
import time

path, name, seconds, code = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])


def tell(edge):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, json.dumps([name, edge, int(os.environ["SPOOLQ_ATTEMPT"])]).encode() + b"\n")
    os.close(descriptor)


lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    tell("beside")
tell("begin")
if code == 3 and os.fork() == 0:
    os.setsid()
    time.sleep(600)
time.sleep(seconds)
while os.path.exists(f"{path}.hold"):  # noqa: PTH110  pathlib takes longer to import than all this takes
    time.sleep(0.02)
tell("end")
os._exit(code)
