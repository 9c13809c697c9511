"""What a class offers: attributes, methods, signatures; as the sources have them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from docs.make_reference.sources import Definition, Function, Module, PageError, find, with_docs

WIDTH = 92
"""How long a signature may be before each parameter gets a line of its own."""


@dataclass(frozen=True)
class Attribute:
    """An attribute or property of a class."""

    name: str
    """Its name."""
    type: str
    """Its annotation; "" if none is known."""
    doc: str
    """What the sources say about it."""


@dataclass(frozen=True)
class Method:
    """A method of a class."""

    name: str
    """Its name."""
    signature: str
    """How it is declared."""
    doc: str
    """Its docstring."""


def marks(node: Function | ast.ClassDef) -> set[str]:
    """Return the names of the decorators, without arguments."""
    found = set()
    for mark in node.decorator_list:
        called = mark.func if isinstance(mark, ast.Call) else mark
        found.add(ast.unparse(called).rpartition(".")[2])
    return found


def bases(definition: Definition) -> list[Definition]:
    """Return the bases of a class that belong to the library."""
    assert isinstance(definition.node, ast.ClassDef)
    found = []
    for base in definition.node.bases:
        named = base.value if isinstance(base, ast.Subscript) else base
        try:
            found.append(find(ast.unparse(named), definition.module))
        except PageError:
            continue
    return found


def lineage(definition: Definition) -> Iterator[Definition]:
    """Yield a class after those of its bases that are private, which nobody reads about."""
    for base in bases(definition):
        if base.name.startswith("_"):
            yield from lineage(base)
    yield definition


def attributes(definition: Definition) -> list[Attribute]:
    """Return the documented attributes and the properties of a class."""
    found: dict[str, Attribute] = {}
    for owner in lineage(definition):
        for attribute in _attributes(owner):
            if not attribute.name.startswith("_"):
                found[attribute.name] = attribute
    return list(found.values())


def _attributes(owner: Definition) -> Iterator[Attribute]:
    assert isinstance(owner.node, ast.ClassDef)
    for node, doc in with_docs(owner.node.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and doc:
            yield Attribute(node.target.id, owner.module.annotation(node.annotation), doc)
        elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield from _set_by(node, owner.module)
        elif isinstance(node, ast.FunctionDef) and marks(node) & {"property", "cached_property"}:
            returned = owner.module.annotation(node.returns) if node.returns else ""
            yield Attribute(node.name, returned, ast.get_docstring(node) or "")


def _set_by(init: ast.FunctionDef, module: Module) -> Iterator[Attribute]:
    given_to = [*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs]
    types = {p.arg: module.annotation(p.annotation) for p in given_to if p.annotation}
    for node, doc in with_docs(init.body):
        if not doc or not isinstance(node, (ast.Assign, ast.AnnAssign)):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if not isinstance(target, ast.Attribute):
            continue
        if isinstance(node, ast.AnnAssign):
            yield Attribute(target.attr, module.annotation(node.annotation), doc)
        else:
            given = node.value.id if isinstance(node.value, ast.Name) else ""
            yield Attribute(target.attr, types.get(given, ""), doc)


def methods(definition: Definition) -> list[Method]:
    """Return the public methods of a class, and its call, if that is documented."""
    found: dict[str, Method] = {}
    for owner in lineage(definition):
        assert isinstance(owner.node, ast.ClassDef)
        for node in owner.node.body:
            if not isinstance(node, Function) or (
                node.name.startswith("_") and node.name != "__call__"
            ):
                continue
            doc, kinds = ast.get_docstring(node) or "", marks(node)
            if doc and not kinds & {"property", "cached_property", "overload"}:
                found[node.name] = Method(node.name, signature(node, owner.module, node.name), doc)
    return list(found.values())


def signature(node: Function, module: Module, name: str) -> str:
    """Return how a function is declared, without the parameter for the object itself."""
    returned = f" -> {module.annotation(node.returns)}" if node.returns else ""
    before = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
    kinds = marks(node) & {"classmethod", "staticmethod"}
    marked = "".join(f"@{mark}\n" for mark in sorted(kinds))
    return marked + wrapped(before + name, parameters(node, module), returned)


def parameters(node: Function, module: Module) -> list[str]:
    """Return the parameters of a function, without the one for the object itself."""
    args, parts = node.args, []
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    for number, (parameter, default) in enumerate(zip(positional, defaults, strict=True), 1):
        parts.append(_parameter(parameter, default, module))
        if number == len(args.posonlyargs):
            parts.append("/")
    if args.vararg:
        parts.append("*" + _parameter(args.vararg, None, module))
    elif args.kwonlyargs:
        parts.append("*")
    for parameter, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        parts.append(_parameter(parameter, default, module))
    if args.kwarg:
        parts.append("**" + _parameter(args.kwarg, None, module))
    if positional and positional[0].arg in ("self", "cls") and "staticmethod" not in marks(node):
        del parts[0]
        if parts[:1] == ["/"]:
            del parts[0]
    return parts


def _parameter(parameter: ast.arg, default: ast.expr | None, module: Module) -> str:
    text = parameter.arg
    if parameter.annotation:
        text += f": {module.annotation(parameter.annotation)}"
    if default is not None:
        equals = " = " if parameter.annotation else "="
        text += f"{equals}{module.source(default)}"
    return text


def wrapped(before: str, parts: list[str], after: str) -> str:
    """Return a declaration in one line, or with a line for each parameter if it is too long."""
    line = f"{before}({', '.join(parts)}){after}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{before}(", *[f"    {part}," for part in parts], f"){after}"])


def constructor(definition: Definition, name: str) -> str:
    """Return how an object of a class is made; `name` is what users call the class."""
    node = definition.node
    assert isinstance(node, ast.ClassDef)
    if "dataclass" in marks(node):
        return wrapped(f"class {name}", list(_fields(definition).values()), "")
    made = _maker(definition)
    return wrapped(f"class {name}", parameters(*made) if made else [], "")


def construction(definition: Definition) -> str:
    """Return the sections of what a class says about making one, where it says it apart."""
    made = _maker(definition)
    doc = (ast.get_docstring(made[0]) or "") if made else ""
    return doc.partition("\n\n")[2]


def _maker(definition: Definition) -> tuple[ast.FunctionDef, Module] | None:
    for owner in (definition, *bases(definition)):
        assert isinstance(owner.node, ast.ClassDef)
        for method in owner.node.body:
            if (
                isinstance(method, ast.FunctionDef)
                and method.name in ("__init__", "__new__")
                and "overload" not in marks(method)
            ):
                return method, owner.module
    return None


def _fields(definition: Definition) -> dict[str, str]:
    assert isinstance(definition.node, ast.ClassDef)
    found: dict[str, str] = {}
    for base in bases(definition):
        found |= _fields(base)
    for node in definition.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = f"{node.target.id}: {definition.module.annotation(node.annotation)}"
            if node.value is not None:
                value = definition.module.source(node.value)
                factory = value.startswith("field(default_factory=")
                text += " = ..." if factory else f" = {value}"
            found[node.target.id] = text
    return found
