"""Routers in a run: only what is chosen runs, and what only the others need is pruned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade import testing
from cascade.runtime.events import TaskSkipped


class World:
    """Tasks that note that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.engine = cs.Engine()
        self.recorder = testing.EventRecorder(self.engine.bus)

        @cs.task
        async def step(name: str, *inputs: Any, fails: bool = False, takes: float = 0) -> str:
            if takes:
                await asyncio.sleep(takes)
            self.ran.append(name)
            if fails:
                raise RuntimeError(name)
            return name

        self.step = step

    def call(self, name: str, *inputs: Any, **options: Any) -> cs.LazyResult[str]:
        return self.step(name, *inputs, **options).named(name)

    def run(self, target: Any, **options: Any) -> Any:
        return testing.run_virtual(self.engine.run(target, **options))

    def skipped(self) -> dict[str, str]:
        return {event.task_name: event.reason for event in self.recorder.of(TaskSkipped)}


@pytest.fixture
def world() -> World:
    return World()


def test_only_the_chosen_branch_runs(world: World) -> None:
    router = cs.Router(world.call("b"), {"a": world.call("one"), "b": world.call("two")})
    assert world.run(world.call("user", router)) == "user"
    assert world.ran == ["b", "two", "user"]
    assert world.skipped() == {"one": "Pruned"}


def test_branches_without_inputs_of_their_own_wait_for_the_choice(world: World) -> None:
    router = cs.Router(world.call("b", takes=5), {"a": world.call("a1"), "b": world.call("b1")})
    assert world.run(router) == "b1"
    assert world.ran == ["b", "b1"]


def test_the_selector_may_be_known(world: World) -> None:
    assert world.run(cs.Router(True, {True: world.call("t"), False: world.call("f")})) == "t"
    assert world.ran == ["t"]


def test_what_only_other_branches_need_is_pruned_and_what_others_need_is_not(world: World) -> None:
    shared, lonely = world.call("shared"), world.call("lonely")
    deep = world.call("deep", lonely)
    router = cs.Router(
        world.call("a"), {"a": world.call("one", shared), "b": world.call("two", shared, deep)}
    )
    assert world.run([router, world.call("other", shared)]) == ["one", "other"]
    assert world.skipped() == {"two": "Pruned", "deep": "Pruned", "lonely": "Pruned"}


def test_a_branch_that_is_needed_elsewhere_runs_in_any_case(world: World) -> None:
    branch = world.call("branch", takes=9)
    router = cs.Router(world.call("a"), {"a": world.call("quick"), "b": branch})
    last = world.call("after the router", router)
    assert world.run([last, branch]) == ["after the router", "branch"]
    assert world.ran == ["a", "quick", "after the router", "branch"]
    assert world.skipped() == {}


def test_one_branch_for_several_keys(world: World) -> None:
    same = world.call("same")
    router = cs.Router(world.call("b"), {"a": same, "b": same, "c": world.call("other")})
    assert world.run(router) == "same"
    assert world.skipped() == {"other": "Pruned"}


def test_a_branch_that_waits_for_an_equal_call_has_its_value_as_well(world: World) -> None:
    policy = cs.cache(version=1)
    selector, branch = [world.call("a", takes=1).with_cache(policy) for _ in range(2)]
    router = cs.Router(selector, {"a": branch})
    assert world.run([branch, world.call("user", router), router]) == ["a", "user", "a"]
    assert world.ran == ["a", "user"]


@pytest.mark.parametrize("known", [False, True])
def test_a_branch_whose_value_was_in_a_cache_before_the_choice(known: bool, world: World) -> None:
    branch = world.call("branch").with_cache(cs.cache(version=1))
    if known:
        world.run(branch)
    router = cs.Router(world.call("a", takes=5), {"a": branch})
    assert world.run([world.call("user", router), branch]) == ["user", "branch"]


def test_two_routers_share_a_branch(world: World) -> None:
    shared = world.call("shared")
    first = cs.Router(world.call("no"), {"yes": shared, "no": world.call("one")})
    second = cs.Router(world.call("yes", takes=3), {"yes": shared, "no": world.call("two")})
    assert world.run([first, second]) == ["one", "shared"]
    assert world.skipped() == {"two": "Pruned"}


def test_routers_in_branches(world: World) -> None:
    inner = cs.Router(world.call("in"), {"in": world.call("x"), "out": world.call("y")})
    outer = cs.Router(world.call("b"), {"a": world.call("z"), "b": world.call("w", inner)})
    assert world.run(outer) == "w"
    assert world.ran == ["b", "in", "x", "w"]
    world.ran.clear()
    outer = cs.Router(world.call("a"), {"a": world.call("z"), "b": world.call("w", inner)})
    assert world.run(outer) == "z"
    assert world.ran == ["a", "z"]


def test_an_unknown_key_is_an_error_that_names_the_keys(world: World) -> None:
    router = cs.Router(world.call("c"), {"a": world.call("one"), "b": world.call("two")})
    with pytest.raises(cs.errors.UnknownRouteError, match=r"'c', which isn't .* 'a', 'b'"):
        world.run(router)
    assert world.ran == ["c"]
    assert world.skipped() == {"one": "Cancelled", "two": "Cancelled"}


