"""The page about HTTP: each of its commands works, and its tables tell what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spoolq.find import find
from spoolq.sections import ServerSection
from tests.server.conftest import Served

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
#: curl ends so when `--max-time` is over: a stream has no end.
TIMED_OUT = 28


def commands():
    """The curl commands of the page, in order, continued lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    assert all(line.startswith("curl ") for line in lines)
    return lines


def print_something(store):
    """As the newest job would, if somebody ran it."""
    log = store.layout.run(find(store, "last").stem.key).log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("something\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_command_of_the_page_works(served: Served):
    # Given a server, and the commands one after the other, as a reader tries them
    assert len(commands()) > 20
    for line in commands():
        if "/log" in line:
            print_something(served.store)
        stream = "curl -N" in line
        limits = "--noproxy '*' --silent --show-error --fail-with-body --max-time " + ("1" if stream else "20")
        line = line.replace("http://localhost:8000", served.base).replace("curl ", f"curl {limits} ", 1)
        # When each is run, Then it succeeds, and says something
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
        assert done.returncode in ((0, TIMED_OUT) if stream else (0,)), f"{line}: {done.stderr}{done.stdout}"
        assert done.stdout


def test_the_page_names_every_setting_that_it_shows():
    block = re.search(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    named = re.findall(r"^(\w+) =", block[1], re.MULTILINE)
    assert set(named) <= set(ServerSection.__dataclass_fields__)
    assert len(named) == 9


def test_the_page_names_every_route_of_the_api_and_every_metric(served: Served):
    with served.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
        metrics = set(re.findall(r"^# TYPE (spoolq_\w+) ", client.get("/metrics").text, re.MULTILINE))
    for path in paths:
        if path.startswith("/api/v1/"):
            assert re.sub(r"\{id\}", "last", path) in PAGE or path in PAGE, path
    for metric in metrics:
        assert metric.removesuffix("_created") in PAGE, metric
