"""10,000 fireflies on a page: how many pictures arrive, and what they cost the program.

``python -m prove.browser`` runs the command by itself and counts the pictures; then it pauses the
agents and measures what the program uses of a core without a page and with one. After that it runs
the command once more, with a stopwatch on all that the loop does for a page while the agents run
(see `prove.page_share`). It ends with 1 if fewer than 25 pictures a second arrive, or if they take
20 % of a core or more, be it beside agents that are paused or beside those that run. With
``chromium`` as an argument it is a real browser that counts them; a number says how many seconds
each measurement takes (20 by default).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prove.pages import one_who_reads

ROOT = Path(__file__).parents[1]
AGENTS = 10_000
LEAST_PICTURES = 25.0
"""Pictures a second."""
MOST_SHARE = 0.2
"""Of a core, for one page."""
WARM_UP = 5.0
"""Seconds until all agents are made and have begun."""
TO_REST = 7.0
"""Seconds from a pause until nothing goes on any more: a period, and some more."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out."""

    pictures: float
    """Pictures a second that arrived."""
    without: float
    """What the paused program used of a core without a page."""
    share: float
    """What it used of a core besides, with one: the page's own share."""
    beside: float
    """The page's share of a core beside agents that run."""
    timed: float
    """Pictures a second that arrived meanwhile."""

    @property
    def holds(self) -> bool:
        """Whether that is good enough."""
        return self.pictures >= LEAST_PICTURES and max(self.share, self.beside) < MOST_SHARE

    def __str__(self) -> str:
        return (
            f"{AGENTS:,} agents: {self.pictures:.1f} pictures/s arrive; paused, the program uses "
            f"{self.without:.1%} of a core without a page, and {self.share:.1%} more with one; "
            f"beside agents that run, on asyncio's loop, a page takes {self.beside:.1%} of a core "
            f"at {self.timed:.1f} pictures/s"
        )


def used(process: int) -> float:
    """Return the seconds of a core that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_during(process: int, watch: Callable[[], object]) -> float:
    """Return which share of a core a process uses while something goes on."""
    began, before = time.monotonic(), used(process)
    watch()
    return (used(process) - before) / (time.monotonic() - began)


def by_socket(url: str, seconds: float) -> Callable[[], float]:
    """Return what counts the pictures a second that a socket gets."""

    def count() -> float:
        pictures, began = 0, time.monotonic()
        with one_who_reads(url) as page:
            while time.monotonic() - began < seconds:
                pictures += isinstance(page.recv(), bytes)
        return pictures / (time.monotonic() - began)

    return count


def pause(url: str) -> None:
    """Pause the agents."""
    with one_who_reads(url, {"set": "pause", "to": True}) as page:
        for said in page:
            if isinstance(said, str) and "effect" in said:
                return


def by_chromium(url: str, seconds: float) -> Callable[[], float]:
    """Return what counts the pictures a second that a browser draws."""

    def count() -> float:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"],
            )
            page = browser.new_page()
            page.goto(url)
            page.wait_for_selector('[data-name="frames/s"]')
            page.wait_for_timeout(seconds * 1000)
            drawn = float(page.locator('[data-name="frames/s"]').inner_text())
            browser.close()
        return drawn

    return count


@contextmanager
def started(module: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a module as the command, and give its process and the address of the page."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", module),
            *("--agents", str(AGENTS), "--seed", "0"),
            *("--web", "--no-visualize"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = process.stderr.readline().removeprefix("open ").strip()
        time.sleep(WARM_UP)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def measure(seconds: float, chromium: bool = False) -> Measured:
    """Run the command and measure."""
    with started("observatory.experiments.run_fireflies") as (process, url):
        count = (by_chromium if chromium else by_socket)(url, seconds)
        pictures = count()
        # The agents' own work differs from moment to moment; at rest, only the page is left.
        pause(url)
        time.sleep(TO_REST)
        without = share_during(process.pid, lambda: time.sleep(seconds))
        share = share_during(process.pid, by_socket(url, seconds))
    with started("prove.page_share") as (process, url):
        began, before = time.monotonic(), worked(process)
        timed = by_socket(url, seconds)()
        beside = (worked(process) - before) / (time.monotonic() - began)
    return Measured(pictures, without, share - without, beside, timed)


def worked(process: subprocess.Popen[str]) -> float:
    """Return the seconds that the loop of a process has worked for its page."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("how long?\n")
    process.stdin.flush()
    return float(process.stdout.readline().removeprefix("page "))


def main(arguments: list[str]) -> int:
    """Measure; return the exit code."""
    numbers = [float(each) for each in arguments if each != "chromium"]
    found = measure(numbers[0] if numbers else 20.0, "chromium" in arguments)
    print(found)
    return not found.holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
