"""What is filled in on the page, as the command that a program is asked to obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.control.words import is_scope, seconds_of

FIELDS = ("do", "what", "much", "burst", "for")
"""What a form has; all of it is text, and but for the first may be empty."""
LONGEST = 200
"""Characters of a field, at most."""
DEEDS = ("limit", "rate", "pause", "resume", "lift", "cancel")
"""What can be done."""


def command_of(form: object) -> tuple[str, dict[str, Any]]:
    """Return the command that a form stands for, and what is said with it.

    Args:
        form: a text for each of `FIELDS`; those that are left out are empty.

    Raises:
        TypeError, ValueError: it is no such form, or a field can't be what it is; it is named.
    """
    said = _fields(form)
    deed, what, much = said["do"], said["what"], said["much"]
    time = {"for": seconds_of(said["for"])} if said["for"] else {}
    if time and (deed in ("resume", "lift", "cancel") or (is_scope(what) and much == "none")):
        raise ValueError("what is lifted or cancelled isn't so for a time")
    if deed == "pause":
        return "rule", {"scope": what or "global", "type": "pause", "params": {}, **time}
    if deed == "resume":
        return "lift", {"type": "pause", **({"scope": what} if what else {})}
    if not what:
        raise ValueError(f"{deed} needs to know what: a name is missing")
    if deed == "lift":
        return "lift", {"rule": what}
    if deed == "cancel":
        return "cancel", {"run": what}
    if not much:
        raise ValueError(f"{deed} needs to know how much")
    if is_scope(what) and much == "none":
        return "lift", {"scope": what, "type": {"limit": "concurrency", "rate": "rate_limit"}[deed]}
    burst = {"burst": _number("burst", said["burst"])} if said["burst"] else {}
    if deed == "rate":
        if is_scope(what):
            params = {"rate": much, **burst}
            return "rule", {"scope": what, "type": "rate_limit", "params": params, **time}
        return "rate", {"resource": what, "rate": None if much == "none" else much, **burst, **time}
    if is_scope(what):
        limit = {"limit": _whole("how much", much)}
        return "rule", {"scope": what, "type": "concurrency", "params": limit, **time}
    amount = None if much == "none" else _number("how much", much)
    return "limit", {"resource": what, "amount": amount, **time}


def _fields(form: object) -> Mapping[str, str]:
    if not isinstance(form, dict):
        raise TypeError("form must be an object")
    for name, value in form.items():
        if name not in FIELDS:
            raise ValueError(f"a form has {', '.join(FIELDS)}")
        if not isinstance(value, str) or len(value) > LONGEST:
            raise TypeError(f"{name} must be a text of at most {LONGEST} characters")
    if form.get("do") not in DEEDS:
        raise ValueError(f"do must be one of {', '.join(DEEDS)}")
    return {name: form.get(name, "").strip() for name in FIELDS}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {text!r}") from None


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} must be a whole number of tasks, got {text!r}") from None
