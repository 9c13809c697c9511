"""RuleBook: the rules that were set from outside, also for managers that come later."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cascade.control import snapshot
from cascade.control.commands import rule_command
from cascade.control.limits import check_steering
from cascade.control.messages import RefusedError, Request
from cascade.control.words import quoted
from cascade.spec.constraint import GlobalConstraint

if TYPE_CHECKING:
    from cascade.runtime.constraints import ConstraintManager

MOST_RULES = 1000
"""Rules that may be set from outside at the same time: every task is compared with each."""


class RuleBook:
    """The rules of a program. All times are seconds on the clock of its loops."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[GlobalConstraint, float | None]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was set, but for what may have ended."""
        return not self._standing

    def take_over(self, other: RuleBook) -> None:
        """Let the rules of another one stand here instead of there."""
        self._standing.update(other._standing)
        other._standing.clear()

    def oversee(self, constraints: ConstraintManager, now: float) -> None:
        """Let the rules hold for one more manager."""
        self._strike_out(now)
        for rule, ends_at in list(self._standing.values()):
            constraints.update(rule if ends_at is None else replace(rule, expires_in=ends_at - now))

    def set(
        self, overseen: Collection[ConstraintManager], request: Request, now: float
    ) -> tuple[GlobalConstraint, str]:
        """Let a rule hold; return it, and the command that takes it back.

        Raises:
            RefusedError: it is none; nothing has changed.
        """
        said = request.said
        try:
            rule = GlobalConstraint(
                _id_of(said["type"], said["scope"]),
                said["scope"],
                said["type"],
                said["params"],
                said["for"],
            )
        except (TypeError, ValueError) as error:
            raise RefusedError(str(error)) from None
        self._strike_out(now)
        if rule.id not in self._standing and len(self._standing) >= MOST_RULES:
            raise RefusedError(f"{MOST_RULES} rules were set already: lift some of them")
        for constraints in overseen:
            check_steering(constraints.manager)
        undo = f"resume --rule {quoted(rule.id)}"
        earlier = self._holding(overseen, now).get(rule.id)
        if earlier is not None and earlier[0].type == rule.type:
            undo = rule_command(*earlier)
        for constraints in overseen:
            constraints.update(rule)
        seconds = rule.expires_in
        self._standing[rule.id] = rule, None if seconds is None else now + seconds
        return rule, undo

    def chosen(
        self, overseen: Collection[ConstraintManager], request: Request, now: float
    ) -> dict[str, tuple[GlobalConstraint, float | None]]:
        """Return the rules that are to be lifted, and the seconds for which each still holds.

        Raises:
            RefusedError: there is none.
        """
        said = request.said
        holding = self._holding(overseen, now)
        chosen = {
            id: (rule, left)
            for id, (rule, left) in holding.items()
            if said["rule"] in (None, id)
            and said["scope"] in (None, rule.scope)
            and said["type"] in (None, rule.type)
        }
        if not chosen:
            raise RefusedError(_no_rule(said, list(holding)))
        for constraints in overseen:
            check_steering(constraints.manager)
        return chosen

    def lift(self, overseen: Collection[ConstraintManager], id: str) -> None:
        """Let a rule hold no longer, and for nobody who comes later."""
        self._standing.pop(id, None)
        for constraints in overseen:
            constraints.remove(id)

    def listed(self, overseen: Collection[ConstraintManager], now: float) -> list[dict[str, Any]]:
        """Return the rules that hold, each once, as plain data."""
        return [snapshot.of_rule(*each) for each in self._holding(overseen, now).values()]

    def _holding(
        self, overseen: Collection[ConstraintManager], now: float
    ) -> dict[str, tuple[GlobalConstraint, float | None]]:
        """Return the rules that hold, however they came, and the seconds for which each does."""
        self._strike_out(now)
        found: dict[str, tuple[GlobalConstraint, float | None]] = {}
        for constraints in overseen:
            rules = constraints.manager.rules
            if rules is not None:
                for rule in rules.active():
                    found.setdefault(rule.id, (rule, rules.left(rule.id, now)))
        for rule, ends_at in self._standing.values():
            found.setdefault(rule.id, (rule, None if ends_at is None else ends_at - now))
        return found

    def _strike_out(self, now: float) -> None:
        """Forget the rules whose time is up."""
        for id, (_, ends_at) in list(self._standing.items()):
            if ends_at is not None and ends_at <= now:
                self._standing.pop(id, None)


def _id_of(type: str, scope: str) -> str:
    # What no id may have is written as in addresses: two scopes must not get the same one.
    return re.sub(r"[/+#%\0]", lambda found: f"%{ord(found[0]):02X}", f"{type}-{scope}")


def _no_rule(said: Mapping[str, Any], known: list[str]) -> str:
    wanted = [f"{name} {quoted(value)}" for name, value in said.items() if value is not None]
    there = f"there is {', '.join(known)}" if known else "there is none at all"
    return f"no rule holds{' with ' + ' and '.join(wanted) if wanted else ''}; {there}"
