"""A spool with its server and its runner, and jobs that do what a test says."""

from __future__ import annotations

import json
import random
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from spoolq.names import Stem, format_stamp
from spoolq.transitions import State
from tests.processes.conftest import Queue
from tests.server.conftest import Served

JOBS = Path(__file__).with_name("jobs")
SETTINGS = """
durability = "process"
grace = "2s"
"""
#: An operator's recipe with a parameter of each kind of field.
RECIPE = """
[recipes.walk]
command = ["{python}", "-c", "print('walked')", "{steps}", "--pace={pace}", ["--loud", "{loud}"], ["--to", "{places}"]]
[recipes.walk.parameters.steps]
type = "int"
required = true
min = 1
max = 100
help = "How many steps"
[recipes.walk.parameters.pace]
type = "choice"
choices = ["slow", "fast"]
default = "slow"
[recipes.walk.parameters.loud]
type = "bool"
[recipes.walk.parameters.places]
type = "list"
"""


class Lab:
    """*served* is the server, *queue* the runner and what is submitted past the page."""

    def __init__(self, served: Served, queue: Queue) -> None:
        self.served, self.queue = served, queue
        self.settings()

    @property
    def base(self) -> str:
        """The server's URL."""
        return self.served.base

    def settings(self, text: str = "") -> None:
        """Write spoolq.toml: what all tests have, and *text*."""
        self.queue.settings(SETTINGS + text)

    def serve(self, *options: str) -> str:
        """Start the server; its URL."""
        return self.served.start(*options)

    def start(self, *options: str) -> str:
        """Start the server and a runner; the server's URL."""
        self.queue.start()
        return self.serve(*options)

    def job(self, name: str, *argv: str, **policy: Any) -> str:
        """Submit the script *name* of `jobs/`; the job's id."""
        return self.queue.command(sys.executable, "-u", str(JOBS / f"{name}.py"), *argv, **policy)

    def ask(self, path: str) -> Any:
        """What the API answers."""
        with self.served.client() as client:
            answer = client.get(f"/api/v1{path}")
            answer.raise_for_status()
            return answer.json()


def fill_history(root: Path, count: int, seed: int = 7) -> list[str]:
    """Write the records of *count* ended jobs, as runners would have left them; their ids, newest first."""
    luck = random.Random(seed)
    now = datetime.now(UTC) - timedelta(minutes=1)
    ids = []
    for place in range(count):
        made = now - timedelta(seconds=97 * place)
        stem = Stem("", format_stamp(made), str(uuid.UUID(int=luck.getrandbits(128), version=4)))
        state = luck.choices([State.COMPLETED, State.FAILED, State.CANCELLED], [7, 2, 1])[0]
        document = json.dumps(record(stem, state, made, luck))
        (root / state.value / f"{stem.key}.json").write_text(document, encoding="utf-8")
        ids.append(stem.uuid)
    return ids


def record(stem: Stem, state: State, made: datetime, luck: random.Random) -> dict[str, Any]:
    """The record of a job that ended so."""
    task = luck.choice(["arc_easy", "mmlu", "gsm8k"])
    begun, ended = made + timedelta(seconds=2), made + timedelta(seconds=2 + luck.uniform(20, 90))
    request = {"model": "hf", "model_args": {"pretrained": f"org/model-{luck.randrange(4)}"}, "tasks": [task]}
    good = state is State.COMPLETED
    return {
        "job_id": stem.uuid, "status": state.value, "created_at": made.isoformat(), "started_at": begun.isoformat(),
        "completed_at": ended.isoformat(), "request": request, "result": {} if good else None,
        "error": None if good else "it ended otherwise\nCUDA out of memory", "position_in_queue": None,
        "recipe": "lm-eval", "priority": "normal", "submitted_by": 0, "attempt": 1, "max_attempts": 3,
        "worker": "gpu-07.gpu0", "exit_code": 0 if good else None,
        "outcome": {"completed": "succeeded", "failed": "exit", "cancelled": "cancelled"}[state.value],
        "metrics": {task: {"acc": round(luck.uniform(0.2, 0.9), 4), "acc_stderr": 0.01}} if good else None,
        "run_dir": f"runs/{stem.key}", "log": f"runs/{stem.key}/log.txt",
    }  # fmt: skip
