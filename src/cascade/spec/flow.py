"""Small words for flow: items of lazy results, sequences and pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from cascade.spec.checks import shown
from cascade.spec.lazy import LazyResult, make_lazy
from cascade.spec.task import Task, task

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@task(name="item", mode="inline")
def _item(container: Any, key: Any) -> Any:
    return container[key]


class LazyItem(LazyResult[T_co]):
    """An item of the value of another lazy result."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name given by `.named()`, or that of the container with the key."""
        if self.policies.name:
            return self.policies.name
        keys: list[str] = []
        lazy: LazyResult[Any] = self
        while type(lazy) is LazyItem and not lazy.policies.name:
            lazy, key = lazy.bound[0]
            keys.append(f"[{key.name if isinstance(key, LazyResult) else shown(key)}]")
        shortened = keys if len(keys) <= DEPTH else [*keys[:DEPTH], "…"]
        return lazy.name + "".join(reversed(shortened))


def _deliver(deliver: Any, key: Any, value: Any) -> None:
    raise AssertionError("stands for a hand-over that no task makes")  # pragma: no cover


TAP: Task[Any] = Task(_deliver, "tap", "inline")
"""What stands in the place of a task in taps."""


class Tap(LazyResult[None]):
    """Hands a value over as soon as it is there; for whoever follows a run."""

    __slots__ = ()
    is_call = False

    @property
    def name(self) -> str:
        """The name of what is handed over."""
        value = self.bound[0][2]
        return value.name if isinstance(value, LazyResult) else shown(self.bound[0][1])


def tap(deliver: Callable[[Any, Any], None], key: Any, value: Any) -> LazyResult[None]:
    """Return what calls ``deliver(key, value)`` in a run, once the value is there.

    Args:
        deliver: what to call, on the event loop.
        key: its first argument.
        value: may be lazy, or hold lazy results.
    """
    declared = TAP(deliver, key, value)
    return make_lazy(TAP, declared.bound, declared.dependencies, declared.injections, kind=Tap)


DEPTH = 5
"""How many keys the name of an item has at most."""


def item_of(container: LazyResult[Any], key: Any) -> LazyResult[Any]:
    """Return what stands for an item of a lazy result; the key may be lazy as well."""
    declared = _item(container, key)
    return make_lazy(
        _item, declared.bound, declared.dependencies, declared.injections, kind=LazyItem
    )


def sequence(*calls: LazyResult[Any]) -> LazyResult[Any]:
    """Run calls one after the other; the value is that of the last.

    Each starts when the one before has ended, or was skipped. What they need themselves isn't
    held up. A call in a sequence is a variant of the call, as made by `after`: use the value that
    is returned, and not the last call itself.

    Raises:
        TypeError: one of them isn't a lazy result.
        ValueError: there is none.
    """
    if not calls:
        raise ValueError("sequence() needs at least one lazy result, got none")
    last: LazyResult[Any] | None = None
    for place, call in enumerate(calls):
        if not isinstance(call, LazyResult):
            raise TypeError(
                f"sequence() takes lazy results, got {shown(call)} as number {place + 1}"
            )
        last = call if last is None else call.after(last)
    assert last is not None
    return last


@overload
def pipeline(
    value: Any, *steps: *tuple[*tuple[Callable[[Any], Any], ...], Callable[[Any], LazyResult[T]]]
) -> LazyResult[T]: ...
@overload
def pipeline(
    value: Any, first: Callable[[Any], Any], /, *steps: Callable[[Any], Any]
) -> LazyResult[Any]: ...
def pipeline(  # type: ignore[misc] # mypy doesn't see that it takes what the first one does
    value: Any, *steps: Callable[[Any], Any]
) -> LazyResult[Any]:
    """Feed a value through tasks: each gets the result of the one before.

    Args:
        value: what the first one gets; may be lazy.
        *steps: tasks, or functions that take a value and return a lazy result, such as
            ``lambda rows: clean(rows, strict=True)``.

    Raises:
        TypeError: a step can't be called, or doesn't return a lazy result.
        ValueError: there are no steps.
    """
    if not steps:
        raise ValueError("pipeline() needs at least one step, got none")
    result = value
    for place, step in enumerate(steps):
        if not callable(step):
            raise TypeError(f"step {place + 1} must be a task or a function, got {shown(step)}")
        result = step(result)
        if not isinstance(result, LazyResult):
            name = step.name if isinstance(step, Task) else getattr(step, "__name__", repr(step))
            raise TypeError(
                f"step {place + 1}, {name}, must return a lazy result, got {shown(result)}"
            )
    return cast("LazyResult[Any]", result)
