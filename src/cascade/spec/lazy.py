"""LazyResult: a call that was declared and not made; a value that stands for its result."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar, cast, overload

from cascade.spec.amounts import check_amount
from cascade.spec.checks import check_name, check_priority, check_timeout, check_whole, shown
from cascade.spec.policies import NO_POLICIES, Policies, Retry
from cascade.spec.template import find_leaf

if TYPE_CHECKING:
    from cascade.spec.binding import Bound
    from cascade.spec.caching import CachePolicy
    from cascade.spec.task import Task

T_co = TypeVar("T_co", covariant=True)
K = TypeVar("K")
V = TypeVar("V")

_next_serial = itertools.count(1).__next__
"""Numbers every lazy result of the process: whoever holds one was made after it, so that the
order of serial numbers is a topological order of any graph."""


class _Draft:
    """A lazy result in the making: the same slots, and open to assignment.

    Filling one in and then turning it into a `LazyResult` takes less than half of the time of
    going around a class that refuses assignment, and every call of a task does it.
    """

    __slots__ = (
        "__weakref__",
        "bound",
        "call",
        "dependencies",
        "injections",
        "policies",
        "serial",
        "task",
    )

    task: Task[Any]
    """The task that is called."""
    bound: Bound
    """Its arguments in order, defaults filled in; containers with lazy results as templates."""
    dependencies: tuple[LazyResult[Any], ...]
    """The lazy results in the arguments, each once, as they were when the call was declared."""
    injections: tuple[str, ...]
    """The names of the resources in the arguments."""
    policies: Policies
    """What the chain methods said."""
    serial: int
    """When this value was made, as a number that grows over the process."""
    call: int
    """The serial number of the call; all variants of one call share it."""


class LazyResult(_Draft, Generic[T_co]):
    """What calling a task gives: a declaration of the call, as an immutable value.

    Put it into the arguments of other calls, also inside lists, tuples and dicts; hand it to
    `cs.run` or `Engine.run` to have it computed. The chain methods return a new value each, which
    stands for the same call with more said about it.
    """

    __slots__ = ()

    is_call: ClassVar[bool] = True
    """Whether a task is called for it; False for what is known or chosen without one."""

    def __init__(self) -> None:
        raise TypeError("a lazy result is made by calling a task")

    @property
    def name(self) -> str:
        """The name given by `.named()`, or the task's."""
        return self.policies.name or self.task.name

    @property
    def id(self) -> str:
        """The id of the call, shared by its variants."""
        return f"{self.task.name}#{self.call}"

    def with_constraints(self, /, **amounts: Any) -> Self:
        """Say what the task takes while it runs, such as ``gpu=1, memory_gb=4``.

        The amounts come out of the engine's `ResourceManager`, all at once or not at all, and go
        back when the task ends. Further calls add to what was said or replace it, name by name.

        Args:
            **amounts: numbers ≥ 0 (0 takes nothing), or lazy results that compute them.

        Raises:
            TypeError, ValueError: an amount isn't such a number; the error names the resource.
        """
        for resource, amount in amounts.items():
            check_name(resource)
            if not isinstance(amount, LazyResult):
                check_amount(resource, amount)
        merged = tuple({**dict(self.policies.constraints), **amounts}.items())
        return self._with(constraints=merged)

    def with_retry(
        self,
        max_attempts: int = 3,
        delay: float = 0.0,
        backoff: float = 1.0,
        jitter: float = 0.0,
        max_delay: float | None = None,
        on: type[Exception] | tuple[type[Exception], ...] = (Exception,),
    ) -> Self:
        """Try the task again when it fails. It holds no resources while it waits in between.

        The pause after the n-th attempt takes delay · backoff^(n - 1) seconds and up to `jitter`
        more. An exception with an attribute `retry_after`, a finite number of seconds ≥ 0, asks
        for a pause of at least that, as `http.HTTPStatusError` does. Each step of a TailCall
        counts its own attempts.

        Args:
            max_attempts: how often it is tried altogether.
            delay: seconds between the first attempt and the second.
            backoff: how many times as long each further pause is.
            jitter: a random time of up to so many seconds is added to each pause; the engine's
                `random` decides.
            max_delay: the longest pause in seconds, jitter and what an exception asks for included.
            on: the exceptions after which it is tried again, as one class or a tuple. A run within
                the task that somebody has cancelled from outside (`errors.RunCancelledError`)
                counts only if that class is named.

        Raises:
            TypeError, ValueError: an argument isn't valid; the error names it.
        """
        kinds = tuple(on) if isinstance(on, (tuple, list)) else (on,)
        retry = Retry(max_attempts, delay, backoff, jitter, max_delay, kinds)
        return self._with(retry=retry)

    def with_timeout(self, seconds: float) -> Self:
        """Let an attempt fail with a `TimeoutError` when it takes longer than so many seconds.

        Waiting for resources doesn't count. A coroutine is cancelled. A thread can't be stopped:
        the attempt fails at once, but what it holds comes back only when the thread's function
        has ended. An inline function fails when it has ended.

        Raises:
            TypeError: `seconds` isn't a number.
            ValueError: it isn't above 0.
        """
        return self._with(timeout=check_timeout("seconds", seconds))

    def with_cache(self, policy: CachePolicy) -> Self:
        """Take the value of an earlier, equal call, where there is one; the task doesn't run then.

        A value that is there costs no slot, and none is queued for.

        Args:
            policy: what ``cs.cache(...)`` or ``cs.cache.file(...)`` makes.

        Raises:
            TypeError: it is something else.
        """
        from cascade.spec.caching import check_cache

        return self._with(cache=check_cache(policy))

    def with_priority(self, n: int) -> Self:
        """Be ahead of others with a lower priority when waiting for resources; 0 by default.

        Raises:
            TypeError: `n` isn't a whole number.
        """
        return self._with(priority=check_priority(n))

    def run_if(self, condition: Any) -> Self:
        """Run the task only if `condition` is true; otherwise it is skipped.

        What needs the value of a skipped task is skipped too. Several conditions must all hold.

        Args:
            condition: a lazy result, or a value known already.

        Raises:
            TypeError: it is a task that wasn't called, a function, or a container with lazy results
                in it, which would always be true.
        """
        from cascade.spec.task import Task

        if not isinstance(condition, LazyResult):
            if isinstance(condition, Task):
                raise TypeError(
                    f"condition must be a call of a task, got {condition!r} itself: call it first"
                )
            if inspect.isroutine(condition):
                raise TypeError(
                    f"condition must be a lazy result or a value, got the function {condition!r}, "
                    "which would always be true: make it a task and call it"
                )
            found = find_leaf(condition, LazyResult)
            if found is not None:
                raise TypeError(
                    f"condition must be one lazy result, got {shown(condition)}, which holds "
                    f"{found!r} and would always be true: compute the condition in a task"
                )
        return self._with(conditions=(*self.policies.conditions, condition))

    def after(self, *others: LazyResult[Any]) -> Self:
        """Start the task only when `others` have ended (or were skipped), without their values.

        Raises:
            TypeError: one of them isn't a lazy result.
        """
        for other in others:
            if not isinstance(other, LazyResult):
                raise TypeError(f"after() takes lazy results, got {other!r}")
        return self._with(after=(*self.policies.after, *others))

    @overload
    def __getitem__(self: LazyResult[Mapping[K, V]], key: K) -> LazyResult[V]: ...
    @overload
    def __getitem__(self: LazyResult[str], key: int | slice) -> LazyResult[str]: ...
    @overload
    def __getitem__(self: LazyResult[Sequence[V]], key: int) -> LazyResult[V]: ...
    @overload
    def __getitem__(self, key: Any) -> LazyResult[Any]: ...
    def __getitem__(self, key: Any) -> LazyResult[Any]:
        """Stand for an item of the value: ``config["host"]``, ``rows[0]``, ``rows[lazy_number]``.

        It is looked up when the value is there, in a small task of its own.
        """
        from cascade.spec.flow import item_of

        return item_of(self, key)

    def named(self, name: str) -> Self:
        """Give this call a name of its own, for events, errors and pictures.

        Raises:
            TypeError, ValueError: `name` isn't a string, or is empty.
        """
        check_name(name, "name")
        return self._with(name=name)

    def _with(self, **changes: Any) -> Self:
        said = self.policies
        constraints = changes.get("constraints", said.constraints)
        conditions = changes.get("conditions", said.conditions)
        candidates = [*conditions, *(amount for _, amount in constraints)]
        needed = {id(value): value for value in candidates if isinstance(value, LazyResult)}
        policies = replace(said, **changes, needed=tuple(needed.values()))
        variant: Any = make_lazy(
            self.task,
            self.bound,
            self.dependencies,
            self.injections,
            policies,
            self.call,
            type(self),
        )
        return cast("Self", variant)

    def __repr__(self) -> str:
        return f"<LazyResult {self.name} #{self.call}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a lazy result is a value and can't be changed (setting {name!r})")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a lazy result is a value and can't be changed (deleting {name!r})")

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no truth value before it is run: "
            "use .run_if(condition) to decide with it, or run it first"
        )

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(
            f"{self!r} can't be iterated before it is run: "
            "give it to a task that iterates its value, or run it first"
        )

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no length before it is run")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyResult):
            return self is other
        raise TypeError(
            f"{self!r} can't be compared with {other!r} before it is run: "
            "compare inside a task, or run it first"
        )

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can't be pickled: its identity is its place in a graph")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class LazyMap(LazyResult[list[T_co]], Generic[T_co]):
    """What `Task.map` gives: a call for each element of iterables, as one lazy list.

    Its value is the list of the children's values, in the order of the elements. `run_if`, `after`
    and `named` are for the whole; all other policies are for each child, so that a map itself
    holds nothing.
    """

    __slots__ = ()

    def windowed(self, n: int) -> Self:
        """Let at most `n` children exist at once: the next one is made when one has ended.

        Raises:
            TypeError, ValueError: `n` isn't a whole number ≥ 1.
        """
        assert self.policies.mapped is not None
        window = check_whole("n", n, 1)
        return self._with(mapped=replace(self.policies.mapped, window=window))

    def collecting_errors(self) -> Self:
        """Put the exception of a failed child in the place of its value; the others go on."""
        assert self.policies.mapped is not None
        return self._with(mapped=replace(self.policies.mapped, collects_errors=True))


def make_lazy(
    task: Task[T_co],
    bound: Bound,
    dependencies: tuple[LazyResult[Any], ...] = (),
    injections: tuple[str, ...] = (),
    policies: Policies = NO_POLICIES,
    call: int | None = None,
    kind: type[LazyResult[Any]] = LazyResult,
) -> LazyResult[T_co]:
    """Make a lazy result: of a new call, or a variant of the one with that serial number."""
    draft: Any = _Draft()
    draft.task = task
    draft.bound = bound
    draft.dependencies = dependencies
    draft.injections = injections
    draft.policies = policies
    draft.serial = serial = _next_serial()
    draft.call = serial if call is None else call
    draft.__class__ = kind
    made: LazyResult[T_co] = draft
    return made
