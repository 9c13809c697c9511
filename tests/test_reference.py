"""The pages of docs/reference are what the sources say today, and no public name is missing."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from docs.make_reference import pages, render, sources
from docs.make_reference.docstrings import markdown
from docs.make_reference.members import attributes, constructor, methods
from docs.make_reference.sources import PageError

import cascade

KEPT = Path(__file__).parents[1] / "docs" / "reference"

Library = Callable[[str], None]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return render.render()


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library of one file, in place of Cascade."""

    def write(text: str) -> None:
        (tmp_path / "cascade").mkdir()
        path = tmp_path / "cascade" / "__init__.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    monkeypatch.setattr(sources, "SOURCE", tmp_path)
    monkeypatch.setattr(sources, "_modules", {})
    monkeypatch.setattr(pages, "PAGES", (pages.Page("running", "Running", "", ("Running",)),))
    monkeypatch.setattr(render, "INTERNAL", {})
    return write


def test_the_kept_pages_are_what_the_docstrings_say(made: dict[str, str]) -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in KEPT.glob("*.md")}
    stale = sorted(name for name in {*kept, *made} if kept.get(name) != made.get(name))
    assert not stale, f"docs/reference isn't up to date ({', '.join(stale)}): run `make reference`"


def test_every_public_name_has_a_place(made: dict[str, str]) -> None:
    text = "\n".join(made.values())
    for name in cascade.__all__:
        if name != "errors":
            assert f"\n## `cs.{name}`\n" in text, name
    for error in vars(cascade.errors).values():
        if isinstance(error, type):
            assert f"\n## `{error.__name__}`\n" in made["errors.md"]


def test_every_page_is_on_the_index(made: dict[str, str]) -> None:
    for name in made:
        assert name == "index.md" or f"]({name})" in made["index.md"]


def test_pages_say_nothing_of_the_machine(made: dict[str, str]) -> None:
    for text in made.values():
        assert str(KEPT.parents[1]) not in text
        assert " at 0x" not in text


def test_a_new_group_of_names_gets_a_page_of_its_own(library: Library) -> None:
    library('''
        __all__ = [
            # Running
            "run",
            # Seeing it
            "draw",
        ]

        def run() -> None:
            """Run."""

        def draw(width: int = 80, *, colour: str) -> str:
            """Draw."""
    ''')
    made = render.render()
    assert set(made) == {"index.md", "running.md", "seeing-it.md"}
    assert "def draw(width: int = 80, *, colour: str) -> str" in made["seeing-it.md"]


def test_a_public_name_outside_of_a_group_has_no_page(library: Library) -> None:
    library('__all__ = ["run"]\ndef run() -> None:\n    "Run."\n')
    with pytest.raises(PageError, match=r"run of cascade\.__all__ has no page"):
        render.render()


def test_a_public_name_that_is_defined_nowhere_is_found(library: Library) -> None:
    library('__all__ = [\n    # Running\n    "run",\n]\n')
    with pytest.raises(PageError, match="has no 'run' whose source could be read"):
        render.render()


def test_the_table_of_what_is_internal_names_only_what_is_there(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library('__all__ = [\n    # Running\n    "run",\n]\ndef run() -> None:\n    "Run."\n')
    monkeypatch.setattr(render, "INTERNAL", {"Engine": "gone"})
    with pytest.raises(PageError, match=r"names Engine\.gone"):
        render.render()


def test_what_a_class_offers_is_read_from_its_source(library: Library) -> None:
    library('''
        from typing import Literal

        Speed = Literal["slow", "fast"]

        class _Base:
            place: int
            """Where it is,
            as a number."""

        class Car(_Base):
            """A car."""

            def __init__(self, speed: Speed = "slow") -> None:
                self.speed = speed
                """How fast it goes."""
                self.hidden = 1

            @property
            def moves(self) -> bool:
                """Whether it moves."""

            async def turn(self, /, degrees: float) -> None:
                """Turn."""

            def _start(self) -> None:
                """Start."""
    ''')
    car = sources.module("cascade").definitions["Car"]
    found = {attribute.name: (attribute.type, attribute.doc) for attribute in attributes(car)}
    assert found == {
        "place": ("int", "Where it is, as a number."),
        "speed": ('Literal["slow", "fast"]', "How fast it goes."),
        "moves": ("bool", "Whether it moves."),
    }
    assert [method.signature for method in methods(car)] == [
        "async def turn(degrees: float) -> None"
    ]
    assert constructor(car, "Car") == 'class Car(speed: Literal["slow", "fast"] = "slow")'


def test_another_name_of_a_class_is_explained_as_the_class(library: Library) -> None:
    library('''
        __all__ = [
            # Running
            "stop",
        ]

        class Stop:
            """Where it stops."""

            def __new__(cls, place: str = "") -> "Stop":
                """Make it.

                Args:
                    place: where.
                """

            def leave(self) -> None:
                """Go on."""

        stop = Stop
    ''')
    page = render.render()["running.md"]
    assert "## `cs.stop`" in page
    assert 'class stop(place: str = "")' in page
    assert "Where it stops.\n\nArguments:\n\n- `place`: where.\n" in page
    assert "### `stop.leave`" in page


def test_a_docstring_becomes_paragraphs_and_lists() -> None:
    doc = """Do it, with ``code``
and more.

::

    a
    └── b

Args:
    one, two: the first
        and the second.
    **rest: others.

Returns:
    What was done.

Raises:
    TypeError: it can't
        be done.

- a point
  that goes on
- another"""
    assert markdown(doc).split("\n\n") == [
        "Do it, with `code` and more.",
        "```text\na\n└── b\n```",
        "Arguments:",
        "- `one`, `two`: the first and the second.\n- `**rest`: others.",
        "Returns:",
        "- What was done.",
        "Raises:",
        "- `TypeError`: it can't be done.",
        "- a point that goes on\n- another",
    ]
