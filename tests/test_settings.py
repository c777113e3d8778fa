"""The operator's settings: every key optional, every fault with its place."""

import re
from dataclasses import fields

import pytest
from pydantic import TypeAdapter

from spoolq import settings
from spoolq.create import SETTINGS
from spoolq.errors import SettingsInvalid
from spoolq.settings import Settings, load_settings


@pytest.fixture
def load(tmp_path):
    """Write a settings file and load it."""

    def write_and_load(text: str) -> Settings:
        path = tmp_path / "spoolq.toml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path)

    return write_and_load


def test_no_file_and_a_file_that_says_nothing_are_the_defaults(load, tmp_path):
    # Given no file, an empty one and the template, When they are loaded, Then all are the defaults
    assert load_settings(tmp_path / "none.toml") == Settings()
    assert load("# nothing\n") == Settings()
    assert load(SETTINGS) == Settings()


def test_what_the_template_shows_in_comments_is_valid_and_is_the_default(load):
    # Given the settings file of a new spool with every commented line made real
    text = re.sub(r"(?m)^# (?=\w+ *= |\[)", "", SETTINGS)
    # When it is loaded
    loaded = load(text)
    # Then it is valid, and apart from what has no default it says what is the case anyway
    examples = {"timeout", "lock_dir", "slots", "env", "recipes", "settle", "poll"}
    for field in fields(Settings):
        if field.name not in examples:
            assert getattr(loaded, field.name) == getattr(Settings(), field.name), field.name
    assert (loaded.timeout, loaded.settle, loaded.poll) == (43200, 10, 30)
    assert loaded.slots == {"gpu0": "0", "gpu1": "1"}
    assert loaded.recipes["my-eval"]["parameters"]["model"]["required"] is True


def test_every_setting_is_in_the_template():
    # Given the template, When the settings are looked up in it, Then none is missing
    for field in fields(Settings):
        assert re.search(rf"(?m)^# (\[{field.name}[\].]|{field.name} *=)", SETTINGS), field.name


def test_durations_are_read_in_every_form(load):
    # Given durations as numbers and texts, When they are loaded, Then they are seconds
    loaded = load('heartbeat = 5\nheartbeat_timeout = "1m30s"\ngrace = 0.5\npoll = "250ms"\n')
    assert (loaded.heartbeat, loaded.heartbeat_timeout, loaded.grace, loaded.poll) == (5, 90, 0.5, 0.25)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("durability = full", "line 1"),
        ('settle = "10s"\n\n[slots\n', "line 3"),
        ('# x\nhartbeat = "5s"', "`hartbeat` (line 2): there is no such setting; known are"),
        ('heartbeat = "soon"', "`heartbeat` (line 1): 'soon' is no duration"),
        ("settle = true", "`settle` (line 1): True is no duration"),
        ("settle = [1]", "`settle` (line 1)"),
        ("settle = -1", "out of range"),
        ('durability = "half"', "`durability` (line 1)"),
        ("max_attempts = 0", "`max_attempts` (line 1): it must be at least 1"),
        ('max_attempts = "many"', "`max_attempts` (line 1)"),
        ("heartbeat = 0", "three times"),
        ('heartbeat = "2m"', "three times"),
        ('\n\n[slots]\n"GPU 0" = "0"', "(line 4): a slot's name"),
        ("[slots]\ngpu0 = 0", "`slots.gpu0` (line 2)"),
        ("[env]\nA = 1", "`env.A` (line 2)"),
        ('retry_on = "lost"', "`retry_on` (line 1)"),
        ("trusted = [1.5]", "trusted"),
        ('recipes = "x"', "`recipes` (line 1): it must be a table"),
        ("recipes.mine = 5", "`recipes.mine` (line 1): it must be a table"),
        ('durability = "half"', "it must be one of full, process"),
        ("max_attempts = true", "`max_attempts` (line 1): it must be a whole number"),
        ("max_attempts = 2.0", "`max_attempts` (line 1): it must be a whole number"),
        ("default_recipe = 1", "`default_recipe` (line 1): it must be a text in quotes"),
        ("lock_dir = 1", "`lock_dir` (line 1): it must be a text in quotes"),
        ('retry_on = ["lost", "soon"]', "it must be one of lost, exit"),
        ('open_recipes = "lm-eval"', "`open_recipes` (line 1): it must be a list"),
        ("open_recipes = [1]", "it must be a text in quotes"),
        ("output_roots = [1]", "it must be a text in quotes"),
        ("trusted = [true]", "it must be a name in quotes, or a uid"),
        ('slots = "0"', "`slots` (line 1): it must be a table"),
        ('server = "x"', "`server` (line 1): it must be a table"),
        ("[server]\nprot = 1", "`server.prot` (line 2): there is no such setting; known are host"),
        ('[server]\nport = "80"', "`server.port` (line 2): it must be a whole number from 1 to 65535"),
        ("[server]\nport = 65536", "`server.port` (line 2)"),
        ("[server]\nmax_body = true", "`server.max_body` (line 2)"),
        ('[server]\ntoken = ""', "`server.token` (line 2): it must be a text in quotes"),
        ("[server]\nallowed_hosts = [1]", "it must be a list of texts"),
        (
            "[jobqueue]\njob_heartbeat_timeout = 0",
            "`jobqueue.job_heartbeat_timeout` (line 2): it must be more than 0 s",
        ),
        ('[jobqueue]\njob_sweep_interval = "soon"', "`jobqueue.job_sweep_interval` (line 2)"),
        ("[benchmark]\nrecipe = 1", "`benchmark.recipe` (line 2): it must be a text"),
    ],
)
def test_a_fault_names_its_key_and_its_line(load, tmp_path, text, said):
    # Given a settings file with one fault
    with pytest.raises(SettingsInvalid) as caught:
        load(text)
    # When it is loaded, Then the error names the file, the key and the line
    assert str(caught.value).startswith(f"cannot read settings {tmp_path / 'spoolq.toml'}: ")
    assert said in str(caught.value)
    assert caught.value.exit_code == 5


def test_every_setting_is_checked():
    # Given the settings, When those that a check knows are put together, Then none is missing
    known = {*settings._DURATIONS, *settings._SINGLE, *settings._LISTS, *settings._TABLES, *settings._SECTIONS}
    assert known == {field.name for field in fields(Settings)}


def test_what_a_setting_may_hold_is_what_its_type_says(load):
    # Given one of everything, When it is loaded, Then it is as it was written
    loaded = load(
        'durability = "process"\ntrusted = ["ada", 1000]\nretry_on = ["lost", "exit"]\nopen_recipes = ["lm-eval"]\n'
        'output_roots = ["/scores"]\nmax_attempts = 1\n[env]\nA = "1"\n[slots]\ngpu0 = ""\n[recipes.mine]\ncommand = []'
    )
    # and a checker of types agrees
    assert TypeAdapter(Settings).validate_python(loaded, strict=True) == loaded
    assert (loaded.trusted, loaded.slots, loaded.recipes) == (["ada", 1000], {"gpu0": ""}, {"mine": {"command": []}})


def test_what_is_no_text_is_refused(tmp_path):
    # Given bytes that are no UTF-8, and a directory where the file should be
    (tmp_path / "bytes.toml").write_bytes(b"a = '\xff'")
    (tmp_path / "folder.toml").mkdir()
    # When they are loaded, Then both are the same kind of error
    for name in ("bytes.toml", "folder.toml"):
        with pytest.raises(SettingsInvalid, match=name):
            load_settings(tmp_path / name)
