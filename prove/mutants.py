"""The kept mutants: those of limits and waiting are in here, the others in `graph_mutants`."""

from __future__ import annotations

from prove.graph_mutants import GRAPH_MUTANTS
from prove.mutant import Mutant

MANAGER = "cascade/runtime/resource_manager.py"
QUEUE = "cascade/runtime/grant_queue.py"
METERS = "cascade/runtime/meters.py"
RULES = "cascade/runtime/rules.py"
ATTEMPTS = "cascade/runtime/attempts.py"
MACHINE = "cascade/runtime/trampoline.py"
REASONS = "cascade/runtime/explanations.py"
RUN = "cascade/runtime/run.py"
READY = "cascade/runtime/ready_queue.py"
NODES = "cascade/runtime/node_runner.py"

KINDS = "tests/runtime/test_resource_manager_kinds.py"
LIMITS = "tests/runtime/test_resource_manager_limits.py"
USE = "tests/runtime/test_resource_manager_use.py"
WAITING = "tests/runtime/test_resource_manager_waiting.py"
SCALE = "tests/runtime/test_resource_manager_scale.py"
BOUND = "tests/runtime/test_resource_manager_properties.py::TestBoundedOvertaking"
STEERING = "tests/runtime/test_constraints.py"
GIVING = "tests/runtime/test_released.py"
CIRCLES = "tests/runtime/test_deadlock.py"
TRYING = "tests/runtime/test_retry.py"
TIMING = "tests/runtime/test_deadlines.py"
DRIVING = "tests/runtime/test_ready_queue.py"
MAPPING = "tests/runtime/test_map_run.py::TestSlots"


