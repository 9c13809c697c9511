"""Who may import whom, enforced by walking the imports of every file under ``src``.

Imports count wherever they stand: at the top, inside functions, and under ``TYPE_CHECKING``
(whoever names a type of another layer knows that layer).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cascade

SOURCE = Path(cascade.__file__).parents[1]
FILES = sorted(SOURCE.rglob("*.py"))

DECLARATION = ("cascade.errors", "cascade.spec", "cascade.graph", "cascade.ports")
CHILDREN = "cascade.child_groups"
QUIET = "cascade.quiet"

RULES: dict[str, tuple[str, ...]] = {
    "cascade.errors": (),
    CHILDREN: (),
    QUIET: (),
    "cascade.standard_streams": (),
    "cascade.spec": ("cascade.errors",),
    "cascade.graph": ("cascade.errors", "cascade.spec"),
    "cascade.ports": ("cascade.errors", "cascade.spec", "cascade.graph"),
    "cascade.runtime": DECLARATION,
    "cascade.adapters": (*DECLARATION, CHILDREN, "cascade.runtime.events"),
    "cascade.connectors": (*DECLARATION, "cascade.runtime.events", QUIET),
    "cascade.app": (*DECLARATION, "cascade.runtime", "cascade.adapters", "cascade.connectors"),
    "cascade.control": (*DECLARATION, "cascade.runtime", "cascade.connectors", QUIET),
    # It brings an extra, like the command; it is a client of the programs that can be steered.
    "cascade.web": (*DECLARATION, "cascade.control", QUIET, "starlette", "uvicorn"),
    "cascade.preview": (*DECLARATION, "cascade.runtime"),
    "cascade.pictures": (*DECLARATION, "cascade.adapters"),
    "cascade": (
        *DECLARATION,
        "cascade.runtime",
        "cascade.adapters",
        "cascade.connectors",
        "cascade.app",
        "cascade.preview",
        "cascade.pictures",
    ),
    # The command stands above all, and brings an extra; it loads what the user names.
    "cascade.cli": ("cascade", "typer", "rich"),
    "cascade.cli.loading": ("cascade", "a computed name"),
    "cascade.cli.watching": ("cascade", "typer", "rich", "textual"),
    "cascade.providers": ("cascade.errors", "cascade.spec", CHILDREN),
    # Beside the runtime, which knows nothing of it; it brings an extra.
    "cascade.telemetry": ("cascade.errors", "cascade.spec", "cascade.runtime", "opentelemetry"),
    # The two exceptions: the composition root, and the tools for tests.
    "cascade.runtime.engine": (
        *(*DECLARATION, "cascade.runtime", "cascade.adapters"),
        "cascade.control.local",
    ),
    "cascade.testing": ("cascade",),
}
"""What each layer may import beside itself; the most specific line counts."""

LIBRARIES = {
    "cascade.providers.http": "httpx",
    "cascade.providers.sql": "sqlalchemy",
    "cascade.connectors.mqtt_client": "aiomqtt",
}
"""The library that a part may import beside the standard one: when a call needs it."""
EXTRAS = {
    "cascade.adapters.executors.process_worker": {"cloudpickle"},
    "cascade.connectors.mqtt_client": {"paho"},
}
"""What a module may import inside of its functions, if it is installed."""

PUBLIC: dict[str, set[str] | None] = {
    "cascade": {
        *("task", "TailCall", "LazyResult", "resource", "inject", "released", "constant"),
        *("current", "Router", "Param", "Env", "sequence", "pipeline", "cache"),
        *("run", "arun", "astream", "dry_run", "visualize"),
        *("Engine", "NativeSolver", "LocalExecutor", "MessageBus", "ResourceManager"),
        *("errors", "testing"),
    },
    "cascade.errors": None,
    "cascade.testing": None,
    "cascade.ports": None,
    "cascade.runtime": {"events", "timers"},
    "cascade.runtime.events": None,
    "cascade.runtime.timers": None,
    "cascade.runtime.engine": {"Engine"},
    "cascade.runtime.resource_manager": {"ResourceManager"},
    "cascade.runtime.bus": {"MessageBus"},
    "cascade.spec.checks": None,
    "cascade.standard_streams": None,
    "cascade.spec.resource": {"resource"},
    "cascade.spec.constraint": {"GlobalConstraint"},
    "cascade.connectors.local": {"LocalBusConnector", "LocalBroker"},
    "cascade.control": {"LocalControl", "control_from_environment", "is_switched_on"},
    "cascade.web": {"require"},
    "cascade.web.conversation": None,
    "cascade.web.outbox": None,
    "cascade.web.site": {"Site"},
    "cascade.adapters.solvers.native": {"NativeSolver"},
    "cascade.adapters.executors.local": {"LocalExecutor"},
}
"""What the observatory may take from cascade; None: all that has no leading underscore."""

PARTS = ("agents", "reference", "monitors", "networking", "visualization", "web")
"""What the experiments are built of."""


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def imports(module: str, tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """All (module, name) that are imported; the name is None for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                is_package = MODULES.get(module, Path()).name == "__init__.py"
                parts = module.split(".")
                base = parts[: len(parts) - node.level + is_package]
                source = ".".join([*base, *([source] if source else [])])
            for alias in node.names:
                if f"{source}.{alias.name}" in MODULES:
                    yield f"{source}.{alias.name}", None
                else:
                    yield source, alias.name
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "__import__",
            "import_module",
            "importlib.import_module",
        ):
            yield "a computed name", None


