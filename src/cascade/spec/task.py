"""Task: a function declared to be part of workflows."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

from cascade.spec.binding import Binder, Bound
from cascade.spec.checks import check_name, check_timeout, shown
from cascade.spec.constant import Constant
from cascade.spec.lazy import LazyMap, LazyResult, make_lazy
from cascade.spec.policies import Mapped, Policies
from cascade.spec.resource import Inject
from cascade.spec.tail_call import TailCall
from cascade.spec.template import ATOMS, CONTAINERS, is_container, template_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Mode = Literal["async", "thread", "inline", "process"]
"""Where a task runs: on the loop as a coroutine, in a thread, on the loop as a plain call, or in
another process."""

MODES = ("thread", "inline", "process")
"""The modes that a plain function can choose between."""

_LEAVES = (LazyResult, Inject)
_SPECIAL = (LazyResult, Inject, Constant, *CONTAINERS)
"""Arguments that have to be looked at or into."""


class Task(Generic[T_co]):
    """A function as a declaration: calling it gives a `LazyResult`, and runs nothing."""

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        mode: Mode,
        tags: tuple[str, ...] = (),
        timeout: float | None = None,
        pure: bool = False,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        """The plain function."""
        self.name = name
        """How the task is called in events, errors and pictures."""
        self.mode = mode
        """Where it runs."""
        self.tags = tags
        """Words that live rules can be for."""
        self.timeout = timeout
        """How many seconds an attempt may take, unless the call says otherwise; None: any."""
        self.pure = pure
        """Whether equal calls in one workflow are one."""
        self.binder = Binder(fn, name)
        """Its compiled signature."""
        self.memory: Any = None
        """Where its cached values are kept, in engines that keep none themselves."""
        self.code: tuple[Callable[..., Any], bytes] | None = None
        """What stands for its code in keys of its cached values, and for which function."""
        self.flights: dict[Any, Any] = {}
        """Its cached calls that are under way, so that equal ones share a run."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> LazyResult[T_co]:
        """Declare a call. The arguments may hold lazy results inside lists, tuples and dicts.

        Raises:
            TypeError: the arguments don't fit the function's signature.
        """
        bound = self.binder.bind(*args, **kwargs)
        if bound[1] is None:
            # What most calls look like is told apart here; `_frozen` knows the rest.
            needed: dict[int, LazyResult[Any]] = {}
            for value in bound[0]:
                kind = type(value)
                if kind is LazyResult:
                    needed[id(value)] = value
                elif kind not in ATOMS and isinstance(value, _SPECIAL) and not _is_empty(value):
                    break
            else:
                return make_lazy(self, bound, tuple(needed.values()))
        return make_lazy(self, *_frozen(bound))

    if not TYPE_CHECKING:  # which would take every attribute that holds a task for a method

        def __get__(self, instance: object, owner: type | None = None) -> Any:
            """Be a method, like any function in a class: its object is the first argument."""
            return self if instance is None else MethodType(self, instance)

    def map(self, /, **iterables: Any) -> LazyMap[T_co]:
        """Declare a call for each element of iterables; the value is the list of their values.

        The children run side by side, each with the policies of the map, which holds no resources
        itself. Children are named after the map and their place, as in ``fetch[3]``.

        Args:
            **iterables: for each parameter an iterable, or a lazy result that will be one, all of
                the same length; or `cs.constant(value)` for what is the same for every child.

        Raises:
            TypeError: the names don't fit the function's signature, or a value isn't iterable (a
                string counts as one value).
            ValueError: the iterables differ in length, or there is none. For lazy ones the run
                fails with it.
        """
        signature = self.binder.bind(**iterables)
        arguments: dict[str, Any] = {}
        lengths: dict[str, int] = {}
        taken_apart = []
        for name, value in iterables.items():
            if isinstance(value, Constant):
                arguments[name] = value.value
                continue
            taken_apart.append(name)
            if not isinstance(value, LazyResult):
                value = elements_of(self.name, name, value)
                lengths[name] = len(value)
            arguments[name] = value
        if not taken_apart:
            raise ValueError(
                f"{self.name}.map() needs at least one iterable, "
                f"got {', '.join(map(repr, iterables.values())) or 'nothing'}"
            )
        check_lengths(self.name, lengths)
        bound, dependencies, injections = _frozen(((), arguments))
        defaults = [value.name for value in _values_of(signature) if isinstance(value, Inject)]
        mapped = Mapped(
            tuple(taken_apart),
            defaults=tuple([name for name in defaults if name not in injections]),
        )
        made: Any = make_lazy(
            self,
            bound,
            dependencies,
            tuple(dict.fromkeys([*injections, *defaults])),
            Policies(mapped=mapped),
            kind=LazyMap,
        )
        return cast("LazyMap[T_co]", made)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """A task that can be imported is pickled by its name, any other one by its parts."""
        name: str = getattr(self, "__qualname__", self.name)
        if self.__module__ != "__main__" and _found(self.__module__, name) is self:
            return name
        parts = self.fn, self.name, self.mode, self.tags, self.timeout, self.pure
        return _again, (self.__module__, name, *parts)

    def __repr__(self) -> str:
        return f"<Task {self.name} ({self.mode})>"


