"""TailCall: what a task returns in order to start again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cascade.spec.lazy import LazyResult
from cascade.spec.resource import Inject
from cascade.spec.template import ATOMS, find_leaf

if TYPE_CHECKING:
    from cascade.spec.task import Task


class TailCall:
    """Returned by a task: start again, in place, with these arguments.

    They are laid over the previous ones: positional arguments replace the leading parameters,
    named ones replace theirs, the others stay as they are. With `to`, another task takes over,
    and no argument is carried along.

    Args:
        *args: new values for the leading parameters.
        to: the task to go on with; None means the same one.
        **kwargs: new values for named parameters. A name that the task doesn't have is a
            `TypeError` at that step.

    Raises:
        TypeError: `to` isn't a task, or an argument holds a lazy result or an injection, which
            nobody would fill in.
    """

    __slots__ = ("args", "kwargs", "to")

    def __init_subclass__(cls) -> None:
        raise TypeError(f"TailCall can't be subclassed, as {cls.__qualname__!r} tries to")

    def __init__(self, /, *args: Any, to: Task[Any] | None = None, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs
        self.to = to
        if to is not None:
            _check_is_task(to)
        for value in args:
            if type(value) not in ATOMS:
                _refuse_lazy(value)
        if kwargs:
            for value in kwargs.values():
                if type(value) not in ATOMS:
                    _refuse_lazy(value)

    def __repr__(self) -> str:
        parts = [repr(value) for value in self.args]
        parts += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        if self.to is not None:
            parts.append(f"to={self.to.name}")
        return f"TailCall({', '.join(parts)})"


def _check_is_task(value: object) -> None:
    from cascade.spec.task import Task

    if not isinstance(value, Task):
        raise TypeError(f"to must be a task (a function decorated with @cs.task), got {value!r}")


def _refuse_lazy(value: object) -> None:
    found = find_leaf(value, (LazyResult, Inject))
    if found is not None:
        raise TypeError(
            f"a TailCall can't carry {found!r}: it starts again with values. "
            "Give the value itself, or let another task of the graph compute it"
        )
