"""Somebody who opens pages, and sees what a page should not do: complain, run what is not its own, ask elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

#: What Chromium says of an answer that is no success: tests in which one is due allow it.
ANSWERS = "Failed to load resource"
#: Tells of what the page's policy has stopped, and of work that held up the page.
_WATCH = """
globalThis.stopped = [];
addEventListener("securitypolicyviolation", (event) => stopped.push(`${event.violatedDirective}: ${event.blockedURI}`));
globalThis.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({ type: "longtask", buffered: true });
"""


class Visitor:
    """Opens pages; `close` raises AssertionError for what was seen on them, except what was allowed."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.contexts: list[Any] = []
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        self.requests: list[Any] = []
        #: Requests without their answer yet; not the streams, which have no end.
        self.waiting: set[Any] = set()

    def open(
        self, base: str, route: str = "", *, width: int = 1280, scheme: str = "light", clock: bool = False,
        before: Callable[[Any], object] = lambda _page: None, **options: Any,
    ) -> Any:  # fmt: skip
        """A page of its own (with its own cookies) at *route*, which is what stands behind `/#/`.

        *clock*: its clock can be moved. *before* is called with the page before anything is loaded.
        """
        size = {"width": width, "height": 900 if width > 600 else 844}
        options = {"reduced_motion": "reduce", **options}
        context = self.browser.new_context(viewport=size, color_scheme=scheme, **options)
        self.contexts.append(context)
        context.add_init_script(_WATCH)
        page = context.new_page()
        if clock:
            page.clock.install()
        before(page)
        self._watch(page, urlsplit(base).netloc)
        page.goto(f"{base}/#/{route}")
        return page

    def allow(self, words: str = ANSWERS) -> None:
        """Let complaints with *words* pass in this test."""
        self.allowed.append(words)

    def _watch(self, page: Any, origin: str) -> None:
        page.set_default_timeout(20_000)
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("dialog", self._refuse)

        def asked(request: Any) -> None:
            self.requests.append(request)
            where = urlsplit(request.url)
            if request.is_navigation_request():
                self.waiting.clear()  # of what the page before has asked, nobody tells any more
            if not where.path.endswith("/events"):
                self.waiting.add(request)
            if where.scheme not in ("data", "blob") and where.netloc != origin:
                self.complaints.append(f"asked {request.url}")

        page.on("request", asked)
        for answered in ("requestfinished", "requestfailed"):
            page.on(answered, lambda request: self.waiting.discard(request))  # it wants a function of its own

    def _refuse(self, dialog: Any) -> None:
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def sent(self, method: str, ending: str) -> list[Any]:
        """The requests with *method* whose paths end so."""
        return [each for each in self.requests if each.method == method and urlsplit(each.url).path.endswith(ending)]

    def close(self) -> None:
        """Close all pages."""
        for context in self.contexts:
            for page in context.pages:
                self.complaints += [f"the policy stopped {what}" for what in page.evaluate("globalThis.stopped ?? []")]
            context.close()
        bad = [text for text in self.complaints if not any(words in text for words in self.allowed)]
        assert bad == []
