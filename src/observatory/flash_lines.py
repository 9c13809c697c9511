"""The lines of many flashes for a digest, made at once: the same bytes as `flashes.flash_line`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from observatory.flashes import flash_line

_NANO = 10**9
_DIGITS = np.array([list(f"{number:03}".encode()) for number in range(1000)], dtype=np.uint8)
"""The three digits of each number below a thousand, as ASCII."""


def flash_lines(agents: npt.NDArray[np.int64], times: npt.NDArray[np.float64]) -> bytes:
    """Return the lines ``agent:time`` of flashes, one after the other.

    Args:
        agents: their numbers, at least 0; shape ``(flashes,)``.
        times: when they were due, in seconds; shape ``(flashes,)``.
    """
    if not len(agents):
        return b""
    if not (times.min() >= 0 and times.max() < _NANO and agents.max() < _NANO):
        return b"".join(map(flash_line, zip(agents.tolist(), times.tolist(), strict=True)))
    whole = np.floor(times)
    scaled = (times - whole) * _NANO  # the product alone isn't exact
    nanos = np.rint(scaled)
    for place in np.flatnonzero(np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6):
        seconds, _, rest = f"{times[place]:.9f}".partition(".")
        whole[place], nanos[place] = int(seconds), int(rest)
    carry = nanos == _NANO
    seconds_shown = whole.astype(np.int64) + carry
    nanos_shown = np.where(carry, 0, nanos).astype(np.int64)
    columns = [
        *_number(agents),
        _all(len(agents), b":"),
        *_number(seconds_shown),
        _all(len(agents), b"."),
        *(_DIGITS.take(nanos_shown // 1000**power % 1000, axis=0) for power in (2, 1, 0)),
        _all(len(agents), b"\n"),
    ]
    text = np.concatenate(columns, axis=1).ravel()
    shown: npt.NDArray[np.uint8] = text[text != 0]
    return shown.tobytes()


def _number(values: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
    """Return the digits of numbers, with zero bytes in front of the shorter ones."""
    groups = max(1, -(-len(str(int(values.max()))) // 3))
    digits = [
        _DIGITS.take(values // 1000**power % 1000, axis=0) for power in reversed(range(groups))
    ]
    text = np.concatenate(digits, axis=1)
    for column in range(3 * groups - 1):
        text[values < 10 ** (3 * groups - 1 - column), column] = 0
    return [text]


def _all(count: int, byte: bytes) -> npt.NDArray[np.uint8]:
    return np.full((count, 1), byte[0], dtype=np.uint8)
