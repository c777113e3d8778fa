"""The tables under [notify]: what is taken, what is refused and how."""

import pytest

from spoolq.errors import RequestInvalid, SettingsInvalid
from spoolq.notify.hooks import EVENTS, read_hooks
from spoolq.requests import accept
from spoolq.settings import load_settings
from spoolq.store import Store


def settings_of(tmp_path, text):
    path = tmp_path / "spoolq.toml"
    path.write_text(text)
    return load_settings(path)


def hooks_of(tmp_path, text):
    return read_hooks(settings_of(tmp_path, text))


def test_a_hook_of_each_way(tmp_path):
    # Given a hook of each way, and limits
    hooks = hooks_of(
        tmp_path,
        '[notify]\ntimeout = "5s"\n'
        '[notify.a]\non = ["failed", "idle"]\ncommand = ["mail", "-s", "{subject}", "me"]\n'
        '[notify.b]\non = "finished"\nwebhook = "https://lab.example/x"\nsecret_file = "/etc/s"\ntimeout = "1m"\n'
        '[notify.c]\non = "stuck"\nwebhook_file = "/etc/u"\n'
        '[notify.d]\non = "cancelled"\napprise = ["json://a", "json://b"]\n'
        '[notify.e]\non = "completed"\napprise_file = "/etc/a"\n',
    )
    # Then each is what its table says
    assert [(hook.name, hook.way, hook.timeout) for hook in hooks] == [
        ("a", "command", 5), ("b", "webhook", 60), ("c", "webhook", 5), ("d", "apprise", 5), ("e", "apprise", 5)
    ]  # fmt: skip
    assert hooks[0].on == ("failed", "idle") and hooks[1].on == ("finished",)
    assert hooks[3].urls == ("json://a", "json://b") and str(hooks[4].url_file) == "/etc/a"


def test_the_word_for_an_end_is_the_first_that_fits(tmp_path):
    (hook,) = hooks_of(tmp_path, '[notify.a]\non = ["finished", "failed", "idle"]\ncommand = ["x"]\n')
    assert [hook.word_for("end", state) for state in ("failed", "completed")] == ["failed", "finished"]
    assert hook.word_for("idle", "completed") == "idle" and hook.word_for("stuck", "running") is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('command = ["x"]', "`on` must be a list"),
        ('on = "eaten"\ncommand = ["x"]', "never happens"),
        ('on = []\ncommand = ["x"]', "not an empty one"),
        ('on = "failed"', "0 of command"),
        ('on = "failed"\ncommand = ["x"]\nwebhook = "http://x"', "2 of command"),
        ('on = "failed"\ncommand = "mail me"', "must be a list"),
        ('on = "failed"\ncommand = ["{event}"]', "which nothing may fill in"),
        ('on = "failed"\ncommand = ["bin/x"]', "no whole path"),
        ('on = "failed"\ncommand = ["x", "{no_such}"]', "nothing to fill {no_such}"),
        ('on = "failed"\ncommand = ["x", "{"]', "brace"),
        ('on = "failed"\ncommand = ["x", "a\\u0000b"]', "NUL"),
        ('on = "failed"\ncommand = ["x"]\nsecret_file = "/s"', "signs a webhook"),
        ('on = "failed"\nwebhook = ""', "not an empty one"),
        ('on = "failed"\nwebhook_file = "urls"', "a whole path"),
        ('on = "failed"\ncommand = ["x"]\ntimeout = 0', "more than 0 s"),
        ('on = "failed"\ncommand = ["x"]\ntimeout = "soon"', "`timeout`"),
        ('on = "failed"\ncommand = ["x"]\nshell = true', "no key `shell`"),
    ],
)
def test_a_table_that_could_never_work_is_refused_with_its_name(tmp_path, table, said):
    # Given such a table, When it is read, Then the message names the hook and what is wrong
    with pytest.raises(SettingsInvalid, match=r"cannot use the hook \[notify\.mine\] of spoolq\.toml: ") as refused:
        hooks_of(tmp_path, f"[notify.mine]\n{table}\n")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[notify."A b"]\non = "failed"\ncommand = ["x"]\n', "its name"),
        ('[notify.timeout]\non = "failed"\n', "name of a setting"),
        ("[notify]\nmax_age = -1\n", "max_age"),
        ("[notify]\nat_once = 0\n", "at_once"),
        ("[notify]\nhooks = 3\n", "no such setting"),
        ("notify = 3\n", "must be a table"),
    ],
)
def test_limits_and_names_that_do_not_fit_are_refused(tmp_path, text, said):
    with pytest.raises(SettingsInvalid) as refused:
        hooks_of(tmp_path, text)
    assert said in str(refused.value)


@pytest.mark.parametrize("key", ["notify", "on_finish", "hooks", "command"])
def test_a_job_names_no_hook(store: Store, key):
    # Given a job whose envelope tries to name a command, When it is read, Then it is refused
    with pytest.raises(RequestInvalid):
        accept({"request": {"command": ["true"]}, key: ["touch", "/x"]}, 0, store.settings)


def test_every_event_may_stand_in_on(tmp_path):
    words = ", ".join(f'"{word}"' for word in EVENTS)
    (hook,) = hooks_of(tmp_path, f'[notify.a]\non = [{words}]\ncommand = ["x"]\n')
    assert hook.on == EVENTS
