"""Stills: a drawing with the colours of the picture and its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observatory.visualization.layout import Layout
from observatory.visualization.palette import Palettes
from observatory.visualization.status import EIGHTHS, SPARKS, Line, StatusBar
from observatory.visualization.still import CELL, still

SVG = "{http://www.w3.org/2000/svg}"


def test_each_agent_is_a_dot_in_its_colour() -> None:
    brightness = np.linspace(0, 1, 12).reshape(3, 4)
    colours = Palettes.firefly(brightness)
    layout = Layout.natural(4, 3, 3)
    root = ElementTree.fromstring(still(layout, colours, []))
    dots = {}
    for path in root.iter(f"{SVG}path"):
        for x, y in re.findall(r"M(\d+) (\d+)h0", path.attrib["d"]):
            side = layout.scale * CELL
            dots[int(x) // side, int(y) // side] = path.attrib["stroke"]
    assert dots == {
        (x, y): "#" + bytes(colours[y, x].tolist()).hex() for x in range(4) for y in range(3)
    }


def test_numbers_of_the_256_colours_are_drawn_in_what_they_stand_for() -> None:
    drawing = still(Layout.natural(1, 1, 3), np.array([[196]], dtype=np.uint8), [])
    assert 'stroke="#ff0000"' in drawing


def test_the_status_is_text_and_its_blocks_are_shapes() -> None:
    line: Line = ((" R <0.5> ", "plain"), ("██▌", "accent"), ("····  ", "dim"), ("▁█", "course"))
    layout = Layout.natural(4, 3, 3)
    root = ElementTree.fromstring(still(layout, np.zeros((3, 4, 3), np.uint8), [line]))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts == ["R <0.5>", "····"]
    filled = [path.attrib["d"] for path in root.iter(f"{SVG}path") if "fill" in path.attrib]
    assert [d.count("M") for d in filled] == [3, 2]


def test_it_has_a_background_of_its_own_that_covers_all() -> None:
    root = ElementTree.fromstring(still(Layout.natural(9, 9, 3), np.zeros((9, 9), np.uint8), []))
    background = root.find(f"{SVG}rect")
    assert background is not None
    assert background.attrib["width"] == root.attrib["width"]
    assert background.attrib["height"] == root.attrib["height"]


def dots_of(drawing: str) -> list[tuple[str, float, float]]:
    """The dots of a drawing: colour and middle, in pixels."""
    root = ElementTree.fromstring(drawing)
    found = []
    for group in root.iter(f"{SVG}g"):
        if "stroke-width" not in group.attrib:
            continue
        left, top = map(float, re.findall(r"[\d.]+", group.attrib["transform"]))
        for path in group.iter(f"{SVG}path"):
            for x, y in re.findall(r"M(\d+) (\d+)h0", path.attrib["d"]):
                found.append((path.attrib["stroke"], left + int(x), top + int(y)))
    return found


@pytest.mark.parametrize("layout_of", [Layout.natural, partial(Layout.of, 150, 90)])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (30, 30), (61, 40), (400, 250)])
def test_all_dots_are_inside_and_none_covers_another(
    layout_of: Callable[[int, int, int], Layout], width: int, height: int
) -> None:
    layout = layout_of(width, height, 3)
    shape = -(-height // layout.factor), -(-width // layout.factor)
    dots = dots_of(still(layout, np.zeros((*shape, 3), np.uint8), []))
    assert len({(x, y) for _, x, y in dots}) == len(dots) == shape[0] * shape[1]
    side = layout.scale * CELL
    assert min(x for _, x, _ in dots) == layout.left * CELL + side / 2
    assert min(y for _, _, y in dots) == layout.top * 2 * CELL + side / 2
    assert max(x for _, x, _ in dots) + side / 2 <= layout.columns * CELL
    assert max(y for _, _, y in dots) + side / 2 <= layout.status_top * 2 * CELL


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), st.text(max_size=20), max_size=4))
def test_whatever_the_status_says_it_is_well_formed(status: dict[str, str]) -> None:
    layout = Layout.natural(3, 3, StatusBar.HEIGHT)
    lines = StatusBar(status).lines(layout.columns)
    root = ElementTree.fromstring(still(layout, np.zeros((3, 3), np.uint8), lines))
    seen = "".join(element.text or "" for element in root.iter(f"{SVG}text"))
    said = "".join(text for line in lines for text, _ in line)
    assert "".join(seen.split()) == "".join(said.split())


@pytest.mark.parametrize("text", ["<script>", "a & b", "]]>", "\"quoted\" 'too'", "&lt;"])
def test_what_xml_might_obey_is_text(text: str) -> None:
    layout = Layout.natural(3, 3, 3)
    drawing = still(layout, np.zeros((3, 3), np.uint8), [((text, "plain"),)])
    (element,) = ElementTree.fromstring(drawing).iter(f"{SVG}text")
    assert element.text == text
    assert not list(element)


def test_a_line_of_text_stands_where_it_does_in_the_terminal() -> None:
    layout = Layout.natural(3, 3, 3)
    line: Line = (("   R", "plain"), ("  0.5  ", "dim"))
    drawing = still(layout, np.zeros((3, 3), np.uint8), [(), line])
    first, second = ElementTree.fromstring(drawing).iter(f"{SVG}text")
    assert (first.attrib["x"], second.attrib["x"]) == (str(3 * CELL), str(6 * CELL))
    assert first.attrib["textLength"] == str(CELL)
    assert second.attrib["textLength"] == str(3 * CELL)
    row = (layout.status_top + 1) * 2 * CELL
    assert row < int(first.attrib["y"]) == int(second.attrib["y"]) < row + 2 * CELL


def test_lines_for_which_there_is_no_room_are_left_out() -> None:
    layout = Layout.of(30, 2, 3, 3, 2)
    lines: list[Line] = [((f"line {number}", "plain"),) for number in range(3)]
    root = ElementTree.fromstring(still(layout, np.zeros((3, 3), np.uint8), lines))
    assert [element.text for element in root.iter(f"{SVG}text")] == ["line 0", "line 1"]
    assert not list(root.iter(f"{SVG}path"))  # nor is there any for the grid


def test_blocks_are_as_large_as_the_characters_say() -> None:
    layout = Layout.natural(3, 3, 3)
    line: Line = ((EIGHTHS[1:], "accent"), (SPARKS, "course"))
    root = ElementTree.fromstring(still(layout, np.zeros((3, 3), np.uint8), [line]))
    eighths, sparks = (
        path.attrib["d"] for path in root.iter(f"{SVG}path") if "fill" in path.attrib
    )
    row = layout.status_top * 2 * CELL
    widths = [int(width) for width in re.findall(r"M\d+ \d+h(\d+)v", eighths)]
    assert widths == [1, 2, 3, 4, 5, 6, 7, 8]
    heights = [float(height) for height in re.findall(r"v([\d.]+)h-", sparks)]
    assert heights == [1.5 * step for step in range(1, 9)]
    bottoms = [
        float(y) + height
        for y, height in zip(re.findall(r"M\d+ ([\d.]+)h", sparks), heights, strict=True)
    ]
    assert set(bottoms) == {row + 13.0}
    begins = [int(x) for x in re.findall(r"M(\d+) ", eighths + sparks)]
    assert begins == [column * CELL for column in range(16)]
