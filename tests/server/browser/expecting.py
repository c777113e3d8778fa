"""`expect` of Playwright where it is installed; without it the fixture `browser` skips, and says why."""

from __future__ import annotations

from typing import Any

try:
    from playwright.sync_api import expect
except ModuleNotFoundError:

    def expect(*_told: Any) -> Any:
        """Nobody comes here: there is no page to expect anything of."""
        raise AssertionError("playwright is not installed")


__all__ = ["expect"]
