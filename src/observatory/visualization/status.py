"""StatusBar: what is to be said about an experiment, as a few lines of text."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

Role = Literal["plain", "dim", "accent", "course"]
"""What a piece of text is: the screen knows the colours."""
Line = tuple[tuple[str, Role], ...]
"""A line as pieces of text."""

BAR_WIDTH = 20
"""How many characters a full bar takes."""
COURSE_SECONDS = 60
"""How far back a course goes."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
"""A character filled from the left, by eighths."""
SPARKS = "▁▂▃▄▅▆▇█"
"""A character filled from below, by eighths, from one of them on."""


class Course:
    """A value from 0 to 1 and its course over the last minute, one sample a second.

    Args:
        label: what it is, in a word.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        """What it is."""
        self.value = math.nan
        """The latest value."""
        self._samples: deque[tuple[int, float]] = deque(maxlen=COURSE_SECONDS)

    def add(self, time: float, value: float) -> None:
        """Note a value at a time, in seconds; the first one of each second is a sample."""
        self.value = value
        second = math.floor(time)
        if not self._samples or second > self._samples[-1][0]:
            self._samples.append((second, value))

    def line(self, width: int) -> Line:
        """Return the value, a bar, and the course; a character stands for a second or for more."""
        known = not math.isnan(self.value)
        number = f" {self.label} {self.value:.3f} " if known else f" {self.label} –     "
        eighths = round(_within(self.value) * BAR_WIDTH * 8) if known else 0
        bar = "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
        rest = "·" * (BAR_WIDTH - len(bar))
        sparks = self._sparks(width - len(number) - BAR_WIDTH - 3)
        return ((number, "plain"), (bar, "accent"), (f"{rest}  ", "dim"), (sparks, "course"))

    def _sparks(self, room: int) -> str:
        """Draw the course; where there is no room for all of it, the mean of some seconds each."""
        if room <= 0:
            return ""
        seconds = -(-COURSE_SECONDS // room)
        # By the clock and not by the latest, so that a column stays what it is while it moves on.
        columns: dict[int, list[float]] = {}
        for second, value in self._samples:
            columns.setdefault(second // seconds, []).append(_within(value))
        means = [sum(values) / len(values) for values in columns.values()][-room:]
        return "".join(SPARKS[min(7, int(mean * 8))] for mean in means)


def _within(value: float) -> float:
    return min(1.0, max(0.0, value))


class StatusBar:
    """Named values, shown in the order in which they were first given, below a course of one.

    Args:
        initial_status: the values at the beginning, by name. They may be of any kind; text is
            shown as it is, a float with three significant digits.

    Raises:
        TypeError: `initial_status` isn't a mapping.
    """

    HEIGHT = 3
    """How many lines it takes."""

    def __init__(self, initial_status: Mapping[str, Any] | None = None) -> None:
        if initial_status is not None and not isinstance(initial_status, Mapping):
            raise TypeError(f"initial_status must map names to values, got {initial_status!r}")
        self.status: dict[str, Any] = dict(initial_status or {})
        """The values, by name."""
        self.course: Course | None = None
        """What is drawn as a bar, if anything."""
        self._widths: dict[str, int] = {}

    def update(self, status: Mapping[str, Any]) -> None:
        """Set values; others stay as they are."""
        self.status.update(status)

    def lines(self, width: int) -> list[Line]:
        """Return the status as `HEIGHT` lines of at most `width` characters."""
        lines: list[Line] = [] if self.course is None else [self.course.line(width)]
        fields = [self._field(name, value) for name, value in self.status.items()]
        lines += _flow(fields, width, self.HEIGHT - len(lines))
        lines += [()] * (self.HEIGHT - len(lines))
        return [cut(line, width) for line in lines]

    def _field(self, name: str, value: object) -> tuple[str, str]:
        """Return name and value, the value as wide as any that it had, so that nothing jumps."""
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        text = _printable(text)
        self._widths[name] = max(self._widths.get(name, 0), len(text))
        return _printable(name), text.ljust(self._widths[name])


def _printable(text: str) -> str:
    """Return a text without what a terminal might obey."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _flow(fields: list[tuple[str, str]], width: int, rows: int) -> list[Line]:
    """Put fields into lines, as many as fit into each."""
    lines: list[list[tuple[str, Role]]] = []
    used = width
    for name, value in fields:
        length = len(name) + len(value) + 4
        if used + length > width:
            if len(lines) == rows:
                break
            lines.append([])
            used = 0
        lines[-1] += [(f" {name} ", "dim"), (f"{value}  ", "plain")]
        used += length
    return [tuple(line) for line in lines]


def cut(line: Line, width: int) -> Line:
    """Return as much of a line as fits into a width."""
    pieces: list[tuple[str, Role]] = []
    for text, role in line:
        if width <= 0:
            break
        pieces.append((text[:width], role))
        width -= len(text)
    return tuple(pieces)