def rule_for(module: str) -> str:
    """The layer whose rule counts for a module: the longest name that fits."""
    if module == "cascade":
        return module
    return max(
        (layer for layer in RULES if layer != "cascade" and within(module, layer)),
        key=len,
        default="",
    )


def tree_top(tree: ast.AST) -> list[ast.stmt]:
    """What a module does when it is imported, but for its functions and classes."""
    definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [part for part in getattr(tree, "body", ()) if not isinstance(part, definition)]


def strays(module: str, tree: ast.AST) -> list[str]:
    """What a module of the core imports against the rules."""
    layer = rule_for(module)
    if not layer:
        return [f"{module} belongs to no layer"]
    found = []
    at_the_top = {source for part in tree_top(tree) for source, _ in imports(module, part)}
    for source, name in imports(module, tree):
        top = source.split(".")[0]
        if top in sys.stdlib_module_names or top == LIBRARIES.get(module):
            continue
        if within(source, "cascade.providers") and not within(module, "cascade.providers"):
            found.append(source)  # nobody else needs them, not even who may import all the rest
            continue
        if top in EXTRAS.get(module, ()) and source not in at_the_top:
            continue
        itself = layer != "cascade" and within(source, layer)
        if not itself and not any(within(source, package) for package in RULES[layer]):
            found.append(f"{source}:{name}" if name else source)
    return found


def early_imports(tree: ast.Module) -> list[str]:
    """The libraries that importing a module brings in, beside the standard one and cascade."""
    now: list[ast.stmt] = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    found = imports("", ast.Module(body=now, type_ignores=[]))
    tops = {source.split(".")[0] for source, _ in found}
    return sorted(tops - sys.stdlib_module_names - {"cascade"})