def _found(module: str, qualified_name: str) -> object:
    """Return what has a name in a module that is loaded, or None."""
    found: object = sys.modules.get(module)
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    return found


def _again(module: str, qualified_name: str, fn: Callable[..., Any], *parts: Any) -> Task[Any]:
    """Return a task that was pickled by its parts: itself where it came from, else a copy."""
    known = _found(module, qualified_name)
    if isinstance(known, Task) and _code(known.fn) == _code(fn):
        return known
    return Task(fn, *parts)


def elements_of(task: str, name: str, value: Any) -> Sequence[Any]:
    """Return the elements of what a map is to take apart, in a form that nobody can change.

    A range or tuple stays what it is: the elements of a long range are made one by one.

    Raises:
        TypeError: it isn't iterable, or is a string.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(
            f"{task}.map() needs an iterable for {name!r}, got {shown(value)}: "
            "use cs.constant(...) for what is the same for every child"
        )
    return value if type(value) is range or type(value) is tuple else tuple(value)


def check_lengths(task: str, lengths: dict[str, int]) -> None:
    """Raise `ValueError` unless all iterables of a map are of one length."""
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"the iterables of {task}.map() must be of equal length, but {found}")


def _values_of(bound: Bound) -> tuple[Any, ...]:
    values, keywords = bound
    return values if keywords is None else (*values, *keywords.values())


def _is_empty(value: Any) -> bool:
    return type(value) in CONTAINERS and not value


def _frozen(bound: Bound) -> tuple[Bound, tuple[LazyResult[Any], ...], tuple[str, ...]]:
    """Find what arguments depend on, and freeze the containers that hold lazy results."""
    values, keywords = bound
    dependencies: dict[int, LazyResult[Any]] = {}
    injections: dict[str, None] = {}
    fresh = tuple([_look(value, dependencies, injections) for value in values])
    if keywords is not None:
        keywords = {
            name: _look(value, dependencies, injections) for name, value in keywords.items()
        }
    return (fresh, keywords), tuple(dependencies.values()), tuple(injections)


def _look(value: Any, dependencies: dict[int, LazyResult[Any]], injections: dict[str, None]) -> Any:
    """Note what an argument depends on; return it, or the template of it."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, LazyResult):
        dependencies[id(value)] = value
    elif isinstance(value, Inject):
        injections[value.name] = None
    elif isinstance(value, Constant):
        raise TypeError(f"{value!r} is for .map(): in a call, give the value itself")
    elif is_container(value) and (template := template_of(value, _LEAVES)) is not None:
        for leaf in template.leaves:
            if isinstance(leaf, Inject):
                injections[leaf.name] = None
            else:
                dependencies[id(leaf)] = leaf
        return template
    return value


