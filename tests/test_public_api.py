"""The public names: what is exported is what is there, where it was promised, and explained."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import cascade

SOURCE = Path(cascade.__file__).parents[1]
FILES = sorted(SOURCE.rglob("*.py"))

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

PLACES = {
    "cascade": "task TailCall LazyResult resource inject run arun Engine NativeSolver "
    "LocalExecutor MessageBus ResourceManager dry_run visualize RunRecord errors testing",
    "cascade.runtime": "events",
    "cascade.runtime.engine": "Engine",
    "cascade.runtime.resource_manager": "ResourceManager",
    "cascade.runtime.bus": "MessageBus",
    "cascade.spec.resource": "resource",
    "cascade.connectors.local": "LocalBusConnector LocalBroker",
    "cascade.connectors.mqtt": "MqttConnector",
    "cascade.adapters.solvers.native": "NativeSolver",
    "cascade.adapters.executors.local": "LocalExecutor",
    "cascade.testing": "run_virtual virtual_loop EventRecorder",
    "cascade.ports": "Solver Executor ProcessCall CacheBackend StateBackend Connector Hit",
    "cascade.providers.shell": "run echo CommandResult CommandError",
    "cascade.providers.files": "read_text read_bytes read_json write_text write_bytes write_json "
    "copy remove exists glob",
    "cascade.providers.http": "request get post put delete client Response HTTPStatusError "
    "ClientError TooManyRequestsError ServerError",
    "cascade.providers.sql": "query execute script engine",
    "cascade.telemetry": "instrument Instrumentation log_events JsonFormatter TaskFilter",
    "cascade.telemetry.export": "CountingSpanProcessor",
    "observatory.agents.kuramoto": "firefly_agent",
    "observatory.reference.fireflies": "simulate",
    "observatory.monitors.convergence": "ConvergenceMonitor",
    "observatory.monitors.aggregator": "MetricsAggregator",
    "observatory.networking.direct_channel": "DirectChannel",
    "observatory.networking.topology": "moore_neighbors",
    "observatory.experiments.run_fireflies": "run_experiment get_neighbors main app GRID_SIDE "
    "NUM_AGENTS PERIOD",
}
"""Where users import what from. A name stands here from the day it exists."""

SHORTCUTS = {
    "Engine": "cascade.runtime.engine",
    "ResourceManager": "cascade.runtime.resource_manager",
    "MessageBus": "cascade.runtime.bus",
    "resource": "cascade.spec.resource",
    "NativeSolver": "cascade.adapters.solvers.native",
    "LocalExecutor": "cascade.adapters.executors.local",
}


def public(definitions: list[ast.stmt]) -> Iterator[Definition]:
    for definition in definitions:
        if not isinstance(definition, Definition) or definition.name.startswith("_"):
            continue
        marks = {ast.unparse(mark) for mark in definition.decorator_list}
        if not marks & {"overload", "typing.overload"}:
            yield definition


def unexplained(tree: ast.Module) -> Iterator[str]:
    """The public classes, functions and methods without a docstring."""
    if tree.body and not ast.get_docstring(tree):
        yield "the module"
    for definition in public(tree.body):
        if not ast.get_docstring(definition):
            yield definition.name
        if isinstance(definition, ast.ClassDef):
            for method in public(definition.body):
                if not ast.get_docstring(method):
                    yield f"{definition.name}.{method.name}"


def test_all_equals_what_is_importable_from_the_root() -> None:
    found = {
        name
        for name, value in vars(cascade).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    modules = {name for name in cascade.__all__ if isinstance(getattr(cascade, name), ModuleType)}
    assert set(cascade.__all__) - modules == found
    assert modules == {"errors"}
    assert len(cascade.__all__) == len(set(cascade.__all__))


@pytest.mark.parametrize(
    ("place", "name"), [(place, name) for place, names in PLACES.items() for name in names.split()]
)
def test_names_are_where_they_were_promised(place: str, name: str) -> None:
    scope: dict[str, object] = {}
    exec(f"from {place} import {name}", scope)
    assert scope[name] is not None


@pytest.mark.parametrize(("name", "place"), SHORTCUTS.items())
def test_the_root_gives_the_very_same_things(name: str, place: str) -> None:
    assert getattr(cascade, name) is getattr(importlib.import_module(place), name)


def test_the_resource_decorator_does_not_hide_its_module() -> None:
    assert isinstance(importlib.import_module("cascade.spec.resource"), ModuleType)
    assert isinstance(cascade.resource, FunctionType)


def test_every_name_of_the_root_is_explained() -> None:
    for name in cascade.__all__:
        assert (getattr(cascade, name).__doc__ or "").strip(), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_all_that_is_public_has_a_docstring(path: Path) -> None:
    assert list(unexplained(ast.parse(path.read_text()))) == []


def test_a_missing_docstring_is_found() -> None:
    tree = ast.parse("class A:\n  'doc'\n  def f(self): ...\n  def _g(self): ...\ndef h(): ...")
    assert list(unexplained(tree)) == ["the module", "A.f", "h"]


def test_there_are_no_namespace_packages() -> None:
    missing = [path.parent for path in FILES if not (path.parent / "__init__.py").exists()]
    assert missing == []


def test_both_packages_say_that_they_are_typed() -> None:
    assert all((SOURCE / package / "py.typed").exists() for package in ("cascade", "observatory"))


def test_the_root_makes_nothing_up() -> None:
    assert "__getattr__" not in vars(cascade)
    with pytest.raises(AttributeError):
        cascade.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_core_brings_in_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import cascade, cascade.testing; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    brought = {name for name in output.split() if not name.startswith("__")}
    assert brought - sys.stdlib_module_names == {"cascade"}
