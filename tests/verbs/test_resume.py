"""`spoolq resume`."""

from tests.verbs.program import spoolq


def test_is_idempotent(spool):
    # Given a queue that is paused
    spoolq("pause")
    # When it is resumed twice
    said = [spoolq("resume").out for _ in range(2)]
    # Then the second finds it so, and it is not paused
    assert said == ["resumed\n", "was not paused\n"]
    assert spoolq("status", "--json").json()["paused"] is False


def test_json(spool):
    spoolq("pause")
    assert spoolq("resume", "--json").json() == {"paused": False, "changed": True}
    assert spoolq("resume", "--json").json() == {"paused": False, "changed": False}


def test_a_pause_file_that_somebody_wrote_by_hand_counts_too(spool):
    # Given a pause made with a shell
    (spool / "control" / "paused.json").write_text("")
    assert spoolq("status", "--json").json()["paused"] is True
    # When the queue is resumed
    assert spoolq("resume").out == "resumed\n"
    # Then the file is gone
    assert not (spool / "control" / "paused.json").exists()
