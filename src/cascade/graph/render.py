"""Pictures of a graph as text: DOT for Graphviz, and Mermaid. Without recursion, in linear time.

Nodes are called by their numbers, so that the same declaration gives the same text. A map is drawn
as a stack, a router as a diamond, an input as a slanted box. Where it is known how a run went, each
call has the state's colour and says it in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import TYPE_CHECKING, Literal

from cascade.graph.edges import Edge, EdgeKind, edges_of
from cascade.graph.words import said_about, seconds, shortened
from cascade.spec.routing import Router

if TYPE_CHECKING:
    from cascade.graph.model import Graph

Direction = Literal["down", "right"]
"""Where a picture goes."""


class State(Enum):
    """What became of a node."""

    SUCCEEDED = "succeeded"
    """It has a value."""
    FAILED = "failed"
    """It has raised something."""
    CANCELLED = "cancelled"
    """It was cancelled while it ran."""
    SKIPPED = "skipped"
    """Its condition was false, or it needs a skipped one."""
    NEVER_STARTED = "never started"
    """The run ended before its turn came."""
    RUNNING = "running"
    """It hasn't ended yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a node, and in which time."""

    state: State
    """What became of it."""
    seconds: float | None = None
    """How long it took from its start to its end; None if it hasn't done both."""

    def __str__(self) -> str:
        if self.seconds is None:
            return self.state.value
        return f"{self.state.value} · {seconds(self.seconds)}"


Outcomes = Mapping[int, Outcome]
"""What became of each node, by its number; one that isn't in it never started."""

COLOURS = {
    State.SUCCEEDED: "#009E73",
    State.FAILED: "#D55E00",
    State.CANCELLED: "#E69F00",
    State.SKIPPED: "#56B4E9",
    State.NEVER_STARTED: "#FFFFFF",
    State.RUNNING: "#F0E442",
}
"""The colours of states. With normal sight and without they differ, and black is legible on each:
they are of the palette of Okabe and Ito."""

_NEVER = Outcome(State.NEVER_STARTED)
_WORDS = {EdgeKind.CONDITION: "if", EdgeKind.ORDER: "after", EdgeKind.ROUTE: "route"}


def _lines(
    graph: Graph, node: int, outcomes: Outcomes | None, written: Callable[[str], str]
) -> list[str]:
    """Return the lines of a node's label: its name, what was said about it, what became of it."""
    lazy = graph.nodes[node]
    lines = [written(shortened(lazy.name))]
    said = said_about(lazy)
    if said:
        lines.append(written(" · ".join(said)))
    if outcomes is not None and lazy.is_call:
        lines.append(written(str(outcomes.get(node, _NEVER))))
    return lines


def _label(edge: Edge) -> str:
    word = _WORDS.get(edge.kind, "")
    return f"{word} {shortened(edge.label)}".strip() if edge.label else word


# DOT

_DOT_EDGES = {
    EdgeKind.DATA: (),
    EdgeKind.CONDITION: ("style=dashed", "arrowhead=odiamond"),
    EdgeKind.ORDER: ("style=dotted", "arrowhead=onormal"),
    EdgeKind.ROUTE: ("style=bold", "arrowhead=vee"),
}


def _dot_text(text: str) -> str:
    # Labels are Graphviz's kind of HTML. In it, a backslash and a letter stand for something, and a
    # bracket before a tag gets lost.
    return escape(text, quote=False).replace("\\", "\\\\").replace("]", "&#93;")


