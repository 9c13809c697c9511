"""Desk: does what is asked for from outside of the program, and says what came of it."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from cascade.control import census, snapshot
from cascade.control.audit import Trail, Who
from cascade.control.gauge import Gauge
from cascade.control.messages import RefusedError, Request
from cascade.control.quiet import QuietLog
from cascade.control.words import amount_in_words, duration_in_words, quoted, rate_in_words
from cascade.errors import ResourceError
from cascade.runtime.rules import PREFIX, Asker
from cascade.runtime.ticket import WAITING
from cascade.spec.constraint import GlobalConstraint, parse_rate

if TYPE_CHECKING:
    from cascade.runtime.constraints import ConstraintManager
    from cascade.runtime.explanations import ResourceStatistics
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run

LATEST_ERRORS = 20
"""How many errors of runs are remembered."""

Answer = dict[str, Any]


class Desk:
    """Answers for everything that runs on one loop. All methods are called in its thread.

    Args:
        program: what the program is called.
        trail: where every command that changes something is written down.
        loop: the loop.
    """

    def __init__(self, program: str, trail: Trail, loop: asyncio.AbstractEventLoop) -> None:
        self.program = program
        """What the program is called."""
        self.trail = trail
        """Every command that was to change something."""
        self.watchers = 0
        """How many watch."""
        self.dropped = 0
        """How many snapshots were not sent, because whoever watches had not read the last ones."""
        self.quiet = QuietLog(loop.time)
        """Where it is told that something is wrong."""
        self._loop = loop
        self._began = loop.time()
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._overseen: dict[int, ConstraintManager] = {}
        self._standing: dict[str, tuple[GlobalConstraint, float | None]] = {}
        self._restoring: dict[tuple[int, str], _Restoration] = {}
        self._errors: deque[dict[str, Any]] = deque(maxlen=LATEST_ERRORS)
        self._runs_begun = 0
        self._gauge: Gauge | None = None
        self._commands: dict[str, Callable[[Request, Who], Answer]] = {
            "ps": lambda request, who: self.summary(),
            "look": lambda request, who: self.look(),
            "limit": self._limit,
            "rate": self._rate,
            "rule": self._rule,
            "lift": self._lift,
            "rules": lambda request, who: {"rules": self._rules()},
            "log": self._log,
            "explain": lambda request, who: self._explain(request.said["what"]),
            "cancel": self._cancel,
        }

    # What it answers for

    @property
    def managers(self) -> list[ResourceManager]:
        """The managers of the engines that are to be steered."""
        return [constraints.manager for constraints in self._overseen.values()]

    def oversee(self, constraints: ConstraintManager) -> None:
        """Answer for a manager from now on; the rules that were set here hold for it, too."""
        manager = constraints.manager
        self._overseen[id(manager)] = constraints
        manager.oversee(self)
        now = self._loop.time()
        for rule, ends_at in self._standing.values():
            if ends_at is None:
                constraints.update(rule)
            elif ends_at > now:
                constraints.update(_with_time(rule, ends_at - now))

    def overlook(self, constraints: ConstraintManager) -> None:
        """Answer for a manager no longer."""
        manager = constraints.manager
        if self._overseen.pop(id(manager), None) is not None:
            manager.overlook(self)
        for key in [key for key in self._restoring if key[0] == id(manager)]:
            if self._loop.is_closed():
                del self._restoring[key]
            else:
                self._restore(key)  # later on, nobody could put it back

    def run_begins(self, run: Run) -> None:
        """A run begins."""
        self._runs_begun += 1
        if self._gauge is not None:
            self._gauge.listen(run.engine)

    def run_ended(self, run: Run, error: BaseException | None) -> None:
        """A run has ended."""
        if isinstance(error, Exception):
            notes = getattr(error, "__notes__", [])
            self._errors.append(
                {
                    "run": run.run_id,
                    "error": f"{type(error).__name__}: {error}"[:500],
                    "notes": [note[:200] for note in notes[:3]],
                    "when": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )

    def watch_begins(self) -> None:
        """Somebody begins to watch: what gets done is counted from now on."""
        self.watchers += 1
        if self._gauge is None:
            self._gauge = Gauge()
            for manager in self.managers:
                for run in manager.running():
                    self._gauge.listen(run.engine)

    def watch_ends(self) -> None:
        """Somebody watches no longer."""
        self.watchers -= 1
        if not self.watchers and self._gauge is not None:
            self._gauge.close()
            self._gauge = None

    def close(self) -> None:
        """Let go of everything."""
        for constraints in list(self._overseen.values()):
            self.overlook(constraints)
        if self._gauge is not None:
            self._gauge.close()
            self._gauge = None

    # What it answers

    def answer(self, request: Request, who: Who) -> Answer:
        """Do what is asked for, and return what is to be said.

        Raises:
            RefusedError: it isn't done; nothing has changed.
        """
        try:
            return self._commands[request.command](request, who)
        except RefusedError as refused:
            if request.command in _CHANGING:
                self._write_down(who, _typed(request), f"refused: {refused}")
            raise

    def summary(self) -> Answer:
        """Return who this is, and how much there is of everything."""
        managers = self.managers
        engines = {id(run.engine) for manager in managers for run in manager.running()}
        return {
            "name": self.program,
            "pid": os.getpid(),
            "program": " ".join(sys.argv)[:200],
            "since": self._since,
            "seconds": self._loop.time() - self._began,
            "engines": len(engines),
            "runs": sum(len(manager.running()) for manager in managers),
            "runs_begun": self._runs_begun,
            "tasks": snapshot.totals(managers),
            "rules": len(self._rules()),
            "dropped": self.dropped,
        }

    def look(self) -> Answer:
        """Return what can be seen at this moment."""
        managers = self.managers
        found = self.summary()
        found["run_list"] = snapshot.first(snapshot.of_runs(each) for each in managers)
        found["task_list"] = snapshot.by_name(managers)
        found["resources"] = snapshot.first(snapshot.of_resources(each) for each in managers)
        found["waiting"] = snapshot.first(snapshot.of_waiters(each) for each in managers)
        found["rule_list"] = self._rules()
        found["errors"] = list(self._errors)
        found["throughput"] = self._throughput()
        return found

    def _throughput(self) -> dict[str, float] | None:
        """Return what gets done in a second; None while nobody watches."""
        return None if self._gauge is None else self._gauge.rates(self._loop.time())

    def _log(self, request: Request, who: Who) -> Answer:
        entries = list(self.trail.entries)
        last = request.said["last"]
        chosen = entries if last is None else entries[-last:]
        return {"entries": [entry.as_dict() for entry in chosen]}

    def _rules(self) -> list[dict[str, Any]]:
        """Return the live rules of all managers, each once, in the order in which they came."""
        now = self._loop.time()
        found: dict[str, dict[str, Any]] = {}
        for constraints in self._overseen.values():
            for rule in constraints.active():
                _, ends_at = self._standing.get(rule.id, (rule, None))
                left = None if ends_at is None else max(0.0, ends_at - now)
                found.setdefault(rule.id, snapshot.of_rule(rule, left))
        for rule, ends_at in self._standing.values():
            if ends_at is None or ends_at > now:
                left = None if ends_at is None else ends_at - now
                found.setdefault(rule.id, snapshot.of_rule(rule, left))
        return list(found.values())

    def _explain(self, what: str | None) -> Answer:
        sentences = []
        # Why all wait may take long to find out, and no more than the first are told anyway.
        most = snapshot.MOST if what is None else None
        for manager in self.managers:
            askers = {
                str(asker): asker
                for _, asker in census.askers(manager, WAITING)
                if what is not None
            }
            for each in manager.explain(most):
                if what is None or _is_meant(what, each.owner, askers.get(each.owner)):
                    sentences.append(f"{each}; it has waited {manager.now() - each.since:.1f} s")
        if not sentences and what is not None:
            sentences = self._explain_running(what)
        total = len(sentences)
        if what is None:
            total = sum(manager.statistics().waiting for manager in self.managers)
        told = sentences[: snapshot.MOST]
        return {"sentences": told, "left_out": total - len(told)}

    def _explain_running(self, what: str) -> list[str]:
        """Say of what doesn't wait that it runs, or that there is no such thing."""
        found = []
        for manager in self.managers:
            for run in manager.running():
                for node in run.running():
                    asker = run.asker(node)
                    if _is_meant(what, asker.label, asker):
                        found.append(f"{asker.label} ({run.run_id}) is running")
        if not found:
            raise RefusedError(f"no task or run that waits or runs is called {quoted(what)}")
        return found

    # What it changes

    def _limit(self, request: Request, who: Who) -> Answer:
        name, amount = request.said["resource"], request.said["amount"]
        found = self._with_resource(name, "capacity")
        changed = []
        for manager, before in found:
            try:
                manager.set_capacity({name: amount})
            except (ValueError, TypeError, ResourceError) as error:
                raise RefusedError(str(error)) from None
            changed.append((manager, before, manager.statistics().resources[name]))
            self._restore_later(
                manager,
                name,
                request,
                partial(manager.set_capacity, {name: before.capacity}),
            )
        old = amount_in_words(changed[0][1].capacity)
        effect = f"{name}: {old} → {amount_in_words(amount)}"
        used = sum(after.used for _, _, after in changed)
        waiting = sum(after.waiting for _, _, after in changed)
        effect += f"; {amount_in_words(used)} in use, {waiting} wait"
        over = sum(
            max(0.0, after.used - after.capacity)
            for _, _, after in changed
            if after.capacity is not None
        )
        if over:
            effect += f"; {amount_in_words(over)} too many go on until they end"
        undo = f"cascade limit {name}={old}"
        return self._done(request, who, effect, undo, len(changed))

    def _rate(self, request: Request, who: Who) -> Answer:
        name, rate = request.said["resource"], request.said["rate"]
        burst = request.said["burst"]
        try:
            per_second = None if rate is None else parse_rate(rate)
        except (TypeError, ValueError) as error:
            raise RefusedError(str(error)) from None
        found = self._with_resource(name, "rate")
        for manager, before in found:
            size = burst if burst is not None else before.capacity or 1
            try:
                manager.set_rate(name, per_second, size)
            except (ValueError, TypeError, ResourceError) as error:
                raise RefusedError(str(error)) from None
            self._restore_later(
                manager,
                name,
                request,
                partial(manager.set_rate, name, before.per_second, before.capacity or 1),
            )
        old = rate_in_words(found[0][1].per_second)
        waiting = sum(each.statistics().resources[name].waiting for each, _ in found)
        effect = f"{name}: {old} → {rate_in_words(per_second)}; {waiting} wait"
        return self._done(request, who, effect, f"cascade rate {name} {old}", len(found))

    def _with_resource(
        self, name: str, kind: str
    ) -> list[tuple[ResourceManager, ResourceStatistics]]:
        """Return the managers that know a resource, and what there is of it."""
        found, known = [], set()
        for manager in self.managers:
            resources = manager.statistics().resources
            known |= {each for each in resources if not each.startswith(PREFIX)}
            resource = resources.get(name)
            if resource is None or name.startswith(PREFIX):
                continue
            if resource.kind not in (None, kind):
                raise RefusedError(f"{quoted(name)} is a {resource.kind}, not a {kind}")
            found.append((manager, resource))
        if not found:
            raise RefusedError(f"there is no resource {quoted(name)}; {_hint(name, known)}")
        return found

    def _restore_later(
        self, manager: ResourceManager, name: str, request: Request, restore: Callable[[], None]
    ) -> None:
        """Put a limit back when its time is up, unless it is set again before."""
        key = id(manager), name
        earlier = self._restoring.pop(key, None)
        if earlier is not None:
            # What was there for a time only isn't what there was before.
            earlier.timer.cancel()
            restore = earlier.restore
        seconds = request.said["for"]
        if seconds is not None:
            timer = self._loop.call_later(seconds, self._restore, key)
            self._restoring[key] = _Restoration(timer, restore, _typed(request))

    def _restore(self, key: tuple[int, str]) -> None:
        restoration = self._restoring.pop(key)
        restoration.timer.cancel()
        restoration.restore()
        who = Who(self.program, os.getpid(), "program")
        effect = f"{key[1]}: its time is up, it is as it was before"
        self._write_down(who, restoration.typed, effect)

    def _rule(self, request: Request, who: Who) -> Answer:
        said = request.said
        try:
            rule = GlobalConstraint(
                _rule_id(said["type"], said["scope"]),
                said["scope"],
                said["type"],
                said["params"],
                said["for"],
            )
        except (TypeError, ValueError) as error:
            raise RefusedError(str(error)) from None
        seconds = rule.expires_in
        ends_at = None if seconds is None else self._loop.time() + seconds
        try:
            for constraints in self._overseen.values():
                constraints.update(rule)
        except ResourceError as error:
            raise RefusedError(str(error)) from None
        self._standing[rule.id] = rule, ends_at
        counted = self._count([rule])
        return self._done(request, who, str(counted), f"cascade resume --rule {rule.id}", 1)

    def _lift(self, request: Request, who: Who) -> Answer:
        said = request.said
        chosen: dict[str, GlobalConstraint] = {}
        now = self._loop.time()
        standing = [rule for rule, end in self._standing.values() if end is None or end > now]
        active = [rule for each in self._overseen.values() for rule in each.active()]
        for rule in [*standing, *active]:
            if (
                said["rule"] in (None, rule.id)
                and said["scope"] in (None, rule.scope)
                and said["type"] in (None, rule.type)
            ):
                chosen[rule.id] = rule
        if not chosen:
            raise RefusedError(_no_rule(said, [rule.id for rule in [*standing, *active]]))
        waiting = self._count(chosen.values()).waiting
        for id in chosen:
            self._standing.pop(id, None)
            for constraints in self._overseen.values():
                constraints.remove(id)
        left = self._count(chosen.values()).waiting
        rules = ", ".join(chosen)
        effect = f"lifted {rules}; of {waiting} that waited, {waiting - left} go on"
        undo = " && ".join(_command_for(rule) for rule in chosen.values())
        return self._done(request, who, effect, undo, 1)

    def _count(self, rules: Iterable[GlobalConstraint]) -> census.Census:
        """Count the tasks that some rules are for."""
        known = list(rules)

        def counts(asker: Asker) -> bool:
            return any(rule.matches(asker.names, asker.tags, asker.engine) for rule in known)

        found = census.Census()
        for manager in self.managers:
            found += census.take(manager, counts)
        return found

    def _cancel(self, request: Request, who: Who) -> Answer:
        name = request.said["run"]
        runs = [(manager, run) for manager in self.managers for run in manager.running()]
        meant = [
            (manager, run) for manager, run in runs if name in (run.run_id, run.engine.name, "all")
        ]
        if not meant:
            known = {run.run_id for _, run in runs}
            raise RefusedError(f"there is no run {quoted(name)}; {_hint(name, known)}")
        counted: census.Census = census.Census()
        cancelled = 0
        for manager, run in meant:
            if manager.oversight is None:
                continue
            counted += census.take(manager, partial(_is_of, run))
            cancelled += manager.oversight.cancel(run, f"by {who}")
        if not cancelled:
            raise RefusedError(
                f"{quoted(name)} began before the program could be steered, "
                "and can't be cancelled from outside"
            )
        effect = f"{cancelled} run{'s' * (cancelled != 1)} cancelled"
        effect += f": {counted.running} running and {counted.waiting} waiting tasks end"
        return self._done(request, who, effect, None, 1)

    def _done(
        self, request: Request, who: Who, effect: str, undo: str | None, managers: int
    ) -> Answer:
        seconds = request.said.get("for")
        if seconds is not None:
            effect += f"; for {duration_in_words(seconds)}"
        if managers > 1:
            effect += f" (in {managers} managers)"
        problem = self._write_down(who, _typed(request), effect, undo)
        entry = self.trail.entries[-1]
        return {"effect": effect + problem, "undo": entry.undo, "when": entry.when}

    def _write_down(self, who: Who, typed: str, effect: str, undo: str | None = None) -> str:
        """Add to the trail; return what is to be said if its file can't be written, else nothing.

        What was done is done: it must not look as if it had failed.
        """
        try:
            self.trail.add(who, typed, effect, undo)
        except OSError as error:
            self.quiet.warn(f"the log can't be written: {error}")
            return f" (the log can't be written: {error.strerror})"
        return ""


