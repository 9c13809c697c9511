"""Loading: from what the user names, such as ``report.py:report``, to a workflow."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cascade.cli.problems import UsageProblem
from cascade.errors import CascadeError
from cascade.graph.build import build
from cascade.graph.model import Graph
from cascade.spec.checks import shown
from cascade.spec.inputs import Input
from cascade.spec.lazy import LazyResult
from cascade.spec.task import Task


class FailedInFile(Exception):
    """The user's own code has failed before anything was run; its cause is what it raised.

    Args:
        file: the user's file.
    """

    def __init__(self, file: Path | None) -> None:
        super().__init__("the user's code failed")
        self.file = file
        """The user's file."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """What is to be run."""

    name: str
    """How the user named it."""
    target: Any
    """A lazy result, or a list, tuple or dict of them."""
    graph: Graph
    """Its graph."""
    file: Path | None
    """The file that it comes from."""


def load(text: str) -> Workflow:
    """Return the workflow that a text names.

    Args:
        text: ``FILE.py:NAME``, ``package.module:NAME``, or one of them without a name.

    Raises:
        UsageProblem: there is no such file, module or name, or it is no workflow.
        FailedInFile: the file raised something, or the function of that name did.
    """
    place, name = _split(text)
    module = _from_file(place) if _is_file(place) else _from_path(place)
    file = Path(module.__file__) if module.__file__ else None
    value = _only_one(module, place) if not name else _named(module, name, place)
    target = _target(value, text, file)
    try:
        graph = build(target)
    except CascadeError as error:
        raise UsageProblem(f"{text}: {error}") from error
    except TypeError:
        raise UsageProblem(
            f"{text} is no workflow: it must be a lazy result, a list, tuple or dict of them, or a "
            f"function without arguments that returns one, got {shown(target)}"
        ) from None
    return Workflow(text, target, graph, file)


def _split(text: str) -> tuple[str, str]:
    if Path(text).is_file() or ":" not in text:
        return text, ""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise UsageProblem(f"say FILE.py:NAME or package.module:NAME, got {text!r}")
    return place, name


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place or Path(place).is_file()


def _from_file(place: str) -> ModuleType:
    path = Path(place).absolute()
    if not path.is_file():
        raise UsageProblem(f"there is no file {place!r}")
    _search_in(path.parent)
    # A file may be called like a module that is in use, such as random.py.
    name = path.stem if path.stem not in sys.modules else f"{path.stem} of {path.parent}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageProblem(f"{place!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise FailedInFile(path) from error
    return module


def _from_path(place: str) -> ModuleType:
    _search_in(Path.cwd())
    if not all(place.split(".")):
        raise UsageProblem(f"say FILE.py:NAME or package.module:NAME, got {place!r}")
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(error.name + ".")):
            raise UsageProblem(f"there is no module {place!r}, and no file of that name") from None
        raise FailedInFile(None) from error
    except (Exception, SystemExit) as error:
        raise FailedInFile(None) from error


def _search_in(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _candidates(module: ModuleType) -> dict[str, LazyResult[Any]]:
    """Return the lazy results of a module, each under its first name."""
    found: dict[int, tuple[str, LazyResult[Any]]] = {}
    for name, value in vars(module).items():
        if isinstance(value, LazyResult) and not isinstance(value, Input):
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def _only_one(module: ModuleType, place: str) -> LazyResult[Any]:
    found = _candidates(module)
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise UsageProblem(f"{place} has no lazy result: name a function that returns one")
    names = ", ".join(f"{place}:{name}" for name in found)
    raise UsageProblem(f"{place} has {len(found)} lazy results, say which one: {names}")


def _named(module: ModuleType, name: str, place: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        found = ", ".join(_candidates(module))
        there = f": it has {found}" if found else ""
        raise UsageProblem(f"{place} has no {name!r}{there}") from None


def _target(value: Any, text: str, file: Path | None) -> Any:
    if isinstance(value, Task):
        try:
            return value()
        except TypeError as error:
            raise UsageProblem(f"{text} can't be called without arguments: {error}") from None
    if not inspect.isroutine(value):
        return value
    try:
        inspect.signature(value).bind()
    except TypeError as error:
        raise UsageProblem(f"{text} can't be called without arguments: {error}") from None
    try:
        made = value()
    except (Exception, SystemExit) as error:
        raise FailedInFile(file) from error
    if inspect.iscoroutine(made):
        made.close()
        raise UsageProblem(f"{text} is an async function: make it a task, or a plain function")
    return made
