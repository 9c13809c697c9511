"""The graph of a run that somebody looks at: nodes, edges, and what became of each, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.control.worlds import ME

import cascade as cs
from cascade.control.audit import Trail
from cascade.control.desk import Desk
from cascade.control.graphs import MOST_FOLLOWED, MOST_KEPT, PATIENCE
from cascade.control.messages import RefusedError, request_of
from cascade.control.shapes import MOST_NODES
from cascade.runtime.constraints import ConstraintManager
from cascade.testing import run_virtual


@cs.task
async def fetch(page: int) -> int:
    await asyncio.sleep(2)
    return page


@cs.task
async def add(left: int, right: int) -> int:
    await asyncio.sleep(1)
    return left + right


@cs.task
async def fail(value: int) -> int:
    raise ValueError("no such page")


@cs.task
async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


class World:
    """An engine whose runs a desk answers for."""

    def __init__(self, **resources: float) -> None:
        self.manager = cs.ResourceManager(resources or None)
        self.engine = cs.Engine(resource_manager=self.manager, name="main")
        self.desk = Desk("world", Trail("world", None), asyncio.get_running_loop())
        self.desk.oversee(ConstraintManager(cs.Engine(resource_manager=self.manager)))

    def ask(self, command: str, **said: Any) -> dict[str, Any]:
        return self.desk.answer(request_of({"do": command, **said}), ME)

    def begin(self, target: Any) -> asyncio.Task[Any]:
        """Begin a run."""
        return asyncio.create_task(self.engine.run(target))

    def only_run(self) -> str:
        """Return the id of the run that goes on."""
        (run,) = {run["id"] for run in self.ask("look")["run_list"]}
        return str(run)

    async def watch(self, target: Any, after: float = 1.0) -> tuple[asyncio.Task[Any], str]:
        """Begin a run, look at it some seconds later, and return it and its id."""
        run = self.begin(target)
        await asyncio.sleep(after)
        name = self.only_run()
        self.ask("graph", run=name)
        return run, name

    def listened_to(self) -> bool:
        bus = self.engine.bus_in_use
        return bus is not None and bus.hot


def in_a_world(story: Callable[[World], Awaitable[None]], **resources: float) -> None:
    async def main() -> None:
        world = World(**resources)
        try:
            await story(world)
        finally:
            world.desk.close()

    run_virtual(main())


def two_pages() -> Any:
    return add(fetch(1).named("left"), fetch(2).named("right")).named("sum")


def states(graph: dict[str, Any]) -> dict[str, str]:
    """Return the state of each node by its name."""
    names = [node["name"] for node in graph["nodes"]]
    return dict(zip(names, [each["state"] for each in graph["states"]], strict=True))


def of(graph: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what became of a node."""
    names = [node["name"] for node in graph["nodes"]]
    found: dict[str, Any] = graph["states"][names.index(name)]
    return found


def test_nodes_and_edges_are_told_with_what_became_of_them() -> None:
    async def story(world: World) -> None:
        run = world.begin(two_pages())
        await asyncio.sleep(1)
        graph = world.ask("graph", run=world.only_run())
        assert (graph["engine"], graph["name"], graph["state"]) == ("main", "sum", "running")
        assert graph["seconds"] == graph["followed_since"] == 1.0
        assert states(graph) == {"left": "running", "right": "running", "sum": "pending"}
        assert [(edge["source"], edge["target"]) for edge in graph["edges"]] == [(0, 2), (1, 2)]
        assert graph["left_out"] == {"nodes": 0, "edges": 0}
        assert "started" not in of(graph, "left")  # that was before anybody looked
        await run

    in_a_world(story)


def test_a_run_that_ends_while_it_is_watched_leaves_its_graph_with_states_and_times() -> None:
    async def story(world: World) -> None:
        run, name = await world.watch(two_pages(), after=0)
        await run
        graph = world.ask("graph", run=name)
        assert graph["state"] == "succeeded"
        assert set(states(graph).values()) == {"succeeded"}
        assert (of(graph, "left")["ended"], of(graph, "right")["ended"]) == (2.0, 2.0)
        assert (of(graph, "sum")["started"], of(graph, "sum")["ended"]) == (2.0, 3.0)
        assert graph["seconds"] == 3.0
        (ended,) = world.ask("look")["ended_runs"]
        assert ended == {
            "run": name,
            "engine": "main",
            "name": "sum",
            "state": "succeeded",
            "seconds": 3.0,
        }
        assert not world.listened_to()

    in_a_world(story)