MUTANTS = (
    Mutant(
        "a burst below one never lets anything through",
        MANAGER,
        'if check_finite(f"burst of {name!r}", burst) < 1:',
        'if check_finite(f"burst of {name!r}", burst) < 0:',
        KINDS,
    ),
    Mutant(
        "raising a capacity wakes nobody until the next release",
        MANAGER,
        "            self.limits_changed(changed)\n            self.break_deadlocks()",
        "            self.break_deadlocks()",
        LIMITS,
    ),
    Mutant(
        "what comes back is what the limit is now, not what was taken",
        MANAGER,
        "            resource.used -= units\n            if resource.line and resource.meter",
        "            resource.used -= min(units, resource.limit or units)\n"
        "            if resource.line and resource.meter",
        LIMITS,
    ),
    Mutant(
        "a lowered capacity doesn't drain",
        QUEUE,
        "if resource.used + wanted <= limit:",
        "if wanted <= limit:",
        LIMITS,
    ),
    Mutant(
        "a capacity of 0 is an error and no pause",
        MANAGER,
        "                and units > limit\n                and resource.is_below(units)",
        "                and units > limit\n                and resource.is_below(units)"
        "\n                or limit == 0",
        LIMITS,
    ),
    Mutant(
        "a request for many is starved by a stream of requests for one",
        QUEUE,
        "if ticket.passed < PASS_OVERS or stopping.is_closed():",
        "if ticket.passed < 10**9 or stopping.is_closed():",
        BOUND,
    ),
    Mutant(
        "an acquire that doesn't wait steals what somebody waits for",
        MANAGER,
        "and resource.used + resource.claimed + units > limit",
        "and resource.used + units > limit",
        WAITING,
    ),
    Mutant(
        "a cancel that meets the grant leaks the slot",
        QUEUE,
        "        if future is None or future.done():\n            # Cancelled",
        "        if future is None:\n            # Cancelled",
        WAITING,
    ),
    Mutant(
        "a waiter that is cancelled strands the ones behind it",
        QUEUE,
        "        lane.forget()\n        if lane.first is ticket:",
        "        lane.forget()\n        if lane.first is None:",
        WAITING,
    ),
    Mutant(
        "the token of a rate isn't looked at when something else is free",
        QUEUE,
        "elif resource.allows(wanted, self._now()):",
        "elif wanted:",
        KINDS,
    ),
    Mutant(
        "who waits behind a shut gate keeps claiming what others could use",
        QUEUE,
        "if ticket.passed < PASS_OVERS or stopping.is_closed():",
        "if ticket.passed < PASS_OVERS:",
        KINDS,
    ),
    Mutant(
        "a token is spent though something else says no",
        MANAGER,
        "                return None\n        ticket = Ticket",
        "                if resource.meter is None:\n"
        "                    return None\n"
        "        ticket = Ticket",
        KINDS,
    ),
    Mutant(
        "all who wait for a rate are woken together",
        QUEUE,
        "            total += units\n            if total > free if bounded",
        "            total = units\n            if total > free if bounded",
        KINDS,
    ),
    Mutant(
        "a rate that changes forgets what was spent",
        METERS,
        "level = min(self.level(now), burst)",
        "level = burst",
        KINDS,
    ),
    Mutant(
        "a timer that goes off early means: not yet",
        QUEUE,
        "meter.reached = max(meter.reached, due)",
        "meter.reached = max(meter.reached, meter.reached)",
        KINDS,
    ),
    Mutant(
        "two tokens that come at one instant: one of them is lost",
        QUEUE,
        "if resource.timer_due == due or resource.timer_due <= now:",
        "if resource.timer_due == due:",
        SCALE,
    ),
    Mutant(
        "idle slots are held for a token that comes tomorrow",
        QUEUE,
        "only_slow = stopping.meter is not None",
        "only_slow = False",
        KINDS,
    ),
    Mutant(
        "a waiter made impossible by a lowering blocks the others",
        QUEUE,
        "            if excess is None:\n                break\n            lane.pop()",
        "            if excess is None or ticket.passed == 0:\n                break\n"
        "            lane.pop()",
        LIMITS,
    ),
    Mutant(
        "a request for more than there will ever be waits silently",
        MANAGER,
        "                raise infeasible(resource, units)",
        "                pass",
        LIMITS,
    ),
    Mutant(
        "a misspelt name is silently unlimited",
        MANAGER,
        "or not any(r.kind for r in",
        "or any(r.kind for r in",
        USE,
    ),
    Mutant(
        "a manager stays bound to its first loop",
        MANAGER,
        "if bound is not None and (self._held or self._waiting):\n"
        "            if not bound.is_closed():",
        "if bound is not None:\n            if bound is not loop:",
        USE,
    ),
    Mutant(
        "nobody can see behind whom a task waits",
        REASONS,
        "behind.update((other.owner, None) for key, other, _ in resource.line if key < ticket.key)",
        "behind.update({})",
        KINDS,
    ),
    Mutant(
        "a settled estimate is never put back",
        METERS,
        "        self.remaining -= units",
        "        self.remaining -= max(0, units)",
        KINDS,
    ),
    Mutant(
        "a pause doesn't reach the tasks that queue already",
        RULES,
        "        manager.amend(amended)",
        "        manager.amend([])",
        STEERING,
    ),
    Mutant(
        "a rule forgets the tasks that run",
        RULES,
        "                    if charges:",
        "                    if not charges:",
        STEERING,
    ),
    Mutant(
        "a rule doesn't hold for machines that are under way",
        MACHINE,
        "if manager.rules is not None and manager.rules.version != version:",
        "if manager.rules is not None and not steps and manager.rules.version != version:",
        STEERING,
    ),
    Mutant(
        "a pause with an expiry never ends",
        RULES,
        "rule.expires_at = loop.time() + rule.constraint.expires_in",
        "rule.expires_at = loop.time() + rule.constraint.expires_in * 1e9",
        STEERING,
    ),
    Mutant(
        "a parent that waits for its child while holding what it needs hangs",
        MANAGER,
        "circle = find_deadlock(self, ticket)",
        "circle = None",
        CIRCLES,
    ),
    Mutant(
        "work goes on without a slot after a block that gave it back",
        ATTEMPTS,
        "        if not attempt.ended and not (",
        "        if attempt.ended and not (",
        GIVING,
    ),
    Mutant(
        "leaving a block that gave back: cancelling hangs in the queue",
        ATTEMPTS,
        "        if not attempt.ended and not (",
        "        if attempt.ticket is not None and not (",
        GIVING,
    ),
    Mutant(
        "a map takes the slot that its children need",
        NODES,
        "    return await run_map(run, node, arguments or {}, request)\n",
        "    async with run.engine.resource_manager.hold(request.amounts if request else {}):\n"
        "        return await run_map(run, node, arguments or {}, request)\n",
        MAPPING,
    ),
    Mutant(
        "the priority of a task is forgotten",
        RUN,
        "engine, self, node, lazy.policies.priority)",
        "engine, self, node)",
        MAPPING,
    ),
    Mutant(
        "slots stay taken while a failed task waits for its next attempt",
        MACHINE,
        "                    if attempt.ticket is ticket:\n",
        "                    if attempt.ticket is ticket and pause is None:\n",
        TRYING,
    ),
    Mutant(
        "a thread that timed out gives its slot back while it still runs",
        MACHINE,
        "watched.leave(attempt.ticket):",
        "watched.leave(None):",
        TIMING,
    ),
    Mutant(
        "the slot of a thread that outlived its loop never comes back",
        MANAGER,
        "                resource.meter.move_to(loop.time())\n        self._take_returned()\n",
        "                resource.meter.move_to(loop.time())\n",
        TIMING,
    ),
    Mutant(
        "leaving a block that gave slots back by time-out hangs in the queue",
        "cascade/runtime/deadlines.py",
        "            self._attempt.ended = True\n",
        "            self._attempt.ended = False\n",
        TIMING,
    ),
    Mutant(
        "context variables leak between nodes that share a task",
        READY,
        "driver.cancelling() or self._is_touched():",
        "driver.cancelling():",
        DRIVING,
    ),
    Mutant(
        "a node that cancels itself counts as a success",
        READY,
        "        if task._must_cancel:\n",
        "        if task is None:\n",
        DRIVING,
    ),
    Mutant(
        "a kept current_task() cancels another node later",
        READY,
        "                if suspended or after != before or driver",
        "                if suspended or after[2] != before[2] or driver",
        DRIVING,
    ),
    Mutant(
        "a callback on the current task is called when another node ends",
        READY,
        "                if suspended or after != before or driver",
        "                if suspended or after[:2] != before[:2] or driver",
        DRIVING,
    ),
    Mutant(
        "a node that suspends holds up all that are ready",
        READY,
        "                    self.loop.call_soon(self._relieve)\n",
        "",
        DRIVING,
    ),
    *GRAPH_MUTANTS,
)
