"""What the tests of whole programs have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.terminals import Tmux


@pytest.fixture(scope="module")
def tmux() -> Iterator[Tmux]:
    server = Tmux()
    try:
        yield server
    finally:
        server.close()