def test_waits_are_told_with_their_times_also_those_that_began_before_anybody_looked() -> None:
    async def story(world: World) -> None:
        pages = [fetch(n).named(f"page {n}").with_constraints(line=1) for n in range(3)]
        run = world.begin(pages)
        await asyncio.sleep(1)
        name = world.only_run()
        graph = world.ask("graph", run=name)
        assert states(graph) == {"page 0": "running", "page 1": "waiting", "page 2": "waiting"}
        assert of(graph, "page 1")["waits"] == [[0.0, None]]
        await run
        graph = world.ask("graph", run=name)
        assert "waits" not in of(graph, "page 0")
        assert of(graph, "page 1")["waits"] == [[0.0, 2.0]]
        assert of(graph, "page 1")["started"] == 2.0
        assert of(graph, "page 2")["waits"] == [[0.0, 4.0]]
        assert of(graph, "page 2")["ended"] == 6.0

    in_a_world(story, line=1)


def test_a_failure_and_what_it_has_stopped_are_told() -> None:
    async def story(world: World) -> None:
        broken = fail(fetch(1)).named("broken")
        run, name = await world.watch(add(broken, fetch(2).named("right")).named("sum"))
        with pytest.raises(ValueError, match="no such page"):
            await run
        graph = world.ask("graph", run=name)
        assert (graph["state"], graph["error"]) == ("failed", "ValueError: no such page")
        assert states(graph)["broken"] == "failed"
        assert states(graph)["sum"] == "never started"

    in_a_world(story)


