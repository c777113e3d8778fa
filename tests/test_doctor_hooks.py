"""`doctor` looks whether hooks could do their work."""

import pytest

from spoolq.create import create
from spoolq.doctor.hooks import check_hooks
from spoolq.doctor.patient import Patient


def found(spool_path, text):
    (spool_path / "spoolq.toml").write_text(text)
    return check_hooks(Patient(spool_path, "host-a"))


def test_without_hooks_there_is_nothing_to_say(spool_path):
    assert found(spool_path, "") == []


def test_hooks_that_can_run(spool_path, tmp_path):
    urls = tmp_path / "urls"
    urls.write_text("http://127.0.0.1:1/\n")
    urls.chmod(0o600)
    (one,) = found(
        spool_path,
        '[notify.a]\non = "failed"\ncommand = ["sh", "-c", "true"]\n'
        f'[notify.b]\non = "failed"\nwebhook_file = "{urls}"\nsecret_file = "{urls}"\n',
    )
    assert one.verdict == "ok" and one.measured == "2 hooks, and each can run"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('command = ["no-such-program"]', "there is no program no-such-program"),
        ('command = ["/etc/passwd"]', "there is no program /etc/passwd"),
        ('webhook = "ftp://x/"', "URL number 1: it is no http"),
        ('webhook_file = "/nowhere/urls"', "No such file"),
        ('webhook = "http://x/"\nsecret_file = "/nowhere/s"', "No such file"),
    ],
)
def test_a_hook_that_cannot(spool_path, table, said):
    (one,) = found(spool_path, f'[notify.mine]\non = "failed"\n{table}\n')
    assert one.verdict == "warning" and one.measured.startswith("mine: ") and said in one.measured
    assert "spoolq notify test mine" in one.next_step


def test_settings_that_stop_the_watcher(spool_path):
    (one,) = found(spool_path, '[notify.mine]\non = "eaten"\n')
    assert one.verdict == "warning" and "never happens" in one.measured


@pytest.mark.parametrize(("url", "said"), [("json://127.0.0.1/", ""), ("nonsense://x", "URL number 1 means")])
def test_apprise_is_asked(spool_path, url, said):
    pytest.importorskip("apprise")
    (one,) = found(spool_path, f'[notify.team]\non = "failed"\napprise = "{url}"\n')
    assert (one.verdict == "ok") == (said == "") and said in one.measured


def test_urls_in_the_settings_of_a_shared_spool(tmp_path):
    # Given a spool that others may put files into
    path = tmp_path / "shared"
    create(path)
    (path / "queued").chmod(0o1777)
    (one,) = found(path, '[notify.a]\non = "failed"\nwebhook = "http://127.0.0.1/"\n')
    assert one.verdict == "warning" and "Every member" in one.breaks
