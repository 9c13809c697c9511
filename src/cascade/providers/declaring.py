"""Declaring the tasks of a provider: with a name that tells the provider, and with types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, overload

from cascade.spec.task import Task, task

T = TypeVar("T")


class Declare(Protocol):
    """Turns a function into a task of the same result."""

    @overload
    def __call__(self, fn: Callable[..., Awaitable[T]], /) -> Task[T]: ...
    @overload
    def __call__(self, fn: Callable[..., T], /) -> Task[T]: ...
    def __call__(self, fn: Callable[..., Any], /) -> Task[Any]:
        """Declare the function."""


def provided(name: str) -> Declare:
    """Return what declares a task of that name: on the loop, or in a thread for a plain function.

    Args:
        name: the provider and what is done, as in ``shell.run``.
    """
    declare: Declare = task(name=name)
    return declare
