"""A package `lmms_eval` that stands in for the harness: it behaves as its evaluation server's jobs observably do."""

from __future__ import annotations

from pathlib import Path

#: What `python -m lmms_eval` does, by its --model.
MAIN = """
import argparse, json, os, sys, time
from pathlib import Path

parser = argparse.ArgumentParser()
for option in ("model", "tasks", "output_path", "model_args", "batch_size", "limit", "num_fewshot", "gen_kwargs"):
    parser.add_argument(f"--{option}")
parser.add_argument("--log_samples", action="store_true")
parser.add_argument("--predict_only", action="store_true")
asked = parser.parse_args()
print("argv", json.dumps(sys.argv[1:]), flush=True)
print("Traceback of what it swallows", file=sys.stderr)
gate = Path(os.environ.get("STAND_IN_GATE", "/nonexistent"))
if asked.model == "waits":
    while not gate.exists():
        time.sleep(0.01)
if asked.model == "fails":
    sys.exit(3)
out = Path(asked.output_path) / "org__tiny"
stamp = time.strftime("%Y%m%d_%H%M%S")
if asked.model != "nothing":
    out.mkdir(parents=True, exist_ok=True)
    for task in asked.tasks.split(","):
        (out / f"{stamp}_samples_{task}.jsonl").write_text("{}\\n")
    results = {task: {"acc,none": 0.5} for task in asked.tasks.split(",")}
    if asked.model != "samples":
        (out / f"{stamp}_results.json").write_text(json.dumps({"results": results}))
"""
TASKS = """
import os, sys, time

print("a line that the harness prints on stdout")


class TaskManager:
    def __init__(self):
        from pathlib import Path

        with Path(__file__).with_name("calls").open("a") as calls:
            calls.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
        gate = os.environ.get("STAND_IN_GATE")
        while gate and not Path(gate).exists():
            time.sleep(0.01)
        self.all_tasks = Path(__file__).with_name("names").read_text().split()
"""
MODELS = """
def list_available_models():
    return ["zeta", "alpha", "beta"]
"""
ENGINE = """
class FSDP2Merger:
    def __init__(self, checkpoint_type):
        self.kind = checkpoint_type

    def merge(self, checkpoint, output_path=None):
        print("merging")
        if checkpoint.name == "broken":
            raise RuntimeError("shard 3 is broken")
        if checkpoint.name == "needs":
            import no_such_package
        if not checkpoint.exists():
            raise FileNotFoundError(f"no checkpoint at {checkpoint}")
        if checkpoint.name == "odd":
            raise ValueError("it has no shards")
        made = (output_path or checkpoint / "merged") / self.kind
        made.mkdir(parents=True)
        return made
"""


class StandIn:
    """The package in *folder*, which is to be on PYTHONPATH."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "lmms_eval"
        self.gate = folder / "gate"
        (self.home / "tasks").mkdir(parents=True)
        (self.home / "__init__.py").touch()
        (self.home / "__main__.py").write_text(MAIN)
        (self.home / "tasks" / "__init__.py").write_text(TASKS)
        (self.home / "models.py").write_text(MODELS)
        self.names("mme", "mmmu_val", "ai2d")

    @property
    def env(self) -> dict[str, str]:
        """What finds it."""
        return {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def names(self, *tasks: str) -> None:
        """The benchmarks that it knows; as after an upgrade, its folder has changed."""
        beside = self.home / "tasks" / "names.new"
        beside.write_text("\n".join(tasks))
        beside.replace(self.home / "tasks" / "names")

    def calls(self) -> list[list[str]]:
        """Each process that has asked for the benchmarks: its pid, and the devices that it might see."""
        path = self.home / "tasks" / "calls"
        return [row.split() for row in path.read_text().splitlines()] if path.exists() else []

    def engine(self) -> None:
        """Install lmms-engine beside it."""
        (self.folder / "lmms_engine").mkdir()
        (self.folder / "lmms_engine" / "__init__.py").touch()
        (self.folder / "lmms_engine" / "merger.py").write_text(ENGINE)
