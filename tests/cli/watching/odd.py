"""Snapshots as no program should send them: of wrong types, huge, empty, or full of markup."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TRICKY = [
    "[red]",
    "[/]",
    "[bold",
    "[@click=app.quit]x[/]",
    "\\[",
    "a\nb\tc",
    "\x1b[31mred\x1b[0m",
    "\x07",
    "火の鳥" * 30,
    "e\u0301" * 40,
    "\ud800",
    "\u202eright to left",
    "👩‍👩‍👧",
    "x" * 5000,
    "",
    " ",
]
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 10**400, 1e308, -1e308, 1e-300, 10**18, float("nan"), float("inf")])
)
TEXTS = st.sampled_from(TRICKY) | st.text(max_size=30)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
ODD = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXTS, part, max_size=3),
    max_leaves=5,
)

OBJECTS: dict[str, tuple[str, ...]] = {
    "task_list": ("name", "running", "waiting"),
    "run_list": ("id", "engine", "name", "seconds", "tasks"),
    "resources": ("name", "kind", "capacity", "used", "available", "per_second", "waiting"),
    "waiting": ("owner", "sentence", "waited"),
    "rule_list": ("id", "scope", "type", "params", "left"),
    "errors": ("run", "error", "when"),
}


def _objects(names: tuple[str, ...]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(names, SCALARS)
    if "kind" in fields:
        kinds = st.sampled_from(["capacity", "rate", "gate", "budget", None])
        fields |= {"kind": kinds, "holders": st.dictionaries(TEXTS, NUMBERS, max_size=4)}
    if "params" in fields:
        fields["params"] = st.dictionaries(TEXTS, SCALARS, max_size=2)
    return st.lists(st.fixed_dictionaries({}, optional=fields), max_size=4)


def snapshots() -> st.SearchStrategy[dict[str, Any]]:
    """Return snapshots that are right in parts, and wrong in others."""
    states = st.dictionaries(st.sampled_from(["running", "waiting", "ended"]), SCALARS)
    rates = st.dictionaries(st.sampled_from(["tasks", "steps"]), SCALARS)
    fields: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("name", "pid", "seconds", "engines", "runs", "dropped"), SCALARS),
        "tasks": states | ODD,
        "throughput": rates | ODD,
        **{name: _objects(parts) | ODD for name, parts in OBJECTS.items()},
    }
    return st.fixed_dictionaries({}, optional=fields)
