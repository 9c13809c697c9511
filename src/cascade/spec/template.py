"""Arguments that hold lazy results: found in nested containers, frozen, filled in later.

A container with a lazy result somewhere in it becomes a `Template`: a program for a tiny stack
machine that rebuilds the container. No recursion, neither here nor when it is filled in.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

CONTAINERS = (list, tuple, dict, set, frozenset)
"""What lazy results are looked for in."""

ATOMS = frozenset({int, float, str, bool, type(None), bytes, complex})
"""Types that can't hold a lazy result; most arguments are of these."""


def is_container(value: object) -> bool:
    """Whether lazy results are looked for inside `value`."""
    return isinstance(value, CONTAINERS)


def _children(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _is_flat(container: Any) -> bool:
    """Whether a container holds nothing but atoms."""
    return ATOMS.issuperset(map(type, container)) and (
        not isinstance(container, dict) or ATOMS.issuperset(map(type, container.values()))
    )


def find_leaf(value: object, kinds: type | tuple[type, ...]) -> Any:
    """Return the first object of one of the `kinds` in `value` or in its containers, or None."""
    if isinstance(value, kinds):
        return value
    if not is_container(value) or _is_flat(value):
        return None
    stack = [value]
    seen = {id(value)}
    while stack:
        container: Any = stack.pop()
        nested = []
        if _is_flat(container):
            continue
        for child in _children(container):
            if isinstance(child, kinds):
                return child
            if is_container(child) and id(child) not in seen:
                seen.add(id(child))
                nested.append(child)
        if isinstance(container, dict):
            for key in container:
                if isinstance(key, kinds):
                    return key
                if isinstance(key, (tuple, frozenset)) and id(key) not in seen:
                    seen.add(id(key))
                    nested.append(key)
        stack.extend(reversed(nested))
    return None


def _holders(container: Any, kinds: tuple[type, ...]) -> set[int]:
    """Return the identities of all containers in `container` that hold a leaf at any depth."""
    parents: dict[int, list[int]] = {id(container): []}
    holding: list[int] = []
    stack = [container]
    while stack:
        holder = stack.pop()
        if isinstance(holder, dict) and any(find_leaf(key, kinds) is not None for key in holder):
            holding.append(id(holder))
        for child in _children(holder):
            if isinstance(child, kinds):
                holding.append(id(holder))
            elif is_container(child):
                known = parents.get(id(child))
                if known is None:
                    parents[id(child)] = [id(holder)]
                    stack.append(child)
                else:
                    known.append(id(holder))
    found: set[int] = set()
    while holding:
        identity = holding.pop()
        if identity not in found:
            found.add(identity)
            holding.extend(parents[identity])
    return found


class Template:
    """A frozen container whose leaves are filled in when it is needed.

    The program is in postfix order: (None, value) pushes a plain value, (_LEAF, n) pushes the
    n-th leaf, (build, n) takes n values off and pushes what `build` makes of them, (_AGAIN, n)
    pushes what the n-th build has made: a container that stood in several places still does.
    """

    __slots__ = ("leaves", "program")

    def __init__(self, program: tuple[tuple[Any, Any], ...], leaves: tuple[Any, ...]) -> None:
        self.program = program
        self.leaves = leaves
        """The lazy results and injections in it, each once."""

    def fill(self, values: Sequence[Any]) -> Any:
        """Build the container anew, with `values[n]` in the place of `leaves[n]`."""
        stack: list[Any] = []
        built: list[Any] = []
        for operation, operand in self.program:
            if operation is None:
                stack.append(operand)
            elif operation is _LEAF:
                stack.append(values[operand])
            elif operation is _AGAIN:
                stack.append(built[operand])
            else:
                items = stack[len(stack) - operand :]
                del stack[len(stack) - operand :]
                made = operation(items)
                built.append(made)
                stack.append(made)
        return stack[0]


def _leaf_marker(items: list[Any]) -> Any:
    raise AssertionError("a marker, never called")  # pragma: no cover


def _again_marker(items: list[Any]) -> Any:
    raise AssertionError("a marker, never called")  # pragma: no cover


_LEAF = _leaf_marker
_AGAIN = _again_marker


def template_of(container: Any, kinds: tuple[type, ...]) -> Template | None:
    """Return the template of a container, or None if it holds no object of `kinds`.

    What `freeze` does, in one pass, for the containers that most calls have; all others are left
    to it.

    Raises:
        TypeError, ValueError: as `freeze` does.
    """
    program: list[tuple[Any, Any]] = []
    found: list[Any] = []
    try:
        if not _compile(container, kinds, program, {}, found, set(), _DEPTH):
            return None
        return Template(tuple(program), tuple(found))
    except _TooHardError:
        pass  # what is raised below isn't to be told as if it came of this
    return None if find_leaf(container, kinds) is None else freeze(container, kinds)


_DEPTH = 8
"""How deep containers may be nested for the quick way."""


class _TooHardError(Exception):
    """A container is deeper, stands in two places, or is of a kind that needs a closer look."""


def _compile(
    container: Any,
    kinds: tuple[type, ...],
    program: list[tuple[Any, Any]],
    leaves: dict[int, int],
    found: list[Any],
    seen: set[int],
    depth: int,
) -> bool:
    """Append what makes a list, tuple or dict of the usual kind; whether there is a leaf in it.

    By recursion, of a bounded depth.
    """
    kind = type(container)
    if kind is dict:
        if not ATOMS.issuperset(map(type, container)):
            raise _TooHardError
        children = container.values()
    elif kind is list or kind is tuple:
        children = container
    else:
        raise _TooHardError
    if not depth or id(container) in seen:
        raise _TooHardError
    holds, start = False, len(program)
    for child in children:
        child_kind = type(child)
        if child_kind in ATOMS:
            program.append((None, child))
        elif child_kind in kinds or isinstance(child, kinds):
            number = leaves.setdefault(id(child), len(found))
            if number == len(found):
                found.append(child)
            program.append((_LEAF, number))
            holds = True
        elif isinstance(child, CONTAINERS):
            if _compile(child, kinds, program, leaves, found, seen, depth - 1):
                holds = True
        else:
            program.append((None, child))
    if holds:
        seen.add(id(container))
        program.append((_dict_of(container) if kind is dict else kind, len(container)))
    else:  # it is passed on as it is
        del program[start:]
        program.append((None, container))
    return holds


_DICTS = (dict, OrderedDict, defaultdict)
"""Classes of dicts that can be rebuilt."""


def _dict_of(container: dict[Any, Any]) -> Callable[[list[Any]], Any]:
    """Return what makes a dict of the same kind and keys from new values."""
    keys = tuple(container)
    if type(container) is OrderedDict:
        return lambda items: OrderedDict(zip(keys, items, strict=True))
    if isinstance(container, defaultdict):
        factory = container.default_factory
        return lambda items: defaultdict(factory, zip(keys, items, strict=True))
    return lambda items: dict(zip(keys, items, strict=True))


def freeze(container: Any, kinds: tuple[type, ...]) -> Template:
    """Compile a container that holds objects of `kinds` into a `Template`.

    Raises:
        TypeError: one of them is a dict key, in a set, or in a container of a class that can't
            be rebuilt.
        ValueError: the container holds itself.
    """
    program: list[tuple[Any, Any]] = []
    leaves: dict[int, int] = {}
    found: list[Any] = []
    open_containers: set[int] = set()
    built: dict[int, int] = {}
    holders = _holders(container, kinds)
    # Entries: (False, value) is still to be looked at, (True, (value, build, count)) is complete.
    stack: list[tuple[bool, Any]] = [(False, container)]
    while stack:
        complete, entry = stack.pop()
        if complete:
            value, build, count = entry
            open_containers.discard(id(value))
            built[id(value)] = len(built)
            program.append((build, count))
        elif isinstance(entry, kinds):
            number = leaves.setdefault(id(entry), len(found))
            if number == len(found):
                found.append(entry)
            program.append((_LEAF, number))
        elif id(entry) in built:
            program.append((_AGAIN, built[id(entry)]))
        elif id(entry) in holders:
            if id(entry) in open_containers:
                raise ValueError("a container that holds lazy results must not hold itself")
            open_containers.add(id(entry))
            build = _builder(entry, kinds)
            children = list(_children(entry))
            stack.append((True, (entry, build, len(children))))
            stack.extend((False, child) for child in reversed(children))
        else:
            program.append((None, entry))
    return Template(tuple(program), tuple(found))


def _builder(container: Any, kinds: tuple[type, ...]) -> Callable[[list[Any]], Any]:
    kind = type(container)
    if kind is list:
        return list
    if kind is tuple:
        return tuple
    if kind in _DICTS:
        for key in container:
            leaf = find_leaf(key, kinds)
            if leaf is not None:
                raise TypeError(f"{leaf!r} is a key of a dict; only values of dicts can be lazy")
        return _dict_of(container)
    if isinstance(container, tuple) and hasattr(kind, "_make"):
        make: Callable[[list[Any]], Any] = kind._make
        return make
    raise TypeError(
        f"{find_leaf(container, kinds)!r} is in a {kind.__name__}; "
        "lazy results are found in lists, tuples, named tuples and dicts"
    )
