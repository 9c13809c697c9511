"""A real browser for the tests of pages: Chromium without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

needs_chromium = pytest.mark.skipif(
    not Path(CHROMIUM).exists() and shutil.which("chromium") is None,
    reason="Chromium isn't installed (Debian's package chromium, as .ci/run does)",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser, and end it with the block."""
    path = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, with all that went wrong on it and all that it asked of other places."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.elsewhere: list[str] = []
        own = url.split("/")[2]
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on(
            "console",
            lambda said: self.wrong.append(said.text) if said.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                self.elsewhere.append(request.url) if request.url.split("/")[2] != own else None
            ),
        )
        page.goto(url)

    def value(self, name: str) -> str:
        """Return what the page says under a name."""
        return self.page.locator(f'[data-name="{name}"]').first.inner_text()


def open_page(browser: Browser, url: str) -> Watched:
    """Open a page."""
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(20_000)
    return Watched(page, url)
