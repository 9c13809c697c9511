"""What a page of `cascade ui` is sent: the shape of a graph first, and only then its states."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cascade.web import ui
from cascade.web.programs import Choice, seen

LIMIT = 30.0


def graph_of(process: int, states: int, with_shape: bool) -> dict[str, Any]:
    graph: dict[str, Any] = {"run": "run-1", "states": [{"state": "running"}] * states}
    if with_shape:
        graph |= {"nodes": [{}] * states, "edges": [], "left_out": {"nodes": 0, "edges": 0}}
    return {"programs": [], "look": {"pid": process}, "graph": graph}


def test_states_never_come_before_the_shape_that_they_are_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program ends, and another process has its name and a run of the same id."""
    processes: Iterator[tuple[int, int]] = iter([(7, 2), (7, 2), (8, 5), (8, 5)])
    latest = [(8, 5)]

    def scripted(choice: Choice, with_shape: bool) -> dict[str, Any]:
        latest[0] = next(processes, latest[0])
        return graph_of(*latest[0], with_shape)

    monkeypatch.setattr(ui, "seen", scripted)
    monkeypatch.setattr(ui, "EVERY", 0.001)
    sent: list[dict[str, Any]] = []

    async def main() -> None:
        enough = asyncio.Event()

        async def take(message: str | bytes) -> None:
            sent.append(json.loads(message))
            if len(sent) == 8:
                enough.set()

        page = ui._Page(dict)
        parts = [page.look(), page.outbox.run(take, take)]
        tasks = [asyncio.create_task(part) for part in parts]
        async with asyncio.timeout(LIMIT):
            await enough.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
    nodes, seen_processes = 0, []
    for message in sent:
        if "shape" in message:
            nodes = len(message["shape"]["nodes"])
        else:
            assert len(message["graph"]["states"]) == nodes
            seen_processes.append(message["look"]["pid"])
    assert {7, 8} == set(seen_processes)


def test_a_directory_that_is_open_to_others_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASCADE_CONTROL_DIR", str(tmp_path))
    tmp_path.chmod(0o755)
    assert "open to others" in seen(Choice(), with_shape=True)["problem"]
