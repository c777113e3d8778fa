"""`POST /merge`: between places that the operator opened, with the answers of lmms-eval's dialect."""

import os

import pytest

from spoolq.server import merging
from tests.server.stand_in import StandIn

ABSENT = (
    "lmms_engine not available: lmms_engine package not found. Please install lmms-engine to use checkpoint merging."
)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """What may be written to, what may be read, and a Python with lmms-engine."""
    packages = StandIn(tmp_path / "packages")
    packages.engine()
    monkeypatch.setenv("PYTHONPATH", packages.env["PYTHONPATH"])
    for name in ("written", "read", "closed"):
        for checkpoint in ("run", "odd", "broken", "needs"):
            (tmp_path / name / checkpoint).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def merge(lmms_servers, places):
    """Merges, with the two kinds of roots open; returns status and body."""
    lmms = lmms_servers(output_roots=[str(places / "written")], include_roots=[str(places / "read")])

    def ask(**said):
        answer = lmms.client.post("/merge", json={name: str(value) for name, value in said.items()})
        return answer.status_code, answer.json()

    return ask


def test_a_checkpoint_is_merged(merge, places):
    made = places / "written" / "whole" / "regular"
    assert merge(checkpoint_path=places / "read/run", output_path=places / "written/whole") == (
        200, {"success": True, "message": "Checkpoint merged successfully", "merged_path": str(made)},
    )  # fmt: skip
    assert made.is_dir()


def test_without_an_output_it_lands_beside_the_checkpoint(merge, places):
    status, said = merge(checkpoint_path=places / "written/run", checkpoint_type="ema")
    assert (status, said["merged_path"]) == (200, str(places / "written/run/merged/ema"))


FAULTS = {
    "none": (404, "no checkpoint at {path}"),
    "odd": (400, "it has no shards"),
    "broken": (500, "Merge failed: shard 3 is broken"),
    "needs": (500, "lmms_engine not available: No module named 'no_such_package'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_merge_that_fails(merge, places, name):
    status, detail = FAULTS[name]
    path = places / "written" / name
    assert merge(checkpoint_path=path) == (status, {"detail": detail.format(path=path)})


@pytest.mark.parametrize(
    "source, target, field",
    [
        ("closed/run", "written/x", "checkpoint_path"),
        ("read/run", "closed/x", "output_path"),
        ("read/run", "read/x", "output_path"),
        ("read/run", None, "checkpoint_path"),
        ("written/../closed/run", "written/x", "checkpoint_path"),
        ("link/run", "written/x", "checkpoint_path"),
    ],
)
def test_a_place_that_is_not_open_is_refused(merge, places, source, target, field):
    # Given a link in an open place that leads to a closed one
    (places / "read" / "link").symlink_to(places / "closed")
    source = source.replace("link/", "read/link/")
    said = {"checkpoint_path": places / source} | ({} if target is None else {"output_path": places / target})
    # When a closed place is named, Then the field is told, and nothing was merged
    status, answer = merge(**said)
    (entry,) = answer["detail"]
    assert (status, entry["loc"], entry["type"]) == (422, ["body", field], "value_error")
    assert not (places / "written/x").exists() and not (places / "closed/x").exists()
    assert not (places / "closed/run/merged").exists() and not (places / "read/run/merged").exists()


def test_without_roots_no_place_is_open(lmms, places):
    answer = lmms.client.post("/merge", json={"checkpoint_path": str(places / "written/run")})
    assert answer.status_code == 422 and not (places / "written/run/merged").exists()


@pytest.mark.parametrize("path", ["/no/such/checkpoint", "/etc", ""])
def test_without_lmms_engine_there_is_no_merge_anywhere(lmms, path):
    answer = lmms.client.post("/merge", json={"checkpoint_path": path})
    assert (answer.status_code, answer.json()) == (500, {"detail": ABSENT})


def test_faults_of_the_body_are_entries(lmms):
    answer = lmms.client.post("/merge", json={"checkpoint_path": 1, "checkpoint_type": "z"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {
            "type": "string_type", "loc": ["body", "checkpoint_path"], "msg": "Input should be a valid string",
            "input": 1,
        },
        {
            "type": "literal_error", "loc": ["body", "checkpoint_type"], "msg": "Input should be 'regular' or 'ema'",
            "input": "z", "ctx": {"expected": "'regular' or 'ema'"},
        },
    ]  # fmt: skip


def test_a_merge_that_takes_too_long_is_ended(merge, places, monkeypatch):
    monkeypatch.setattr(merging, "_LIMIT_S", 2)
    engine = places / "packages/lmms_engine/merger.py"
    engine.write_text(engine.read_text().replace('print("merging")', "import time; time.sleep(600)"))
    status, said = merge(checkpoint_path=places / "written/run")
    assert (status, said["detail"]) == (500, "Merge failed: there was no answer within 2.0s")


def test_a_merger_that_dies_is_said(merge, places):
    engine = places / "packages/lmms_engine/merger.py"
    engine.write_text(engine.read_text().replace('print("merging")', "import os; os.kill(os.getpid(), 9)"))
    status, said = merge(checkpoint_path=places / "written/run")
    assert (status, said["detail"]) == (500, "Merge failed: the harness's Python ended with -9")
    assert os.listdir(places / "written/run") == []
