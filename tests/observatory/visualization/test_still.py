"""Stills: a drawing with the colours of the picture and its text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from observatory.visualization.layout import Layout
from observatory.visualization.palette import Palettes
from observatory.visualization.status import Line
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
