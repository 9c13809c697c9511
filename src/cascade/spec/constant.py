"""constant(): an argument of `Task.map` that is the same for every child."""

from __future__ import annotations

from typing import Any


class Constant:
    """What `constant` makes: a value that isn't taken apart by `Task.map`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value
        """What every child gets; may be lazy, or hold lazy results."""

    def __repr__(self) -> str:
        return f"constant({self.value!r})"


def constant(value: Any) -> Constant:
    """Give every child of `Task.map` the same value, also if it could be iterated.

    Args:
        value: anything; a lazy result is computed once.
    """
    return Constant(value)
