"""Stage: what an experiment shows in a browser, and what can be set there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from cascade.spec.checks import check_finite, shown


@dataclass(frozen=True, slots=True)
class Control:
    """Something that can be set while an experiment runs."""

    name: str
    """What it is called in messages."""
    label: str
    """What it is called on the page."""
    kind: Literal["number", "whole", "switch"]
    """A number, a whole number, or on and off."""
    least: float = 0.0
    """The smallest number."""
    most: float = 1.0
    """The largest number."""
    unit: str = ""
    """The unit of the number."""

    def check(self, value: object) -> Any:
        """Return a value if it fits.

        Raises:
            TypeError, ValueError: it doesn't; the error names the control.
        """
        if self.kind == "switch":
            if not isinstance(value, bool):
                raise TypeError(f"{self.name} must be true or false, got {shown(value)}")
            return value
        number = check_finite(self.name, value)
        if not self.least <= number <= self.most or (self.kind == "whole" and number % 1):
            what = "a whole number" if self.kind == "whole" else "a number"
            raise ValueError(
                f"{self.name} must be {what} from {self.least:g} to {self.most:g}, "
                f"got {shown(value)}"
            )
        return int(number) if self.kind == "whole" else float(number)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Status:
    """What is to be said about an experiment at one moment."""

    time: float
    """Seconds since the start."""
    course: float
    """The number from 0 to 1 whose course is drawn."""
    values: dict[str, str]
    """What else there is to say, by name, in the order in which it is shown."""
    settings: dict[str, float | bool]
    """What each control is set to, by its name."""


class Stage(Protocol):
    """An experiment as a browser sees it."""

    title: str
    """What it is, in a few words."""
    width: int
    """Places in a row of the picture."""
    height: int
    """Rows."""
    palette: bytes
    """The colours of the brightnesses 0 to 255: red, green and blue of each, 768 bytes."""
    course: str
    """What the number is called whose course is drawn."""
    controls: Sequence[Control]
    """What can be set."""

    def picture(self, now: float) -> bytes:
        """Return the brightness of each place at a time, one byte each, row by row."""
        ...

    def status(self, now: float) -> Status:
        """Return what is to be said at a time, in seconds on the loop's clock."""
        ...

    def past(self) -> list[tuple[float, float]]:
        """Return the course so far: pairs of seconds since the start and a number from 0 to 1."""
        ...

    def set(self, name: str, value: Any) -> str:
        """Set a control to a value that fits, and return what that does, in a sentence."""
        ...
