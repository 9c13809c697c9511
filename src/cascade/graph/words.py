"""What was said about a call, in a few words: for pictures and forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade.spec.lazy import LazyResult

if TYPE_CHECKING:
    from cascade.spec.policies import Retry

LONGEST = 60
"""How many characters of a name are shown at most."""


def shortened(text: str) -> str:
    """Return a text in one line of at most `LONGEST` characters that can be shown anywhere.

    White space of any kind is one space, and what can't be seen or written is a "�".
    """
    if not text.isprintable() or "  " in text or text[0] == " " or text[-1] == " ":
        text = " ".join(text.split())
        text = "".join([each if each.isprintable() else "�" for each in text])
    if len(text) > LONGEST:
        text = text[: LONGEST - 1].rstrip() + "…"
    return text or "(blank)"


def seconds(duration: float) -> str:
    """Return a time in words, with three digits and a unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if duration >= size * 0.9995:
            return f"{_three_digits(duration / size)} {unit}"
    return "0 s" if duration < 1e-9 else f"{_three_digits(duration / 1e-6)} µs"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def said_about(lazy: LazyResult[Any]) -> tuple[str, ...]:
    """Return what a call takes and what holds for it, such as ("gpu=1", "3 attempts", "5 s").

    Conditions and orders are edges, and aren't repeated here.
    """
    return (*needs_in_words(lazy), *policies_in_words(lazy))


def needs_in_words(lazy: LazyResult[Any]) -> tuple[str, ...]:
    """Return what a call takes, such as ("gpu=1", "memory_gb=…") where one amount is lazy."""
    return tuple(
        [
            f"{shortened(resource)}={'…' if isinstance(amount, LazyResult) else _number(amount)}"
            for resource, amount in lazy.policies.constraints
        ]
    )


def _number(amount: Any) -> str:
    return f"{float(amount):.12g}"


def policies_in_words(lazy: LazyResult[Any]) -> tuple[str, ...]:
    """Return the other things that were said about a call: attempts, time-outs, priority, maps."""
    policies, words = lazy.policies, []
    mapped = policies.mapped
    if mapped is not None:
        words.append("for each " + shortened(", ".join(mapped.iterables)))
        if mapped.window is not None:
            words.append(f"{mapped.window} at once")
        if mapped.collects_errors:
            words.append("errors collected")
    if policies.retry is not None:
        words.append(_attempts(policies.retry))
    timeout = lazy.task.timeout if policies.timeout is None else policies.timeout
    if timeout is not None:
        words.append(seconds(timeout))
    if policies.cache is not None:
        words.append("cached")
    if policies.priority:
        words.append(f"priority {policies.priority}")
    return tuple(words)


def _attempts(retry: Retry) -> str:
    return "1 attempt" if retry.max_attempts == 1 else f"{retry.max_attempts} attempts"
