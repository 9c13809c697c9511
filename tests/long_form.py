"""The two forms of the tests that try much: `make test` runs the short one, `make prove` both.

The long form is chosen by setting ``CASCADE_LONG`` to 1.
"""

from __future__ import annotations

import os

LONG = os.environ.get("CASCADE_LONG") == "1"
"""Whether this is the long form."""


def tries(short: int, long: int) -> int:
    """Return how many, or how large, for the form that is run."""
    return long if LONG else short
