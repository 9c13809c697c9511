"""InMemoryStateBackend: what a run has finished, as long as somebody still needs it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import cascade as cs
from cascade.adapters.state.memory import InMemoryStateBackend
from cascade.ports import StateBackend
from cascade.testing import run_virtual


@cs.task(mode="inline")
def add(left: int, right: int) -> int:
    return left + right


@cs.task
async def add_slowly(left: int, right: int) -> int:
    await asyncio.sleep(1)
    return left + right


class Spy(InMemoryStateBackend):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []
        self.run_ids: set[str] = set()

    async def put(self, run_id: str, node_id: str, value: Any) -> None:
        self.told.append((node_id, value))
        self.run_ids.add(run_id)
        await super().put(run_id, node_id, value)

    async def kept(self) -> list[str]:
        (run_id,) = self.run_ids
        return [node for node, _ in self.told if await self.has(run_id, node)]


async def run_with(state: InMemoryStateBackend, target: Any, use_vm: bool = False) -> Any:
    return await cs.Engine(state_backend_factory=lambda: state).run(target, use_vm=use_vm)


def kept_after(target: Any, use_vm: bool = False) -> list[str]:
    async def main() -> list[str]:
        spy = Spy()
        await run_with(spy, target, use_vm)
        return await spy.kept()

    return run_virtual(main())


def test_is_a_state_backend() -> None:
    assert isinstance(InMemoryStateBackend(), StateBackend)


def test_gives_back_what_was_put_also_none() -> None:
    async def main() -> None:
        state = InMemoryStateBackend()
        await state.put("run", "one", None)
        await state.put("run", "two", 2)
        assert await state.has("run", "one")
        assert await state.get("run", "one") is None
        assert await state.get("run", "two") == 2
        assert not await state.has("other", "one")

    asyncio.run(main())


def test_a_value_that_is_not_kept_is_a_key_error_that_names_it() -> None:
    async def main() -> None:
        state = InMemoryStateBackend()
        with pytest.raises(KeyError, match=r"missing.*run-7"):
            await state.get("run-7", "missing")

    asyncio.run(main())


def test_clear_forgets_one_run_and_no_other() -> None:
    async def main() -> None:
        state = InMemoryStateBackend()
        await state.put("first", "node", 1)
        await state.put("second", "node", 2)
        await state.clear("first")
        await state.clear("first")
        assert not await state.has("first", "node")
        assert await state.get("second", "node") == 2

    asyncio.run(main())


def test_discard_forgets_one_value_and_bears_unknown_ones() -> None:
    async def main() -> None:
        state = InMemoryStateBackend()
        await state.put("run", "node", 1)
        await state.discard("run", "node")
        await state.discard("run", "node")
        await state.discard("nowhere", "node")
        assert not await state.has("run", "node")

    asyncio.run(main())


@pytest.mark.parametrize("add_up", [add, add_slowly])
@pytest.mark.parametrize("use_vm", [False, True])
def test_the_state_backend_is_told_every_value(add_up: cs.Task[int], use_vm: bool) -> None:
    spy = Spy()
    target = add_up(add_up(1, 2), add_up(3, 4))
    assert run_virtual(run_with(spy, target, use_vm)) == 10
    assert sorted(value for _, value in spy.told) == [3, 7, 10]
    assert len({node for node, _ in spy.told}) == 3


def test_a_value_is_put_before_any_consumer_starts() -> None:
    spy = Spy()

    @cs.task(mode="inline")
    def look(_value: int) -> list[Any]:
        return [value for _, value in spy.told]

    assert run_virtual(run_with(spy, look(add(1, 2)))) == [3]


def test_only_the_result_is_kept_at_the_end() -> None:
    assert kept_after(add(add(1, 2), add(3, 4)).named("total")) == ["add#2"]


def test_parts_of_a_container_target_are_kept() -> None:
    first = add(1, 2)
    assert kept_after([first, add(first, 3)]) == ["add#0", "add#1"]


def test_a_value_that_was_only_waited_for_is_not_kept() -> None:
    assert kept_after(add(1, 2).after(add(3, 4))) == ["add#1"]


def test_inputs_of_a_machine_are_not_kept() -> None:
    assert kept_after(add(add(1, 2), 3), use_vm=True) == ["add#1"]


def test_what_only_a_skipped_task_needed_is_not_kept() -> None:
    number = add(1, 2)
    skipped = add(number, 1).run_if(False)
    assert kept_after(add(3, 4).after(skipped)) == ["add#2"]


def test_a_failing_state_backend_fails_the_run_and_stops_the_tasks() -> None:
    stopped: list[str] = []

    @cs.task
    async def sleep_long() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            stopped.append("sleep_long")

    class Full(InMemoryStateBackend):
        async def put(self, run_id: str, node_id: str, value: Any) -> None:
            raise OSError("disk full")

    async def main() -> float:
        with pytest.raises(OSError, match="disk full"):
            await run_with(Full(), [sleep_long(), add_slowly(1, 2)])
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 1.0
    assert stopped == ["sleep_long"]