def private_uses(module: str, tree: ast.AST) -> list[str]:
    """What a module of the observatory takes from cascade beside its public names."""
    found = []
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.asname or "cascade" for alias in node.names if alias.name == "cascade"}
    for source, name in imports(module, tree):
        if not within(source, "cascade"):
            continue
        names = PUBLIC.get(source)
        if source not in PUBLIC:
            found.append(source)
        elif name is None:
            if names is not None and source != "cascade":
                found.append(source)  # as a whole it would give more than is public in it
        elif name.startswith("_") or (names is not None and name not in names):
            found.append(f"{source}:{name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = PUBLIC["cascade"]
            assert names is not None
            if node.value.id in roots and node.attr not in names:
                found.append(f"cascade:{node.attr}")
    return found


def part_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "observatory" and len(parts) > 1 else None


def parse(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


CORE = [module for module in MODULES if within(module, "cascade")]
OBSERVATORY = [module for module in MODULES if within(module, "observatory")]


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_lower_layers_and_the_standard_library_only(module: str) -> None:
    assert strays(module, parse(module)) == []


@pytest.mark.parametrize("module", [module for module in CORE if module in LIBRARIES])
def test_a_library_is_imported_only_when_a_call_needs_it(module: str) -> None:
    assert early_imports(parse(module)) == []


def test_an_early_import_is_found() -> None:
    assert early_imports(ast.parse("if 1:\n    import httpx.other")) == ["httpx"]
    late = "if TYPE_CHECKING:\n    import httpx\ndef f():\n    import httpx\nimport os"
    assert early_imports(ast.parse(late)) == []


@pytest.mark.parametrize("module", OBSERVATORY)
def test_the_observatory_uses_public_names_only(module: str) -> None:
    assert private_uses(module, parse(module)) == []


@pytest.mark.parametrize("module", OBSERVATORY)
def test_nothing_but_experiments_and_the_command_imports_experiments(module: str) -> None:
    if part_of(module) not in ("experiments", "__main__"):
        sources = [source for source, _ in imports(module, parse(module))]
        assert [source for source in sources if part_of(source) == "experiments"] == []


def test_agents_and_their_reference_know_nothing_of_each_other() -> None:
    for part, other in (("agents", "reference"), ("reference", "agents")):
        for module in OBSERVATORY:
            if part_of(module) == part:
                sources = [source for source, _ in imports(module, parse(module))]
                assert [source for source in sources if part_of(source) == other] == [], module


def test_the_parts_of_the_observatory_need_each_other_in_no_circle() -> None:
    needs: dict[str, set[str]] = {part: set() for part in PARTS}
    for module in OBSERVATORY:
        part = part_of(module)
        if part in needs:
            others = {part_of(source) for source, _ in imports(module, parse(module))}
            needs[part] |= {other for other in others if other in needs and other != part}
    while needs:
        free = {part for part, others in needs.items() if not others & needs.keys()}
        assert free, f"a circle among {needs}"
        needs = {part: others for part, others in needs.items() if part not in free}


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("cascade.errors", "import cascade.spec.task"),
        ("cascade.spec.task", "from cascade.graph import build"),
        ("cascade.spec.task", "def f():\n    from cascade.graph.build import build"),
        ("cascade.graph.build", "if TYPE_CHECKING:\n    from cascade.ports import Solver"),
        ("cascade.graph.build", "from cascade import ports"),
        ("cascade.ports", "from cascade.runtime.events import Event"),
        ("cascade.runtime.bus", "from cascade.adapters.executors.local import LocalExecutor"),
        ("cascade.runtime.bus", "from cascade.app import run"),
        ("cascade.runtime.bus", "from cascade import task"),
        ("cascade.runtime.engine", "from cascade.connectors.local import LocalBroker"),
        ("cascade.runtime.engine", "import cascade.testing"),
        ("cascade.adapters.solvers.native", "from cascade.runtime import bus"),
        ("cascade.adapters.solvers.native", "from cascade.connectors import local"),
        ("cascade.connectors.local", "from ..adapters.solvers import native"),
        ("cascade.app", "from cascade.testing import run_virtual"),
        ("cascade.pictures", "from cascade.runtime.engine import Engine"),
        ("cascade.preview", "from cascade.app import run"),
        ("cascade", "from cascade import testing"),
        ("cascade", "from cascade.cli import main"),
        ("cascade.app", "from cascade.cli.command import app"),
        ("cascade.cli.command", "import numpy"),
        ("cascade.web.server", "from cascade.runtime.engine import Engine"),
        ("cascade.control.server", "from cascade.web.server import LocalServer"),
        ("cascade.control.server", "def f():\n    import starlette"),
        ("cascade.cli.command", "import textual"),
        ("cascade.cli.command", "importlib.import_module('numpy')"),
        ("cascade.testing", "from observatory.flashes import Flash"),
        ("cascade.app", "from cascade.providers import shell"),
        ("cascade.testing", "import cascade.providers.files"),
        ("cascade.providers.files", "from cascade.runtime.engine import Engine"),
        ("cascade.providers.files", "import httpx"),
        ("cascade.providers.http", "import sqlalchemy"),
        ("cascade.telemetry.logs", "from cascade.app import run"),
        ("cascade.runtime.engine", "import cascade.telemetry"),
        ("cascade.runtime.bus", "import opentelemetry.trace"),
        ("cascade.spec.task", "import numpy"),
        ("cascade.app", "def f():\n    import numpy.random as r"),
        ("cascade.app", "importlib.import_module('numpy')"),
        ("cascade.app", "from observatory import flashes"),
        ("cascade.newcomer", "import math"),
        ("cascade.adapters.executors.process_worker", "import cloudpickle"),
        ("cascade.connectors.local", "def f():\n    import aiomqtt"),
        ("cascade.connectors.mqtt_client", "import paho.mqtt.client"),
        ("cascade.adapters.executors.process_worker", "def f():\n    import numpy"),
    ],
)
def test_a_breach_of_the_core_is_found(module: str, code: str) -> None:
    assert strays(module, ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        "from cascade.runtime.lanes import Lane",
        "import cascade.spec.task",
        "from cascade.runtime import bus",
        "from cascade.runtime.engine import _check_is",
        "from cascade.runtime.engine import asyncio",
        "from cascade.errors import _private",
        "from cascade import Task",
        "import cascade as cs\ncs.spec.task.Task",
        "import cascade\ncascade._hidden",
        "def f():\n    from cascade.graph.build import build",
        "from cascade.providers import shell",
    ],
)
def test_a_breach_of_the_observatory_is_found(code: str) -> None:
    assert private_uses("observatory.agents.kuramoto", ast.parse(code))


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("cascade.spec.task", "import asyncio.events\nfrom cascade import errors"),
        ("cascade.adapters.solvers.native", "from cascade.runtime import events"),
        ("cascade.runtime.engine", "from cascade.adapters.solvers.native import NativeSolver"),
        ("cascade.testing", "from cascade.app import run\nfrom cascade import task"),
        ("cascade.cli.progress", "import rich.live\nimport cascade as cs"),
        ("cascade.cli.watching.app", "from textual.app import App\nimport cascade.cli.orders"),
        ("cascade.providers.http", "def f():\n    import httpx"),
        ("cascade.telemetry.traced", "from opentelemetry import trace"),
        ("cascade.providers.shell", "from cascade.providers.declaring import provided"),
        ("cascade.spec.lazy", "from . import policies\nfrom .amounts import check_name"),
        ("cascade.adapters.executors.process_worker", "def f():\n    import cloudpickle"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, code: str) -> None:
    assert strays(module, ast.parse(code)) == []
