"""The page in a real browser, on a real server and a real runner. Each test fails by what the page says to its console.

Run with `pytest -m browser tests/server/browser`. Without a browser the tests are skipped, unless
SPOOLQ_REQUIRE_BROWSER=1 says that there must be one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from spoolq.server import page as served_page
from tests.processes.conftest import Queue
from tests.server.conftest import Served

from .lab import Lab
from .seen import Visitor

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _without(reason: str) -> NoReturn:
    if os.environ.get("SPOOLQ_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and SPOOLQ_REQUIRE_BROWSER=1 says that there must be a browser")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, the system's own."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _without("playwright is not installed: pip install 'spoolq[browser]'")
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        _without(f"there is none of {', '.join(PROGRAMS)} on the PATH")
    expect.set_options(timeout=15_000)  # ms; what is not so by then will not be
    with sync_playwright() as tool:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = tool.chromium.launch(executable_path=program, args=flags)
        yield started
        started.close()


@pytest.fixture
def lab(serving: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A spool with settings for tests; neither its server nor its runner is started yet."""
    monkeypatch.setenv("SPOOLQ_LOCK_DIR", str(tmp_path / "locks"))
    queue = Queue(tmp_path)
    yield Lab(serving, queue)
    queue.close()


@pytest.fixture
def visitor(browser) -> Iterator[Visitor]:
    """Opens pages, and at the end of the test says what went wrong on them."""
    made = Visitor(browser)
    yield made
    made.close()


@pytest.fixture(scope="module")
def module(browser):
    """Calls a function with one of the page's modules: `module("format", "(m) => m.duration(90)")`."""
    sources, origin = Path(served_page.__file__).with_name("page"), "http://modules.test"
    context = browser.new_context()
    page = context.new_page()

    def answer(route):
        name = route.request.url.removeprefix(f"{origin}/")
        body = (sources / name).read_text(encoding="utf-8") if name else "<!doctype html><main id=main></main>"
        route.fulfill(body=body, content_type="text/javascript" if name else "text/html")

    page.route(f"{origin}/**", answer)
    page.goto(origin)

    def call(name, function, *given):
        code = f"async (given) => ({function})(await import('/{name}.js'), ...given)"
        return page.evaluate(code, list(given))

    yield call
    context.close()
