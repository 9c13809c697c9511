"""What is said when something went wrong: one clear line, and the place in the user's file."""

from __future__ import annotations

import traceback
from pathlib import Path
from textwrap import indent

import cascade

PACKAGE = Path(cascade.__file__).parent
MOST_PARTS = 10
"""How many exceptions of a group are told."""


class UsageProblem(Exception):
    """The command was called in a way that can't work; its text is what the user is told."""


def in_words(error: BaseException, file: Path | None) -> str:
    """Return what an error says: its type and text, its notes, and where it was raised.

    Of a group, the same of each of its exceptions stands below, further to the right.

    Args:
        error: the error.
        file: the user's file, whose innermost line is named; without one, or if the error never
            passed through it, the innermost line outside of this library.
    """
    lines = [_headline(error)]
    lines += [f"  {note}" for note in getattr(error, "__notes__", ())]
    place = _place(error, file)
    if place is not None:
        lines.append(f"  at {place}")
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions[:MOST_PARTS]:
            lines.append(indent(in_words(part, file), "  "))
        if len(error.exceptions) > MOST_PARTS:
            lines.append(f"  and {len(error.exceptions) - MOST_PARTS} more")
    return "\n".join(lines)


def in_full(error: BaseException) -> str:
    """Return the whole traceback of an error."""
    return "".join(traceback.format_exception(error)).rstrip()


def _headline(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception as broken:
        text = f"(its text can't be told: {type(broken).__name__})"
    return f"{kind}: {text}" if text else kind


def _place(error: BaseException, file: Path | None) -> str | None:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    own = others = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if name.startswith("<"):
            continue
        path = Path(name)
        if file is not None and path == file:
            own = f"{name}:{line}"
        elif PACKAGE not in path.parents:
            others = f"{name}:{line}"
    return own or (others if file is None else None)
