"""Engine: joins the parts, lives through runs, and leaves nothing behind."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade.errors import GraphError
from cascade.graph.model import Graph, Plan
from cascade.runtime.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskEvent,
    TaskFinished,
    TaskSkipped,
    TaskStarted,
)
from cascade.testing import EventRecorder, run_virtual, virtual_loop


@cs.task
async def wait(seconds: float, value: Any = None) -> Any:
    await asyncio.sleep(seconds)
    return value


@cs.task
async def fail(error: BaseException) -> None:
    raise error


@cs.task
def ident(_number: int = 0) -> int:
    return threading.get_ident()


@cs.task(mode="inline")
def connector_of(connector: Any = cs.inject("_internal_connector")) -> Any:
    return connector


class Subscribed:
    """The handle of a subscription that hears nothing."""

    def unsubscribe(self) -> None: ...


class StubConnector:
    """Counts who is connected."""

    def __init__(self, connect: BaseException | None = None, leave: BaseException | None = None):
        self.users = self.connected = 0
        self.connect_error, self.leave_error = connect, leave

    async def connect(self) -> None:
        if self.connect_error is not None:
            raise self.connect_error
        self.users += 1
        self.connected += 1

    async def disconnect(self) -> None:
        await asyncio.sleep(1)
        self.users -= 1
        if self.leave_error is not None:
            raise self.leave_error

    async def publish(self, topic: str, payload: Any, qos: int = 0, retain: bool = False) -> None:
        raise NotImplementedError

    async def subscribe(self, topic: str, callback: Any) -> Any:
        return Subscribed()


class StubExecutor:
    """Runs calls at once, and counts its closings."""

    def __init__(self) -> None:
        self.closed = 0
        self.modes: list[str] = []
        self.timeouts: list[float | None] = []

    async def execute(self, call: Callable[[], Any], mode: str, *, timeout: float | None) -> Any:
        self.modes.append(mode)
        self.timeouts.append(timeout)
        return call()

    async def aclose(self) -> None:
        self.closed += 1


# Arguments


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("solver", 3, "resolve"),
        ("executor", cs.Engine, "execute, aclose"),
        ("bus", object(), "publish, subscribe"),
        ("connector", "mqtt", "connect, disconnect"),
        ("cache_backend", {}, "get, put, delete"),
        ("state_backend_factory", 5, "callable"),
        ("resource_manager", {"gpu": 1}, "ResourceManager"),
        ("name", 7, "str"),
        ("system_resources", 5, "names"),
        ("system_resources", {"gpu": "two"}, "'gpu' must be a number"),
    ],
)
def test_a_part_that_does_not_fit_is_a_type_error(argument: str, value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words) as raised:
        cs.Engine(**{argument: value})
    if "gpu" not in words:
        assert argument in str(raised.value)
    if argument != "system_resources":
        assert repr(value) in str(raised.value)


def test_a_negative_capacity_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"'gpu'.*≥ 0.*-1"):
        cs.Engine(system_resources={"gpu": -1})


@pytest.mark.parametrize("target", [None, 5, [1], {"a": 1}, set(), "lazy", ident])
def test_a_target_without_a_lazy_result_is_a_type_error(target: Any) -> None:
    with pytest.raises(TypeError, match=r"lazy result|call it first"):
        run_virtual(cs.Engine().run(target))


@pytest.mark.parametrize("target", [[], (), {}])
@pytest.mark.parametrize("use_vm", [False, True])
def test_an_empty_target_gives_its_shape_back(target: Any, use_vm: bool) -> None:
    assert run_virtual(cs.Engine().run(target, use_vm=use_vm)) == target


class Orderly:
    """A solver that gives what it was told to."""

    def __init__(self, order: Any) -> None:
        self.order = order

    def resolve(self, graph: Graph) -> Any:
        return self.order if self.order is None else Plan(graph, self.order)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (None, "must return a Plan, got None"),
        ([], r"every node once, got \[\]"),
        ([0, 0], r"every node once, got \[0, 0\]"),
        ([1, 0], r"has task 'wait'.* before what it waits for, task 'wait'"),
    ],
)
def test_a_solver_whose_order_is_wrong_is_refused(order: Any, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        run_virtual(cs.Engine(solver=Orderly(order)).run(wait(1, wait(1))))
    assert run_virtual(cs.Engine(solver=Orderly([0, 1])).run(wait(1, wait(1, 2)))) == 2


@pytest.mark.parametrize("made", [None, 5])
def test_a_state_backend_that_is_none_is_refused(made: Any) -> None:
    with pytest.raises(TypeError, match=f"state_backend_factory returns must have.* {made}"):
        run_virtual(cs.Engine(state_backend_factory=lambda: made).run(wait(1)))


def test_a_bus_needs_all_that_a_run_looks_at() -> None:
    class Half:
        def publish(self, event: Event) -> None: ...
        def subscribe(self, event_type: Any, handler: Any) -> Any: ...

    half: Any = Half()
    with pytest.raises(TypeError, match="bus must have the methods publish, subscribe, wants"):
        cs.Engine(bus=half)


@pytest.mark.parametrize("use_vm", [True, False])
def test_a_run_whose_loop_is_closed_under_it_has_ended(use_vm: bool) -> None:
    engine = cs.Engine()
    recorder = EventRecorder(engine.bus)
    loop = virtual_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # it tells of the destroyed task
    task = loop.create_task(engine.run(wait(1, wait(100)), use_vm=use_vm))
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    del task
    gc.collect()
    assert [event.status for event in recorder.of(RunFinished)] == ["cancelled"]
    assert [event.status for event in recorder.of(TaskFinished)] == ["cancelled"]
    assert [event.reason for event in recorder.of(TaskSkipped)] == ["Cancelled"]
    assert "0 runs" in repr(engine)


def test_params_that_nobody_declared_are_refused() -> None:
    not_a_mapping: Any = [("seed", 1)]
    with pytest.raises(TypeError, match="params"):
        run_virtual(cs.Engine().run(wait(1), params=not_a_mapping))
    with pytest.raises(ValueError, match="'seed'"):
        run_virtual(cs.Engine().run(wait(1), params={"seed": 1}))
    assert run_virtual(cs.Engine().run(wait(1, 2), params={})) == 2


def test_what_is_wrong_with_the_graph_is_found_before_anything_starts() -> None:
    engine = cs.Engine()
    recorder = EventRecorder(engine.bus)
    call = wait(1)
    with pytest.raises(GraphError):
        run_virtual(engine.run([call, call.with_constraints(gpu=1)]))
    assert recorder.events == []


# Events


def test_a_run_tells_its_start_its_tasks_and_its_end() -> None:
    engine = cs.Engine()
    recorder = EventRecorder(engine.bus)
    run_virtual(engine.run(wait(2, wait(1).named("first"))))
    assert [type(event) for event in recorder.events] == [
        RunStarted,
        *[TaskStarted, TaskFinished] * 2,
        RunFinished,
    ]
    assert {event.run_id for event in recorder.events} == {"run-1"}
    assert [event.time for event in recorder.events] == [0, 0, 1, 1, 3, 3]
    assert [event.task_name for event in recorder.of(TaskEvent)] == ["first"] * 2 + ["wait"] * 2
    assert [event.duration for event in recorder.of(TaskFinished)] == [1.0, 2.0]
    (finished,) = recorder.of(RunFinished)
    assert (finished.status, finished.duration, finished.error) == ("succeeded", 3.0, None)


def test_two_tasks_of_one_name_have_two_ids() -> None:
    engine = cs.Engine()
    recorder = EventRecorder(engine.bus)
    run_virtual(engine.run([wait(1), wait(1)]))
    assert len({event.task_id for event in recorder.of(TaskStarted)}) == 2


def test_late_subscribers_count() -> None:
    engine = cs.Engine()
    late: list[EventRecorder] = []

    @cs.task(mode="inline")
    def subscribe(_order: Any) -> None:
        late.append(EventRecorder(engine.bus))

    run_virtual(engine.run(wait(2, subscribe(wait(1)))))
    assert late[0].names() == ["TaskFinished", "TaskStarted", "TaskFinished", "RunFinished"]


def test_a_failing_subscriber_is_reported_once_and_breaks_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_event: Event) -> None:
        raise LookupError("subscriber")

    engine = cs.Engine()
    engine.bus.subscribe(Event, broken)
    recorder = EventRecorder(engine.bus)
    with caplog.at_level(logging.ERROR):
        assert run_virtual(engine.run(wait(1, "value"))) == "value"
    assert len(recorder.events) == 4
    assert len(caplog.records) == 1


def test_a_failing_connection_fails_the_run_and_tells_it_of_every_task() -> None:
    error = OSError("no broker")
    engine = cs.Engine(connector=StubConnector(connect=error))
    recorder = EventRecorder(engine.bus)
    with pytest.raises(OSError, match="no broker") as raised:
        run_virtual(engine.run([wait(1), wait(1)]))
    assert raised.value is error
    assert recorder.names() == ["RunStarted", "TaskSkipped", "TaskSkipped", "RunFinished"]
    assert {event.reason for event in recorder.of(TaskSkipped)} == {"Cancelled"}


# Connector


def test_the_connector_is_connected_while_a_run_goes_on() -> None:
    connector = StubConnector()
    engine = cs.Engine(connector=connector)

    @cs.task
    async def users() -> int:
        await asyncio.sleep(1)
        return connector.users

    async def main() -> None:
        assert await asyncio.gather(*[engine.run(users()) for _ in range(3)]) == [3, 3, 3]
        with pytest.raises(LookupError):
            await engine.run(fail(LookupError()))
        for moment in (0.5, 1.5):
            run = asyncio.ensure_future(engine.run(wait(1)))
            await asyncio.wait([run], timeout=moment)
            run.cancel()
            await asyncio.wait([run])
            assert run.cancelled()
        assert (connector.users, connector.connected) == (0, 6)

    run_virtual(main())


def test_the_connector_is_injected() -> None:
    connector = StubConnector()
    assert run_virtual(cs.Engine(connector=connector).run(connector_of())) is connector


def test_a_registered_connector_replaces_it_and_is_left_alone() -> None:
    given, replaced = StubConnector(), StubConnector()

    @cs.resource(name="_internal_connector")
    def replacement() -> Iterator[Any]:
        yield replaced

    for connector in (given, None):
        engine = cs.Engine(connector=connector)
        engine.register(replacement)
        assert run_virtual(engine.run(connector_of())) is replaced
    assert (given.connected, replaced.connected) == (0, 0)


def test_a_failing_disconnection_is_raised_or_noted() -> None:
    engine = cs.Engine(connector=StubConnector(leave=OSError("gone")))
    recorder = EventRecorder(engine.bus)
    with pytest.raises(OSError, match="gone"):
        run_virtual(engine.run(wait(1)))
    with pytest.raises(LookupError) as raised:
        run_virtual(engine.run(fail(LookupError())))
    assert any("gone" in note for note in raised.value.__notes__)
    first, second = recorder.of(RunFinished)
    assert isinstance(first.error, OSError)
    assert second.error is raised.value


# Executor


def test_an_injected_executor_is_used_and_stays_open() -> None:
    executor = StubExecutor()
    engine = cs.Engine(executor=executor)
    assert run_virtual(engine.run([ident(), ident()])) == [threading.get_ident()] * 2
    assert (executor.modes, executor.closed) == (["thread", "thread"], 0)


@pytest.mark.parametrize("use_vm", [False, True])
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_an_executor_is_always_told_how_long_a_call_may_take(mode: Any, use_vm: bool) -> None:
    task = cs.task(mode=mode)(ident.fn)
    executor = StubExecutor()
    targets = [task(), task().with_constraints(slot=1), task().with_retry(2)]
    for target in targets:
        assert isinstance(run_virtual(cs.Engine(executor=executor).run(target, use_vm=use_vm)), int)
    assert executor.timeouts == [None] * len(targets)
    run_virtual(cs.Engine(executor=executor).run(task().with_timeout(5), use_vm=use_vm))
    assert executor.timeouts[-1] == (5 if mode == "thread" else None)


def test_an_own_executor_lives_as_long_as_some_run_goes_on() -> None:
    before = set(threading.enumerate())
    engine = cs.Engine()

    def left() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread not in before}

    async def main() -> None:
        longer = asyncio.ensure_future(engine.run(ident().after(wait(0.05, ident()))))
        assert await engine.run(ident()) != threading.get_ident()
        assert left()
        await longer
        assert left() == set()
        await engine.run(ident())

    asyncio.run(main())
    assert left() == set()


# Several runs and engines


def test_runs_of_one_engine_go_on_at_the_same_time() -> None:
    engine = cs.Engine()
    recorder = EventRecorder(engine.bus)

    async def main() -> float:
        values = await asyncio.gather(*[engine.run(wait(5, number)) for number in range(10)])
        assert values == list(range(10))
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 5.0
    assert len({event.run_id for event in recorder.of(RunFinished)}) == 10


def test_a_run_inside_a_task_is_a_run_of_its_own() -> None:
    engine = cs.Engine()

    @cs.task
    async def outer() -> Any:
        return await engine.run(wait(1, "inner")), await cs.arun(wait(1, "other"))

    assert run_virtual(engine.run(outer())) == ("inner", "other")


def test_engines_that_share_a_manager_share_its_limits() -> None:
    async def main() -> None:
        manager = cs.ResourceManager({"slot": 2})
        engines = [cs.Engine(resource_manager=manager) for _ in range(6)]
        assert all(engine.resource_manager is manager for engine in engines)
        await asyncio.gather(*[e.run(wait(1).with_constraints(slot=1)) for e in engines])
        assert asyncio.get_running_loop().time() == 3.0
        assert manager.statistics().resources["slot"].peak == 2

    run_virtual(main())


def test_engines_without_one_have_their_own() -> None:
    async def main() -> None:
        engines = [cs.Engine(system_resources={"slot": 1}) for _ in range(6)]
        await asyncio.gather(*[e.run(wait(1).with_constraints(slot=1)) for e in engines])
        assert asyncio.get_running_loop().time() == 1.0

    run_virtual(main())


def test_system_resources_are_merged_into_an_injected_manager() -> None:
    manager = cs.ResourceManager({"kept": 1, "changed": 1})
    cs.Engine(resource_manager=manager, system_resources={"changed": 5, "new": 7})
    resources = manager.statistics().resources
    assert {name: entry.capacity for name, entry in resources.items()} == {
        "kept": 1,
        "changed": 5,
        "new": 7,
    }


def test_an_engine_can_be_used_by_one_loop_after_the_other() -> None:
    engine = cs.Engine(system_resources={"slot": 1})
    for run in (asyncio.run, run_virtual, asyncio.run):
        run(engine.run([wait(0, 1).with_constraints(slot=1), ident().with_constraints(slot=1)]))


# Solver


def test_the_solver_decides_the_order() -> None:
    order: list[int] = []

    @cs.task(mode="inline")
    def note(number: int) -> None:
        order.append(number)

    class Backwards:
        def resolve(self, graph: Graph) -> Plan:
            return Plan(graph, range(len(graph))[::-1])

    calls = [note(number) for number in range(5)]
    run_virtual(cs.Engine(solver=Backwards()).run(calls))
    assert order == [4, 3, 2, 1, 0]
    order.clear()
    run_virtual(cs.Engine().run(calls))
    assert order == [0, 1, 2, 3, 4]
