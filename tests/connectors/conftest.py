"""A real MQTT broker, one for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.connectors.mosquitto import Broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    running = Broker(tmp_path_factory.mktemp("mosquitto"))
    running.start()
    yield running
    running.kill()
