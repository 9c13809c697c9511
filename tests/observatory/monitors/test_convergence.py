"""ConvergenceMonitor: R of all heard agents at one instant, at exact times."""

from __future__ import annotations

import asyncio
import cmath
import logging
import math
import random
from typing import Any

import pytest

from cascade.connectors.local import LocalBroker, LocalBusConnector
from cascade.errors import ConnectorError
from cascade.testing import run_virtual
from observatory.monitors.convergence import Convergence, ConvergenceMonitor


def flash(agent_id: Any, time: Any) -> dict[str, Any]:
    return {"agent_id": agent_id, "phase": 0.0, "time": time}


async def connected() -> LocalBusConnector:
    connector = LocalBusConnector(LocalBroker())
    await connector.connect()
    return connector


def test_samples_at_exact_times_and_speaks_of_the_heard() -> None:
    async def scenario() -> list[Convergence]:
        connector = await connected()
        monitor = ConvergenceMonitor(num_agents=3, period=4.0, connector=connector)
        samples: list[Convergence] = []

        def keep(sample: Convergence) -> None:
            samples.append(sample)
            if len(samples) == 4:
                monitor.stop()

        running = asyncio.create_task(monitor.run(frequency_hz=1.0, callback=keep))
        await asyncio.sleep(1.5)
        await connector.publish("firefly/flash", flash(0, 1.5))
        await asyncio.sleep(1.0)
        await connector.publish("firefly/flash", flash(2, 2.5))
        await asyncio.sleep(1.0)
        await connector.publish("firefly/flash", flash(1, 3.5))
        await running
        return samples

    nobody, one, quarter, all_three = run_virtual(scenario())
    assert [nobody.time, one.time, quarter.time, all_three.time] == [1.0, 2.0, 3.0, 4.0]
    assert math.isnan(nobody.order_parameter)
    assert (nobody.heard, nobody.silent) == (0, 3)
    assert [(s.heard, s.silent) for s in (one, quarter, all_three)] == [(1, 2), (2, 1), (3, 0)]
    found = [s.order_parameter for s in (one, quarter, all_three)]
    assert found == pytest.approx([1.0, math.sqrt(0.5), 1 / 3])


def test_r_agrees_with_the_plain_sum() -> None:
    draw = random.Random(3)
    times = [draw.uniform(0.0, 40.0) for _ in range(200)]

    async def scenario() -> Convergence:
        connector = await connected()
        monitor = ConvergenceMonitor(200, 5.0, connector)
        running = asyncio.create_task(monitor.run())
        await asyncio.sleep(0)
        for agent_id, time in enumerate(times):
            await connector.publish("firefly/flash", flash(agent_id, time))
        await asyncio.sleep(0.1)
        monitor.stop()
        await running
        return monitor.snapshot(30.0)

    phases = [max(30.0 - time, 0.0) / 5.0 % 1.0 for time in times]
    plain = abs(sum(cmath.exp(2j * math.pi * phase) for phase in phases) / 200)
    assert run_virtual(scenario()).order_parameter == pytest.approx(plain)


def test_an_older_flash_doesnt_replace_a_newer_one_and_a_future_one_is_phase_zero() -> None:
    async def scenario() -> None:
        connector = await connected()
        monitor = ConvergenceMonitor(2, 4.0, connector)
        running = asyncio.create_task(monitor.run())
        await asyncio.sleep(0)
        for agent_id, time in [(0, 8.0), (0, 7.0), (1, 6.0)]:
            await connector.publish("firefly/flash", flash(agent_id, time))
        await asyncio.sleep(0)
        assert float(monitor.snapshot(8.0)) == pytest.approx(0.0, abs=1e-12)
        assert float(monitor.snapshot(6.0)) == pytest.approx(1.0)
        running.cancel()
        await asyncio.wait([running])

    run_virtual(scenario())


def test_malformed_messages_are_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad: list[Any] = [
        None,
        "flash",
        [],
        {},
        {"agent_id": 1},
        flash(-1, 0.0),
        flash(3, 0.0),
        flash("1", 0.0),
        flash(1.0, 0.0),
        flash(True, 0.0),
        flash(None, 0.0),
        flash(1, math.nan),
        flash(1, math.inf),
        flash(1, "now"),
        flash(1, None),
    ]

    async def scenario() -> ConvergenceMonitor:
        connector = await connected()
        monitor = ConvergenceMonitor(3, 4.0, connector)
        running = asyncio.create_task(monitor.run())
        await asyncio.sleep(0)
        for payload in [*bad, flash(1, 0.0)]:
            await connector.publish("firefly/flash", payload)
        await asyncio.sleep(0.1)
        monitor.stop()
        await running
        return monitor

    with caplog.at_level(logging.WARNING):
        monitor = run_virtual(scenario())
    assert monitor.rejected == len(bad)
    assert monitor.snapshot(1.0).heard == 1
    assert len(caplog.records) == 1
    assert "firefly/flash" in caplog.text