def _code(fn: Callable[..., Any]) -> object:
    return getattr(fn, "__code__", fn)


@overload
def task(fn: Callable[..., Coroutine[Any, Any, T | TailCall]], /) -> Task[T]: ...
@overload
def task(fn: Callable[..., Awaitable[T | TailCall]], /) -> Task[T]: ...
@overload
def task(fn: Callable[..., T | TailCall], /) -> Task[T]: ...
@overload
def task(
    *,
    name: str | None = None,
    mode: Literal["thread", "inline", "process"] | None = None,
    tags: Iterable[str] = (),
    timeout: float | None = None,
    pure: bool = False,
) -> Callable[[Callable[..., Any]], Task[Any]]: ...
def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    mode: Literal["thread", "inline", "process"] | None = None,
    tags: Iterable[str] = (),
    timeout: float | None = None,
    pure: bool = False,
) -> Task[Any] | Callable[[Callable[..., Any]], Task[Any]]:
    """Turn a function into a task.

    Args:
        name: how the task is called in events and errors; the function's own name by default.
        mode: where a plain function runs: "thread" (the default) in a thread of the engine's
            executor, "inline" directly on the event loop, for functions that are quick, "process"
            in another process, for functions that compute a lot. Arguments and result are copied
            there and back then, the context variables of the caller can't be seen, and a call that
            takes too long or is cancelled is killed. An ``async def`` runs on the loop and takes
            no mode.
        tags: words that live rules can be for, as in ``tag:slow``.
        timeout: how many seconds an attempt may take, as with `LazyResult.with_timeout`, for
            calls that say nothing else; None: any.
        pure: calls of equal content, about which the same was said, are one call in a workflow. A
            call whose content can't be told is one of its own.

    Raises:
        TypeError: it isn't a function, its signature isn't known, it is a generator function,
            an ``async def`` was given a mode, a tag isn't a string, `timeout` isn't a number, or
            `pure` isn't a bool.
        ValueError: an unknown mode, an empty name, or a `timeout` that isn't above 0.
    """
    if name is not None:
        check_name(name, "name")
    if isinstance(tags, str):
        raise TypeError(f"tags must be several strings, as in tags=[{tags!r}], got {tags!r}")
    words = tuple(tags)
    for word in words:
        check_name(word, "tag")
    if mode is not None and mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    limit = None if timeout is None else check_timeout("timeout", timeout)
    if not isinstance(pure, bool):
        raise TypeError(f"pure must be True or False, got {shown(pure)}")

    def declare(function: Callable[..., Any]) -> Task[Any]:
        if isinstance(function, staticmethod):
            function = function.__func__
        if isinstance(function, Task):
            raise TypeError(f"{function!r} is a task already")
        if not callable(function):
            raise TypeError(f"a task is made of a function, got {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function!r} is a generator function: a task returns one value; "
                "return a list, or declare a resource with @cs.resource"
            )
        task_name = name or getattr(function, "__name__", None) or type(function).__name__
        if _is_async(function):
            if mode is not None:
                raise TypeError(
                    f"task {task_name!r} is an async def: it runs on the loop and takes no mode, "
                    f"got mode={mode!r}"
                )
            return Task(function, task_name, "async", words, limit, pure)
        return Task(function, task_name, mode or "thread", words, limit, pure)

    return declare if fn is None else declare(fn)


def _never() -> None:
    raise AssertionError("stands for a value that no call makes")  # pragma: no cover


INPUT: Task[Any] = Task(_never, "input", "inline")
"""What stands in the place of a task in inputs."""
ROUTER: Task[Any] = Task(_never, "Router", "inline")
"""What stands in the place of a task in routers."""


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004 - the method itself is looked at
    )
