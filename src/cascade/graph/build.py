"""Building a graph: collect what a target needs, number it, and note who needs whom."""

from __future__ import annotations

import reprlib
from operator import attrgetter, is_, itemgetter
from types import MethodType
from typing import Any

from cascade.errors import GraphError
from cascade.graph.model import (
    AnyRecipe,
    FromNode,
    FromResource,
    FromTemplate,
    Graph,
    Recipe,
    Source,
)
from cascade.graph.purity import merged
from cascade.graph.routes import Routes
from cascade.spec.flow import Tap
from cascade.spec.inputs import Input, check_declarations
from cascade.spec.lazy import LazyResult
from cascade.spec.policies import NO_POLICIES
from cascade.spec.resource import Inject
from cascade.spec.routing import Router
from cascade.spec.task import Task
from cascade.spec.template import Template, find_leaf, freeze, is_container

Target = Any
"""A lazy result, or lists, tuples and dicts that hold some."""


def build(target: Target) -> Graph:
    """Build the graph of everything that `target` needs.

    Args:
        target: a lazy result, or a list, tuple or dict with lazy results somewhere inside; an
            empty one is a graph without nodes.

    Raises:
        TypeError: there is something in it, but no lazy result.
        GraphError: two variants of one call are in the graph.
    """
    if isinstance(target, LazyResult):
        goals: tuple[LazyResult[Any], ...] = (target,)
        if (
            not target.dependencies
            and target.policies is NO_POLICIES
            and not target.injections
            and target.is_call
        ):
            return Graph([target], [()], {}, [None], [1], FromNode(0), None)
    else:
        check_target(target)
        template = freeze(target, (LazyResult,))
        goals = template.leaves
    nodes, twins = _collect(goals)
    if any(task.pure for task in {lazy.task for lazy in nodes}):
        nodes, numbers = merged(nodes)
        twins = True
    else:
        numbers = {lazy.call: number for number, lazy in enumerate(nodes)}
    needs: list[tuple[int, ...]] = []
    order_only: dict[int, tuple[int, ...]] = {}
    recipes: list[AnyRecipe] = []
    consumers = [0] * len(nodes)
    branches: dict[int, tuple[int, ...]] = {}
    inputs: dict[int, Input[Any]] = {}
    plain = True
    for number, lazy in enumerate(nodes):
        if lazy.is_call:
            wanted = tuple([numbers[other.call] for other in lazy.dependencies])
        else:
            plain, wanted = False, ()
            if isinstance(lazy, Router):
                branches[number] = tuple([numbers[branch.call] for branch in lazy.branches])
                for other in branches[number]:
                    consumers[other] += 1
                if isinstance(lazy.selector, LazyResult):
                    wanted = (numbers[lazy.selector.call],)
            elif isinstance(lazy, Input):
                inputs[number] = lazy
            else:
                wanted = tuple([numbers[other.call] for other in lazy.dependencies])
        if twins:
            wanted = tuple(dict.fromkeys(wanted))
        policies = lazy.policies
        if policies is not NO_POLICIES:
            plain = False
            if policies.needed:
                more = [numbers[other.call] for other in policies.needed]
                wanted = tuple(dict.fromkeys([*wanted, *more]))
            if policies.after:
                more = [numbers[other.call] for other in policies.after]
                order_only[number] = tuple(dict.fromkeys([*wanted, *more]))[len(wanted) :]
        elif lazy.injections:
            plain = False
        for other in wanted:
            consumers[other] += 1
        needs.append(wanted)
        if (wanted or lazy.injections) and (lazy.is_call or isinstance(lazy, Tap)):
            recipes.append(_recipe(lazy, wanted, numbers))
        else:
            recipes.append(None)
    result: Source
    if isinstance(target, LazyResult):
        result = FromNode(numbers[target.call])
    else:
        result = _source(template, numbers)
    wanted_goals = {numbers[goal.call] for goal in goals}
    for node in wanted_goals:
        consumers[node] += 1
    graph = Graph(nodes, needs, order_only, recipes, consumers, result, None if plain else numbers)
    if branches:
        graph.routes = Routes(branches, needs, order_only, wanted_goals)
    if inputs:
        check_declarations(inputs.values())
        graph.inputs = inputs
    return graph


