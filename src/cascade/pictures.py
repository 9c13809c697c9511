"""visualize(): a workflow as a picture, before it runs or after."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from cascade.adapters.run_record import RunRecord
from cascade.errors import PictureError
from cascade.graph.build import build
from cascade.graph.model import Graph, Plan
from cascade.graph.render import Direction, Outcomes, dot, mermaid
from cascade.spec.checks import check_timeout, shown

Format = Literal["dot", "mermaid", "svg"]
"""What a picture is written in."""

SUFFIXES: dict[str, Format] = {
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".svg": "svg",
}
"""What `Picture.save` writes, by the end of the file's name."""


class Picture(str):
    """A drawn workflow: its text, which shows itself as a picture in notebooks.

    With Graphviz installed a notebook gets an SVG, otherwise Mermaid, which most of them draw. One
    that was asked for as Mermaid is always shown as that.
    """

    language: Format
    """What the text is written in."""
    _render: Callable[[Format], str]

    def __new__(cls, language: Format, render: Callable[[Format], str]) -> Picture:
        """Make the text.

        Args:
            language: what the text is written in.
            render: gives the same picture in any language.
        """
        picture = super().__new__(cls, render(language))
        picture.language = language
        picture._render = render
        return picture

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture to a file, and return its path.

        The end of the name decides: ``.dot`` and ``.gv`` are DOT, ``.mmd`` and ``.mermaid``
        Mermaid, ``.svg`` is SVG. With any other one the text is written as it is.

        Raises:
            PictureError: for SVG, Graphviz isn't installed, failed, or took too long.
            OSError: the file can't be written.
        """
        file = Path(path)
        language = SUFFIXES.get(file.suffix.lower(), self.language)
        text = str(self) if language == self.language else self._render(language)
        file.write_text(text + "\n", encoding="utf-8")
        return file

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Copied or pickled, it is its text alone: what draws it in other languages isn't data."""
        return str, (str(self),)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        if self.language == "svg":
            bundle["image/svg+xml"] = str(self)
            return bundle
        if self.language == "dot" and shutil.which("dot") is not None:
            try:
                bundle["image/svg+xml"] = self._render("svg")
            except PictureError as error:
                bundle["text/plain"] = f"{error}\n\n{self}"
            return bundle
        bundle["text/markdown"] = f"```mermaid\n{self._render('mermaid')}\n```\n"
        return bundle


def visualize(
    target: Any,
    *,
    format: Format = "dot",
    run: RunRecord | None = None,
    direction: Direction = "down",
    timeout: float = 20.0,
) -> Picture:
    """Draw a workflow. Nothing of it runs.

    Each node has its name and what was said about it. An arrow is a value that is needed; a dashed
    one ("if") is a condition, a dotted one ("after") an order, a thick one ("route") the selector
    of a router. A map is a stack, a router a diamond, an input a slanted box. With `run`, each call
    has the colour of its state, and its time.

    Args:
        target: a lazy result, or a list, tuple or dict that holds some; or a plan.
        format: "dot" for the language of Graphviz, "mermaid", or "svg".
        run: the record of a run of the same target, which is drawn with states and times.
        direction: where it goes: "down" or "right".
        timeout: seconds that Graphviz may take for an SVG. It is slow on large graphs: from a few
            thousand nodes on, take another format.

    Returns:
        The text, as a string that shows itself in notebooks and has `Picture.save`.

    Raises:
        TypeError: `target` holds something, but no lazy result; or `run` isn't a `RunRecord`.
        ValueError: an unknown format or direction, or `run` is the record of another workflow.
        GraphError: two variants of one call are in the graph.
        PictureError: for SVG, Graphviz isn't installed, failed, or took too long.
    """
    _check_one_of("format", format, get_args(Format))
    _check_one_of("direction", direction, get_args(Direction))
    limit = check_timeout("timeout", timeout)
    graph = target.graph if isinstance(target, Plan) else build(target)
    outcomes: Outcomes | None = None
    if run is not None:
        if not isinstance(run, RunRecord):
            raise TypeError(f"run must be a RunRecord, got {shown(run)}")
        outcomes = run.outcomes_in(graph)
    return Picture(format, _renderer(graph, outcomes, direction, limit))


def _renderer(
    graph: Graph, outcomes: Outcomes | None, direction: Direction, timeout: float | None
) -> Callable[[Format], str]:
    def render(language: Format) -> str:
        if language == "mermaid":
            return mermaid(graph, outcomes, direction)
        text = dot(graph, outcomes, direction)
        return text if language == "dot" else _svg(text, timeout)

    return render


def _check_one_of(argument: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(known)}, got {shown(value)}")


def _svg(text: str, timeout: float | None) -> str:
    """Return what Graphviz makes of a text in its language.

    Raises:
        PictureError: it isn't installed, failed, or took longer than `timeout` seconds.
    """
    program = shutil.which("dot")
    if program is None:
        raise PictureError(
            "an SVG needs the program `dot` of Graphviz, which isn't installed: install the "
            "package `graphviz` of your system (https://graphviz.org/download/), "
            'or use format="dot" or format="mermaid"'
        )
    try:
        made = subprocess.run(
            [program, "-Tsvg"],
            input=text,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PictureError(
            f"Graphviz took longer than {timeout:g} s and was stopped: draw a smaller part, "
            'give it a longer timeout, or use format="dot" or format="mermaid"'
        ) from None
    if made.returncode:
        raise PictureError(f"Graphviz failed with code {made.returncode}: {made.stderr.strip()}")
    return made.stdout.rstrip()
