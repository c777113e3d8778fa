"""On a machine with a GPU: a tiny evaluation in torch on it, by `spoolq run`, after which its memory is back.

`pytest -m gpu`; skipped, with the reason, where there is no GPU, or no torch that can use it.
"""

import json
import subprocess
import sys

import pytest

from spoolq.gpus import DriverSilent, NoDriver, provider
from spoolq.gpus.quarantine import is_back, standing
from spoolq.lock import lock_directory
from spoolq.sections import GpusSection
from spoolq.store import Store
from spoolq.submit import publish

pytestmark = pytest.mark.gpu

#: Fits a line on the GPU, holds 512 MiB of it meanwhile, and writes its score as harnesses do.
_EVALUATE = """
import json, os, torch
assert torch.cuda.is_available(), "torch sees no GPU"
held = torch.ones(512 << 18, device="cuda")
x = torch.linspace(-1, 1, 4096, device="cuda")
slope = (x * (3 * x)).sum() / (x * x).sum()
torch.cuda.synchronize()
os.makedirs(os.environ["SPOOLQ_OUTPUT"], exist_ok=True)
seen = [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]
with open(os.environ["SPOOLQ_OUTPUT"] + "/results.json", "w") as file:
    json.dump({"results": {"line": {"slope": round(slope.item(), 3), "held": held.sum().item()}}, "seen": seen}, file)
"""


@pytest.fixture(scope="module")
def cards():
    """What this host has; skips without."""
    section = GpusSection()
    try:
        seen = provider(section).look()
    except (NoDriver, DriverSilent) as error:
        pytest.skip(f"no GPU to evaluate on: {error}")
    if not seen.usable:
        pytest.skip("no GPU to evaluate on: no NVIDIA driver is found here")
    asked = subprocess.run([sys.executable, "-c", "import torch; assert torch.cuda.is_available()"], check=False)
    if asked.returncode:
        pytest.skip("a GPU is here, but no torch that can use it")
    return seen.usable


def look():
    return {gpu.key: gpu for gpu in provider(GpusSection()).look().usable}


def test_a_tiny_evaluation_runs_on_a_gpu_and_leaves_it_as_it_was(cards, spool_path, monkeypatch):
    # Given a GPU that is free, and an evaluation in torch
    before = look()
    store = Store(spool_path)
    request = {"command": [sys.executable, "-c", _EVALUATE], "results": "results.json"}
    stem = publish(store, {"request": request, "num_gpus": 1, "min_free_memory": "1GiB"})
    # When the queue is worked on
    ran = subprocess.run(
        [sys.executable, "-m", "spoolq", "run", "--drain", "--spool", str(spool_path)],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    # Then it has computed there, its record says on which one, and torch saw no other
    from spoolq.api import Spool

    record = Spool(spool_path).get(stem.uuid)
    assert record.outcome == "succeeded", f"{record.error}\n{ran.stderr}"
    assert record.metrics["line"]["slope"] == 3 and record.metrics["line"]["held"] == 512 << 18
    assert record.gpus is not None and len(record.gpus) == 1
    document = json.loads((spool_path / record.run_dir / "output" / "results.json").read_text())
    assert [uuid.removeprefix("GPU-") for uuid in document["seen"]] == [record.gpus[0].removeprefix("GPU-")]
    # And the memory is back, and nothing is in quarantine
    after = look()[record.gpus[0]]
    assert is_back(after, before[record.gpus[0]].used_mib or 0), (before, after)
    assert standing(lock_directory(None)) == []
