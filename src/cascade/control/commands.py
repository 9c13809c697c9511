"""Commands as one would type them: what the log shows, and what takes something back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cascade.control.words import (
    amount_in_words,
    duration_in_words,
    number_in_words,
    quoted,
    rate_in_words,
)

if TYPE_CHECKING:
    from cascade.control.messages import Request
    from cascade.spec.constraint import GlobalConstraint

LONGEST = 500
"""Characters of a command that are shown at most: what was refused may be of any length."""


def typed(request: Request) -> str:
    """Return a command as one would type it."""
    said = request.said
    if request.command == "limit":
        text = limit_command(said["resource"], amount_in_words(said["amount"]))
    elif request.command == "rate":
        text = rate_command(said["resource"], _rate(said["rate"]), said["burst"])
    elif request.command == "rule":
        text = _command(said["type"], said["scope"], said["params"])
    elif request.command == "lift":
        text = "resume"
        if said["scope"] is not None:
            text += f" {quoted(said['scope'])}"
        if said["rule"] is not None:
            text += f" --rule {quoted(said['rule'])}"
    else:
        words = [quoted(str(value)) for value in said.values() if value is not None]
        text = " ".join([request.command, *words])
    seconds = said.get("for")
    if seconds is not None:
        text += f" --for {number_in_words(seconds)}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def limit_command(name: str, amount: str, left: float | None = None) -> str:
    """Return what sets a capacity, for the seconds that are left."""
    return f"limit {quoted(name)}={amount}{_for(left)}"


def rate_command(
    name: str, rate: str, burst: float | None = None, left: float | None = None
) -> str:
    """Return what sets a rate, for the seconds that are left."""
    text = f"rate {quoted(name)} {quoted(rate)}"
    if burst is not None:
        text += f" --burst {amount_in_words(burst)}"
    return text + _for(left)


def rule_command(rule: GlobalConstraint, left: float | None = None) -> str:
    """Return what sets a rule, for the seconds that are left."""
    return _command(rule.type, rule.scope, rule.params) + _for(left)


def _for(left: float | None) -> str:
    return "" if left is None else f" --for {duration_in_words(max(1, round(left)))}"


def _command(type: str, scope: str, params: Mapping[str, Any]) -> str:
    # What was refused may hold anything under these names.
    if type == "concurrency":
        return f"limit {quoted(scope)}={quoted(_shown(params.get('limit')))}"
    if type == "rate_limit":
        text = f"rate {quoted(scope)} {quoted(_rate(params.get('rate')))}"
        burst = params.get("burst", 1)
        return text if burst == 1 else f"{text} --burst {quoted(_shown(burst))}"
    return f"{quoted(type)} {quoted(scope)}"


def _rate(rate: object) -> str:
    """Return a rate as it can be typed; a number is so many in a second, None no limit."""
    if isinstance(rate, (int, float)) and not isinstance(rate, bool) and 0 < rate < 1e15:
        return rate_in_words(rate)
    return "none" if rate is None else _shown(rate)


def _shown(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15:
        return amount_in_words(value)
    text = str(value) if isinstance(value, str) else type(value).__name__
    return text[:LONGEST] if text.isprintable() else ascii(text[:LONGEST])
