"""Desk: does what is asked for from outside of the program, and says what came of it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cascade.control import census, snapshot
from cascade.control.audit import Trail, Who
from cascade.control.commands import LONGEST, rule_command, typed
from cascade.control.gauge import Gauge
from cascade.control.graphs import Graphs
from cascade.control.limits import Changed, Limits
from cascade.control.limits import hint as _hint
from cascade.control.messages import RefusedError, Request
from cascade.control.rule_book import RuleBook
from cascade.control.words import duration_in_words, error_in_words, quoted
from cascade.quiet import QuietLog
from cascade.runtime.rules import Asker
from cascade.runtime.ticket import WAITING

if TYPE_CHECKING:
    from cascade.runtime.constraints import ConstraintManager
    from cascade.runtime.resource_manager import ResourceManager
    from cascade.runtime.run import Run
    from cascade.spec.constraint import GlobalConstraint

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
        self._book = RuleBook()
        self._limits = Limits(loop, self._tell)
        self._errors: deque[dict[str, Any]] = deque(maxlen=LATEST_ERRORS)
        self._runs_begun = 0
        self._gauge: Gauge | None = None
        self._graphs = Graphs(loop)
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
            "graph": self._graph,
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
        self._limits.oversee(manager)
        self._book.oversee(constraints, self._loop.time())

    def overlook(self, constraints: ConstraintManager) -> None:
        """Answer for a manager no longer."""
        manager = constraints.manager
        if self._overseen.pop(id(manager), None) is not None:
            manager.overlook(self)

    @property
    def has_lasting(self) -> bool:
        """Whether something was set here that outlives it: rules, or limits that are to go back."""
        return not (self._book.is_empty and self._limits.is_empty)

    def take_over(self, closed: Desk) -> None:
        """Let what was set at another desk that is closed hold here."""
        self._book.take_over(closed._book)
        self._limits.take_over(closed._limits)

    def run_begins(self, run: Run) -> None:
        """A run begins."""
        self._runs_begun += 1
        self._graphs.run_begins(run)
        if self._gauge is not None:
            self._gauge.listen(run)

    def run_ended(self, run: Run, error: BaseException | None) -> None:
        """A run has ended."""
        if self._gauge is not None:
            self._gauge.run_ended(run)
        self._graphs.run_ended(run, error)
        if isinstance(error, Exception):
            notes = getattr(error, "__notes__", [])
            self._errors.append(
                {
                    "run": run.run_id,
                    "error": error_in_words(error)[:500],
                    "notes": [str(note)[:200] for note in list(notes)[:3]],
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
                    if not run.is_part:
                        self._gauge.listen(run)

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
        self._graphs.close()
        if self._gauge is not None:
            self._gauge.close()
            self._gauge = None
        # These know it: nothing is left to the cyclic collector.
        self._commands.clear()
        self._limits.close()

    # What it answers

    def answer(self, request: Request, who: Who) -> Answer:
        """Do what is asked for, and return what is to be said.

        Raises:
            RefusedError: it isn't done; nothing has changed.
        """
        if request.via is not None:
            who = replace(who, via=request.via)
        try:
            return self._commands[request.command](request, who)
        except RefusedError as refused:
            if request.command in _CHANGING:
                self._write_down(who, typed(request), f"refused: {refused}"[:LONGEST])
            raise

    def summary(self) -> Answer:
        """Return who this is, and how much there is of everything."""
        states = [census.states(manager) for manager in self.managers]
        return self._summary(states, self._rules())

    def _summary(
        self, of_managers: Sequence[snapshot.States], rules: Sequence[dict[str, Any]]
    ) -> Answer:
        engines = {id(run.engine) for manager in self.managers for run in manager.running()}
        runs, tasks = snapshot.totals(of_managers)
        return {
            "name": self.program,
            "pid": os.getpid(),
            "program": " ".join(sys.argv)[:200],
            "since": self._since,
            "seconds": self._loop.time() - self._began,
            "engines": len(engines),
            "runs": runs,
            "runs_begun": self._runs_begun,
            "tasks": tasks,
            "rules": len(rules),
            "dropped": self.dropped,
        }

    def look(self) -> Answer:
        """Return what can be seen at this moment."""
        managers, rules = self.managers, self._rules()
        states = [census.states(manager) for manager in managers]
        found = self._summary(states, rules)
        found["run_list"] = snapshot.first(map(snapshot.of_runs, managers, states))
        found["task_list"] = snapshot.by_name(managers)
        found["resources"] = snapshot.first(snapshot.of_resources(each) for each in managers)
        found["waiting"] = snapshot.first(snapshot.of_waiters(each) for each in managers)
        found["rule_list"] = rules
        found["errors"] = list(self._errors)
        found["ended_runs"] = self._graphs.known()
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
        return self._book.listed(self._overseen.values(), self._loop.time())

    def _explain(self, what: str | None) -> Answer:
        sentences = []
        # Why all wait may take long to find out, and no more than the first are told anyway.
        most = snapshot.MOST if what is None else None
        for manager in self.managers:
            askers = {}
            if what is not None:
                askers = {str(asker): asker for _, asker in census.askers(manager, WAITING)}
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

    def _graph(self, request: Request, who: Who) -> Answer:
        """Return the graph of a run; without its shape only if that is said."""
        run, with_shape = request.said["run"], request.said["shape"] is not False
        found = self._graphs.look(self.managers, run, with_shape)
        if found is None:
            known = {each.run_id for manager in self.managers for each in manager.running()}
            known |= {each["run"] for each in self._graphs.known()}
            raise RefusedError(f"there is no run {quoted(run)}; {_hint(run, known)}")
        return found

    # What it changes

    def _limit(self, request: Request, who: Who) -> Answer:
        return self._done(request, who, self._limits.limit(self.managers, request))

    def _rate(self, request: Request, who: Who) -> Answer:
        return self._done(request, who, self._limits.rate(self.managers, request))

    def _rule(self, request: Request, who: Who) -> Answer:
        rule, undo = self._book.set(self._overseen.values(), request, self._loop.time())
        return self._done(request, who, Changed(str(self._count([rule])), (undo,)))

    def _lift(self, request: Request, who: Who) -> Answer:
        overseen = self._overseen.values()
        chosen = self._book.chosen(overseen, request, self._loop.time())
        rules = [rule for rule, _ in chosen.values()]
        waiting = self._count(rules).waiting
        for id in chosen:
            self._book.lift(overseen, id)
        left = self._count(rules).waiting
        effect = f"lifted {', '.join(chosen)}; of {waiting} that waited, {waiting - left} go on"
        undo = [rule_command(rule, seconds) for rule, seconds in chosen.values()]
        return self._done(request, who, Changed(effect, tuple(undo)))

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
        meant: list[tuple[ResourceManager, list[Run]]] = []
        known: set[str] = set()
        for manager in self.managers:
            runs = manager.running()
            known.update(run.run_id for run in runs)
            meant.append((manager, [r for r in runs if name in (r.run_id, r.engine.name, "all")]))
        if not any(runs for _, runs in meant):
            raise RefusedError(f"there is no run {quoted(name)}; {_hint(name, known)}")
        counted: census.Census = census.Census()
        cancelled = others = 0
        for manager, runs in meant:
            oversight = manager.oversight
            wholes = [run for run in runs if not run.is_part]
            if oversight is not None:
                overseen = [run for run in wholes if oversight.began(run) is not None]
                counted += census.take(manager, _belongs_to(overseen))
                cancelled += sum(oversight.cancel(run, f"by {who}") for run in overseen)
                others -= len(overseen)
            others += len(wholes)
        if not cancelled:
            raise RefusedError(
                f"{quoted(name)} began before the program could be steered, "
                "and can't be cancelled from outside"
            )
        effect = f"{cancelled} run{'s' * (cancelled != 1)} cancelled"
        effect += f": {counted.running} running and {counted.waiting} waiting tasks end"
        if others:
            effect += f"; {others} that began before the program could be steered go on"
        return self._done(request, who, Changed(effect))

    def _done(self, request: Request, who: Who, changed: Changed) -> Answer:
        effect, undo = changed.effect, None
        seconds = request.said.get("for")
        if seconds is not None:
            effect += f"; for {duration_in_words(seconds)}"
        if changed.managers > 1:
            effect += f" (in {changed.managers} managers)"
        if changed.undo:
            undo = " && ".join(
                f"cascade {command} --program {self.program}" for command in changed.undo
            )
        problem = self._write_down(who, typed(request), effect, undo)
        entry = self.trail.entries[-1]
        return {"effect": effect + problem, "undo": entry.undo, "when": entry.when}

    def _write_down(self, who: Who, command: str, effect: str, undo: str | None = None) -> str:
        """Add to the trail; return what is to be said if its file can't be written, else nothing.

        What was done is done: it must not look as if it had failed.
        """
        try:
            self.trail.add(who, command, effect, undo)
        except OSError as error:
            self.quiet.warn(f"the log can't be written: {error}")
            return f" (the log can't be written: {error.strerror})"
        return ""

    def _tell(self, command: str, effect: str) -> None:
        """Note what the program has done by itself, as the time of a command is up."""
        self._write_down(Who(self.program, os.getpid(), "program"), command, effect)


_CHANGING = ("limit", "rate", "rule", "lift", "cancel")
"""The commands that change something, and stand in the trail."""


def _belongs_to(runs: Iterable[Run]) -> Callable[[Asker], bool]:
    """Return whether a task belongs to runs, or to the maps in them."""
    serials = {run.serial for run in runs}
    return lambda asker: asker.run.serial in serials


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
