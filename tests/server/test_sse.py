"""How an event is written."""

import json

from spoolq.server.sse import event


def test_an_event_is_one_line_of_data_whatever_it_holds():
    written = event("log", {"text": "a\r\nb\n\n\u2028data: x\x85"}, "1:2")
    head, data = written.decode().split("\n", 1)[0], written.decode().split("data: ", 1)[1]
    assert head == "id: 1:2"
    assert json.loads(data.rstrip("\n"))["text"] == "a\r\nb\n\n\u2028data: x\x85"
    assert data.count("\n") == 2
    assert json.loads(event("x", "\ud800").split(b"data: ")[1]) == "?"
