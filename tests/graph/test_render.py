"""Pictures as text: nodes by number, labels that nothing can break, a style for each kind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.long_form import tries

import cascade as cs
from cascade.graph.build import build
from cascade.graph.model import Graph
from cascade.graph.render import COLOURS, Outcome, State, dot, mermaid
from cascade.graph.words import shortened

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz isn't installed")
everywhere = pytest.mark.parametrize("draw", [dot, mermaid])


@cs.task(mode="inline")
def load(*args: Any) -> Any:
    return args


@cs.task(mode="inline")
def fetch(url: str) -> str:
    return url


def example() -> Graph:
    first = load()
    each = fetch.map(url=["a", "b"]).windowed(4).after(first)
    last = load(first, each).run_if(first).with_retry(3).with_timeout(5)
    return build(last.with_constraints(gpu=1, memory=first).named("report"))


def test_a_graph_in_dot() -> None:
    assert (
        dot(example())
        == """\
digraph {
  rankdir=TB
  node [shape=box style="rounded,filled" fillcolor=white fontname="Helvetica"]
  edge [fontname="Helvetica" fontsize=10]
  n0 [label=<load>]
  n1 [label=<fetch<br/><font point-size="10">for each url · 4 at once</font>> \
shape=box3d style=filled]
  n2 [label=<report<br/><font point-size="10">gpu=1 · memory=… · 3 attempts · 5 s</font>>]
  n0 -> n1 [label=<after> style=dotted arrowhead=onormal]
  n0 -> n2 [label=<memory>]
  n1 -> n2
  n0 -> n2 [label=<if> style=dashed arrowhead=odiamond]
}"""
    )


def test_a_graph_in_mermaid() -> None:
    assert (
        mermaid(example())
        == """\
flowchart TD
  n0["load"]
  n1@{ shape: procs, label: "fetch<br/>for each url · 4 at once" }
  n2["report<br/>gpu=1 · memory=… · 3 attempts · 5 s"]
  n0 -.-o|"after"| n1
  n0 -->|"memory"| n2
  n1 --> n2
  n0 -.->|"if"| n2"""
    )


def test_it_can_go_to_the_right() -> None:
    graph = build(load())
    assert "rankdir=LR" in dot(graph, direction="right")
    assert mermaid(graph, direction="right").startswith("flowchart LR\n")


def routed() -> Graph:
    return build(cs.Router(load(cs.Param("size", 3)), {"a": load(), "b": load()}))


def test_a_router_and_an_input_in_dot() -> None:
    assert dot(routed()).splitlines()[4:-1] == [
        "  n0 [label=<size> shape=parallelogram style=filled]",
        "  n1 [label=<load>]",
        "  n2 [label=<load>]",
        "  n3 [label=<load>]",
        "  n4 [label=<Router> shape=diamond style=filled]",
        "  n0 -> n1",
        "  n1 -> n4 [label=<route> style=bold arrowhead=vee]",
        "  n2 -> n4 [label=<'a'>]",
        "  n3 -> n4 [label=<'b'>]",
    ]


def test_a_router_and_an_input_in_mermaid() -> None:
    assert (
        mermaid(routed())
        == """\
