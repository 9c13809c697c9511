"""Limits: capacities and rates that are set from outside, and put back when their time is up."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from cascade.control.commands import limit_command, rate_command, typed
from cascade.control.messages import RefusedError, Request
from cascade.control.words import amount_in_words, quoted, rate_in_words
from cascade.errors import ResourceError
from cascade.runtime.rules import PREFIX
from cascade.spec.constraint import parse_rate

if TYPE_CHECKING:
    from cascade.runtime.explanations import ResourceStatistics
    from cascade.runtime.resource_manager import ResourceManager


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is of a resource."""

    kind: str
    """"capacity" or "rate"."""
    amount: float | None
    """A capacity, or so many in a second; None: no limit."""
    burst: float = 1.0
    """Of a rate."""

    def set(self, manager: ResourceManager, name: str) -> None:
        """Let a manager have so much.

        Raises:
            TypeError, ValueError, ResourceError: as `ResourceManager.set_capacity` and `set_rate`.
        """
        if self.kind == "capacity":
            manager.set_capacity({name: self.amount})
        else:
            manager.set_rate(name, self.amount, self.burst)

    def __str__(self) -> str:
        if self.kind == "capacity":
            return amount_in_words(self.amount)
        return rate_in_words(self.amount)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command has changed."""

    effect: str
    """In words."""
    undo: tuple[str, ...] = ()
    """The commands that take it back; none if there is no way."""
    managers: int = 1
    """In how many managers."""


class _Timed:
    """A level that is to go back."""

    __slots__ = ("before", "command", "ends_at", "loop", "now", "timer")

    def __init__(self, before: Level, now: Level, ends_at: float, command: str) -> None:
        self.before, self.now, self.ends_at, self.command = before, now, ends_at, command
        self.loop: asyncio.AbstractEventLoop | None = None
        self.timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Limits:
    """Sets limits, and puts those back that were set for a time.

    That also happens when nobody looks after the manager any more, as its last run has ended; and
    if its loop has ended meanwhile, as soon as somebody looks after it again.

    Args:
        loop: where the managers are used.
        tell: called with a command and what has come of it when its time is up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[str, str], None]) -> None:
        self._timed: WeakKeyDictionary[ResourceManager, dict[str, _Timed]] = WeakKeyDictionary()
        self._loop = loop
        self._tell = tell

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to go back."""
        return not any(self._timed.values())

    def close(self) -> None:
        """Tell nobody any more, unless something is to go back."""
        if self.is_empty:
            self._tell = _tell_nobody

    def take_over(self, other: Limits) -> None:
        """Put back what another one was to put back, unless the loop on which it waits goes on."""
        for manager, of_manager in list(other._timed.items()):
            for name, timed in list(of_manager.items()):
                if timed.loop is self._loop or (timed.loop is not None and timed.loop.is_closed()):
                    del of_manager[name]
                    timed.cancel()
                    self._timed.setdefault(manager, {})[name] = timed
                    if timed.loop is self._loop:
                        self._wait(manager, name, timed)

    def oversee(self, manager: ResourceManager) -> None:
        """Somebody looks after a manager: what was set in it on a loop that has ended goes back."""
        for name, timed in list(self._timed.get(manager, {}).items()):
            if timed.loop is not self._loop:
                self._wait(manager, name, timed)

    def limit(self, managers: Iterable[ResourceManager], request: Request) -> Changed:
        """Set a capacity.

        Raises:
            RefusedError: it can't be; nothing has changed.
        """
        name = request.said["resource"]
        found = _with_resource(managers, name, "capacity")
        level = Level("capacity", request.said["amount"])
        olds, lefts = self._set(found, request, [level] * len(found))
        after = [manager.statistics().resources[name] for manager, _ in found]
        effect = f"{name}: {' and '.join(olds)} → {level}"
        effect += f"; {amount_in_words(sum(each.used for each in after))} in use"
        effect += f", {sum(each.waiting for each in after)} wait"
        over = sum(
            max(0.0, each.used - each.capacity) for each in after if each.capacity is not None
        )
        if over:
            effect += f"; {amount_in_words(over)} too many go on until they end"
        undo: tuple[str, ...] = ()
        if len(olds) == len(lefts) == 1:
            undo = (limit_command(name, olds[0], lefts[0]),)
        return Changed(effect, undo, len(found))

    def rate(self, managers: Iterable[ResourceManager], request: Request) -> Changed:
        """Set a rate.

        Raises:
            RefusedError: it can't be; nothing has changed.
        """
        name, rate, burst = (request.said[each] for each in ("resource", "rate", "burst"))
        try:
            per_second = None if rate is None else parse_rate(rate)
        except (TypeError, ValueError) as error:
            raise RefusedError(str(error)) from None
        found = _with_resource(managers, name, "rate")
        bursts = list(dict.fromkeys(before.capacity or 1.0 for _, before in found))
        levels = [
            Level("rate", per_second, (before.capacity or 1.0) if burst is None else burst)
            for _, before in found
        ]
        olds, lefts = self._set(found, request, levels)
        waiting = sum(each.statistics().resources[name].waiting for each, _ in found)
        effect = f"{name}: {' and '.join(olds)} → {levels[0]}; {waiting} wait"
        undo: tuple[str, ...] = ()
        # Without a rate there is no burst either, which doesn't come back by itself.
        is_lost = burst is not None or (per_second is None and bursts != [1.0])
        if len(olds) == len(lefts) == 1 and (not is_lost or len(bursts) == 1):
            old_burst = bursts[0] if is_lost else None
            undo = (rate_command(name, olds[0], old_burst, lefts[0]),)
        return Changed(effect, undo, len(found))

    def _set(
        self,
        found: list[tuple[ResourceManager, ResourceStatistics]],
        request: Request,
        levels: list[Level],
    ) -> tuple[list[str], list[int | None]]:
        """Set levels; return the different ones from before, and how long these had to go."""
        name = request.said["resource"]
        olds: dict[str, None] = {}
        lefts: dict[int | None, None] = {}
        for (manager, statistics), level in zip(found, levels, strict=True):
            before = _level_of(statistics, level.kind)
            try:
                level.set(manager, name)
            except (ValueError, TypeError, ResourceError) as error:
                raise RefusedError(str(error)) from None
            olds[str(before)] = None
            lefts[self._note(manager, name, before, request)] = None
        return list(olds), list(lefts)

    # What goes back

    def _note(
        self, manager: ResourceManager, name: str, before: Level, request: Request
    ) -> int | None:
        """Note that a level was set; return the seconds for which the one before was set."""
        of_manager = self._timed.setdefault(manager, {})
        earlier, left = of_manager.pop(name, None), None
        if earlier is not None:
            earlier.cancel()
            if earlier.now == before:
                # What was there for a time isn't what to go back to.
                before, left = earlier.before, round(earlier.ends_at - self._loop.time())
        seconds = request.said["for"]
        if seconds is not None:
            now = _level_of(manager.statistics().resources[name], before.kind)
            ends_at = self._loop.time() + seconds
            timed = of_manager[name] = _Timed(before, now, ends_at, typed(request))
            self._wait(manager, name, timed)
        return left

    def _wait(self, manager: ResourceManager, name: str, timed: _Timed) -> None:
        timed.loop = self._loop
        # Weakly: what nobody uses any more needn't stay until then.
        timed.timer = self._loop.call_at(timed.ends_at, self._put_back, ref(manager), name)

    def _put_back(self, known: ref[ResourceManager], name: str) -> None:
        manager = known()
        timed = None if manager is None else self._timed.get(manager, {}).pop(name, None)
        if manager is None or timed is None:
            return
        now = _level_of(manager.statistics().resources[name], timed.now.kind)
        if now != timed.now:
            effect = f"the program has changed it meanwhile, and it stays at {now}"
        else:
            try:
                timed.before.set(manager, name)
            except (ValueError, TypeError, ResourceError) as error:
                effect = f"it can't be put back to {timed.before}: {error}"
            else:
                effect = f"it is {timed.before} again"
        self._tell(timed.command, f"{name}: its time is up, {effect}")


def _tell_nobody(command: str, effect: str) -> None:
    """There is nothing to tell."""


def _level_of(statistics: ResourceStatistics, kind: str) -> Level:
    if kind == "capacity":
        return Level(kind, statistics.capacity)
    return Level(kind, statistics.per_second, statistics.capacity or 1.0)


def _with_resource(
    managers: Iterable[ResourceManager], name: str, kind: str
) -> list[tuple[ResourceManager, ResourceStatistics]]:
    """Return the managers that know a resource and can be steered, and what there is of it."""
    found: list[tuple[ResourceManager, ResourceStatistics]] = []
    known: set[str] = set()
    for manager in managers:
        resources = manager.statistics().resources
        known |= {each for each in resources if not each.startswith(PREFIX)}
        resource = resources.get(name)
        if resource is None or name.startswith(PREFIX):
            continue
        if resource.kind not in (None, kind):
            raise RefusedError(f"{quoted(name)} is a {resource.kind}, not a {kind}")
        check_steering(manager)
        found.append((manager, resource))
    if not found:
        raise RefusedError(f"there is no resource {quoted(name)}; {hint(name, known)}")
    return found


def check_steering(manager: ResourceManager) -> None:
    """Refuse to change a manager that another loop uses now.

    Raises:
        RefusedError: one does.
    """
    try:
        manager.check_steering()
    except ResourceError as error:
        raise RefusedError(str(error)) from None


def hint(name: str, known: set[str]) -> str:
    """Say what there is, where something isn't there."""
    if not known:
        return "there is none at all"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {quoted(near[0])}?"
    shown = sorted(known)[:10]
    return f"there is {', '.join(shown)}{' …' if len(known) > 10 else ''}"
