"""firefly_agent: a pulse-coupled oscillator that never ends, one step at a time.

The model. An agent's phase grows with the loop's clock and is kept as an absolute *due time*, when
it will reach the period: ``phase(t) = period - (due - t)``. Being due, the agent flashes and its
phase is 0 at that time, so that no lateness adds up. A flash is heard by the neighbours and counts
by the phase they had at the flash's time: from the refractory period on (with a tolerance of 1e-9)
it advances their phase, below that it is ignored and gone. A neighbour that is due by this flashes
at the same time. It flashes once in an instant: what it hears in the instant of its own flash is
ignored.

By how much a flash advances a phase is the *phase response*. It is `nudge` seconds, whatever the
phase; or, given a `dissipation` b, that of Mirollo and Strogatz: the state x = f(φ) of a phase
φ = phase/period, f(φ) = ln(1 + (e^b - 1)·φ)/b, is lifted by ε = nudge/period, to 1 at most. As
f⁻¹(f(φ) + ε) = e^(bε)·φ + (e^(bε) - 1)/(e^b - 1), both are a straight line; see `response`.

Simultaneous flashes are served first come, first served, the first by agent id: agents that are due
at one instant flash in the order in which their due times were set, then those who reach their
period by these flashes, in the order in which they heard the first of them.
`observatory.reference.fireflies` is the same model as a calculation.

After the model of pulse-coupled oscillators of R. E. Mirollo and S. H. Strogatz, "Synchronization
of pulse-coupled biological oscillators", SIAM J. Appl. Math. 50 (1990) 1645, which has no
refractory period.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Protocol

import cascade as cs
from cascade.ports import Connector
from cascade.runtime.timers import wait_until
from cascade.spec.checks import check_finite
from observatory.agents.nudge import Nudge
from observatory.networking.direct_channel import DirectChannel

FLASH_TOPIC = "firefly/flash"
"""Where flashes are told: payload ``{"agent_id", "phase", "time"}``."""
TOLERANCE = 1e-9
"""How far below the refractory period a phase still counts as having reached it, in seconds."""
REFRACTORY_SHARE = 0.2
"""The refractory period by default, as a share of the period; there is none with a dissipation."""
MOST_DISSIPATION = 100.0
"""The dissipation at most: a flash before the very end of a cycle would have hardly any effect."""


class Probe(Protocol):
    """Whoever wants to know exactly what agents do, without a broker in between."""

    def stepped(self, agent_id: int, due: float) -> None:
        """A step begins; the agent will be due at `due`."""
        ...

    def nudged(self, agent_id: int, due: float) -> None:
        """The agent has heard something and will be due at `due`; its next step may be far off."""
        ...

    def flashed(self, agent_id: int, time: float, sent: float, missed: int) -> None:
        """A flash that was due at `time` was sent at `sent`; so many cycles were lost by it."""
        ...


def response(period: float, nudge: float, dissipation: float | None) -> tuple[float, float]:
    """Return (slope, constant): a flash advances a phase by ``slope * phase + constant`` seconds.

    Args:
        period: the time from flash to flash when nothing is heard, in seconds.
        nudge: how much a flash advances the phase, or with a dissipation the state, in seconds;
            of the state, which goes from 0 to 1, that is ``nudge / period``.
        dissipation: how concave the state is as a function of the phase; None: not at all.
    """
    if dissipation is None:
        return 0.0, nudge
    slope = math.expm1(dissipation * min(1.0, nudge / period))
    return slope, slope * (period / math.expm1(dissipation))


@cs.task
async def firefly_agent(
    agent_id: int,
    initial_phase: float,
    period: float,
    nudge: float | Nudge,
    neighbors: Sequence[DirectChannel],
    my_channel: DirectChannel,
    connector: Connector | None,
    refractory_period: float | None = None,
    due: float | None = None,
    probe: Probe | None = None,
    awake: bool = False,
    dissipation: float | None = None,
    flashed: float = -math.inf,
) -> Any:
    """One step of a firefly: wait until it hears something or is due, and act on it.

    Run it with ``engine.run(firefly_agent(...), use_vm=True)``; it never returns by itself. An
    agent that was kept from running (no slot) flashes once when it runs again: late by less than
    a period, its phase is 0 at the due time; later than that, phase 0 is now and the lost cycles
    are counted as missed.

    Args:
        agent_id: its number.
        initial_phase: its phase when it first runs, in seconds, 0 to `period`.
        period: the time from flash to flash when nothing is heard, in seconds.
        nudge: how much a heard flash advances the phase (with a dissipation: the state; see
            `response`), in seconds.
        neighbors: the channels of those who hear its flashes, in order. Its own is left out, so
            that agents of whom everyone hears everyone can share one sequence.
        my_channel: where it hears the flashes of others.
        connector: where flashes are told as well; None for no telemetry.
        refractory_period: how long after its flash it is deaf, in seconds; by default a fifth of
            the period, or 0 with a dissipation. More than 1e-9 (with a dissipation 0 will do), at
            most `period`.
        due: when it will first be due, on the loop's clock; by default one period after the time
            at which its phase was 0.
        probe: is told every step, every nudge and every flash.
        awake: give the slots back while it waits for a time or for a flash, so that a limit holds
            for those that are at work and not for those that wait.
        dissipation: b of Mirollo and Strogatz, above 0 and at most 100; None is a constant phase
            response.
        flashed: when it has flashed last, on the loop's clock: what one step tells the next.

    Raises:
        TypeError, ValueError: an argument is no number or out of its range; it names the argument.
    """
    if isinstance(nudge, Nudge):
        nudge = nudge.seconds

    loop = asyncio.get_running_loop()
    if due is None:
        _check(agent_id, initial_phase, period, nudge, refractory_period, dissipation)
        due = loop.time() + (period - initial_phase)
    if refractory_period is None:
        refractory_period = REFRACTORY_SHARE * period if dissipation is None else 0.0
    slope, constant = response(period, nudge, dissipation)
    if probe is not None:
        probe.stepped(agent_id, due)

    # It listens a hair before the first flash that counts: whoever only wakes in that instant would
    # be served in the order of waking, not in the order of hearing.
    deaf_until = due - period + refractory_period - 2 * TOLERANCE
    if deaf_until > loop.time():
        if awake:
            async with cs.released():
                await wait_until(deaf_until)
        else:
            await wait_until(deaf_until)
    heard = my_channel.drain()
    began_with, waited = due, False
    while True:
        for message in heard:
            time = message["time"]
            if due <= time:
                flashed = await _flash(
                    agent_id, due, period, neighbors, my_channel, connector, probe, loop.time()
                )
                due = flashed + period
            phase = period - (due - time)
            # Without a deaf time nothing else keeps the flashes of one instant from counting twice.
            if phase >= refractory_period - TOLERANCE and (dissipation is None or time > flashed):
                due -= slope * phase + constant
                if due <= time:
                    flashed = await _flash(
                        agent_id, time, period, neighbors, my_channel, connector, probe, loop.time()
                    )
                    due = flashed + period
        if waited or due != began_with:
            if probe is not None:
                probe.nudged(agent_id, due)
            return cs.TailCall(due=due, flashed=flashed)
        try:
            if awake:
                async with cs.released():
                    heard = [await my_channel.recv_until(due)]
            else:
                heard = [await my_channel.recv_until(due)]
        except TimeoutError:
            # What came in while it queued for its slot is older than the flash, or by it.
            heard = my_channel.drain() if awake else []
            if not heard:
                flashed = await _flash(
                    agent_id, due, period, neighbors, my_channel, connector, probe, loop.time()
                )
                return cs.TailCall(due=flashed + period, flashed=flashed)
        else:
            heard += my_channel.drain()
        waited = True


async def _flash(
    agent_id: int,
    time: float,
    period: float,
    neighbors: Sequence[DirectChannel],
    my_channel: DirectChannel,
    connector: Connector | None,
    probe: Probe | None,
    now: float,
) -> float:
    """Send the flash that was due at `time`, and return when the phase is 0 by it."""
    lateness = now - time
    missed = int(lateness // period) if lateness >= period else 0
    payload = {"agent_id": agent_id, "phase": period, "time": time}
    for channel in neighbors:
        if channel is not my_channel:
            channel.send_nowait(payload)
    if connector is not None:
        await connector.publish(FLASH_TOPIC, payload)
    if probe is not None:
        probe.flashed(agent_id, time, now, missed)
    return now if missed else time


def _check(
    agent_id: object,
    initial_phase: object,
    period: object,
    nudge: object,
    refractory_period: object,
    dissipation: object,
) -> None:
    if isinstance(agent_id, bool) or not isinstance(agent_id, int):
        raise TypeError(f"agent_id must be a whole number, got {agent_id!r}")
    length = check_finite("period", period)
    if length <= 0:
        raise ValueError(f"period must be above 0 seconds, got {period!r}")
    if not 0 <= check_finite("initial_phase", initial_phase) <= length:
        raise ValueError(f"initial_phase must be from 0 to the period, got {initial_phase!r}")
    if check_finite("nudge", nudge) < 0:
        raise ValueError(f"nudge must be ≥ 0 seconds, got {nudge!r}")
    if dissipation is not None:
        check_dissipation(dissipation)
    if refractory_period is not None:
        check_refractory_period(refractory_period, length, dissipation is not None)


def check_dissipation(value: object) -> None:
    """Raise unless `value` is a dissipation: above 0, at most 100."""
    if not 0 < check_finite("dissipation", value) <= MOST_DISSIPATION:
        raise ValueError(f"dissipation must be above 0 and at most 100, got {value!r}")


def check_refractory_period(value: object, period: float, may_be_none: bool) -> None:
    """Raise unless `value` is how long an agent may be deaf, in seconds."""
    seconds = check_finite("refractory_period", value)
    if not (TOLERANCE < seconds <= period or (may_be_none and seconds == 0)):
        raise ValueError(
            f"refractory_period must be {'0, or ' if may_be_none else ''}above 1e-9 seconds and "
            f"at most the period, got {value!r}"
        )
