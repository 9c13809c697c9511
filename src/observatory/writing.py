"""Files that are written: what goes wrong with one says which it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def naming(filename: str | os.PathLike[str]) -> Iterator[None]:
    """Put the name of a file into an `OSError` that is raised in the block and lacks one.

    The system knows the name when a file is opened, and no longer when it is written.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(filename)
        raise
