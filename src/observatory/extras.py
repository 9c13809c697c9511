"""What the observatory needs beside the core, and the error that names the extra that brings it."""

from __future__ import annotations

import importlib.util

from cascade.errors import MissingExtraError

EXTRAS = {"pyarrow": "record", "matplotlib": "plot"}
"""The extra that brings a package, where it isn't "observatory"."""


def require(feature: str, *packages: str) -> None:
    """Raise unless packages are installed; none of them is imported.

    Raises:
        MissingExtraError: naming the feature, the first package that is missing, and the extra.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(feature, package, EXTRAS.get(package, "observatory"))
