"""Listener: hears what becomes of runs and of their tasks, from a bus, until it is closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from cascade.runtime import events

if TYPE_CHECKING:
    from cascade.runtime.bus import MessageBus


class Listener(ABC):
    """Who inherits from it says what each event comes to.

    Args:
        bus: whose events.
    """

    def __init__(self, bus: MessageBus) -> None:
        self._subscriptions = [
            bus.subscribe(events.RunStarted, self._run_started),
            bus.subscribe(events.RunFinished, self._run_finished),
            bus.subscribe(events.TaskStarted, self._task_started),
            bus.subscribe(events.TaskFinished, self._task_finished),
            bus.subscribe(events.TaskStepped, self._task_stepped),
            bus.subscribe(events.TaskRetrying, self._task_retrying),
            bus.subscribe(events.TaskResumed, self._task_resumed),
            bus.subscribe(events.TaskSkipped, self._task_skipped),
            bus.subscribe(events.TaskBlocked, self._task_blocked),
            bus.subscribe(events.TaskUnblocked, self._task_unblocked),
        ]

    def close(self) -> None:
        """Stop listening."""
        for unsubscribe in self._subscriptions:
            unsubscribe()

    @abstractmethod
    def _run_started(self, event: events.RunStarted) -> None:
        """A run has begun."""

    @abstractmethod
    def _run_finished(self, event: events.RunFinished) -> None:
        """A run has ended."""

    @abstractmethod
    def _task_started(self, event: events.TaskStarted) -> None:
        """A task has begun."""

    @abstractmethod
    def _task_finished(self, event: events.TaskFinished) -> None:
        """A task has ended."""

    @abstractmethod
    def _task_stepped(self, event: events.TaskStepped) -> None:
        """A task begins a step."""

    @abstractmethod
    def _task_retrying(self, event: events.TaskRetrying) -> None:
        """An attempt has failed, and another one follows."""

    @abstractmethod
    def _task_resumed(self, event: events.TaskResumed) -> None:
        """That other attempt begins."""

    @abstractmethod
    def _task_skipped(self, event: events.TaskSkipped) -> None:
        """A task is not run."""

    @abstractmethod
    def _task_blocked(self, event: events.TaskBlocked) -> None:
        """A task begins to wait for resources."""

    @abstractmethod
    def _task_unblocked(self, event: events.TaskUnblocked) -> None:
        """A task waits for them no longer."""
