"""Leaves scores, as a harness would: the first argument is the accuracy."""

import json
import os
import sys
from pathlib import Path

found = {"walking": {"acc": float(sys.argv[1]), "acc_stderr": 0.01, "word_perplexity": 10 * float(sys.argv[1])}}
Path(os.environ["SPOOLQ_OUTPUT"], "results.json").write_text(json.dumps({"results": found}))
