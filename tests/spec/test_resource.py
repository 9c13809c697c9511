"""Resources: generator functions with one yield, checked where they are declared."""
# ruff: noqa: B008 - an injection as a default is how tasks ask for resources

from __future__ import annotations

import dataclasses
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import cascade as cs
from cascade import testing
from cascade.spec.resource import Inject, ResourceDefinition, inject, resource


def connection(url: str = "local") -> Iterator[str]:
    yield url


async def session() -> AsyncIterator[str]:
    yield "session"


class TestInject:
    def test_stands_for_a_name(self) -> None:
        assert inject("database") == Inject("database")
        assert inject("database") != inject("log")
        assert "database" in repr(inject("database"))

    def test_a_name_is_a_string_with_something_in_it(self) -> None:
        wrong: Any
        for wrong in (None, 5, connection):
            with pytest.raises(TypeError, match=r"must be a string, got"):
                inject(wrong)
        with pytest.raises(ValueError, match="must not be empty"):
            inject("")


class TestResource:
    def test_takes_the_name_of_its_function_or_the_given_one(self) -> None:
        assert resource(connection).name == "connection"
        assert resource(name="database")(connection).name == "database"

    def test_may_be_sync_or_async(self) -> None:
        assert not resource(connection).is_async
        assert resource(session).is_async
        assert resource(session).fn is session

    def test_lives_for_a_run_by_default(self) -> None:
        assert resource(connection).scope == "run"
        assert resource(scope="run")(connection).scope == "run"

    def test_is_a_value(self) -> None:
        definition = resource(connection)
        assert definition == resource(connection)
        with pytest.raises(dataclasses.FrozenInstanceError):
            definition.name = "other"  # type: ignore[misc]

    def test_what_it_needs_itself_is_known(self) -> None:
        def repository(
            database: Any = inject("database"), size: int = 3, *, log: Any = inject("events")
        ) -> Iterator[Any]:
            yield database, size, log

        assert resource(repository).needs == (("database", "database"), ("log", "events"))

    def test_what_is_no_generator_function_is_refused(self) -> None:
        def returns() -> int:
            return 1

        async def awaits() -> int:
            return 1

        wrong: Any
        for wrong in (returns, awaits, 5, connection(), resource(connection), cs.task(returns)):
            with pytest.raises(TypeError, match="generator function with one yield, got"):
                resource(wrong)

    def test_a_parameter_that_nobody_fills_is_refused(self) -> None:
        def repository(database: Any) -> Iterator[Any]:
            yield database

        with pytest.raises(TypeError, match=r"'repository'.*'database'.*cs\.inject"):
            resource(repository)

    def test_an_injection_that_goes_by_place_only_is_refused(self) -> None:
        def repository(database: Any = inject("database"), /) -> Iterator[Any]:
            yield database

        with pytest.raises(TypeError, match=r"'repository'.*'database'"):
            resource(repository)

    def test_open_parameters_stay_empty(self) -> None:
        def repository(*args: Any, **kwargs: Any) -> Iterator[Any]:
            yield args, kwargs

        engine = cs.Engine()
        engine.register(resource(repository))

        @cs.task(mode="inline")
        def use(repository: Any = inject("repository")) -> Any:
            return repository

        assert testing.run_virtual(engine.run(use())) == ((), {})

    def test_a_partial_takes_the_name_of_its_function(self) -> None:
        partial = functools.partial(connection, "remote")
        assert resource(partial).name == "connection"
        assert resource(name="remote")(partial).name == "remote"

    def test_a_bad_partial_is_refused_with_a_clear_error(self) -> None:
        def repository(url: str, database: Any) -> Iterator[Any]:
            yield url, database

        with pytest.raises(TypeError, match=r"'database'"):
            resource(name="x")(functools.partial(repository, "remote"))

    def test_wrong_options_are_refused_at_once(self) -> None:
        with pytest.raises(ValueError, match=r"scope must be one of .*'century'"):
            resource(scope="century")
        with pytest.raises(ValueError, match="name must not be empty"):
            resource(name="")
        wrong: Any = 5
        with pytest.raises(TypeError, match="name must be a string, got 5"):
            resource(name=wrong)

    def test_only_definitions_can_be_registered(self) -> None:
        assert isinstance(resource(connection), ResourceDefinition)
        wrong: Any
        for wrong in (connection, None, "connection"):
            with pytest.raises(TypeError, match=r"@cs\.resource"):
                cs.Engine().register(wrong)