def test_an_async_callback_is_awaited_and_doesnt_make_the_samples_drift() -> None:
    async def scenario() -> list[float]:
        monitor = ConvergenceMonitor(1, 1.0, await connected())
        times: list[float] = []

        async def slow(sample: Convergence) -> None:
            times.append(sample.time)
            await asyncio.sleep(0.3 if len(times) < 3 else 1.2)
            if len(times) == 5:
                monitor.stop()

        await monitor.run(callback=slow)
        return times

    # The samples at 2.0 and 2.5 fall into the long call and are left out.
    assert run_virtual(scenario()) == [0.5, 1.0, 1.5, 3.0, 4.5]


def test_stop_before_run_and_stop_twice() -> None:
    async def scenario() -> float:
        monitor = ConvergenceMonitor(1, 1.0, await connected())
        monitor.stop()
        monitor.stop()
        await monitor.run()
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == 0.0


def test_stop_ends_a_run_at_once() -> None:
    async def scenario() -> float:
        monitor = ConvergenceMonitor(1, 1.0, await connected())
        asyncio.get_running_loop().call_later(0.2, monitor.stop)
        await monitor.run(frequency_hz=0.001)
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == 0.2


@pytest.mark.parametrize("way_out", ["stop", "cancel", "failing callback"])
def test_every_way_out_unsubscribes(way_out: str) -> None:
    class Subscription:
        ended = 0

        async def unsubscribe(self) -> None:
            await asyncio.sleep(0)
            self.ended += 1

    class RemoteConnector(LocalBusConnector):
        def __init__(self, subscription: Subscription) -> None:
            super().__init__(LocalBroker())
            self.subscription = subscription

        async def subscribe(self, topic: str, callback: Any) -> Any:
            return self.subscription

    async def scenario() -> None:
        subscription = Subscription()
        monitor = ConvergenceMonitor(1, 1.0, RemoteConnector(subscription))

        def fail(sample: Convergence) -> None:
            if way_out == "failing callback":
                raise LookupError("no display")

        running = asyncio.create_task(monitor.run(callback=fail))
        await asyncio.sleep(0.25)
        assert subscription.ended == 0
        if way_out == "stop":
            monitor.stop()
        elif way_out == "cancel":
            running.cancel()
        await asyncio.wait([running])
        assert subscription.ended == 1
        assert running.cancelled() is (way_out == "cancel")
        if way_out == "failing callback":
            assert isinstance(running.exception(), LookupError)

    run_virtual(scenario())


def test_after_a_run_nothing_is_heard_any_more() -> None:
    async def scenario() -> None:
        connector = await connected()
        monitor = ConvergenceMonitor(1, 1.0, connector)
        running = asyncio.create_task(monitor.run())
        await asyncio.sleep(0.1)
        with pytest.raises(RuntimeError, match="running already"):
            await monitor.run()
        running.cancel()
        await asyncio.wait([running])
        await connector.publish("firefly/flash", flash(0, 0.0))
        await asyncio.sleep(0.1)
        assert monitor.snapshot(1.0).silent == 1
        second = asyncio.create_task(monitor.run())
        await asyncio.sleep(0.1)
        await connector.publish("firefly/flash", flash(0, 0.0))
        await asyncio.sleep(0.1)
        assert monitor.snapshot(1.0).heard == 1
        monitor.stop()
        await second

    run_virtual(scenario())


def test_the_connector_must_be_connected() -> None:
    async def scenario() -> None:
        with pytest.raises(ConnectorError, match="connect"):
            await ConvergenceMonitor(1, 1.0, LocalBusConnector(LocalBroker())).run()

    run_virtual(scenario())


def test_a_sample_is_a_value() -> None:
    sample = Convergence(1.0, 0.5, 2, 1)
    with pytest.raises(AttributeError, match="can't be changed"):
        sample.time = 2.0
    assert sample.time == 1.0
    assert not hasattr(sample, "__dict__")


def test_bad_arguments() -> None:
    connector = LocalBusConnector(LocalBroker())
    wrong: Any = None
    for count in (0, -1):
        with pytest.raises(ValueError, match=f"num_agents must be a whole number ≥ 1, got {count}"):
            ConvergenceMonitor(count, 1.0, connector)
    for period in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="period must be finite and above 0"):
            ConvergenceMonitor(1, period, connector)
    with pytest.raises(TypeError, match="num_agents must be a whole number"):
        ConvergenceMonitor(wrong, 1.0, connector)
    with pytest.raises(TypeError, match="period must be a number"):
        ConvergenceMonitor(1, wrong, connector)
    with pytest.raises(TypeError, match="connector must be a Connector, got None"):
        ConvergenceMonitor(1, 1.0, wrong)

    async def scenario() -> None:
        monitor = ConvergenceMonitor(1, 1.0, connector)
        with pytest.raises(ValueError, match="frequency_hz must be finite and above 0, got 0"):
            await monitor.run(frequency_hz=0)
        not_callable: Any = "print"
        with pytest.raises(TypeError, match="callback must be callable"):
            await monitor.run(callback=not_callable)

    run_virtual(scenario())
