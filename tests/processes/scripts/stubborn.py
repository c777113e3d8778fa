"""Ignores SIGTERM; starts a child that leaves the session, one that starts another such, and a double-forked daemon."""

import os
import signal
import subprocess
import sys
import time

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

if sys.argv[1:] == ["child"]:
    subprocess.Popen(SLEEP, start_new_session=True)
    time.sleep(600)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print("ready", flush=True)
time.sleep(600)
