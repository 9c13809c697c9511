"""Resources that live for a run: set up when first needed, torn down in reverse order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from cascade.errors import InjectionError
from cascade.runtime.events import ResourceSetUp, ResourceTornDown
from cascade.runtime.notes import annotate
from cascade.spec.resource import ResourceDefinition

if TYPE_CHECKING:
    from cascade.runtime.run import Run

_NO_OVERRIDES: Mapping[str, Any] = {}
CONNECTOR = "_internal_connector"
"""The name under which the engine's connector is injected."""


overrides: ContextVar[Mapping[str, Any]] = ContextVar("cascade_overrides", default=_NO_OVERRIDES)
"""What stands in for resources in tests: values, or other definitions."""


class Value:
    """A value that stands in for a resource as it is."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def known_definition(
    name: str, definitions: Mapping[str, ResourceDefinition]
) -> ResourceDefinition | Value | None:
    """Return the definition of a resource, or what stands in for it; None if there is none."""
    replaced: ResourceDefinition | Value | None = overrides.get().get(name)
    return definitions.get(name) if replaced is None else replaced


def check_injections(
    names: Iterable[str], definitions: Mapping[str, ResourceDefinition], has_connector: bool
) -> None:
    """Raise unless every named resource, and what it needs itself, is there and free of circles.

    Raises:
        InjectionError: naming the resource and those that are registered, or the circle.
    """
    done: set[str] = set()
    for wanted in names:
        path: list[str] = []
        stack = [(wanted, False)]
        while stack:
            name, complete = stack.pop()
            if complete:
                path.pop()
                done.add(name)
                continue
            if name in path:
                circle = " -> ".join([*path[path.index(name) :], name])
                raise InjectionError(f"resources need each other in a circle: {circle}")
            if name in done:
                continue
            definition = known_definition(name, definitions)
            if definition is None:
                if name == CONNECTOR and has_connector:
                    done.add(name)
                    continue
                raise InjectionError(_missing(name, definitions))
            if not isinstance(definition, ResourceDefinition):
                done.add(name)
                continue
            if definition.scope == "run":
                for _, needed in definition.needs:
                    shorter = known_definition(needed, definitions)
                    if isinstance(shorter, ResourceDefinition) and shorter.scope == "task":
                        raise InjectionError(
                            f"resource {name!r} lives for a run and can't have {needed!r} "
                            "injected, which lives for a task"
                        )
            path.append(name)
            stack.append((name, True))
            stack.extend((needed, False) for _, needed in definition.needs)


def _missing(name: str, definitions: Mapping[str, ResourceDefinition]) -> str:
    if name == CONNECTOR:
        return "the engine has no connector to inject: give one as Engine(connector=...)"
    known = ", ".join(map(repr, definitions)) or "none"
    return (
        f"no resource {name!r} is registered; registered: {known}. "
        f"Register it with engine.register(...)"
    )


class ResourceScope:
    """The resources of one run, or of one task of it.

    Args:
        run: the run.
        parent: the resources of the run, if these are those of a task.
    """

    __slots__ = ("_kept", "_opening", "_parent", "_run", "_starting", "_tasks", "values")

    def __init__(self, run: Run, parent: ResourceScope | None = None) -> None:
        self._run = run
        self._parent = parent
        self._tasks: dict[tuple[int, int], ResourceScope] = {}
        self._starting: dict[str, _Keeper] = {}
        self._kept: list[_Keeper] = []  # in the order in which they were ready
        self._opening: dict[str, asyncio.Task[None]] = {}
        self.values: dict[str, Any] = {}
        """What has been set up, by name."""

    def of_node(self, run: Run, node: int, names: Iterable[str]) -> ResourceScope:
        """Return the scope for what a node has injected: its own, if something lives for a task.

        Args:
            run: the run, or the part of it, that the node belongs to.
            node: its number there.
            names: what it has injected.
        """
        if not self._lives_for_a_task(names):
            return self
        return self._tasks.setdefault((id(run), node), ResourceScope(self._run, self))

    def _lives_for_a_task(self, names: Iterable[str]) -> bool:
        stack, seen = list(names), set()
        while stack:
            name = stack.pop()
            if name in seen:
                continue
            seen.add(name)
            definition = known_definition(name, self._run.engine.definitions)
            if isinstance(definition, ResourceDefinition):
                if definition.scope == "task":
                    return True
                stack.extend(needed for _, needed in definition.needs)
        return False

    def values_of(self, run: Run, node: int) -> Mapping[str, Any]:
        """Return what is set up for a node."""
        own = self._tasks.get((id(run), node)) if self._tasks else None
        return self.values if own is None else own.values

    def has_node(self, run: Run, node: int) -> bool:
        """Whether a node has resources of its own."""
        return bool(self._tasks) and (id(run), node) in self._tasks

    async def close_node(self, run: Run, node: int) -> list[BaseException]:
        """Tear down what a node has for itself; return what that raised."""
        return await self._tasks.pop((id(run), node)).close()

    async def open(self, names: Iterable[str]) -> Mapping[str, Any]:
        """Set up what isn't yet, and return all values by name.

        Raises:
            InjectionError: a resource isn't registered.
            Exception: whatever a set-up raised, with a note that names the resource.
        """
        for name in names:
            if name not in self.values:
                await self._open(name)
        return self.values

    async def _open(self, name: str) -> None:
        opening = self._opening.get(name)
        if opening is None:
            engine = self._run.engine
            definition = known_definition(name, engine.definitions)
            if isinstance(definition, Value):
                self.values[name] = definition.value
                return
            if definition is None:
                if name == CONNECTOR and engine.connector is not None:
                    self.values[name] = engine.connector
                    return
                raise InjectionError(_missing(name, engine.definitions))
            if definition.scope == "run" and self._parent is not None:
                self.values[name] = (await self._parent.open([name]))[name]
                return
            for _, needed in definition.needs:
                if needed not in self.values:
                    await self._open(needed)
            opening = self._opening.get(name)
            if opening is None and name not in self.values:
                opening = self._run.loop.create_task(
                    self._set_up(name, definition), name=f"set up {name}"
                )
                self._opening[name] = opening
        try:
            if opening is not None:
                await asyncio.shield(opening)
        finally:
            del opening  # what it raises must not be reachable from its own traceback

    async def _set_up(self, name: str, definition: ResourceDefinition) -> None:
        arguments = {parameter: self.values[needed] for parameter, needed in definition.needs}
        keeper = self._starting[name] = _Keeper(name, definition, self._run.loop)
        self.values[name] = await keeper.set_up(arguments)
        del self._starting[name], self._opening[name]
        self._kept.append(keeper)
        if (bus := self._run.bus) is not None:
            bus.publish(ResourceSetUp(self._run.run_id, self._run.loop.time(), name))

    async def close(self) -> list[BaseException]:
        """Tear everything down, the last set up first; return what that raised."""
        errors: list[BaseException] = []
        while self._tasks:  # those that were left when a task couldn't begin
            errors += await self._tasks.popitem()[1].close()
        for opening in self._opening.values():
            opening.cancel()
        if self._opening:
            await asyncio.wait(list(self._opening.values()))
        for opening in self._opening.values():
            if not opening.cancelled():
                opening.exception()  # its requester has raised it
        self._opening.clear()
        # Those that were cut off while they were being set up come first: they are the latest.
        self._kept += self._starting.values()
        self._starting.clear()
        while self._kept:
            keeper = self._kept.pop()
            error = await keeper.tear_down()
            if error is not None:
                errors.append(error)
            name = keeper.name
            if name in self.values and (bus := self._run.bus) is not None:
                now = self._run.loop.time()
                bus.publish(ResourceTornDown(self._run.run_id, now, name, error))
        self.values.clear()
        return errors


class _Keeper:
    """Keeps one resource open: a task of its own enters and leaves the generator.

    Cancel scopes and task groups inside a generator demand that one task does both.
    """

    __slots__ = ("_loop", "_ready", "_stop", "_task", "definition", "name")

    def __init__(
        self, name: str, definition: ResourceDefinition, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name = name  # by which it is wanted: the definition may stand in for another one
        self.definition = definition
        self._loop = loop
        self._ready: asyncio.Future[Any] = loop.create_future()
        self._stop: asyncio.Future[None] = loop.create_future()
        self._task: asyncio.Task[None] | None = None

    async def set_up(self, arguments: dict[str, Any]) -> Any:
        name = self.definition.name
        self._task = self._loop.create_task(self._keep(arguments), name=f"resource {name}")
        try:
            await asyncio.wait([self._ready, self._task], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self._ready.done():
            return self._ready.result()
        task, self._task = self._task, None
        try:
            task.result()
        finally:
            del task  # what is raised must not be reachable from its own traceback
        raise AssertionError("a keeper ends early only by raising")

    async def tear_down(self) -> BaseException | None:
        task, self._task = self._task, None
        if task is None:
            return None
        if not self._stop.done():
            self._stop.set_result(None)
        await asyncio.wait([task])
        return None if task.cancelled() else task.exception()

    async def _keep(self, arguments: dict[str, Any]) -> None:
        name = self.definition.name
        generator = self.definition.fn(**arguments)
        try:
            self._ready.set_result(await self._next(generator))
        except (StopIteration, StopAsyncIteration):
            raise RuntimeError(f"resource {name!r} ended without a yield") from None
        except BaseException as error:
            annotate(error, f"while setting up resource {name!r}")
            raise
        try:
            await self._stop
        finally:
            await self._finish(generator)

    async def _finish(self, generator: Any) -> None:
        name = self.definition.name
        try:
            await self._next(generator)
        except (StopIteration, StopAsyncIteration):
            return
        except BaseException as error:
            annotate(error, f"while tearing down resource {name!r}")
            raise
        if self.definition.is_async:
            await generator.aclose()
        else:
            generator.close()
        raise RuntimeError(f"resource {name!r} has more than one yield")

    async def _next(self, generator: Any) -> Any:
        if self.definition.is_async:
            return await anext(generator)
        done = object()
        value = next(generator, done)
        if value is done:
            # A StopIteration can't leave a coroutine; its async twin can.
            raise StopAsyncIteration
        return value
