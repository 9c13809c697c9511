"""The kept mutants of graphs and runs."""

from __future__ import annotations

from prove.mutant import Mutant

APP = "cascade/app.py"
BUS = "cascade/runtime/bus.py"
BUILD = "cascade/graph/build.py"
CONNECTOR = "cascade/connectors/local.py"
DEADLINES = "cascade/runtime/deadlines.py"
ENGINE = "cascade/runtime/engine.py"
GRAPH_RUN = "cascade/runtime/graph_run.py"
MAP = "cascade/runtime/map_run.py"
POLICIES = "cascade/spec/policies.py"
READY = "cascade/runtime/ready_queue.py"
RUN = "cascade/runtime/run.py"
TASK = "cascade/spec/task.py"
TEMPLATE = "cascade/spec/template.py"
TIMED = "cascade/adapters/executors/timed_job.py"

CALLS = "tests/spec/test_task.py::TestCalling"
CONNECTING = "tests/connectors/test_local.py"
DEPTH = "tests/e2e/test_scale.py::test_a_long_chain_of_inline_tasks_with_a_policy"
ENGINES = "tests/runtime/test_engine.py"
EVENTS = "tests/runtime/test_bus.py"
FAILING = "tests/e2e/test_failures_and_cancellation.py"
GRAPHS = "tests/runtime/test_graph_run.py"
IN_THREADS = "tests/adapters/executors/test_local.py"
KEEPING = "tests/e2e/test_nothing_is_kept.py"
LINEAR = "tests/e2e/test_scale.py::test_the_cost_of_a_node_does_not_grow_with_the_graph"
MANY = "tests/e2e/test_many_children.py"
MAPS = "tests/runtime/test_map_run.py"
PAUSES = "tests/spec/test_policies.py"
RANDOM = "tests/e2e/test_random_graphs.py"
RETRIES = "tests/runtime/test_retry.py"
RUNNING = "tests/test_app.py"
VARIANTS = "tests/graph/test_build.py::TestVariants"