flowchart TD
  n0[/"size"/]
  n1["load"]
  n2["load"]
  n3["load"]
  n4{"Router"}
  n0 --> n1
  n1 ==>|"route"| n4
  n2 -->|"#39;a#39;"| n4
  n3 -->|"#39;b#39;"| n4"""
    )


@everywhere
def test_routers_and_inputs_have_no_state(draw: Callable[..., str]) -> None:
    outcomes = {node: Outcome(State.SUCCEEDED, 1.0) for node in (1, 2)}
    text = draw(routed(), outcomes)
    assert text.count("succeeded · 1 s") == 2
    assert text.count("never started") == 1
    assert "class n0" not in text
    assert "class n3 never_started" in text or "n3 [label=<load<br/>" in text


@everywhere
def test_the_same_declaration_gives_the_same_text(draw: Callable[[Graph], str]) -> None:
    assert draw(example()) == draw(example())


@everywhere
def test_an_empty_graph_can_be_drawn(draw: Callable[[Graph], str]) -> None:
    assert "n0" not in draw(build([]))


# After a run


def test_each_state_has_its_colour_and_says_itself() -> None:
    graph = build([load() for _ in State])
    outcomes = {node: Outcome(state) for node, state in enumerate(State)}
    drawn, flow = dot(graph, outcomes).splitlines(), mermaid(graph, outcomes)
    assert len(set(COLOURS.values())) == len(State)
    for node, state in enumerate(State):
        (line,) = (line for line in drawn if line.startswith(f"  n{node} "))
        assert f">{state.value}<" in line
        assert f'fillcolor="{COLOURS[state]}"' in line
        assert f'n{node}["load<br/>{state.value}"]' in flow
        name = state.name.lower()
        assert f"classDef {name} fill:{COLOURS[state]}," in flow
        assert f"  class n{node} {name}" in flow.splitlines()


def test_times_are_shown_and_what_nothing_is_known_of_never_started() -> None:
    graph = build([load(), load()])
    outcomes = {0: Outcome(State.FAILED, 0.25)}
    assert ">failed · 250 ms<" in dot(graph, outcomes)
    assert '"load<br/>failed · 250 ms"' in mermaid(graph, outcomes)
    assert re.search(r"n1 \[.*never started.*dashed", dot(graph, outcomes))
    assert "classDef never_started fill:#FFFFFF,color:#000,stroke-dasharray:4" in mermaid(
        graph, outcomes
    )


# Names that would break it

NASTY = [
    '"quoted"',
    "<b>bold</b>",
    "a\nb",
    "back\\slash \\N \\n\\",
    "&amp; & &#34;",
    "end",
    "]]>",
    "]",
    "</font>",
    "Ünïcödé 漢字 🐍",
    "`md` *x* _y_ ~~z~~",
    "1. a list",
    "www.example.org a@b.c",
    "fa:fa-car $$x$$ %% }{|;#",
    "\x00\x1f\ufffe\ud800",
    "style a:#b;",
    " ",
    "-->",
]
names = st.lists(st.one_of(st.sampled_from(NASTY), st.text(min_size=1)), min_size=1, max_size=30)


def texts_in(svg: str) -> list[str]:
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()) for text in texts]


@needs_dot
@settings(max_examples=15, deadline=None)
@given(names)
def test_graphviz_shows_the_very_names(given_names: list[str]) -> None:
    graph = build([load().named(name).with_constraints(**{name: 1}) for name in given_names])
    svg = subprocess.run(
        ["dot", "-Tsvg"],
        input=dot(graph),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert svg.stderr == ""
    # Graphviz writes each space that isn't between words as a hard one.
    shown = [text.replace("\xa0", " ") for text in texts_in(svg.stdout)]
    wanted = [text for name in map(shortened, given_names) for text in (name, f"{name}=1")]
    assert sorted(shown) == sorted(wanted)


@settings(max_examples=50, deadline=None)
@given(names)
def test_mermaid_gets_nothing_but_harmless_text(given_names: list[str]) -> None:
    graph = build([load().named(name).with_constraints(**{name: 1}) for name in given_names])
    _, *lines = mermaid(graph).splitlines()
    for node, (line, name) in enumerate(zip(lines, given_names, strict=True)):
        match = re.fullmatch(rf'  n{node}\["(.*)"\]', line)
        assert match is not None
        first, second = match[1].split("<br/>")
        for text in (first, second):
            plain = re.sub(r"#\d+;", "", text)
            assert not re.search(r"""["'`<>&\\#;:*~$|{}()\[\]@%/]""", plain), plain
            assert not re.search(r"(^|[^A-Za-z0-9])[-_.]|[-_.]([^A-Za-z0-9]|$)", plain)
        readable = [unescape(re.sub(r"#(\d+);", r"&#\1;", text)) for text in (first, second)]
        assert readable == [shortened(name), f"{shortened(name)}=1"]


def test_names_of_resources_on_edges_are_escaped_too() -> None:
    graph = build(load().with_constraints(**{'<"x">': load()}))
    assert 'n0 -> n1 [label=<&lt;"x"&gt;>]' in dot(graph)
    assert 'n0 -->|"#60;#34;x#34;#62;"| n1' in mermaid(graph)


# Size


@everywhere
def test_a_long_chain_is_drawn_without_recursion(draw: Callable[[Graph], str]) -> None:
    length = tries(20_000, 100_000) if draw is dot else tries(5_000, 20_000)
    assert length > sys.getrecursionlimit()
    last = load()
    for _ in range(length - 1):
        last = load(last)
    text = draw(build(last))
    assert text.count("\n") >= 2 * length - 1
    assert len(text) < 100 * length