@dataclass(frozen=True, slots=True)
class _Restoration:
    """What puts a limit back that was set for a time."""

    timer: asyncio.TimerHandle
    restore: Callable[[], None]
    typed: str


_CHANGING = ("limit", "rate", "rule", "lift", "cancel")
"""The commands that change something, and stand in the trail."""


def _with_time(rule: GlobalConstraint, seconds: float) -> GlobalConstraint:
    return GlobalConstraint(rule.id, rule.scope, rule.type, rule.params, seconds)


def _rule_id(type: str, scope: str) -> str:
    return re.sub(r"[/+#\0]", "_", f"{type}-{scope}")


def _is_of(run: Run, asker: Asker) -> bool:
    return asker.run is run


def _is_meant(what: str, owner: str, asker: Asker | None) -> bool:
    if what == owner:
        return True
    return asker is not None and what in (
        asker.run.run_id,
        asker.run.node_id(asker.node),
        f"{asker.run.run_id}/{asker.run.node_id(asker.node)}",
        asker.engine,
        *asker.names,
    )


def _hint(name: str, known: set[str]) -> str:
    if not known:
        return "there is none at all"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {quoted(near[0])}?"
    shown = sorted(known)[:10]
    return f"there is {', '.join(shown)}{' …' if len(known) > 10 else ''}"


