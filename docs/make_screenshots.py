"""Makes the pictures of docs/browser.md, with the commands as they are and a real browser.

``python -m docs.make_screenshots`` (or ``make screenshots``); it takes about a minute. It
draws docs/pictures/browser-fireflies.png and docs/pictures/browser-programs.png.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"

WORKFLOW = """
import asyncio
import cascade as cs
from cascade.control import LocalControl

@cs.task
async def fetch(page: int) -> int:
    await asyncio.sleep(1 + page % 3)
    return page

@cs.task
async def check(page: int) -> int:
    await asyncio.sleep(0.7)
    return page

@cs.task
async def report(pages: list[int]) -> int:
    await asyncio.sleep(30)
    return sum(pages)

async def main() -> None:
    connections = {"connections": 2}
    engine = cs.Engine(system_resources=connections, connector=LocalControl("nightly"), name="main")
    pages = [fetch(n).with_constraints(connections=1).named(f"page {n}") for n in range(7)]
    checked = [check(each).named(f"check {n}") for n, each in enumerate(pages)]
    await engine.run(report(checked))

asyncio.run(main())
"""


@contextmanager
def address_of(*command: str) -> Iterator[str]:
    """Run a command with Python; give the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        yield process.stderr.readline().removeprefix("open ").strip()
    finally:
        process.terminate()
        process.communicate()


def fireflies(page: Page) -> None:
    """Draw the page of fireflies that have found each other here and there."""
    options = ("--agents", "3600", "--period", "3", "--nudge", "0.15", "--seed", "1")
    limit = ("--limit", "800", "--limit-holds", "awake", "--no-visualize", "--web")
    with address_of("-m", "observatory.experiments.run_fireflies", *options, *limit) as url:
        page.goto(url)
        page.wait_for_timeout(25_000)
        page.locator("#set-limit").fill("400")
        page.locator("#set-limit").press("Enter")
        page.locator("#effect", has_text="slots").wait_for()
        page.wait_for_timeout(1_000)
        page.screenshot(path=PICTURES / "browser-fireflies.png")


def programs(page: Page) -> None:
    """Draw the page of a workflow that is under way."""
    with address_of("-m", "cascade.cli", "ui") as url:
        page.goto(url)
        page.wait_for_timeout(1_500)
        workflow = subprocess.Popen([sys.executable, "-c", WORKFLOW], cwd=ROOT)
        try:
            page.wait_for_selector("#graph .node")
            page.wait_for_timeout(3_000)
            page.locator("#what").fill("connections")
            page.locator("#much").fill("3")
            page.locator("#send").click()
            page.wait_for_timeout(2_000)
            page.screenshot(path=PICTURES / "browser-programs.png")
        finally:
            workflow.kill()
            workflow.wait()


def main() -> None:
    """Make both."""
    with (
        tempfile.TemporaryDirectory() as directory,
        sync_playwright() as playwright,
    ):
        os.environ["CASCADE_CONTROL_DIR"] = directory
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"],
        )
        for draw in (programs, fireflies):
            page = browser.new_page(viewport={"width": 1180, "height": 800})
            draw(page)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
