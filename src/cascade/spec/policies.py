"""Policies: what was said about a call beside its arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cascade.errors import RunCancelledError
from cascade.spec.checks import check_duration, check_finite, check_whole, shown

if TYPE_CHECKING:
    from random import Random

    from cascade.spec.caching import CachePolicy
    from cascade.spec.lazy import LazyResult


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a task is tried, and how long is waited in between."""

    max_attempts: int = 3
    """How often it is tried altogether, at least 1."""
    delay: float = 0.0
    """Seconds between the first attempt and the second, if the error doesn't ask for more."""
    backoff: float = 1.0
    """How many times as long each further pause is."""
    jitter: float = 0.0
    """A random time of up to so many seconds is added to each pause."""
    max_delay: float | None = None
    """The longest pause, in seconds, jitter included; None: as long as it gets."""
    on: tuple[type[Exception], ...] = (Exception,)
    """The exceptions after which it is tried again; any other one fails the task at once.

    A run within the task that was cancelled from outside (`errors.RunCancelledError`) counts only
    if it is named.
    """

    def __post_init__(self) -> None:
        attempts = check_whole("max_attempts", self.max_attempts, 1)
        object.__setattr__(self, "max_attempts", attempts)
        for name in ("delay", "jitter"):
            if math.isinf(check_duration(name, getattr(self, name))):
                raise ValueError(f"{name} must be a finite number of seconds, got inf")
        if check_finite("backoff", self.backoff) <= 0:
            raise ValueError(f"backoff must be above 0, got {self.backoff!r}")
        if self.max_delay is not None:
            check_duration("max_delay", self.max_delay)
        if not self.on:
            raise ValueError("on must name at least one exception, got ()")
        kinds: tuple[Any, ...] = self.on
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise TypeError(f"on must hold classes of exceptions, got {shown(kind)}")

    def pause_after(self, error: Exception, attempt: int, random: Random) -> float | None:
        """Return how many seconds to wait after a failed attempt; None if it was the last one.

        An error can ask for a pause: if it has an attribute `retry_after` that is a finite number
        of seconds ≥ 0, the pause is at least that. The jitter comes on top; `max_delay` counts
        for both.

        Args:
            error: what the attempt has raised.
            attempt: its number, from 1.
            random: where the jitter comes from.
        """
        if attempt >= self.max_attempts or not self._is_for(error):
            return None
        try:
            pause = self.delay and self.delay * self.backoff ** (attempt - 1)
        except OverflowError:
            pause = math.inf
        pause = max(pause, _asked_by(error))
        if self.jitter:
            pause += random.uniform(0.0, self.jitter)
        return pause if self.max_delay is None else min(pause, self.max_delay)

    def _is_for(self, error: Exception) -> bool:
        if isinstance(error, RunCancelledError):
            # Whoever has cancelled a run doesn't want it to begin again, unless that is said.
            return any(issubclass(kind, RunCancelledError) for kind in self.on)
        return isinstance(error, self.on)


def _asked_by(error: Exception) -> float:
    """Return the pause that an error asks for, in seconds; 0 if it asks for none."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, bool) or not isinstance(asked, (int, float)):
        return 0.0
    try:
        seconds = float(asked)
    except OverflowError:
        return 0.0
    return seconds if 0.0 <= seconds < math.inf else 0.0


@dataclass(frozen=True, slots=True)
class Mapped:
    """A call that is made once for each element of iterables."""

    iterables: tuple[str, ...]
    """The parameters whose arguments are iterables; all others are the same for each child."""
    window: int | None = None
    """How many children may exist at once; None: all of them."""
    collects_errors: bool = False
    """Whether the exception of a child takes the place of its value, instead of failing."""
    defaults: tuple[str, ...] = ()
    """The resources that only the children have injected, by the task's defaults."""


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """What the chain methods of a lazy result have said; a value, shared between variants."""

    constraints: tuple[tuple[str, Any], ...] = ()
    """What the task takes while it runs: (resource, amount), where an amount may be lazy."""
    conditions: tuple[Any, ...] = ()
    """The task runs only if all of these are true; each may be lazy."""
    after: tuple[LazyResult[Any], ...] = ()
    """What must have ended before the task starts."""
    name: str | None = None
    """The name given by `.named()`."""
    retry: Retry | None = None
    """Whether and how the task is tried again when it fails."""
    timeout: float | None = None
    """How many seconds an attempt may take."""
    priority: int = 0
    """Who has a higher one is ahead of others that wait for resources."""
    mapped: Mapped | None = None
    """Whether and how the call is made for each element of iterables."""
    cache: CachePolicy | None = None
    """Whether the value may be taken from an earlier call."""
    needed: tuple[LazyResult[Any], ...] = ()
    """The lazy results among constraints and conditions: their values are needed."""

    @property
    def is_more_than_a_call(self) -> bool:
        """Whether running the task takes more than calling it once."""
        return bool(self.constraints) or not (
            self.retry is None
            and self.timeout is None
            and self.mapped is None
            and self.cache is None
        )

    def same_as(self, other: Policies) -> bool:
        """Whether both say the same; lazy results in them count as the same only by identity."""
        mine, theirs = dict(self.constraints), dict(other.constraints)
        return (
            self.name == other.name
            and self.retry == other.retry
            and self.timeout == other.timeout
            and self.priority == other.priority
            and self.mapped == other.mapped
            and self.cache == other.cache
            and mine.keys() == theirs.keys()
            and all(_same(mine[name], theirs[name]) for name in mine)
            and len(self.conditions) == len(other.conditions)
            and all(map(_same, self.conditions, other.conditions))
            and len(self.after) == len(other.after)
            and all(map(_same, self.after, other.after))
        )


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and isinstance(one, (int, float, str)) and one == other


NO_POLICIES = Policies()
"""What holds for a call about which nothing was said."""
