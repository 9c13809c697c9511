"""cs.visualize: a text that shows itself, with or without Graphviz, and never hangs."""

from __future__ import annotations

import copy
import os
import pickle
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

import cascade as cs
from cascade import pictures
from cascade.errors import PictureError

ROOT = Path(__file__).parents[1]
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz isn't installed")


@cs.task(mode="inline")
def load(*args: Any) -> Any:
    return args


@pytest.fixture
def target() -> cs.LazyResult[Any]:
    return load(load())


@pytest.fixture
def without_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))


def install(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `dot` be a script of ours."""
    program = directory / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


def test_it_is_a_string(target: cs.LazyResult[Any]) -> None:
    picture = cs.visualize(target)
    assert isinstance(picture, str)
    assert picture.language == "dot"
    assert picture.startswith("digraph {\n")
    assert cs.visualize(target, format="mermaid").startswith("flowchart TD\n")
    assert "LR" in cs.visualize(target, direction="right")


def test_a_copy_is_its_text(target: cs.LazyResult[Any]) -> None:
    picture = cs.visualize(target)
    for text in (copy.deepcopy(picture), pickle.loads(pickle.dumps(picture))):
        assert type(text) is str
        assert text == picture


def test_nothing_runs_and_plans_and_containers_can_be_drawn(target: cs.LazyResult[Any]) -> None:
    @cs.task(mode="inline")
    def never() -> None:
        raise AssertionError("it ran")

    assert "never" in cs.visualize({"a": never()})
    assert cs.visualize(cs.Engine().plan(target)) == cs.visualize(target)


def test_a_run_is_drawn_with_states() -> None:
    bus = cs.MessageBus()
    record, target = cs.RunRecord(bus), load()
    cs.run(target, bus=bus)
    assert ">succeeded · " in cs.visualize(target, run=record)


@needs_dot
def test_an_svg_is_made_by_graphviz(target: cs.LazyResult[Any]) -> None:
    picture = cs.visualize(target, format="svg")
    assert re.search(r"<svg\b.*</svg>\Z", picture, re.DOTALL)
    assert picture._repr_mimebundle_()["image/svg+xml"] == picture


@needs_dot
def test_a_notebook_shows_an_svg_where_graphviz_is(target: cs.LazyResult[Any]) -> None:
    picture = cs.visualize(target)
    bundle = picture._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == picture


@pytest.mark.usefixtures("without_dot")
def test_a_notebook_shows_mermaid_where_it_isnt(target: cs.LazyResult[Any]) -> None:
    flow = cs.visualize(target, format="mermaid")
    bundle = cs.visualize(target)._repr_mimebundle_()
    assert bundle["text/markdown"] == f"```mermaid\n{flow}\n```\n"
    assert "image/svg+xml" not in bundle


def test_mermaid_that_was_asked_for_is_shown_as_that(target: cs.LazyResult[Any]) -> None:
    picture = cs.visualize(target, format="mermaid")
    assert picture._repr_mimebundle_().keys() == {"text/plain", "text/markdown"}


@pytest.mark.usefixtures("without_dot")
def test_an_svg_without_graphviz_says_what_to_install(target: cs.LazyResult[Any]) -> None:
    with pytest.raises(PictureError, match="install the package `graphviz`"):
        cs.visualize(target, format="svg")


def test_graphviz_that_hangs_is_stopped(
    target: cs.LazyResult[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "exec sleep 100", monkeypatch)
    with pytest.raises(PictureError, match=r"longer than 0\.05 s and was stopped"):
        cs.visualize(target, format="svg", timeout=0.05)
    bundle = cs.visualize(target, timeout=0.05)._repr_mimebundle_()
    assert bundle.keys() == {"text/plain"}
    assert "was stopped" in bundle["text/plain"]


def test_graphviz_that_fails_is_quoted(
    target: cs.LazyResult[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "cat > /dev/null; echo no fonts >&2; exit 3", monkeypatch)
    with pytest.raises(PictureError, match="failed with code 3: no fonts"):
        cs.visualize(target, format="svg")


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.dot", "digraph"),
        ("a.GV", "digraph"),
        ("a.mmd", "flowchart"),
        ("a.mermaid", "flowchart"),
        ("a.txt", "digraph"),
    ],
)
def test_the_end_of_the_name_decides_what_is_saved(
    name: str, begins: str, target: cs.LazyResult[Any], tmp_path: Path
) -> None:
    path = cs.visualize(target.named("ä")).save(str(tmp_path / name))
    assert path == tmp_path / name
    text = path.read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert "ä" in text


@needs_dot
def test_an_svg_is_saved(target: cs.LazyResult[Any], tmp_path: Path) -> None:
    assert "<svg" in cs.visualize(target).save(tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "png"}, "format must be one of dot, mermaid, svg, got 'png'"),
        ({"direction": "up"}, "direction must be one of down, right, got 'up'"),
        ({"timeout": 0}, "timeout must be above 0 seconds, got 0"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], message: str, target: cs.LazyResult[Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        cs.visualize(target, **options)


def test_a_record_is_a_record(target: cs.LazyResult[Any]) -> None:
    with pytest.raises(TypeError, match="run must be a RunRecord, got 'last'"):
        cs.visualize(target, run="last")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="call it first"):
        cs.visualize(load)


def test_the_drawn_mermaid_of_the_docs_is_the_printed_one() -> None:
    page = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^```mermaid\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert drawn
    assert drawn == [text[text.index("flowchart") :] for text in shown if "flowchart" in text]


def test_the_suffixes_are_those_of_known_formats() -> None:
    assert set(pictures.SUFFIXES.values()) == {"dot", "mermaid", "svg"}
