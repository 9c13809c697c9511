"""Events: what it costs to tell the bus something."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.harness import Row, Work, measure
from cascade.runtime.bus import MessageBus
from cascade.runtime.events import TaskStepped

TIMES = 100_000
EVENT = TaskStepped("run-1", 0.0, "listen#0", "listen", 1)


def publishing(quick: bool) -> Iterable[Row]:
    """Publish to nobody and to one subscriber; and only ask whether anybody listens."""
    rounds = 11 if quick else 31
    silent, heard = MessageBus(), MessageBus()
    heard.subscribe(TaskStepped, _handle)
    routes = {TaskStepped: None}

    def look_up() -> None:
        get = routes.get
        for _ in range(TIMES):
            get(type(EVENT))

    def publish_to(bus: MessageBus) -> None:
        publish = bus.publish
        for _ in range(TIMES):
            publish(EVENT)

    def call() -> None:
        handle = _handle
        for _ in range(TIMES):
            handle(EVENT)

    def guarded() -> None:
        for _ in range(TIMES):
            if silent.hot:
                silent.publish(EVENT)

    works = (
        ("an event while nobody listens", look_up, guarded, 1.2),
        ("an event, published all the same", look_up, lambda: publish_to(silent), None),
        ("an event with one subscriber", call, lambda: publish_to(heard), 10.0),
    )
    for name, floor, ours, budget in works:
        yield measure(Work(name, TIMES, floor, ours, budget, rounds), quick)


def _handle(event: TaskStepped) -> None:
    pass
