"""Cache: whether a call's value may be taken from an earlier one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cascade.spec.checks import check_duration, shown
from cascade.spec.content import code_of, digest_of

if TYPE_CHECKING:
    from cascade.spec.binding import Bound
    from cascade.spec.task import Task


@dataclass(frozen=True, slots=True)
class FileTarget:
    """The task makes a file; it doesn't run while the file is newer than the files it is made of.

    As with make: the files it is made of are the paths (`pathlib.Path`) among the arguments. The
    value is the path of the file, whatever the task returns. A file that a failing task has begun
    is removed.
    """

    path: str | PathLike[str] | Callable[..., str | PathLike[str]]
    """Where the file is, or a function of the call's arguments that says it."""

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, PathLike)) and not callable(self.path):
            raise TypeError(
                f"path must be a path, or a function of the arguments, got {shown(self.path)}"
            )

    def path_for(self, bound: Bound) -> Path:
        """Return where the file of a call is.

        Raises:
            TypeError: the function that says it returned something else than a path.
        """
        path: Any = self.path
        if not isinstance(path, (str, PathLike)):
            values, keywords = bound
            path = path(*values, **(keywords or {}))
            if not isinstance(path, (str, PathLike)):
                raise TypeError(f"the path of a file target must be a path, got {shown(path)}")
        return Path(path)


@dataclass(frozen=True, slots=True)
class Cache:
    """The value of an equal call is taken over, as long as it is kept; the task doesn't run then.

    Calls are equal when the task's qualified name, its version or its code, and the content of
    the arguments are. The code is the function with what it has enclosed, as these are when a call
    is first looked up: what the function changes there later, such as a counter, makes no other
    function of it. Where values are kept is up to the engine (`cache_backend`); by default in
    memory, together with the task.
    """

    ttl: float | None = None
    """For how many seconds a value may be taken; None: as long as it is kept."""
    key: Any = None
    """What the calls are told apart by, instead of their arguments: a value, or a function of the
    arguments. Needed where the content of an argument can't be told, or doesn't matter."""
    version: Any = None
    """A new one makes older values unusable. When it is given, changes of the task's code don't."""

    def __post_init__(self) -> None:
        if self.ttl is not None and not check_duration("ttl", self.ttl):
            raise ValueError(f"ttl must be above 0 seconds, got {self.ttl!r}")
        if self.key is not None and not callable(self.key):
            digest_of(self.key)
        if self.version is not None:
            digest_of(self.version)

    @staticmethod
    def file(path: str | PathLike[str] | Callable[..., str | PathLike[str]]) -> FileTarget:
        """Say that the task makes a file, and needn't run while that is up to date.

        Args:
            path: where the file is, or a function of the call's arguments that says it.

        Raises:
            TypeError: it is neither.
        """
        return FileTarget(path)

    def key_for(self, task: Task[Any], bound: Bound) -> str:
        """Return what the value of a call is kept under, as 40 hexadecimal digits.

        Raises:
            TypeError: the content of an argument, or of what the function has enclosed, can't be
                told; the error names it.
        """
        values, keywords = bound
        fn: Any = task.fn
        name = f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', task.name)}"
        version = _code(task) if self.version is None else digest_of(self.version)
        if callable(self.key):
            content = digest_of(self.key(*values, **(keywords or {})))
        elif self.key is not None:
            content = digest_of(self.key)
        else:
            content = digest_of(
                [_argument(task, place, value) for place, value in enumerate(values)]
                + [(word, _argument(task, word, (keywords or {})[word])) for word in keywords or ()]
            )
        return digest_of((name, task.name, version, content)).hex()


def _code(task: Task[Any]) -> bytes:
    """Return what stands for the task's code, as it was when it was first asked for."""
    known = task.code
    if known is not None and known[0] is task.fn:
        return known[1]
    try:
        code = code_of(task.fn)
    except TypeError as error:
        raise TypeError(
            f"what the function of task {task.name!r} has enclosed: {error}; say what to go by "
            "instead of its code with cs.cache(version=...)"
        ) from error
    task.code = task.fn, code
    return code


def _argument(task: Task[Any], place: int | str, value: Any) -> bytes:
    try:
        return digest_of(value)
    except (TypeError, ValueError) as error:
        names = list(inspect.signature(task.fn).parameters)
        name = names[place] if isinstance(place, int) and place < len(names) else place
        raise type(error)(
            f"argument {name!r} of task {task.name!r}: {error}; say what to go by with "
            "cs.cache(key=...)"
        ) from error


cache = Cache
"""Cache a task's values: ``task(...).with_cache(cs.cache(ttl=60))``."""

CachePolicy = Cache | FileTarget
"""What `with_cache` takes."""


def check_cache(policy: object) -> CachePolicy:
    """Return a policy that is one.

    Raises:
        TypeError: it isn't.
    """
    if not isinstance(policy, (Cache, FileTarget)):
        hint = ": call it, as in cs.cache()" if policy is Cache else ""
        raise TypeError(f"with_cache() takes what cs.cache(...) makes, got {shown(policy)}{hint}")
    return policy
