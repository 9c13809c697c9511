"""MessageBus: hands events to whoever subscribed to their class or a base of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from cascade.runtime.events import Event

_log = logging.getLogger("cascade.bus")

E = TypeVar("E", bound=Event)
Handler = Callable[[Any], None]


class MessageBus:
    """Delivers events at once, in the order of subscription, in the publisher's thread.

    Handlers are plain functions and should be quick: they run inside the run that they watch.
    A handler that raises is logged once with its traceback and is called again for later events;
    it never breaks a run.
    """

    __slots__ = ("__weakref__", "_handlers", "_reported", "_routes", "_subscriptions", "hot")

    def __init__(self) -> None:
        self.hot = False
        """Whether anybody listens. Publishers look here before they make an event."""
        self._handlers: list[tuple[int, type[Event], Handler]] = []
        self._routes: dict[type[Event], tuple[tuple[int, Handler], ...]] = {}
        self._reported: set[int] = set()
        self._subscriptions = 0

    def subscribe(self, event_type: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call `handler` with every event of `event_type` and of its subclasses.

        Returns:
            A function that ends the subscription; calling it again does nothing.

        Raises:
            TypeError: `event_type` isn't a class of events, or `handler` isn't callable.
        """
        given: object = event_type
        if not (isinstance(given, type) and issubclass(given, Event)):
            raise TypeError(
                f"event_type must be a class of cascade.runtime.events, got {event_type!r}"
            )
        if not callable(handler):
            raise TypeError(f"handler must be callable with one event, got {handler!r}")
        self._subscriptions += 1
        serial = self._subscriptions
        entry = (serial, event_type, handler)
        self._handlers.append(entry)
        self._changed()

        def unsubscribe() -> None:
            if entry in self._handlers:
                self._handlers.remove(entry)
                self._reported.discard(serial)
                self._changed()

        return unsubscribe

    def wants(self, event_type: type[Event]) -> bool:
        """Whether anybody would receive an event of exactly this class."""
        return self.hot and bool(self._route(event_type))

    def publish(self, event: Event) -> None:
        """Hand `event` to its subscribers. Costs a dictionary look-up when there is none."""
        route = self._routes.get(type(event))
        if route is None:
            route = self._route(type(event))
        for serial, handler in route:
            try:
                handler(event)
            except Exception:
                if serial not in self._reported:
                    self._reported.add(serial)
                    _log.exception(
                        "handler %r failed on %s; its further failures are not reported",
                        handler,
                        type(event).__name__,
                    )

    def _route(self, event_type: type[Event]) -> tuple[tuple[int, Handler], ...]:
        route = self._routes.get(event_type)
        if route is None:
            route = tuple(
                (serial, handler)
                for serial, subscribed, handler in self._handlers
                if issubclass(event_type, subscribed)
            )
            self._routes[event_type] = route
        return route

    def _changed(self) -> None:
        self._routes.clear()
        self.hot = bool(self._handlers)