def _no_rule(said: Mapping[str, Any], known: list[str]) -> str:
    wanted = [f"{name} {quoted(value)}" for name, value in said.items() if value is not None]
    there = f"there is {', '.join(dict.fromkeys(known))}" if known else "there is none at all"
    return f"no rule holds{' with ' + ' and '.join(wanted) if wanted else ''}; {there}"


def _typed(request: Request) -> str:
    """Return a command as one would type it."""
    said = request.said
    if request.command == "limit":
        text = f"limit {said['resource']}={amount_in_words(said['amount'])}"
    elif request.command == "rate":
        rate = "none" if said["rate"] is None else said["rate"]
        text = f"rate {said['resource']} {rate}"
        if said["burst"] is not None:
            text += f" --burst {amount_in_words(said['burst'])}"
    elif request.command == "rule":
        text = _words_of_rule(said["type"], said["scope"], said["params"])
    elif request.command == "lift":
        text = "resume"
        if said["scope"] is not None:
            text += f" {quoted(said['scope'])}"
        if said["rule"] is not None:
            text += f" --rule {quoted(said['rule'])}"
    else:
        text = " ".join([request.command, *[str(value) for value in said.values() if value]])
    seconds = said.get("for")
    return text if seconds is None else f"{text} --for {seconds:g}"


def _command_for(rule: GlobalConstraint) -> str:
    return f"cascade {_words_of_rule(rule.type, rule.scope, rule.params)}"


def _words_of_rule(type: str, scope: str, params: Mapping[str, Any]) -> str:
    if type == "pause":
        return f"pause {quoted(scope)}"
    if type == "concurrency":
        return f"limit {quoted(scope)}={params.get('limit')}"
    burst = params.get("burst", 1)
    text = f"rate {quoted(scope)} {params.get('rate')}"
    return text if burst == 1 else f"{text} --burst {burst}"