def test_a_failure_without_words_is_told_as_well() -> None:
    class Wordless(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    @cs.task
    async def break_off() -> None:
        await asyncio.sleep(2)
        raise Wordless

    async def story(world: World) -> None:
        run = world.begin(break_off())
        await asyncio.sleep(1)
        name = world.only_run()
        world.ask("graph", run=name)
        with pytest.raises(Wordless):
            await run
        graph = world.ask("graph", run=name)
        assert graph["error"] == "Wordless, whose words raise ZeroDivisionError"
        assert [error["run"] for error in world.ask("look")["errors"]] == [name]

    in_a_world(story)


def test_a_cancelled_run_says_so() -> None:
    async def story(world: World) -> None:
        run, name = await world.watch(two_pages())
        world.ask("cancel", run=name)
        with pytest.raises(cs.errors.RunCancelledError):
            await run
        graph = world.ask("graph", run=name)
        assert graph["state"] == "cancelled"
        assert states(graph) == {"left": "cancelled", "right": "cancelled", "sum": "never started"}

    in_a_world(story)


def test_the_children_of_a_map_are_counted() -> None:
    async def story(world: World) -> None:
        run, name = await world.watch(fetch.map(page=range(5)).windowed(2), after=0)
        await asyncio.sleep(3)
        graph = world.ask("graph", run=name)
        assert [node["kind"] for node in graph["nodes"]] == ["map"]
        assert graph["states"][0]["children"]["ended"] == 2
        await run
        assert world.ask("graph", run=name)["states"][0]["children"]["ended"] == 5

    in_a_world(story)


def test_a_machine_is_a_node_with_steps() -> None:
    @cs.task
    async def agent(steps: int = 0) -> Any:
        await asyncio.sleep(1)
        return cs.TailCall(steps=steps + 1)

    async def story(world: World) -> None:
        run = asyncio.create_task(world.engine.run(agent(), use_vm=True))
        await asyncio.sleep(0.5)
        name = world.only_run()
        world.ask("graph", run=name)
        await asyncio.sleep(10)
        graph = world.ask("graph", run=name)
        assert [node["name"] for node in graph["nodes"]] == ["agent"]
        assert graph["states"][0] == {"state": "running", "steps": 10}
        run.cancel()
        await asyncio.wait([run])

    in_a_world(story)


def test_the_shape_can_be_left_out() -> None:
    async def story(world: World) -> None:
        run = world.begin(two_pages())
        await asyncio.sleep(1)
        graph = world.ask("graph", run=world.only_run(), shape=False)
        assert not graph.keys() & {"nodes", "edges", "left_out"}
        assert [each["state"] for each in graph["states"]] == ["running", "running", "pending"]
        await run

    in_a_world(story)


def test_a_large_graph_is_cut_and_says_so() -> None:
    async def story(world: World) -> None:
        pages = [fetch(n) for n in range(MOST_NODES + 10)]
        run = world.begin(pages)
        await asyncio.sleep(1)
        graph = world.ask("graph", run=world.only_run())
        assert len(graph["nodes"]) == len(graph["states"]) == MOST_NODES
        assert graph["left_out"] == {"nodes": 10, "edges": 0}
        await run

    in_a_world(story)


def test_what_nobody_looks_at_costs_nothing_and_leaves_nothing() -> None:
    async def story(world: World) -> None:
        run = world.begin(two_pages())
        await asyncio.sleep(1)
        name = world.only_run()
        assert not world.listened_to()
        await run
        with pytest.raises(RefusedError, match=f"there is no run {name}"):
            world.ask("graph", run=name)
        assert world.ask("look")["ended_runs"] == []

    in_a_world(story)


def test_a_run_is_followed_no_longer_when_nobody_asks_any_more() -> None:
    async def story(world: World) -> None:
        run, name = await world.watch(sleep(10 * PATIENCE))
        await asyncio.sleep(0.9 * PATIENCE)
        world.ask("graph", run=name)
        await asyncio.sleep(0.9 * PATIENCE)
        assert world.listened_to()
        await asyncio.sleep(0.2 * PATIENCE)
        assert not world.listened_to()
        await run
        with pytest.raises(RefusedError):
            world.ask("graph", run=name)

    in_a_world(story)


def test_the_latest_of_those_that_were_watched_are_kept() -> None:
    async def story(world: World) -> None:
        names = []
        for _ in range(MOST_KEPT + 3):
            run = world.begin(fetch(1))
            await asyncio.sleep(1)
            names.append(world.only_run())
            world.ask("graph", run=names[-1])
            await run
        kept = [each["run"] for each in world.ask("look")["ended_runs"]]
        assert kept == names[3:][::-1]
        with pytest.raises(RefusedError):
            world.ask("graph", run=names[0])

    in_a_world(story)


def test_only_so_many_are_followed_at_once() -> None:
    async def story(world: World) -> None:
        runs = [world.begin(fetch(number)) for number in range(MOST_FOLLOWED + 2)]
        await asyncio.sleep(1)
        names = [run["id"] for run in world.ask("look")["run_list"]]
        for name in names:
            world.ask("graph", run=name)
        await asyncio.gather(*runs)
        assert {each["run"] for each in world.ask("look")["ended_runs"]} == set(names[2:])

    in_a_world(story)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "graph needs run"),
        ({"run": 3}, "run must be a text"),
        ({"run": "run-1", "shape": 1}, "shape must be true or false, got 1"),
        ({"run": "run-1", "nodes": 1}, "graph takes run, shape"),
    ],
)
def test_what_is_no_request_is_refused(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        request_of({"do": "graph", **said})


def test_runs_that_begin_while_graphs_are_asked_for_are_followed_from_their_beginning() -> None:
    async def story(world: World) -> None:
        long, watched = await world.watch(fetch.map(page=range(100)).windowed(1))
        await world.begin(two_pages())
        (ended,) = world.ask("look")["ended_runs"]
        graph = world.ask("graph", run=ended["run"])
        assert graph["followed_since"] == 0.0
        assert of(graph, "left") == {"state": "succeeded", "started": 0.0, "ended": 2.0}
        # Others leave what was asked for alone, and are only so many.
        for _ in range(MOST_KEPT + 5):
            await world.begin(fetch(1))
        assert len(world.ask("look")["ended_runs"]) == MOST_KEPT
        assert world.ask("graph", run=watched)["state"] == "running"
        long.cancel()
        await asyncio.wait([long])
        assert world.ask("graph", run=watched)["state"] == "cancelled"

    in_a_world(story)


def test_they_are_followed_only_for_as_long_as_somebody_asks_for_others() -> None:
    async def story(world: World) -> None:
        run, _ = await world.watch(sleep(10 * PATIENCE))
        other = world.begin(sleep(10 * PATIENCE))
        await asyncio.sleep(1.5 * PATIENCE)
        assert not world.listened_to()
        await asyncio.gather(run, other)
        assert world.ask("look")["ended_runs"] == []

    in_a_world(story)
