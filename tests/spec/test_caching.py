"""The cache policy as a value; what it does is specified in ``tests/runtime/test_caching.py``."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import cascade as cs
from cascade.spec.caching import Cache


@cs.task
async def load(name: str, *, size: int = 1) -> str:
    return name * size


def key(policy: Cache, lazy: cs.LazyResult[Any]) -> str:
    return policy.key_for(lazy.task, lazy.bound)


def test_a_key_is_made_of_the_task_and_the_content_of_the_arguments() -> None:
    policy = cs.cache()
    assert key(policy, load("a")) == key(policy, load(name="a", size=1))
    assert key(policy, load("a")) != key(policy, load("b"))
    assert key(policy, load("a")) != key(policy, load("a", size=2))

    @cs.task(name="load")
    async def other(name: str, *, size: int = 1) -> str:
        return name * size

    assert key(policy, other("a")) != key(policy, load("a"))


def test_a_version_replaces_the_code() -> None:
    def make(number: int) -> cs.Task[int]:
        @cs.task
        def made() -> int:
            return number

        return made

    assert key(cs.cache(), make(1)()) != key(cs.cache(), make(2)())
    assert key(cs.cache(version=1), make(1)()) == key(cs.cache(version=1), make(2)())
    assert key(cs.cache(version=1), make(1)()) != key(cs.cache(version=2), make(1)())


def test_a_key_of_ones_own_replaces_the_arguments() -> None:
    policy = cs.cache(key=lambda name, size: name.lower())
    assert key(policy, load("A")) == key(policy, load("a", size=9))
    assert key(cs.cache(key="x"), load("a")) == key(cs.cache(key="x"), load("b"))
    assert key(cs.cache(key="x"), load("a")) != key(cs.cache(key="y"), load("a"))


def test_what_cannot_be_told_is_named_with_its_argument() -> None:
    wrong: Any = iter(open.__name__ for _ in "x")
    with pytest.raises(TypeError, match=r"argument 'name' of task 'load'.*cs.cache\(key="):
        key(cs.cache(), load(wrong))


def test_what_cannot_be_told_of_the_code_is_named_and_a_version_helps() -> None:
    lock = threading.Lock()

    @cs.task
    def guarded() -> None:
        with lock:
            pass

    with pytest.raises(TypeError, match=r"task 'guarded' has enclosed.*lock.*cs.cache\(version="):
        key(cs.cache(key="x"), guarded())
    assert key(cs.cache(version=1), guarded()) != key(cs.cache(version=2), guarded())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, ValueError),
        ({"ttl": -1}, ValueError),
        ({"ttl": "1"}, TypeError),
        ({"version": (lambda: (yield))()}, TypeError),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        cs.cache(**options)


def test_with_cache_takes_policies_only() -> None:
    wrong: Any = cs.cache
    with pytest.raises(TypeError, match=r"call it, as in cs\.cache\(\)"):
        load("a").with_cache(wrong)
    wrong = 5
    with pytest.raises(TypeError, match="got 5"):
        load("a").with_cache(wrong)
    with pytest.raises(TypeError, match="path must be a path"):
        cs.cache.file(wrong)


def test_two_variants_with_and_without_are_an_error() -> None:
    lazy = load("a")
    with pytest.raises(cs.errors.GraphError, match="with a cache"):
        cs.run([lazy, lazy.with_cache(cs.cache())])
