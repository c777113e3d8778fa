"""daemon.py SECONDS: leaves a daemon in a session of its own, and lasts that long itself."""

import subprocess
import sys
import time

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("up", flush=True)
time.sleep(float(sys.argv[1]))