def dot(graph: Graph, outcomes: Outcomes | None = None, direction: Direction = "down") -> str:
    """Return a graph in the language of Graphviz.

    Args:
        graph: what is drawn.
        outcomes: how a run of it went; None draws the declaration alone.
        direction: where it goes.
    """
    lines = [
        "digraph {",
        f"  rankdir={'TB' if direction == 'down' else 'LR'}",
        '  node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica"]',
        '  edge [fontname="Helvetica" fontsize=10]',
    ]
    for node, lazy in enumerate(graph.nodes):
        name, *more = _lines(graph, node, outcomes, _dot_text)
        small = [f'<br/><font point-size="10">{line}</font>' for line in more]
        attributes = [f"label=<{name}{''.join(small)}>"]
        if lazy.policies.mapped is not None:
            attributes += ["shape=box3d", "style=filled"]
        elif not lazy.is_call:
            shape = "diamond" if isinstance(lazy, Router) else "parallelogram"
            attributes += [f"shape={shape}", "style=filled"]
        if outcomes is not None and lazy.is_call:
            state = outcomes.get(node, _NEVER).state
            attributes.append(f'fillcolor="{COLOURS[state]}"')
            if state is State.NEVER_STARTED:
                attributes.append('style="filled,dashed"')
        lines.append(f"  n{node} [{' '.join(attributes)}]")
    for edge in edges_of(graph):
        label = _label(edge)
        attributes = [*([f"label=<{_dot_text(label)}>"] if label else []), *_DOT_EDGES[edge.kind]]
        style = f" [{' '.join(attributes)}]" if attributes else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{style}")
    return "\n".join([*lines, "}"])


# Mermaid

_MERMAID_EDGES = {
    EdgeKind.DATA: "-->",
    EdgeKind.CONDITION: "-.->",
    EdgeKind.ORDER: "-.-o",
    EdgeKind.ROUTE: "==>",
}

# Mermaid looks for entities, HTML, Markdown, icons and links in a label. Only what can't begin any
# of these is left as it is: a point between digits, a hyphen or a low line between letters.
_PLAIN = " ,=·…"
_HARMLESS = re.compile(r"(?<=[0-9])\.(?=[0-9])|(?<=[A-Za-z0-9])[-_](?=[A-Za-z0-9])")


def _mermaid_text(text: str) -> str:
    harmless = {match.start() for match in _HARMLESS.finditer(text)}
    return "".join(
        [
            each if each.isalnum() or each in _PLAIN or place in harmless else f"#{ord(each)};"
            for place, each in enumerate(text)
        ]
    )


def mermaid(graph: Graph, outcomes: Outcomes | None = None, direction: Direction = "down") -> str:
    """Return a graph in the language of Mermaid; arguments as for `dot`."""
    lines = [f"flowchart {'TD' if direction == 'down' else 'LR'}"]
    for node, lazy in enumerate(graph.nodes):
        label = "<br/>".join(_lines(graph, node, outcomes, _mermaid_text))
        if lazy.policies.mapped is not None:
            lines.append(f'  n{node}@{{ shape: procs, label: "{label}" }}')
        elif lazy.is_call:
            lines.append(f'  n{node}["{label}"]')
        elif isinstance(lazy, Router):
            lines.append(f'  n{node}{{"{label}"}}')
        else:
            lines.append(f'  n{node}[/"{label}"/]')
    for edge in edges_of(graph):
        label = _label(edge)
        said = f'|"{_mermaid_text(label)}"|' if label else ""
        lines.append(f"  n{edge.source} {_MERMAID_EDGES[edge.kind]}{said} n{edge.target}")
    if outcomes is not None:
        lines += _classes(graph, outcomes)
    return "\n".join(lines)


def _classes(graph: Graph, outcomes: Outcomes) -> list[str]:
    """Return the lines that colour the nodes by their states."""
    nodes: dict[State, list[str]] = {}
    for node, lazy in enumerate(graph.nodes):
        if lazy.is_call:
            nodes.setdefault(outcomes.get(node, _NEVER).state, []).append(f"n{node}")
    lines = []
    for state in State:
        if state in nodes:
            name = state.name.lower()
            border = ",stroke-dasharray:4" if state is State.NEVER_STARTED else ""
            lines.append(f"  classDef {name} fill:{COLOURS[state]},color:#000{border}")
            lines.append(f"  class {','.join(nodes[state])} {name}")
    return lines