def check_target(target: Target) -> None:
    """Refuse what isn't a target.

    Raises:
        TypeError: there is no lazy result in it.
    """
    if isinstance(target, LazyResult):
        return
    if isinstance(target, MethodType) and isinstance(target.__func__, Task):
        target = target.__func__
    if isinstance(target, Task):
        raise TypeError(f"can't run {target!r} itself: call it first, as in {target.name}(...)")
    if isinstance(target, (list, tuple, dict)) and not target:
        return  # nothing to do, as in a list made of no inputs
    if not is_container(target) or find_leaf(target, LazyResult) is None:
        raise TypeError(
            "a target is a lazy result, or a list, tuple or dict that holds lazy results, "
            f"got {reprlib.repr(target)}"
        )


def _collect(goals: tuple[LazyResult[Any], ...]) -> tuple[list[LazyResult[Any]], bool]:
    """Return all lazy results that `goals` need, in topological order, and whether any has a twin.

    Twins are variants of one call that say the same. The eldest stands for all of them: whatever
    it needs is older, whoever needs one of them is younger.
    """
    found: dict[int, LazyResult[Any]] = {}
    twins = False
    stack = list(goals)
    while stack:
        lazy = stack.pop()
        known = found.setdefault(lazy.call, lazy)
        if known is not lazy:
            twins = True
            found[lazy.call] = _eldest(known, lazy)
            continue
        policies = lazy.policies
        others = lazy.dependencies
        if policies is not NO_POLICIES:
            others = (*others, *policies.needed, *policies.after)
        for other in others:
            if found.get(other.call) is not other:
                stack.append(other)
    return sorted(found.values(), key=attrgetter("serial")), twins


def _eldest(one: LazyResult[Any], other: LazyResult[Any]) -> LazyResult[Any]:
    """Return the older of two variants of one call, provided that they say the same."""
    if not one.policies.same_as(other.policies):
        raise GraphError(
            f"two variants of one call are in the graph: {one!r} with {_say(one)}, and "
            f"{other!r} with {_say(other)}. Use one of them in all places, "
            "or call the task twice if it is to run twice"
        )
    return one if one.serial < other.serial else other


def _say(lazy: LazyResult[Any]) -> str:
    policies = lazy.policies
    parts = []
    if policies.constraints:
        parts.append("constraints " + ", ".join(f"{n}={a!r}" for n, a in policies.constraints))
    if policies.conditions:
        parts.append("a condition")
    if policies.after:
        parts.append("an order")
    if policies.retry:
        parts.append(f"up to {policies.retry.max_attempts} attempts")
    if policies.timeout is not None:
        parts.append(f"a timeout of {policies.timeout:g} s")
    if policies.cache is not None:
        parts.append("a cache")
    if policies.priority:
        parts.append(f"priority {policies.priority}")
    if policies.mapped is not None and policies.mapped.window is not None:
        parts.append(f"a window of {policies.mapped.window}")
    if policies.mapped is not None and policies.mapped.collects_errors:
        parts.append("errors collected")
    if policies.name:
        parts.append(f"the name {policies.name!r}")
    return " and ".join(parts) or "nothing said about it"


def _recipe(lazy: LazyResult[Any], wanted: tuple[int, ...], numbers: dict[int, int]) -> AnyRecipe:
    values, keywords = lazy.bound
    if keywords is None:
        dependencies = lazy.dependencies
        if len(values) == len(wanted) == len(dependencies) and all(map(is_, values, dependencies)):
            return wanted[0] if len(wanted) == 1 else itemgetter(*wanted)
        direct = [numbers[value.call] for value in values if type(value) is LazyResult]
        if direct and len(direct) == len(values):
            return direct[0] if len(direct) == 1 else itemgetter(*direct)
        if not lazy.dependencies and not lazy.injections:
            return None
    positional = tuple(
        [
            (place, _source(value, numbers))
            for place, value in enumerate(values)
            if isinstance(value, _MADE)
        ]
    )
    if keywords is None:
        return Recipe(positional, ())
    named = [
        (name, _source(value, numbers))
        for name, value in keywords.items()
        if isinstance(value, _MADE)
    ]
    return Recipe(positional, tuple(named))


_MADE = (LazyResult, Inject, Template)
"""Arguments that are made when the node starts."""


def _source(value: Any, numbers: dict[int, int]) -> Source:
    if isinstance(value, Template):
        return FromTemplate(
            value,
            tuple(
                [
                    FromResource(leaf.name)
                    if type(leaf) is Inject
                    else FromNode(numbers[leaf.call])
                    for leaf in value.leaves
                ]
            ),
        )
    if isinstance(value, LazyResult):
        return FromNode(numbers[value.call])
    return FromResource(value.name)
