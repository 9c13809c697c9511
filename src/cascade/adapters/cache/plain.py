"""Plain values as JSON and back, exactly: what comes back equals what went in, types included."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

_TAG = "$"
"""The key of a dictionary that stands for something that JSON doesn't have."""


def encode(value: Any) -> Any:
    """Return what JSON has, for a value of plain types.

    Raises:
        TypeError: something in it isn't of a plain type, exactly.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {_TAG: "float", "is": repr(value)}
    if kind is list:
        return [encode(item) for item in value]
    if kind is bytes:
        return {_TAG: "bytes", "is": value.hex()}
    if kind in (tuple, set, frozenset):
        return {_TAG: kind.__name__, "is": [encode(item) for item in value]}
    if kind is dict:
        if all(type(key) is str for key in value) and _TAG not in value:
            return {key: encode(item) for key, item in value.items()}
        return {_TAG: "dict", "is": [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} can't be kept as JSON")


def decode(value: Any) -> Any:
    """Return the value that `encode` has made something of."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: decode(item) for key, item in value.items()}
    return _MAKERS[value[_TAG]](value["is"])


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "bytes": bytes.fromhex,
    "tuple": lambda items: tuple(map(decode, items)),
    "set": lambda items: set(map(decode, items)),
    "frozenset": lambda items: frozenset(map(decode, items)),
    "dict": lambda items: {decode(key): decode(item) for key, item in items},
}
