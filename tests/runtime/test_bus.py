"""The bus: events reach whoever asked for their class or a base of it, and never hurt a run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

import cascade as cs
from cascade import testing
from cascade.runtime import events
from cascade.runtime.bus import MessageBus

STARTED = events.TaskStarted("run", 0.0, "same#0", "same")
FINISHED = events.TaskFinished("run", 1.0, "same#0", "same", "succeeded", 1.0)
RUN_STARTED = events.RunStarted("run", 0.0)
SKIPPED = events.TaskSkipped("run", 0.0, "same#0", "same", "why")
SET_UP = events.ResourceSetUp("run", 0.0, "database")
SAMPLES: list[events.Event] = [STARTED, FINISHED, RUN_STARTED, SKIPPED, SET_UP]
CLASSES = [
    events.Event,
    events.TaskEvent,
    events.RunEvent,
    events.ResourceEvent,
    *map(type, SAMPLES),
]


@cs.task(mode="inline")
def same(value: Any = None) -> Any:
    return value


def failing(error: BaseException) -> Callable[[Any], None]:
    def fail(_: Any) -> None:
        raise error

    return fail


class TestDelivery:
    @pytest.mark.parametrize("subscribed", CLASSES, ids=lambda kind: kind.__name__)
    def test_a_class_receives_its_events_and_those_of_its_subclasses(
        self, subscribed: type[events.Event]
    ) -> None:
        bus, received = MessageBus(), list[events.Event]()
        bus.subscribe(subscribed, received.append)
        for event in SAMPLES:
            bus.publish(event)
        assert received == [event for event in SAMPLES if isinstance(event, subscribed)]

    def test_an_event_is_delivered_at_once_as_the_same_object(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        bus.subscribe(events.TaskStarted, received.append)
        bus.publish(STARTED)
        assert received[0] is STARTED

    def test_subscribers_are_called_in_the_order_of_subscription(self) -> None:
        bus, calls = MessageBus(), list[str]()
        bus.subscribe(events.TaskStarted, lambda _: calls.append("narrow"))
        bus.subscribe(events.Event, lambda _: calls.append("wide"))
        bus.subscribe(events.TaskStarted, lambda _: calls.append("late"))
        bus.publish(STARTED)
        assert calls == ["narrow", "wide", "late"]

    def test_a_class_of_the_users_own_finds_those_who_want_its_base(self) -> None:
        class Mine(events.TaskStarted):
            pass

        bus, received = MessageBus(), list[events.Event]()
        bus.subscribe(events.TaskEvent, received.append)
        mine = Mine("run", 0.0, "same#0", "same")
        bus.publish(mine)
        assert received == [mine]

    def test_a_subscriber_is_counted_from_its_subscription_on(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        bus.publish(STARTED)
        bus.subscribe(events.Event, received.append)
        assert received == []
        bus.publish(FINISHED)
        assert received == [FINISHED]

    def test_one_handler_may_subscribe_twice(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        first = bus.subscribe(events.Event, received.append)
        bus.subscribe(events.TaskEvent, received.append)
        bus.publish(STARTED)
        assert received == [STARTED, STARTED]
        first()
        bus.publish(FINISHED)
        assert received == [STARTED, STARTED, FINISHED]

    def test_a_handler_may_publish(self) -> None:
        bus, received = MessageBus(), list[str]()

        def echo(event: events.TaskStarted) -> None:
            bus.publish(FINISHED)
            received.append(event.task_name)

        bus.subscribe(events.TaskStarted, echo)
        bus.subscribe(events.TaskFinished, lambda event: received.append(event.status))
        bus.publish(STARTED)
        assert received == ["succeeded", "same"]

    @settings(max_examples=tries(50, 200), deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(["subscribe", "unsubscribe", "publish"]), st.integers(0, 7))
        )
    )
    def test_agrees_with_a_list_of_subscriptions(self, operations: list[tuple[str, int]]) -> None:
        bus = MessageBus()
        received: list[tuple[int, events.Event]] = []
        expected: list[tuple[int, events.Event]] = []
        alive: dict[int, type[events.Event]] = {}
        endings: list[Callable[[], None]] = []
        for operation, choice in operations:
            if operation == "subscribe":
                number, kind = len(endings), CLASSES[choice]
                alive[number] = kind
                endings.append(
                    bus.subscribe(kind, lambda event, n=number: received.append((n, event)))  # type: ignore[misc]
                )
            elif operation == "unsubscribe" and endings:
                endings[choice % len(endings)]()
                alive.pop(choice % len(endings), None)
            elif operation == "publish":
                event = SAMPLES[choice % len(SAMPLES)]
                bus.publish(event)
                expected += [(n, event) for n, kind in alive.items() if isinstance(event, kind)]
            assert received == expected
            assert bus.hot is bool(alive)
            for sample in SAMPLES:
                wanted = any(isinstance(sample, kind) for kind in alive.values())
                assert bus.wants(type(sample)) is wanted


class TestSubscribing:
    def test_the_bus_is_hot_while_somebody_listens(self) -> None:
        bus = MessageBus()
        hot = [bus.hot]
        first = bus.subscribe(events.Event, print)
        second = bus.subscribe(events.TaskStarted, print)
        first()
        hot.append(bus.hot)
        second()
        hot.append(bus.hot)
        assert hot == [False, True, False]

    def test_ending_a_subscription_twice_does_nothing(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        end = bus.subscribe(events.Event, received.append)
        bus.subscribe(events.Event, received.append)
        end()
        end()
        bus.publish(STARTED)
        assert received == [STARTED]

    def test_a_handler_may_end_its_own_subscription(self) -> None:
        bus, received = MessageBus(), list[events.Event]()

        def once(event: events.Event) -> None:
            received.append(event)
            end()

        end = bus.subscribe(events.Event, once)
        others = list[events.Event]()
        bus.subscribe(events.Event, others.append)
        bus.publish(STARTED)
        bus.publish(FINISHED)
        assert received == [STARTED]
        assert others == [STARTED, FINISHED]

    def test_who_subscribes_during_an_event_hears_the_next(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        endings: list[Callable[[], None]] = []

        def recruit(_: events.Event) -> None:
            if not endings:
                endings.append(bus.subscribe(events.Event, received.append))

        bus.subscribe(events.Event, recruit)
        bus.publish(STARTED)
        assert received == []
        bus.publish(FINISHED)
        assert received == [FINISHED]

    def test_who_has_unsubscribed_is_called_no_more(self) -> None:
        bus, received = MessageBus(), list[events.Event]()
        endings: list[Callable[[], None]] = []
        bus.subscribe(events.Event, lambda _: endings[0]())
        endings.append(bus.subscribe(events.Event, received.append))
        bus.publish(STARTED)
        assert received == []

    def test_only_classes_of_events_can_be_subscribed_to(self) -> None:
        wrong: Any
        for wrong in (int, "TaskStarted", STARTED, None, (events.TaskStarted,)):
            with pytest.raises(TypeError, match=r"event_type must be a class of .*, got"):
                MessageBus().subscribe(wrong, print)

    def test_only_what_can_be_called_is_a_handler(self) -> None:
        bus = MessageBus()
        wrong: Any
        for wrong in (None, 5, "print"):
            with pytest.raises(TypeError, match="handler must be callable with one event, got"):
                bus.subscribe(events.Event, wrong)
        assert not bus.hot

    def test_a_handler_that_nobody_would_await_is_refused(self) -> None:
        async def handler(event: events.Event) -> None: ...

        wrong: Any = handler
        with pytest.raises(TypeError, match="handler must be"):
            MessageBus().subscribe(events.Event, wrong)


class TestFailingSubscribers:
    @pytest.mark.parametrize(
        "error", [ValueError("broken"), asyncio.CancelledError("broken")], ids=repr
    )
    def test_are_reported_once_and_break_nothing(
        self, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        bus, received = MessageBus(), list[events.Event]()
        bus.subscribe(events.Event, failing(error))
        bus.subscribe(events.Event, received.append)
        for event in SAMPLES:
            bus.publish(event)
        assert received == SAMPLES
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "TaskStarted" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[1] is error

    def test_are_called_again_for_later_events(self, caplog: pytest.LogCaptureFixture) -> None:
        bus, received = MessageBus(), list[events.Event]()

        def fail_first(event: events.Event) -> None:
            received.append(event)
            if len(received) == 1:
                raise ValueError("broken")

        bus.subscribe(events.Event, fail_first)
        bus.publish(STARTED)
        bus.publish(FINISHED)
        assert received == [STARTED, FINISHED]

    def test_are_reported_each_for_themselves(self, caplog: pytest.LogCaptureFixture) -> None:
        bus = MessageBus()
        end = bus.subscribe(events.Event, failing(ValueError("one")))
        bus.subscribe(events.Event, failing(ValueError("two")))
        bus.publish(STARTED)
        assert len(caplog.records) == 2
        end()
        bus.subscribe(events.Event, failing(ValueError("three")))
        bus.publish(STARTED)
        assert len(caplog.records) == 3

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
    def test_the_wish_to_leave_the_program_is_no_failure(self, error: BaseException) -> None:
        bus = MessageBus()
        bus.subscribe(events.Event, failing(error))
        with pytest.raises(type(error)):
            bus.publish(STARTED)


class TestInARun:
    @pytest.mark.parametrize(
        "error", [ValueError("broken"), asyncio.CancelledError("broken")], ids=repr
    )
    def test_a_failing_subscriber_breaks_no_run(
        self, error: BaseException, caplog: pytest.LogCaptureFixture
    ) -> None:
        bus = MessageBus()
        bus.subscribe(events.Event, failing(error))
        recorder = testing.EventRecorder(bus)
        assert testing.run_virtual(cs.Engine(bus=bus).run(same(same(1)))) == 1
        assert len(caplog.records) == 1
        assert recorder.names() == [
            "RunStarted",
            *["TaskStarted", "TaskFinished"] * 2,
            "RunFinished",
        ]
        assert {event.status for event in recorder.of(events.TaskFinished)} == {"succeeded"}

    def test_late_subscribers_count(self) -> None:
        bus, received = MessageBus(), list[events.Event]()

        @cs.task(mode="inline")
        def listen() -> None:
            bus.subscribe(events.Event, received.append)

        testing.run_virtual(cs.Engine(bus=bus).run(same(listen())))
        assert [type(event).__name__ for event in received] == [
            "TaskFinished",
            "TaskStarted",
            "TaskFinished",
            "RunFinished",
        ]

    def test_nothing_is_published_while_nobody_listens(self) -> None:
        published: list[events.Event] = []

        class Spy(MessageBus):
            def publish(self, event: events.Event) -> None:
                published.append(event)

        assert testing.run_virtual(cs.Engine(bus=Spy()).run(same(same(1)))) == 1
        assert published == []
