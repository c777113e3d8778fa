"""How hooks are run: files that hold URLs and secrets, what is posted, what is hidden."""

import json
import subprocess
import sys

import pytest

from spoolq.errors import SettingsInvalid
from spoolq.jobs import blank
from spoolq.notify import notice, services, ways, webhook
from spoolq.notify.hooks import read_hooks
from spoolq.settings import load_settings
from spoolq.transitions import State
from tests.spooltest.jobs import submitted


@pytest.fixture
def hook_of(tmp_path):
    def read(table):
        path = tmp_path / "spoolq.toml"
        path.write_text(f'[notify.mine]\non = ["finished"]\n{table}\n')
        (hook,) = read_hooks(load_settings(path))
        return hook

    return read


@pytest.fixture
def private(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "private"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def told(store):
    stem = submitted(store)
    record = blank(store, State.FAILED, stem) | {"outcome": "exit", "error": "bad"}
    texts = notice.texts(store, "mine", "finished", stem, record, "")
    return texts, notice.document(texts, record)


def test_urls_and_secrets_come_on_stdin_and_not_on_the_command_line(hook_of, private, told):
    # Given a webhook whose URL and secret are in files
    path = private("# chat\nhttps://lab.example/hunter2\n")
    hook = hook_of(f'webhook_file = "{path}"\nsecret_file = "{path}"')
    # When it is made ready, Then no list of processes will show them
    made = ways.delivery(hook, *told)
    order = json.loads(made.stdin)
    assert order["urls"] == ["https://lab.example/hunter2"] and order["secret"] == "https://lab.example/hunter2"
    assert not any("hunter2" in word for word in [*made.argv, *made.env.values()])
    assert json.loads(order["body"]) == told[1]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("x\n", 0o640, "others can read it"), ("x\n", 0o604, "others can read it"), ("\n# no\n", 0o600, "it is empty")],
)
def test_a_file_that_others_can_read_or_that_is_empty_is_refused(private, text, mode, said):
    with pytest.raises(SettingsInvalid, match=said):
        ways.private_lines(private(text, mode))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path, private):
    with pytest.raises(SettingsInvalid, match="No such file"):
        ways.private_lines(tmp_path / "none")
    private("").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsInvalid, match="UTF-8"):
        ways.private_lines(tmp_path / "private")


def test_urls_are_hidden_in_what_is_said(hook_of, private):
    hook = hook_of(f'apprise_file = "{private("json://a/hunter2")}"')
    assert ways.discreet("cannot reach json://a/hunter2: no", hook) == "cannot reach URL: no"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "x",
        "http://",
        "http://[::1",
        "http://a:99999/",
        "http://me:pw@a/",
        "http://a/b c",
        "http://a/\n",
        "",
    ],
)
def test_a_url_that_cannot_be_posted_to(url):
    assert webhook.check_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/x", "https://lab.example/a?b=c#d", "http://[::1]/"])
def test_a_url_that_can(url):
    assert webhook.check_url(url) == ""


def test_the_signature_is_of_moment_and_body():
    one = webhook.headers(b"{}", "s", 1000.9)
    assert one["X-Spoolq-Timestamp"] == "1000"
    others = [
        webhook.headers(*given)["X-Spoolq-Signature"]
        for given in ((b"{ }", "s", 1000), (b"{}", "t", 1000), (b"{}", "s", 1001))
    ]
    assert len({one["X-Spoolq-Signature"], *others}) == 4
    assert "X-Spoolq-Signature" not in webhook.headers(b"{}", None, 1000)


def test_the_message_of_a_service_has_a_fact_a_line(told):
    texts, _ = told
    assert services.message(texts).splitlines()[:3] == [f"job: {texts['job_id']}", "status: failed", "outcome: exit"]
    assert services._kind(texts) == "failure"
    assert services._kind(texts | {"event": "idle"}) == "info"
    assert services._kind(texts | {"event": "stuck"}) == "warning"


def test_without_apprise_it_says_what_to_install():
    # Given a Python without apprise, When a service is to be told, Then the last words say what is missing
    text = "import sys; sys.modules['apprise'] = None; from spoolq.notify.services import main; main()"
    words = [sys.executable, "-c", text]
    ran = subprocess.run(words, input='{"urls": []}', capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (services.MISSING, "")
    assert ran.stdout == "apprise is not installed; run `pip install 'spoolq[notify]'`"
