"""Tokens from settings and files, and those that are refused."""

import pytest

from spoolq.errors import SettingsInvalid
from spoolq.sections import ServerSection
from spoolq.server.access import Tokens
from spoolq.server.tokens import tokens_of

GOOD, LOOK = "a" * 16, "b" * 16


@pytest.fixture
def token_file(tmp_path):
    def write(text: str, mode: int = 0o600) -> str:
        path = tmp_path / "token"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return write


def test_no_settings_ask_for_no_token():
    assert tokens_of(ServerSection()) == Tokens(None, None)


def test_a_file_has_the_token_and_maybe_the_one_for_looking(token_file):
    assert tokens_of(ServerSection(token_file=token_file(f"{GOOD}\n"))) == Tokens(GOOD, None)
    assert tokens_of(ServerSection(token_file=token_file(f" {GOOD} \n\n{LOOK}\n"))) == Tokens(GOOD, LOOK)


@pytest.mark.parametrize(("options", "said"), [
    ({"token": "short"}, "it has 5 characters"),
    ({"token": GOOD, "read_only_token": "short"}, "`read_only_token`"),
    ({"read_only_token": LOOK}, "everybody may do everything"),
    ({"token": GOOD, "read_only_token": GOOD}, "it is the `token`"),
    ({"token_file": "/nowhere/token"}, "cannot read token_file /nowhere/token: No such file"),
])  # fmt: skip
def test_a_token_that_protects_nothing_is_refused(options, said):
    with pytest.raises(SettingsInvalid, match="cannot ") as refused:
        tokens_of(ServerSection(**options))
    assert said in str(refused.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(token_file, mode):
    with pytest.raises(SettingsInvalid, match="others can read it"):
        tokens_of(ServerSection(token_file=token_file(GOOD, mode)))


def test_an_empty_file_is_no_token(token_file):
    with pytest.raises(SettingsInvalid, match="it has 0 characters"):
        tokens_of(ServerSection(token_file=token_file("\n")))


def test_in_a_shared_spool_no_token_stands_in_the_settings(token_file):
    # Given settings that the members can read, When a token stands in them, Then it is refused; a file is not
    with pytest.raises(SettingsInvalid, match="members of this shared spool"):
        tokens_of(ServerSection(token=GOOD), shared=True)
    assert tokens_of(ServerSection(token_file=token_file(GOOD)), shared=True) == Tokens(GOOD, None)
