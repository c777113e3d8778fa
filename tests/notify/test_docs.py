"""docs/notify.md: its settings are read, its code is run, its lists are those of the code."""

import re
import tomllib
from pathlib import Path

from spoolq.notify import webhook
from spoolq.notify.hooks import EVENTS, WAYS, read_hooks
from spoolq.notify.notice import PLACEHOLDERS
from spoolq.sections import NotifySection
from spoolq.settings import load_settings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "notify.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def section(heading):
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_settings_that_it_shows_are_taken(tmp_path):
    # Given each block of settings, When it is read as a spoolq.toml, Then its hooks are taken
    assert blocks("toml")
    for number, text in enumerate(blocks("toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        hooks = read_hooks(load_settings(path))
        assert [hook.name for hook in hooks] == list(tomllib.loads(text)["notify"])


def test_the_receiver_that_it_shows_tells_ours_from_others():
    # Given the code that a receiver is shown, When it gets what we send, Then it takes that and nothing else
    (text,) = blocks("python")
    names = {}
    exec(text, names)
    is_genuine, now = names["is_genuine"], names["time"].time()
    body = b'{"event": "failed"}'
    assert is_genuine(b"secret", webhook.headers(body, "secret", now), body)
    assert not is_genuine(b"secret", webhook.headers(body, "other", now), body)
    assert not is_genuine(b"secret", webhook.headers(body, "secret", now), body + b" ")
    assert not is_genuine(b"secret", webhook.headers(body, "secret", now - 3600), body)


def test_it_lists_the_events():
    rows = re.findall(r"^\| (`.*?`) \|", section("Events"), re.MULTILINE)
    found = [word for row in rows for word in re.findall(r"`(\w+)`", row)]
    assert sorted(word for word in found if word != "on") == sorted(EVENTS)


def test_it_lists_the_placeholders():
    assert set(re.findall(r"`\{(\w+)\}`", section("A command"))) == set(PLACEHOLDERS)


def test_it_lists_the_settings_with_their_defaults():
    limits = section("Settings").partition("In `[notify.NAME]`")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", limits, re.MULTILINE))
    default = NotifySection()
    assert rows["timeout"] == f"{default.timeout:g} s" and rows["max_age"] == f"{default.max_age / 3600:g} h"
    assert rows["at_once"] == str(default.at_once) and rows["quiet"] == "none" and default.quiet is None
    for key in ("on", "secret_file", *WAYS):
        assert f"`{key}`" in section("Settings")
