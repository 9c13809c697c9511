"""``python -m docs.make_reference``: writes docs/reference, and removes pages of old there."""

from __future__ import annotations

import sys
from pathlib import Path

from docs.make_reference.render import render
from docs.make_reference.sources import PageError

DIRECTORY = Path(__file__).parents[1] / "reference"


def main() -> int:
    """Write the pages; return the exit code."""
    try:
        pages = render()
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    DIRECTORY.mkdir(exist_ok=True)
    for old in DIRECTORY.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (DIRECTORY / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(pages)} pages in docs/reference")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
