"""Retry-After: when a server wants to be asked again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds a server wants to be left alone; None if it doesn't say so.

    Args:
        headers: of the answer, with names in any case.
        now: the time here, for a date and a server that doesn't tell its own time.
    """
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        seconds = float(said)
        return seconds if math.isfinite(seconds) else None
    then = _date(said)
    if then is None:
        return None
    # By the server's own clock if it tells it: the one here may be wrong.
    return max(0.0, (then - (_date(headers.get("Date", "")) or now)).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):  # the parser's ways to say no
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
