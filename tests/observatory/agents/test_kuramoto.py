"""A firefly alone, and a few of them: on virtual time, through the public signature only."""

from __future__ import annotations

import asyncio
import gc
import math
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context
from itertools import pairwise
from typing import Any, TypeVar

import pytest

import cascade as cs
from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.ports import Connector
from cascade.runtime.events import TaskStepped
from cascade.runtime.virtual_time import VirtualTimeLoop
from cascade.testing import run_virtual
from observatory.agents.kuramoto import firefly_agent, response
from observatory.networking.direct_channel import DirectChannel
from observatory.networking.topology import moore_neighbors, most_square
from observatory.reference.fireflies import simulate

T = TypeVar("T")

REFRACTORY = 0.25
"""Of the lone agents here, whose period is 1: a number without rounding."""


def flash(time: float) -> dict[str, Any]:
    return {"agent_id": 99, "phase": 1.0, "time": time}


class Tally:
    """A probe that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float]] = []
        self.nudges: list[tuple[int, float]] = []
        self.flashes: list[tuple[int, float, float, int]] = []

    def stepped(self, agent_id: int, due: float) -> None:
        self.steps.append((agent_id, due))

    def nudged(self, agent_id: int, due: float) -> None:
        self.nudges.append((agent_id, due))

    def flashed(self, agent_id: int, time: float, sent: float, missed: int) -> None:
        self.flashes.append((agent_id, time, sent, missed))


class Lone:
    """One agent of period 1 with an ear beside it, which hears everything it sends."""

    def __init__(
        self,
        phase: float = 0.0,
        nudge: float = 0.125,
        slots: cs.ResourceManager | None = None,
        connector: Connector | None = None,
        neighbors: Sequence[DirectChannel] = (),
        dissipation: float | None = None,
        inbox: DirectChannel | None = None,
    ) -> None:
        self.inbox = DirectChannel(owner_id=7) if inbox is None else inbox
        self.ear = DirectChannel(owner_id="ear", capacity=10_000)
        self.tally = Tally()
        workflow = firefly_agent(
            agent_id=7,
            initial_phase=phase,
            period=1.0,
            nudge=nudge,
            neighbors=[self.ear, *neighbors],
            my_channel=self.inbox,
            connector=connector,
            refractory_period=REFRACTORY if dissipation is None else None,
            probe=self.tally,
            dissipation=dissipation,
        )
        if slots is not None:
            workflow = workflow.with_constraints(cpu_slot=1)
        engine = cs.Engine(resource_manager=slots)
        self.task = asyncio.ensure_future(engine.run(workflow, use_vm=True))

    async def end(self) -> list[float]:
        """Stop it, and return the times it has put on its flashes."""
        assert not self.task.done(), self.task
        self.task.cancel()
        await asyncio.wait([self.task])
        return [message["time"] for message in self.ear.drain()]


async def hearing(
    messages: Iterable[tuple[float, float]],
    until: float,
    nudge: float = 0.125,
    dissipation: float | None = None,
) -> list[float]:
    """Let an agent receive flashes, given as (received at, time put on them)."""
    agent = Lone(nudge=nudge, dissipation=dissipation)
    loop = asyncio.get_running_loop()
    for received, time in messages:
        loop.call_at(received, agent.inbox.send_nowait, flash(time))
    await asyncio.sleep(until)
    return await agent.end()


# --- alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [0.0, 0.125, 0.25, 0.75, 1.0])
def test_it_flashes_every_period_exactly(phase: float) -> None:
    async def scenario() -> list[float]:
        agent = Lone(phase)
        await asyncio.sleep(200.0)
        return await agent.end()

    expected = [cycle + 1.0 - phase for cycle in range(200 if phase else 199)]
    assert run_virtual(scenario())[: len(expected)] == expected


class InexactLoop(VirtualTimeLoop):
    """Its timers go off late or early, each by another amount."""

    def __init__(self, latest: float, earliest: float = 0.0) -> None:
        self._draw = random.Random(5)
        self._range = (-earliest, latest)
        super().__init__()

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        shifted = max(when + self._draw.uniform(*self._range), self.time())
        return super().call_at(shifted, callback, *args, context=context)


def run_inexactly(
    coroutine: Coroutine[Any, Any, T], *, latest: float = 0.0, earliest: float = 0.0
) -> T:
    with asyncio.Runner(loop_factory=lambda: InexactLoop(latest, earliest)) as runner:
        return runner.run(coroutine)


def test_lateness_of_the_loop_never_adds_up() -> None:
    async def scenario() -> tuple[list[float], Tally]:
        agent = Lone()
        await asyncio.sleep(101.0)
        return await agent.end(), agent.tally

    times, tally = run_inexactly(scenario(), latest=0.5)
    assert times[:100] == [float(cycle) for cycle in range(1, 101)]
    lateness = [sent - time for _, time, sent, _ in tally.flashes]
    assert 0.1 < max(lateness) <= 0.5
    assert {missed for *_, missed in tally.flashes} == {0}


def test_timers_that_go_off_early_neither_spin_nor_change_the_times() -> None:
    async def scenario() -> tuple[list[float], Tally]:
        agent = Lone()
        await asyncio.sleep(100.5)
        return await agent.end(), agent.tally

    times, tally = run_inexactly(scenario(), earliest=0.001)
    assert times == [float(cycle) for cycle in range(1, 101)]
    assert len(tally.steps) == 101


def test_a_cycle_in_which_nothing_is_heard_is_one_step() -> None:
    async def scenario() -> Tally:
        agent = Lone()
        await asyncio.sleep(10.5)
        await agent.end()
        return agent.tally

    assert run_virtual(scenario()).steps == [(7, float(due)) for due in range(1, 12)]


def test_what_a_flash_tells() -> None:
    async def scenario() -> tuple[list[Any], list[Any]]:
        broker = LocalBroker()
        connector = LocalBusConnector(broker)
        await connector.connect()
        told: list[Any] = []

        async def hear(topic: str, payload: Any) -> None:
            told.append((asyncio.get_running_loop().time(), topic, payload))

        await connector.subscribe("#", hear)
        agent = Lone(connector=connector)
        await asyncio.sleep(1.5)
        sent = agent.ear.drain()
        await agent.end()
        await connector.disconnect()
        return sent, told

    sent, told = run_virtual(scenario())
    payload = {"agent_id": 7, "phase": 1.0, "time": 1.0}
    assert sent == [payload]
    assert told == [(1.0, "firefly/flash", payload)]


def test_times_are_those_of_the_loops_clock() -> None:
    async def scenario() -> list[float]:
        agent = Lone(phase=0.5)
        await asyncio.sleep(2.0)
        return await agent.end()

    assert run_virtual(scenario(), start=1024.0) == [1024.5, 1025.5]


def test_by_default_it_is_deaf_for_a_fifth_of_the_period() -> None:
    async def scenario(heard_at: float) -> list[float]:
        inbox, ear = DirectChannel(owner_id=0), DirectChannel(owner_id="ear")
        workflow = firefly_agent(0, 0.0, 10.0, 1.0, (ear,), inbox, None)
        running = asyncio.ensure_future(cs.Engine().run(workflow, use_vm=True))
        await asyncio.sleep(heard_at)
        inbox.send_nowait(flash(heard_at))
        await asyncio.sleep(10.0)
        running.cancel()
        await asyncio.wait([running])
        return [message["time"] for message in ear.drain()]

    assert run_virtual(scenario(1.99)) == [10.0]
    assert run_virtual(scenario(2.0)) == [9.0]


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_it_keeps_time_on_a_real_loop(kind: str) -> None:
    period = 0.04

    async def scenario() -> list[float]:
        ear = DirectChannel(owner_id="ear")
        workflow = firefly_agent(0, 0.03, period, 0.0, [ear], DirectChannel(owner_id=0), None)
        began = asyncio.get_running_loop().time()
        running = asyncio.ensure_future(cs.Engine().run(workflow, use_vm=True))
        times = [(await ear.recv(timeout=10.0))["time"] - began for _ in range(10)]
        running.cancel()
        await asyncio.wait([running])
        return times

    factory = pytest.importorskip(kind).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        times = runner.run(scenario())
    cycles = [later - earlier for earlier, later in pairwise(times)]
    # A loaded machine may lose whole cycles; whatever happens, nothing is ever early.
    assert min(cycles) >= period - 1e-9
    assert times[0] >= 0.01 - 1e-9


# --- hearing ----------------------------------------------------------------------------------


def test_a_heard_flash_makes_it_due_earlier_by_the_nudge() -> None:
    assert run_virtual(hearing([(0.5, 0.5)], 2.5)) == [0.875, 1.875]


def test_nudges_add_up() -> None:
    heard = [(0.25, 0.25), (0.5, 0.5), (0.5, 0.5), (0.5625, 0.5625)]
    assert run_virtual(hearing(heard, 1.25)) == [0.5625]


def test_a_nudge_over_the_period_makes_it_flash_at_the_time_of_the_flash_it_heard() -> None:
    assert run_virtual(hearing([(0.9375, 0.9375)], 3.0)) == [0.9375, 1.9375, 2.9375]
    assert run_virtual(hearing([(0.5, 0.5)], 3.0, nudge=40.0)) == [0.5, 1.5, 2.5]


def lifted(phase: float, strength: float, dissipation: float) -> float:
    """The phase to which a flash lifts one, by the states themselves: 0 to 1."""
    stretch = math.exp(dissipation) - 1
    state = math.log(1 + stretch * phase) / dissipation
    return (math.exp(dissipation * min(1.0, state + strength)) - 1) / stretch


@pytest.mark.parametrize("dissipation", [0.01, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("strength", [0.0, 0.01, 0.25, 1.0])
@pytest.mark.parametrize("phase", [0.03, 0.5, 0.97])
def test_with_a_dissipation_a_flash_lifts_the_state(
    phase: float, strength: float, dissipation: float
) -> None:
    times = run_virtual(hearing([(phase, phase)], 2.5, strength, dissipation))
    first = phase + (1.0 - lifted(phase, strength, dissipation))
    assert times[:2] == pytest.approx([first, first + 1.0], abs=1e-12)


def test_with_hardly_any_dissipation_that_is_the_nudge() -> None:
    slope, constant = response(5.0, 0.2, 1e-9)
    assert slope == pytest.approx(0, abs=1e-9)
    assert constant == pytest.approx(0.2)
    assert response(5.0, 0.2, None) == (0.0, 0.2)


def test_with_a_dissipation_it_hears_from_the_start_but_not_in_the_instant_of_its_flash() -> None:
    first = 1.0 - lifted(0.0, 0.125, 3.0)
    heard = [(0.0, 0.0), (first, first), (first, first)]
    assert run_virtual(hearing(heard, 2.0, 0.125, 3.0)) == pytest.approx([first, first + 1.0])


def test_it_doesnt_hear_itself() -> None:
    async def scenario() -> list[float]:
        agent = Lone(dissipation=3.0, nudge=0.5)
        channels = (agent.inbox, agent.ear)
        await agent.end()
        agent = Lone(dissipation=3.0, nudge=0.5, neighbors=channels, inbox=channels[0])
        await asyncio.sleep(2.5)
        assert agent.inbox.qsize() == 0
        return await agent.end()

    assert run_virtual(scenario()) == [1.0, 2.0]


def test_a_nudge_of_nothing_changes_nothing() -> None:
    heard = [(time / 16, time / 16) for time in range(1, 40)]
    assert run_virtual(hearing(heard, 3.5, nudge=0.0)) == [1.0, 2.0, 3.0]


def test_flashes_of_the_refractory_phase_are_ignored_and_gone() -> None:
    piled = [(0.125, 0.125)] * 90
    assert run_virtual(hearing(piled, 2.5)) == [1.0, 2.0]
    # Not even when a later one is heard, nor after the next flash.
    assert run_virtual(hearing([*piled, (0.5, 0.5), (1.0, 1.0)], 2.5)) == [0.875, 1.875]


def test_a_flash_counts_by_its_time_and_not_by_when_it_is_received() -> None:
    assert run_virtual(hearing([(0.75, 0.125)], 1.5)) == [1.0]
    assert run_virtual(hearing([(0.75, 0.5)], 1.5)) == [0.875]
    # Dated into the hearing phase, though received while it is deaf (timers may be early).
    assert run_virtual(hearing([(0.125, 0.5)], 1.5)) == [0.875]
    # Received after the agent's own flash: the cycle it belongs to is over.
    assert run_virtual(hearing([(1.5, 0.75)], 2.5)) == [1.0, 2.0]


def test_what_takes_it_over_the_period_in_the_past_makes_it_flash_in_the_past() -> None:
    async def scenario() -> Tally:
        agent = Lone()
        asyncio.get_running_loop().call_at(0.9375, agent.inbox.send_nowait, flash(0.875))
        await asyncio.sleep(1.5)
        await agent.end()
        return agent.tally

    assert run_virtual(scenario()).flashes == [(7, 0.875, 0.9375, 0)]


@pytest.mark.parametrize(
    ("early", "heard"), [(0.0, True), (0.9e-9, True), (1.2e-9, False), (1e-6, False)]
)
def test_the_end_of_the_refractory_phase_has_a_tolerance(early: float, heard: bool) -> None:
    time = REFRACTORY - early
    assert run_virtual(hearing([(time, time)], 1.5)) == [0.875 if heard else 1.0]


def test_an_agent_flashes_once_in_an_instant() -> None:
    assert run_virtual(hearing([(0.9375, 0.9375)] * 8 + [(1.0, 1.0)], 1.875)) == [0.9375]
    assert run_virtual(hearing([(1.0, 1.0)] * 8, 2.5)) == [1.0, 2.0]


def test_a_full_neighbour_never_makes_the_sender_wait() -> None:
    async def scenario() -> tuple[list[float], DirectChannel]:
        full = DirectChannel(owner_id="full", capacity=1)
        agent = Lone(neighbors=[full])
        await asyncio.sleep(5.5)
        return await agent.end(), full

    times, full = run_virtual(scenario())
    assert times == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (full.dropped, full.qsize()) == (4, 1)


# --- kept from running ------------------------------------------------------------------------


def held_up(until: float, heard: Sequence[tuple[float, float]] = ()) -> Lone:
    """Run an agent that flashes at 1, then is kept from its slot until the given time."""

    async def scenario() -> Lone:
        slots = cs.ResourceManager(capacity={"cpu_slot": 1})
        agent = Lone(slots=slots)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0.5)
        ticket = await slots.acquire({"cpu_slot": 1})
        assert loop.time() == 1.0
        for received, time in heard:
            loop.call_at(received, agent.inbox.send_nowait, flash(time))
        await asyncio.sleep(until - 1.0)
        ticket.release()
        await asyncio.sleep(2.5)
        assert slots.statistics().resources["cpu_slot"].used == 1
        await agent.end()
        assert slots.statistics().resources["cpu_slot"].used == 0
        return agent

    return run_virtual(scenario())


def test_late_by_less_than_a_period_its_phase_is_0_at_the_due_time() -> None:
    assert held_up(until=2.75).tally.flashes == [
        (7, 1.0, 1.0, 0),
        (7, 2.0, 2.75, 0),
        (7, 3.0, 3.0, 0),
        (7, 4.0, 4.0, 0),
        (7, 5.0, 5.0, 0),
    ]


@pytest.mark.parametrize(("until", "missed"), [(3.5, 1), (4.25, 2), (11.75, 9)])
def test_late_by_more_it_flashes_once_and_its_phase_is_0_now(until: float, missed: int) -> None:
    assert held_up(until).tally.flashes == [
        (7, 1.0, 1.0, 0),
        (7, 2.0, until, missed),
        (7, until + 1.0, until + 1.0, 0),
        (7, until + 2.0, until + 2.0, 0),
    ]


def test_kept_from_running_but_in_time_nothing_is_lost() -> None:
    assert held_up(until=1.875).tally.flashes[1:3] == [(7, 2.0, 2.0, 0), (7, 3.0, 3.0, 0)]


def test_what_came_meanwhile_counts_by_its_time() -> None:
    # Of four flashes, one came while it was deaf; the others make it due at 1.75.
    heard = [(1.125, 1.125), (1.25, 1.25), (1.5, 1.5), (1.75, 1.75)]
    assert held_up(2.25, heard).tally.flashes[1:3] == [(7, 1.75, 2.25, 0), (7, 2.75, 2.75, 0)]


def test_after_lost_cycles_what_came_meanwhile_is_gone() -> None:
    heard = [(time / 4, time / 4) for time in range(9, 23)]
    flashes = held_up(5.75, heard).tally.flashes
    assert flashes[1:3] == [(7, 2.0, 5.75, 3), (7, 6.75, 6.75, 0)]


def test_the_first_phase_is_that_of_the_time_when_it_first_runs() -> None:
    async def scenario() -> list[float]:
        slots = cs.ResourceManager(capacity={"cpu_slot": 1})
        ticket = await slots.acquire({"cpu_slot": 1})
        agent = Lone(phase=0.75, slots=slots)
        await asyncio.sleep(10.0)
        ticket.release()
        await asyncio.sleep(2.0)
        return await agent.end()

    assert run_virtual(scenario()) == [10.25, 11.25]


# --- together ---------------------------------------------------------------------------------


class World:
    """A torus of agents without anything of the experiment: engines, channels, a subscriber."""

    def __init__(self, phases: Sequence[float], period: float, nudge: float) -> None:
        self.phases = phases
        self.period = period
        self.nudge = nudge
        self.flashes: list[tuple[int, float]] = []
        self.slots = cs.ResourceManager()
        self.limit: int | None = None

    async def run(self, duration: float) -> None:
        count = len(self.phases)
        width, height = most_square(count)
        broker = LocalBroker(queue_size=10 * count)
        connector = LocalBusConnector(broker)
        await connector.connect()

        async def hear(topic: str, payload: Any) -> None:
            if payload["time"] < duration:
                self.flashes.append((payload["agent_id"], payload["time"]))

        subscription = await connector.subscribe("firefly/flash", hear)
        channels = [DirectChannel(owner_id=agent) for agent in range(count)]
        running = []
        for agent, phase in enumerate(self.phases):
            workflow = firefly_agent(
                agent_id=agent,
                initial_phase=phase,
                period=self.period,
                nudge=self.nudge,
                neighbors=[channels[other] for other in moore_neighbors(agent, width, height)],
                my_channel=channels[agent],
                connector=connector,
            )
            if self.limit is not None:
                self.slots.set_capacity({"cpu_slot": self.limit})
                workflow = workflow.with_constraints(cpu_slot=1)
            engine = cs.Engine(resource_manager=self.slots)
            running.append(asyncio.ensure_future(engine.run(workflow, use_vm=True)))
        await asyncio.sleep(duration)
        await asyncio.sleep(0)
        assert subscription.dropped == 0
        assert sum(channel.dropped for channel in channels) == 0
        assert not any(task.done() for task in running)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await connector.disconnect()


@pytest.mark.parametrize("nudge", [0.25, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 19])
def test_a_world_of_agents_flashes_as_the_reference_says(seed: int, nudge: float) -> None:
    draw = random.Random(seed)
    world = World([draw.uniform(0, 5.0) for _ in range(100)], period=5.0, nudge=nudge)
    run_virtual(world.run(300.0))
    assert world.flashes == simulate(100, 5.0, nudge, 300.0, seed).flashes


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
def test_small_worlds_flash_as_the_reference_says(count: int) -> None:
    draw = random.Random(count)
    world = World([draw.uniform(0, 1.0) for _ in range(count)], period=1.0, nudge=0.1)
    run_virtual(world.run(40.0))
    assert world.flashes == simulate(count, 1.0, 0.1, 40.0, seed=count).flashes


def test_who_is_due_at_the_same_time_flashes_by_number() -> None:
    world = World([0.5] * 6, period=1.0, nudge=0.1)
    run_virtual(world.run(3.0))
    assert world.flashes == [(agent, time) for time in (0.5, 1.5, 2.5) for agent in range(6)]


def test_who_is_kicked_follows_in_the_order_of_hearing() -> None:
    # On a ring of five, 2 is due at 0.25 and kicks 1 and 3; 1 then kicks 0, and 3 kicks 4.
    world = World([0.7, 0.7, 0.75, 0.7, 0.7], period=1.0, nudge=0.1)
    run_virtual(world.run(1.0))
    assert world.flashes == [(2, 0.25), (1, 0.25), (3, 0.25), (0, 0.25), (4, 0.25)]


@pytest.mark.parametrize("limit", [1, 3, 11])
def test_a_limit_holds_at_every_instant_and_everybody_gets_its_turn(limit: int) -> None:
    inside: set[int] = set()
    most = 0

    class Gatekeeper(Tally):
        def stepped(self, agent_id: int, due: float) -> None:
            nonlocal most
            assert agent_id not in inside
            inside.add(agent_id)
            most = max(most, len(inside))

    async def scenario() -> Tally:
        tally = Tally()
        slots = cs.ResourceManager(capacity={"cpu_slot": limit})
        keeper = Gatekeeper()
        channels = [DirectChannel(owner_id=agent) for agent in range(12)]
        running = []
        for agent in range(12):
            bus = cs.MessageBus()

            def step_over(event: TaskStepped, agent: int = agent) -> None:
                inside.remove(agent)
                tally.steps.append((agent, event.time))

            bus.subscribe(TaskStepped, step_over)
            workflow = firefly_agent(
                agent_id=agent,
                initial_phase=agent / 12,
                period=1.0,
                nudge=0.1,
                neighbors=[channels[other] for other in moore_neighbors(agent, 4, 3)],
                my_channel=channels[agent],
                connector=None,
                probe=keeper,
            ).with_constraints(cpu_slot=1)
            engine = cs.Engine(resource_manager=slots, bus=bus)
            running.append(asyncio.ensure_future(engine.run(workflow, use_vm=True)))
        await asyncio.sleep(60.0)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        assert slots.statistics().holding == slots.statistics().waiting == 0
        assert slots.statistics().resources["cpu_slot"].peak == limit
        return tally

    tally = run_virtual(scenario())
    assert most == limit
    counts = [sum(agent == one for one, _ in tally.steps) for agent in range(12)]
    assert min(counts) >= 3
    assert max(counts) <= 4 * min(counts)


def test_agents_leave_nothing_for_the_cyclic_collector() -> None:
    async def scenario() -> int:
        world = World([0.0, 0.3, 0.5, 0.9], period=1.0, nudge=0.1)
        world.limit = 3
        running = asyncio.ensure_future(world.run(100.0))
        await asyncio.sleep(10.0)
        gc.collect()
        await asyncio.sleep(80.0)
        found = gc.collect()
        await running
        return found

    enabled = gc.isenabled()
    gc.disable()
    try:
        assert run_virtual(scenario()) == 0
    finally:
        if enabled:
            gc.enable()


# --- bad arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("agent_id", "7", TypeError),
        ("agent_id", 7.0, TypeError),
        ("agent_id", True, TypeError),
        ("period", 0, ValueError),
        ("period", -1.0, ValueError),
        ("period", float("nan"), ValueError),
        ("period", float("inf"), ValueError),
        pytest.param("period", 10**400, ValueError, id="period-huge-ValueError"),
        ("period", "5", TypeError),
        ("period", None, TypeError),
        ("period", True, TypeError),
        ("initial_phase", -0.1, ValueError),
        ("initial_phase", 1.1, ValueError),
        ("initial_phase", float("nan"), ValueError),
        ("initial_phase", None, TypeError),
        ("nudge", -0.1, ValueError),
        ("nudge", float("inf"), ValueError),
        ("nudge", "0.1", TypeError),
        ("refractory_period", 0.0, ValueError),
        ("refractory_period", 1e-9, ValueError),
        ("refractory_period", 1.1, ValueError),
        ("refractory_period", "0.2", TypeError),
    ],
)
def test_a_bad_argument_is_refused_at_once(
    name: str, value: object, error: type[Exception]
) -> None:
    arguments: dict[str, Any] = {
        "agent_id": 7,
        "initial_phase": 0.0,
        "period": 1.0,
        "nudge": 0.1,
        "neighbors": [],
        "my_channel": DirectChannel(owner_id=7),
        "connector": None,
        "refractory_period": 0.2,
    }

    async def scenario() -> None:
        await cs.Engine().run(firefly_agent(**{**arguments, name: value}), use_vm=True)

    with pytest.raises(error, match=f"{name} must be") as caught:
        run_virtual(scenario())
    assert repr(value) in str(caught.value)


def test_a_missing_argument_is_refused_at_the_call() -> None:
    incomplete: Any = firefly_agent
    with pytest.raises(TypeError, match="my_channel"):
        incomplete(agent_id=0, initial_phase=0.0, period=1.0, nudge=0.1, neighbors=[])
