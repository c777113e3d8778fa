"""The queue in one look."""

from spoolq import control
from spoolq.claims import claim
from spoolq.lock import lock_directory, try_lock
from spoolq.models import JobInfo
from spoolq.settings import Settings
from spoolq.status import progress_of, status, with_progress
from spoolq.submit import publish


def _publish(store, **policy):
    return publish(store, {"request": {"command": ["true"]}, **policy}, policy.get("priority", "normal"))


def test_an_empty_spool_has_zeros_and_nobody_running(store):
    seen = status(store)
    assert (seen["queue_size"], seen["running_job"], seen["running_jobs"], seen["queued_jobs"]) == (0, None, [], [])
    assert [seen[f"{state}_jobs"] for state in ("completed", "failed", "cancelled")] == [0, 0, 0]
    assert seen["paused"] is False and seen["slots"] == {"all": False}


def test_what_waits_is_in_the_order_of_service_with_a_reason(store):
    # Given three jobs, one of them urgent, and a claim
    low, normal, urgent = (_publish(store, priority=level) for level in ("low", "normal", "urgent"))
    seen = status(store)
    # Then the ids are in order, and the first one's reason is that nobody runs
    assert seen["queued_jobs"] == [urgent.uuid, normal.uuid, low.uuid]
    assert "no runner" in seen["waiting"][0]["reason"]
    assert [job["position_in_queue"] for job in seen["waiting"]] == [0, 1, 2]
    assert seen["waiting"][2]["reason"] == "behind 2 queued jobs"
    # When a runner holds the slot, and then runs the first
    fd = try_lock(lock_directory(None) / "all.lock")
    assert fd is not None
    assert status(store)["waiting"][0]["reason"] == "next: about to be claimed"
    claim(store, urgent, "all")
    seen = status(store)
    assert seen["running_job"] == urgent.uuid and seen["queue_size"] == 2
    assert seen["waiting"][0]["reason"] == "next: a slot must become free"
    JobInfo.model_validate(seen["running"][0])


def test_a_pause_is_the_reason_of_all(store):
    _publish(store)
    control.pause(store, 0, "driver update")
    seen = status(store)
    assert seen["paused"] and seen["pause"]["reason"] == "driver update"
    assert seen["waiting"][0]["reason"] == "the queue is paused: driver update"


def test_drops_are_counted_apart_and_records_are_limited(store):
    for _ in range(5):
        _publish(store)
    (store.root / "queued" / "drop.json").write_text("{")
    (store.root / "queued" / ".hidden.json").write_text("{}")
    (store.root / "queued" / "notes.txt").write_text("")
    seen = status(store, show=2)
    assert seen["drops"] == 1 and seen["queue_size"] == 5 and len(seen["waiting"]) == 2


def test_progress_is_read_from_the_end_of_a_large_log(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"x" * 5_000_000 + b"\rRunning requests:  40%|####      | 4/10 [00:01<00:02, 2.00it/s]")
    assert progress_of(log)["percent"] == 40
    assert progress_of(tmp_path / "missing") is None


def test_progress_is_read_as_the_jobs_recipe_says(store):
    # Given a running job of an operator's recipe that describes its lines, and one of a recipe that names its bars
    bars = "\rWriting: 90%|#| 9/10 [00:01<00:02]"
    log = f"\rMine: 10%|#| 1/10 [00:01<00:02]{bars}\nstep 3 of 4\n"
    recipes = {"lab": {"command": ["x"], "progress": "step {current} of {total}"}, "mine": {"work": ["Mine"]}}
    store.settings = Settings(recipes={**recipes, "broken": {"progress": "{", "work": 3}})
    path = store.root / "log.txt"
    path.write_text(log)
    # When their records are shown, Then each is read its own way, and a table that is wrong now is passed over
    for recipe, percent in (("lab", 75), ("mine", 10), ("broken", 90), (None, 90)):
        record = {"status": "running", "recipe": recipe, "log": "log.txt"}
        assert with_progress(store, record)["progress"]["percent"] == percent


def test_the_ids_can_be_left_out_and_all_else_stays(store):
    # Given jobs of several priorities, two drops, and what is neither
    for level in ("low", "normal", "urgent"):
        _publish(store, priority=level)
    for name in ("job.json", "other.json", "notes.txt", ".hidden.json"):
        store.layout.drop(name).write_text("{}")
    # When the status is asked for without the ids, Then only they are missing, and the order of service is the same
    whole, short = status(store, show=2), status(store, show=2, ids=False)
    assert [record["priority"] for record in short["waiting"]] == ["urgent", "normal"]
    assert (whole["queue_size"], whole["drops"]) == (3, 2)
    assert len(whole.pop("queued_jobs")) == 3
    assert short == whole
