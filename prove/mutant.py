"""Mutant: a one-line defect that stands for something that goes wrong in such systems.

A mutant is kept together with the tests that must fail on it. Where a line changes, its mutant has
to change with it: a test sees to that.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect."""

    sense: str
    """What goes wrong."""
    file: str
    """Where, below ``src``."""
    old: str
    """The text that is there once."""
    new: str
    """What it becomes."""
    tests: str
    """The file of tests that must not pass on it."""
