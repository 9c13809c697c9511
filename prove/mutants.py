"""The kept mutants: those of limits and waiting are in here, the others in modules beside it."""

from __future__ import annotations

from prove.control_mutants import CONTROL_MUTANTS
from prove.graph_mutants import GRAPH_MUTANTS
from prove.mutant import Mutant
from prove.world_mutants import WORLD_MUTANTS

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
PICTURES = "cascade/graph/render.py"
RECORD = "cascade/adapters/run_record.py"
FORESIGHT = "cascade/runtime/feasibility.py"
GROUPS = "cascade/providers/process_group.py"
CHILDREN = "cascade/child_groups.py"
COMMAND = "cascade/cli/running.py"
TALLY = "cascade/cli/tally.py"
FILES = "cascade/providers/files.py"

CACHING = "cascade/runtime/caching.py"
CONTENT = "cascade/spec/content.py"
CHOICES = "cascade/runtime/routing.py"
GRAPH_RUN = "cascade/runtime/graph_run.py"
INPUTS = "cascade/spec/inputs.py"

PROCESSES = "cascade/adapters/executors/process_pool.py"
WORKING = "cascade/adapters/executors/process_worker.py"

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
COMPUTING = "tests/adapters/executors/test_process_pool.py"
PROGRAMS = "tests/e2e/test_processes.py"
MAPPING = "tests/runtime/test_map_run.py::TestSlots"
REMEMBERING = "tests/runtime/test_caching.py"
TELLING = "tests/spec/test_content.py"
CHOOSING = "tests/runtime/test_routing.py"
RANDOM = "tests/e2e/test_random_graphs.py"
GIVEN = "tests/spec/test_inputs.py"
BORROWING = "tests/runtime/test_task_scopes.py"
KEEPING = "tests/adapters/cache/test_caches.py"
KNOWING = "tests/runtime/test_current.py"
DRAWING = "tests/graph/test_render.py"
RECORDING = "tests/adapters/test_run_record.py"
FORESEEING = "tests/runtime/test_feasibility.py"
SIGNALLING = "tests/cli/test_signals.py"
LEAVING = "tests/cli/test_child_processes.py"
SHOWING = "tests/cli/test_progress.py::TestWhatIsSaid"
COMMANDS = "tests/providers/test_shell.py"
WRITING = "tests/providers/test_files.py"


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
        "return await run_map(run, node, arguments or {}, request)\n",
        "async with run.engine.resource_manager.hold(request.amounts if request else {}):\n"
        "            return await run_map(run, node, arguments or {}, request)\n",
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
        "driver.cancelling() or _is_touched(clean):",
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
    Mutant(
        "a name with an angle bracket in it breaks the picture",
        PICTURES,
        "    return escape(text, quote=False)",
        "    return text",
        DRAWING,
    ),
    Mutant(
        "a run inside of a task takes the place of the one that is drawn",
        RECORD,
        "            if self.run_id is None or self.finished:\n",
        "            if self.run_id is None or event.run_id:\n",
        RECORDING,
    ),
    Mutant(
        "looking at limits changes those of a shared manager",
        FORESIGHT,
        "            resource = merged[name] = Resource(name)",
        "            resource = merged[name] = (manager or ResourceManager())._resource(name)",
        FORESEEING,
    ),
    Mutant(
        "SIGTERM lets more tasks start",
        COMMAND,
        'GlobalConstraint("drain", "global", "pause")',
        'GlobalConstraint("drain", "task:none", "pause")',
        SIGNALLING,
    ),
    Mutant(
        "a drain that is over takes away the result of a run that has ended",
        COMMAND,
        "if not self._tally.running and not self._tally.is_over:",
        "if not self._tally.running:",
        SIGNALLING,
    ),
    Mutant(
        "a task that was granted what it wants is still shown as waiting",
        TALLY,
        "elif isinstance(event, TaskUnblocked) and self._unblock(identity):",
        "elif isinstance(event, TaskUnblocked) and identity in self.running:",
        SHOWING,
    ),
    Mutant(
        "a command that is ended leaves behind what it has started",
        CHILDREN,
        "os.killpg(self.leader, number)",
        "os.kill(self.leader, number)",
        COMMANDS,
    ),
    Mutant(
        "what doesn't want to end is left behind",
        GROUPS,
        "            self._children.signal(signal.SIGKILL)\n            await",
        "            await asyncio.sleep(0)\n            await",
        COMMANDS + "::test_what_ends_the_command_need_not_end_what_it_has_started",
    ),
    Mutant(
        "a cancel while a command starts loses what it has started by then",
        GROUPS,
        "                try:\n                    await group.end(grace)\n",
        "                try:\n                    await asyncio.sleep(0)\n",
        COMMANDS,
    ),
    Mutant(
        "a file is written in its place, so that a failure leaves half of it",
        FILES,
        'draft = target.parent / f".{secrets.token_hex(8)}.part"',
        "target.unlink(missing_ok=True)\n    draft = target",
        WRITING,
    ),
    Mutant(
        "a failed write leaves its draft behind",
        FILES,
        "        draft.unlink(missing_ok=True)\n",
        "        pass\n",
        WRITING,
    ),
    Mutant(
        "retries don't wait as long as the server wants",
        "cascade/spec/policies.py",
        "pause = max(pause, _asked_by(error))",
        "pause = max(pause, 0.0)",
        "tests/providers/test_http.py",
    ),
    Mutant(
        "a branch that was not chosen runs when it has no inputs of its own",
        READY,
        "self._missing[node] += 1",
        "self._missing[node] += 0",
        CHOOSING,
    ),
    Mutant(
        "a choice that waits for who waits for it gives None",
        GRAPH_RUN,
        "                if self._choices is not None:\n                    self._choices.check",
        "                if self._choices == 0:\n                    self._choices.check",
        CHOOSING,
    ),
    Mutant(
        "what other branches need as well is pruned with the first of them",
        CHOICES,
        "if left > 1:",
        "if left > 99:",
        CHOOSING,
    ),
    Mutant(
        "a router keeps the values that it hasn't chosen",
        GRAPH_RUN,
        "            if other != place:\n                self._let_go(branch)\n",
        "            if other != place:\n",
        RANDOM,
    ),
    Mutant(
        "what was needed for a value from the cache is kept",
        GRAPH_RUN,
        "        self.node_skipped(node, CACHE_HIT)\n        self._consume(node)\n",
        "        self.node_skipped(node, CACHE_HIT)\n",
        RANDOM,
    ),
    Mutant(
        "the consumer of a skipped node gets some other value",
        GRAPH_RUN,
        "if other in self._skips:",
        "if other in ():",
        CHOOSING,
    ),
    Mutant(
        "the default of a parameter is ignored",
        INPUTS,
        "if one.is_required and one.name not in values",
        "if one.name not in values",
        GIVEN,
    ),
    Mutant(
        "a parameter of another workflow is taken",
        INPUTS,
        "unknown = [name for name in params if name not in known]",
        "unknown = [name for name in params if not name]",
        GIVEN,
    ),
    Mutant(
        "None counts as a miss",
        CACHING,
        "            if kept is None:\n",
        "            if kept is None or kept.value is None:\n",
        REMEMBERING,
    ),
    Mutant(
        "arrays are told apart by their repr",
        CONTENT,
        "else value.tobytes()",
        "else repr(value).encode()",
        TELLING,
    ),
    Mutant(
        "equal calls under way each run",
        CACHING,
        "while (flight := flights.get(place)) is not None:",
        "while (flight := flights.get(id(run))) is not None:",
        REMEMBERING,
    ),
    Mutant(
        "two tasks of one name are taken for one",
        "cascade/spec/caching.py",
        "return digest_of((name, task.name, version, content)).hex()",
        "return digest_of((task.name, content)).hex()",
        "tests/spec/test_caching.py",
    ),
    Mutant(
        "a half-written entry is taken for a value",
        "cascade/adapters/cache/files.py",
        "if digest != self._digest(until, content) or until <= self._clock():",
        "if until <= self._clock():",
        KEEPING,
    ),
    Mutant(
        "a task's own resource stays open until the run ends",
        MACHINE,
        "    finally:\n        if run.scope is not None and run.scope.has_node(run, node):",
        "    finally:\n        if run.scope is None and run.scope.has_node(run, node):",
        BORROWING,
    ),
    Mutant(
        "a task that suspends is taken for the one that runs after it",
        READY,
        "here = Place(self, NOBODY)  # stays",
        "here = self._here  # stays",
        KNOWING,
    ),
    Mutant(
        "equal calls of ordinary tasks are one",
        "cascade/graph/purity.py",
        "if lazy.task.pure and type(lazy) is LazyResult:",
        "if type(lazy) is LazyResult:",
        "tests/graph/test_purity.py",
    ),
    Mutant(
        "a process that was told to die makes the next call",
        PROCESSES,
        "if answer is None or self.killed:",
        "if answer is None and not self.killed:",
        COMPUTING,
    ),
    Mutant(
        "a cancelled call goes on in its process",
        PROCESSES,
        "            if self._worker is not None:\n                self._worker.kill()",
        "            if self._worker is not None:\n                pass",
        COMPUTING,
    ),
    Mutant(
        "what a killed call has started goes on",
        CHILDREN,
        "os.killpg(self.leader, number)",
        "os.kill(self.leader, number)",
        COMPUTING,
    ),
    Mutant(
        "a process stuck in C code survives the program that started it",
        WORKING,
        "fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC",
        "fcntl.fcntl(lifeline, fcntl.F_GETFL)",
        PROGRAMS,
    ),
    Mutant(
        "what a process has started survives the program that started it",
        WORKING,
        "fcntl.F_SETOWN, -os.getpid()",
        "fcntl.F_SETOWN, os.getpid()",
        LEAVING,
    ),
    Mutant(
        "a second signal ends the program and leaves its processes",
        COMMAND,
        "                kill_all()\n",
        "                pass\n",
        LEAVING,
    ),
    *GRAPH_MUTANTS,
    *CONTROL_MUTANTS,
    *WORLD_MUTANTS,
)