def test_what_cannot_be_a_key_is_an_unknown_one(world: World) -> None:
    with pytest.raises(cs.errors.UnknownRouteError, match=r"\['a'\]"):
        world.run(
            cs.Router(cs.Param("k", type=list), {"a": world.call("one")}), params={"k": ["a"]}
        )


def test_a_skipped_branch_skips_whoever_needs_the_router(world: World) -> None:
    router = cs.Router(world.call("a"), {"a": world.call("never").run_if(False)})
    with pytest.raises(cs.errors.SkippedError, match="'never'"):
        world.run(world.call("user", router))
    assert set(world.skipped()) == {"never", "user"}


def test_a_skipped_selector_prunes_all_branches(world: World) -> None:
    router = cs.Router(world.call("a").run_if(False), {"a": world.call("one")})
    assert world.run(world.call("last").after(router)) == "last"
    assert world.skipped() == {"a": "its condition is false", "one": "Pruned"}


def test_a_condition_of_the_router_itself(world: World) -> None:
    router = cs.Router("a", {"a": world.call("one")}).run_if(cs.Param("x", default=0))
    assert world.run(world.call("last").after(router)) == "last"
    assert world.skipped() == {"one": "Pruned"}


def test_who_comes_after_a_pruned_branch_is_content(world: World) -> None:
    branch = world.call("branch")
    router = cs.Router(world.call("b"), {"a": branch, "b": world.call("two")})
    assert world.run([router, world.call("cleanup").after(branch)]) == ["two", "cleanup"]
    assert world.skipped() == {"branch": "Pruned"}


def test_who_comes_after_a_branch_and_decides_on_it_waits_for_itself(world: World) -> None:
    branch = world.call("branch")
    selector = world.call("selector").after(branch)
    router = cs.Router(selector, {"selector": branch})
    with pytest.raises(cs.errors.GraphError, match="'selector' is to come after 'branch'"):
        world.run([world.call("other"), world.call("user", router)])
    assert world.ran == ["other"]
    assert world.skipped() == dict.fromkeys(["branch", "selector", "user"], "Cancelled")


def test_choices_that_wait_for_each_other_by_their_order(world: World) -> None:
    later = world.call("later")
    first = cs.Router("a", {"a": world.call("one").after(later)})
    second = cs.Router(world.call("key", first), {"key": later})
    with pytest.raises(cs.errors.GraphError, match="'one' is to come after 'later'"):
        world.run(second)
    assert world.run([second, later]) == ["later", "later"]


def test_a_failing_branch_fails_the_run(world: World) -> None:
    router = cs.Router(world.call("a"), {"a": world.call("one", fails=True)})
    with pytest.raises(RuntimeError, match="one") as caught:
        world.run(router)
    assert "in task 'one'" in caught.value.__notes__[0]


def test_a_branch_that_is_an_input(world: World) -> None:
    router = cs.Router(world.call("a"), {"a": cs.Param("x"), "b": world.call("one")})
    assert world.run(router, params={"x": "given"}) == "given"


def test_a_machine_with_a_router_among_its_inputs(world: World) -> None:
    router = cs.Router(world.call("a"), {"a": world.call("one"), "b": world.call("two")})
    assert world.run(world.step("last", router), use_vm=True) == "last"
    assert world.ran == ["a", "one", "last"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_runs_is_what_a_plain_evaluation_calls(data: st.DataObject) -> None:
    """Random graphs with routers: exactly those nodes run which the target needs."""
    world = World()
    needs: list[tuple[int, ...]] = []
    routes: dict[int, tuple[int, tuple[int, ...]]] = {}
    made: list[cs.LazyResult[Any]] = []
    for node in range(data.draw(st.integers(1, 9))):
        earlier = st.integers(0, node - 1)
        if node and data.draw(st.booleans()):
            branches = tuple(data.draw(st.lists(earlier, min_size=1, max_size=3)))
            key = data.draw(st.integers(0, len(branches) - 1))
            routes[node] = key, branches
            needs.append(())
            keyed = {place: made[other] for place, other in enumerate(branches)}
            made.append(cs.Router(cs.Param(f"route {node}", type=int), keyed))
        else:
            inputs = tuple(data.draw(st.lists(earlier, max_size=3))) if node else ()
            needs.append(inputs)
            made.append(world.call(str(node), *[made[other] for other in inputs]))
    goals = data.draw(st.lists(st.integers(0, len(made) - 1), min_size=1, max_size=2))

    expected: set[int] = set()
    stack = list(goals)
    while stack:
        node = stack.pop()
        if node not in expected:
            expected.add(node)
            stack.extend(needs[node])
            if node in routes:
                key, branches = routes[node]
                stack.append(branches[key])
    inside: set[int] = set()
    stack = list(goals)
    while stack:
        node = stack.pop()
        if node not in inside:
            inside.add(node)
            stack.extend([*needs[node], *routes.get(node, (0, ()))[1]])

    params = {f"route {node}": key for node, (key, _) in routes.items() if node in inside}
    world.run([made[goal] for goal in goals], params=params)
    assert sorted(world.ran) == sorted(str(node) for node in expected if node not in routes)
    pruned = {str(node) for node in inside - expected if node not in routes}
    assert world.skipped() == dict.fromkeys(pruned, "Pruned")
