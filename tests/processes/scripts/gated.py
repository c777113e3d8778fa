"""gated.py FILE NAME CODE: tells FILE of its begin and end, waits for FILE.go in between, and exits with CODE.

While it lives it holds FILE.lock, and so does a daemon of its own in another session. What finds the lock held says
so: an evaluation beside another one, or beside what another one left.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

path, name, code = sys.argv[1], sys.argv[2], int(sys.argv[3])
attempt = int(os.environ["SPOOLQ_ATTEMPT"])


def tell(edge: str) -> None:
    line = json.dumps([name, edge, attempt, time.time()]) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, line.encode())
    os.close(descriptor)


lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    tell("beside")
if code:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(argv, start_new_session=True, pass_fds=[lock])
tell("begin")
print(f"attempt {attempt} begins", flush=True)
while not Path(f"{path}.go").exists():
    time.sleep(0.01)
tell("end")
print(f"attempt {attempt} ends", flush=True)
sys.exit(code)
