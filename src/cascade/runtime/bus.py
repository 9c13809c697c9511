"""MessageBus: hands events to whoever subscribed to their class or a base of it."""

from __future__ import annotations

import asyncio
import inspect
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

    __slots__ = ("__weakref__", "_routes", "_subscriptions", "hot")

    def __init__(self) -> None:
        self.hot = False
        """Whether anybody listens. Publishers look here before they make an event."""
        self._subscriptions: list[_Subscription] = []
        self._routes: dict[type[Event], tuple[_Subscription, ...]] = {}

    def subscribe(self, event_type: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call `handler` with every event of `event_type` and of its subclasses.

        Returns:
            A function that ends the subscription; calling it again does nothing.

        Raises:
            TypeError: `event_type` isn't a class of events, or `handler` isn't callable, or is an
                async function, which nobody would await.
        """
        given: object = event_type
        if not (isinstance(given, type) and issubclass(given, Event)):
            raise TypeError(
                f"event_type must be a class of cascade.runtime.events, got {event_type!r}"
            )
        if not callable(handler):
            raise TypeError(f"handler must be callable with one event, got {handler!r}")
        if inspect.iscoroutinefunction(handler):
            raise TypeError(
                f"handler must be a plain function, got {handler!r}: "
                "nobody would await it; let it start a task"
            )
        subscription = _Subscription(event_type, handler)
        self._subscriptions.append(subscription)
        self._changed()

        def unsubscribe() -> None:
            if subscription.active:
                subscription.active = False
                self._subscriptions.remove(subscription)
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
        for subscription in route:
            if subscription.active:
                try:
                    subscription.handler(event)
                # A cancellation that a handler raises is its own: nobody could have sent one,
                # since a handler never suspends.
                except (Exception, asyncio.CancelledError):
                    subscription.report(event)

    def _route(self, event_type: type[Event]) -> tuple[_Subscription, ...]:
        route = self._routes.get(event_type)
        if route is None:
            route = tuple(
                subscription
                for subscription in self._subscriptions
                if issubclass(event_type, subscription.event_type)
            )
            self._routes[event_type] = route
        return route

    def _changed(self) -> None:
        self._routes.clear()
        self.hot = bool(self._subscriptions)


class _Subscription:
    """A handler's place on the bus."""

    __slots__ = ("_reported", "active", "event_type", "handler")

    def __init__(self, event_type: type[Event], handler: Handler) -> None:
        self.event_type = event_type
        self.handler = handler
        self.active = True
        self._reported = False

    def report(self, event: Event) -> None:
        """Log the exception that is being handled, the first time."""
        if not self._reported:
            self._reported = True
            _log.exception(
                "handler %r failed on %s; its further failures are not reported",
                self.handler,
                type(event).__name__,
            )