GRAPH_MUTANTS = (
    Mutant(
        "deep chains die of a RecursionError",
        READY,
        "                    self._ready.append(other)\n        else:",
        "                    self._start(other)\n        else:",
        DEPTH,
    ),
    Mutant(
        "the cost of a node grows with the graph",
        READY,
        "            missing = self._missing\n            for other in self._successors[node]:",
        "            missing = self._missing if sum(self._missing) >= 0 else []\n"
        "            for other in self._successors[node]:",
        LINEAR,
    ),
    Mutant(
        "the slowest node of a layer holds up all of the next",
        READY,
        "ready, left = self._ready, BATCH_REAL",
        "ready, left = () if self._is_busy() else self._ready, BATCH_REAL",
        GRAPHS,
    ),
    Mutant(
        "the consumer of a skipped node silently gets some other value",
        GRAPH_RUN,
        "                if other in self._skips:",
        "                if other in self._skips and other < 0:",
        GRAPHS,
    ),
    Mutant(
        "an order-only edge isn't satisfied by a skip",
        GRAPH_RUN,
        "        self._release(node)\n\n    def _settled",
        "        pass\n\n    def _settled",
        GRAPHS,
    ),
    Mutant(
        "a retry counts one attempt too many",
        POLICIES,
        "if attempt >= self.max_attempts or",
        "if attempt > self.max_attempts or",
        RETRIES,
    ),
    Mutant(
        "a retry has no jitter",
        POLICIES,
        "pause += random.uniform(0.0, self.jitter)",
        "pause += 0.0",
        RETRIES,
    ),
    Mutant(
        "the pauses of a retry have no cap",
        POLICIES,
        "return pause if self.max_delay is None else min(pause, self.max_delay)",
        "return pause",
        PAUSES,
    ),
    Mutant(
        "a retry doesn't look at what was raised",
        POLICIES,
        "return isinstance(error, self.on)",
        "return isinstance(error, Exception)",
        RETRIES,
    ),
    Mutant(
        "a retry starts a run again that somebody has cancelled",
        POLICIES,
        "            return any(issubclass(kind, RunCancelledError) for kind in self.on)",
        "            return True",
        "tests/spec/test_policies.py",
    ),
    Mutant(
        "after a failure the siblings run on",
        READY,
        "cancelled = await self._stop_running() or cancelled",
        "cancelled = cancelled or None",
        FAILING,
    ),
    Mutant(
        "after a cancel no end event is sent",
        ENGINE,
        "                else:\n"
        "                    run.finished(began, error)\n            error = None",
        "                elif not isinstance(error, asyncio.CancelledError):\n"
        "                    run.finished(began, error)\n            error = None",
        FAILING,
    ),
    Mutant(
        "a cancelled parent leaves children",
        MAP,
        "            await self._stop()\n            self._values.clear()\n",
        "            self._values.clear()\n",
        MAPS + "::TestFailures",
    ),
    Mutant(
        "asyncio.run inside of the library fails in notebooks",
        APP,
        "    return _run_in_thread(coroutine)",
        "    return asyncio.run(coroutine)",
        RUNNING,
    ),
    Mutant(
        "a shared connector is closed by the first engine that ends",
        CONNECTOR,
        "            self._users -= 1",
        "            self._users = 0",
        CONNECTING,
    ),
    Mutant(
        "an injected manager's capacities are replaced by system_resources",
        ENGINE,
        "self.resource_manager.set_capacity(system_resources)",
        "self.manager_in_use = ResourceManager(dict(system_resources))",
        ENGINES,
    ),
    Mutant(
        "subscribers hear of exact types only",
        BUS,
        "if issubclass(event_type, subscription.event_type)",
        "if event_type is subscription.event_type",
        EVENTS,
    ),
    Mutant(
        "one failing handler kills the run",
        BUS,
        "except (Exception, asyncio.CancelledError):",
        "except MemoryError:",
        EVENTS,
    ),
    Mutant(
        "each event is put off, without bound",
        BUS,
        "                    subscription.handler(event)",
        "                    asyncio.get_running_loop().call_soon(subscription.handler, event)",
        EVENTS,
    ),
    Mutant(
        "a map builds and starts everything at once",
        MAP,
        "room = self._mapped.window or count",
        "room = count",
        MAPS + "::TestWindows",
    ),
    Mutant(
        "memory grows with every child that has ended",
        MAP,
        "        child = self._running.pop(task)",
        "        child = self._running.pop(task)\n"
        '        self.loop.__dict__.setdefault("ended", []).append(task)',
        MANY,
    ),
    Mutant(
        "a map makes a list of all numbers of a range",
        TASK,
        "return value if type(value) is range or type(value) is tuple else tuple(value)",
        "return tuple(value)",
        MANY,
    ),
    Mutant(
        "a value stays when its last consumer has ended",
        GRAPH_RUN,
        "                    self._values[other] = None\n        else:",
        "                    pass\n        else:",
        GRAPHS,
    ),
    Mutant(
        "two tasks of one name are taken for one",
        "cascade/graph/model.py",
        'return f"{lazy.task.name}#{node}"',
        'return f"{lazy.task.name}#"',
        ENGINES,
    ),
    Mutant(
        "x and x.with_retry() in one graph are silently one of them",
        BUILD,
        "if not one.policies.same_as(other.policies):",
        "if one.task is not other.task:",
        VARIANTS,
    ),
    Mutant(
        "a dict that is changed after the call changes the arguments",
        TEMPLATE,
        "    keys = tuple(container)\n    if type",
        "    keys = container\n    if type",
        CALLS,
    ),
    Mutant(
        "a list that is changed after the call changes what a map takes apart",
        TASK,
        "return value if type(value) is range or type(value) is tuple else tuple(value)",
        "return value if hasattr(value, '__getitem__') else tuple(value)",
        MAPS + "::TestValues",
    ),
    Mutant(
        "what begins when a sibling has failed runs on",
        READY,
        "                task.add_done_callback(self._driver_cancelled)\n"
        "                task.cancel()\n",
        "                task.add_done_callback(self._driver_cancelled)\n",
        FAILING,
    ),
    Mutant(
        "a node starts before what it waits for has ended",
        "cascade/graph/model.py",
        "            degrees[node] += len(others)",
        "            degrees[node] += len(others) - 1",
        RANDOM,
    ),
    Mutant(
        "an error that is kept keeps all values of its run",
        GRAPH_RUN,
        "            self._values.clear()\n",
        "",
        KEEPING,
    ),
    Mutant(
        "collected errors are left to the cyclic collector",
        MAP,
        "values, self._values = self._values, []",
        "values = self._values",
        KEEPING,
    ),
    Mutant(
        "an attempt that took too long is left to the cyclic collector",
        DEADLINES,
        "        del task  # it will have",
        "        # It will have",
        KEEPING,
    ),
    Mutant(
        "a call in a thread that has begun is left behind when it is cancelled",
        TIMED,
        "return self._job.cancel(msg) and super().cancel(msg)",
        "return bool(self._job.cancel(msg)) or super().cancel(msg)",
        IN_THREADS,
    ),
    Mutant(
        "a timeout that would come later keeps the result",
        RUN,
        "        attempt.task = None\n",
        "",
        KEEPING,
    ),
)
