"""Reads what is public out of the source files, without importing any of them.

All that is shown is text of the sources, so that it is the same with every version of Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class PageError(Exception):
    """The pages can't be made as things stand; the message says what to do."""


@dataclass(frozen=True)
class Definition:
    """A class, function or value at the top of a module."""

    module: Module
    """Where it is defined."""
    name: str
    """What it is called there."""
    node: ast.ClassDef | Function | ast.Assign | ast.AnnAssign
    """Its syntax; of an overloaded function that of the implementation."""
    doc: str
    """Its docstring, or the string that stands below a value; "" without one."""

    @property
    def is_class(self) -> bool:
        """Whether it is a class."""
        return isinstance(self.node, ast.ClassDef)


class Module:
    """A source file, parsed."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Its dotted name."""
        path = SOURCE.joinpath(*name.split("."))
        self.path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        """Its file."""
        self.text = self.path.read_text(encoding="utf-8")
        """What stands in it."""
        self.tree = ast.parse(self.text)
        """Its syntax."""
        self.doc = ast.get_docstring(self.tree) or ""
        """Its docstring."""

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """What it defines at the top, by name, in the order of the file."""
        found: dict[str, Definition] = {}
        for node, doc in with_docs(self.tree.body):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                found[node.name] = Definition(self, node.name, node, ast.get_docstring(node) or "")
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = Definition(self, node.targets[0].id, node, doc)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = Definition(self, node.target.id, node, doc)
        return found

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """What it imports by name: the module that it comes from, and its name there."""
        return {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module and not node.level
            for alias in node.names
        }

    def source(self, node: ast.AST) -> str:
        """Return the text of an expression in one line."""
        # `ast.get_source_segment` does the same, and splits the whole text each time.
        assert isinstance(node, (ast.expr, ast.arg))
        assert node.end_lineno is not None
        lines = self._lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return " ".join(b" ".join(lines).decode().split())

    def annotation(self, node: ast.expr) -> str:
        """Return the text of an annotation; for the name of a choice the choice itself."""

        def value_of(match: re.Match[str]) -> str:
            try:
                found = find(match[0], self)
            except PageError:
                return match[0]
            value = getattr(found.node, "value", None)
            text = found.module.source(value) if isinstance(value, ast.Subscript) else ""
            return text if text.startswith(("Literal[", "Callable[")) else match[0]

        return re.sub(r"\b(?<![.\"])[A-Z]\w+", value_of, self.source(node))

    @cached_property
    def _lines(self) -> list[bytes]:
        return self.text.encode().split(b"\n")

    def public(self) -> list[str]:
        """Return what `__all__` lists, or else all it defines without a leading underscore."""
        exported = self.exported()
        if exported is not None:
            return [name for names in exported.values() for name in names]
        return [
            name
            for name, definition in self.definitions.items()
            if not name.startswith("_") and definition.doc
        ]

    def exported(self) -> dict[str, list[str]] | None:
        """Return what `__all__` lists, by the comments that head its groups ("" before any)."""
        found = self.definitions.get("__all__")
        if found is None:
            return None
        assert isinstance(found.node, (ast.Assign, ast.AnnAssign))
        listed = found.node.value
        assert isinstance(listed, (ast.List, ast.Tuple))
        lines = self.text.splitlines()
        groups: dict[str, list[str]] = {}
        heading, seen = "", listed.lineno
        for element in listed.elts:
            assert isinstance(element, ast.Constant)
            assert isinstance(element.value, str)
            for line in lines[seen : element.lineno - 1]:
                comment = re.fullmatch(r"\s*# (.+)", line)
                heading = comment[1] if comment else heading
            seen = element.lineno
            groups.setdefault(heading, []).append(element.value)
        return groups


_modules: dict[str, Module] = {}


def module(name: str) -> Module:
    """Return a module by its dotted name; each file is read once."""
    if name not in _modules:
        _modules[name] = Module(name)
    return _modules[name]


def is_module(name: str) -> bool:
    """Whether a dotted name is that of a module or package of the library."""
    path = SOURCE.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def find(name: str, place: Module) -> Definition:
    """Return what a name means in a module, wherever it is defined.

    Raises:
        PageError: it is nothing of the library.
    """
    while name not in place.definitions:
        source, name_there = place.imports.get(name, ("", ""))
        if not is_module(source):
            raise PageError(f"{place.name} has no {name!r} whose source could be read")
        place, name = module(source), name_there
    definition = place.definitions[name]
    value = getattr(definition.node, "value", None)
    if isinstance(value, ast.Name):  # another name of something
        with suppress(PageError):
            return find(value.id, place)
    return definition


def with_docs(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield statements, each with the string literal that stands below it ("" without one)."""
    for number, node in enumerate(body):
        below = body[number + 1] if number + 1 < len(body) else None
        doc = ""
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            value = below.value.value
            doc = " ".join(value.split()) if isinstance(value, str) else ""
        yield node, doc
