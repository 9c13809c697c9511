"""A cell alone with its neighbours' messages: what it says, what it waits for, what it makes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cascade as cs
from cascade.errors import ChannelFullError
from cascade.testing import run_virtual
from observatory.agents.cell import INBOX, cell_agent, life
from observatory.networking.direct_channel import DirectChannel


class Made:
    """An observer that keeps what it is told, and when."""

    def __init__(self) -> None:
        self.states: list[tuple[int, bool]] = []
        self.times: list[float] = []

    def made(self, agent_id: int, generation: int, alive: bool) -> None:
        self.states.append((generation, alive))
        self.times.append(asyncio.get_running_loop().time())


class Lone:
    """One cell with eight neighbours, all played by the test: one ear hears all that it says."""

    def __init__(self, alive: bool = False, generations: int = 2, **more: Any) -> None:
        self.inbox = DirectChannel(0, INBOX, "error")
        self.ear = DirectChannel("ear", 1000, "error")
        self.made = Made()
        self.workflow = cell_agent(
            agent_id=0,
            alive=alive,
            generations=generations,
            neighbors=[self.ear] * 8,
            my_channel=self.inbox,
            observer=self.made,
            **more,
        )

    def start(self) -> asyncio.Task[Any]:
        return asyncio.create_task(cs.Engine().run(self.workflow, use_vm=True))

    def hears(self, generation: int, living: int, of: int = 8) -> None:
        for neighbour in range(of):
            self.inbox.send_nowait((generation, neighbour < living))


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("living", range(9))
@pytest.mark.parametrize("alive", [False, True])
def test_the_rule(alive: bool, living: int) -> None:
    assert life(alive, living) is (living in (2, 3) if alive else living == 3)


def test_it_tells_its_state_and_waits_for_all_of_its_neighbours() -> None:
    async def main() -> None:
        cell = Lone(alive=True)
        run = cell.start()
        await turns()
        assert cell.ear.drain() == [(0, True)] * 8
        cell.hears(0, living=3, of=7)
        await turns()
        assert cell.made.states == []
        cell.inbox.send_nowait((0, True))  # four live: too many
        await turns()
        assert cell.made.states == [(1, False)]
        assert cell.ear.drain() == [(1, False)] * 8
        cell.hears(1, living=3)
        assert await run is True
        assert cell.made.states == [(1, False), (2, True)]
        assert cell.ear.drain() == []  # nobody needs the last one

    run_virtual(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=3), st.data())
def test_the_states_of_the_next_generation_are_kept_apart(
    pairs: list[tuple[int, int]], data: st.DataObject
) -> None:
    # Each time, states of two generations come in any order; but for one neighbour's, which has
    # told nothing yet, and then tells the earlier one.
    async def main() -> None:
        cell = Lone(alive=True, generations=2 * len(pairs))
        run = cell.start()
        alive, expected = True, []
        for number, (first, second) in enumerate(pairs):
            of = 2 * number
            states = [(of, n < first) for n in range(8)]
            following = [(of + 1, n < second) for n in range(8)]
            early = data.draw(st.integers(0, 7))
            for message in data.draw(st.permutations([*states[:7], *following[:early]])):
                cell.inbox.send_nowait(message)
                if data.draw(st.booleans()):
                    await turns()
            assert len(cell.made.states) == of
            for message in (states[7], *following[early:]):
                cell.inbox.send_nowait(message)
            await turns()
            for generation, living in ((of + 1, first), (of + 2, second)):
                alive = life(alive, living)
                expected.append((generation, alive))
        await run
        assert cell.made.states == expected

    run_virtual(main())


def test_two_states_of_each_neighbour_fit_into_its_inbox_and_more_is_an_error() -> None:
    cell = Lone()
    cell.hears(0, living=3)
    cell.hears(1, living=3)
    with pytest.raises(ChannelFullError):
        cell.inbox.send_nowait((2, True))


@pytest.mark.parametrize("of", [1, 4])
def test_a_state_of_a_generation_that_no_neighbour_can_be_at_is_an_error(of: int) -> None:
    async def main() -> None:
        cell = Lone(generations=5)
        run = cell.start()
        for generation in (0, 1):
            cell.hears(generation, living=3)
        await turns()
        cell.inbox.send_nowait((of, True))
        await run

    with pytest.raises(
        RuntimeError, match=f"cell 0 is at generation 2 and heard of generation {of}\\b"
    ):
        run_virtual(main())


def test_a_state_that_is_told_twice_is_an_error() -> None:
    async def main() -> None:
        cell = Lone()
        cell.hears(0, living=3, of=9)
        await cell.start()

    with pytest.raises(RuntimeError, match="heard 9 states of generation 0 from 8 neighbours"):
        run_virtual(main())


def test_it_makes_each_generation_at_its_own_time_and_not_before() -> None:
    async def main() -> None:
        cell = Lone(generations=3, start=1.0, interval=0.1)
        run = cell.start()
        await asyncio.sleep(0.5)
        for generation in range(3):
            cell.hears(generation, living=3)
            await asyncio.sleep(1.0 + (generation + 1) * 0.1 - asyncio.get_running_loop().time())
        await run
        assert cell.made.times == [1.0 + n * 0.1 for n in (1, 2, 3)]

    run_virtual(main())


def test_one_that_is_late_catches_up() -> None:
    async def main() -> None:
        cell = Lone(generations=3, interval=1.0)
        run = cell.start()
        await asyncio.sleep(2.5)
        for generation in range(3):
            cell.hears(generation, living=3)
            await turns()
        await run
        assert cell.made.times == [2.5, 2.5, 3.0]

    run_virtual(main())


@pytest.mark.parametrize("interval", [0.0, 1.0])
def test_awake_it_gives_its_slot_back_while_it_waits(interval: float) -> None:
    async def main() -> None:
        manager = cs.ResourceManager({"slot": 1})
        cell = Lone(generations=1, interval=interval, awake=True)
        workflow = cell.workflow.with_constraints(slot=1)
        engine = cs.Engine(resource_manager=manager)
        run = asyncio.create_task(engine.run(workflow, use_vm=True))
        await turns()
        assert manager.statistics().resources["slot"].used == 0
        cell.hears(0, living=3)
        async with manager.hold({"slot": 1}):
            await asyncio.sleep(2)
            assert cell.made.states == []  # it needs the slot to go on
        assert await run is True

    run_virtual(main())


def test_it_takes_any_rule() -> None:
    async def main() -> None:
        cell = Lone(generations=1, rule=lambda alive, living: living == 8)
        cell.hears(0, living=8)
        assert await cell.start() is True

    run_virtual(main())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": 0}, "generations must be a whole number ≥ 1"),
        ({"interval": -1.0}, "interval must be ≥ 0 seconds, got -1.0"),
        ({"interval": float("inf")}, "interval must be a finite number"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str) -> None:
    async def main() -> None:
        await Lone(**change).start()

    with pytest.raises(ValueError, match=message):
        run_virtual(main())
