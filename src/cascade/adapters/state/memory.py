"""InMemoryStateBackend: what runs have finished, as long as somebody still needs it."""

from __future__ import annotations

from typing import Any


class InMemoryStateBackend:
    """Keeps values in a dictionary per run.

    An engine tells it when the last consumer of a value has it, and it forgets the value then:
    the results of the run stay until `clear`.
    """

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, Any]] = {}

    async def put(self, run_id: str, node_id: str, value: Any) -> None:
        """Keep the value of a node."""
        self._runs.setdefault(run_id, {})[node_id] = value

    async def get(self, run_id: str, node_id: str) -> Any:
        """Return the value of a node.

        Raises:
            KeyError: it isn't kept.
        """
        try:
            return self._runs[run_id][node_id]
        except KeyError:
            raise KeyError(f"no value of {node_id!r} in run {run_id!r}") from None

    async def has(self, run_id: str, node_id: str) -> bool:
        """Whether the value of a node is kept."""
        return node_id in self._runs.get(run_id, {})

    async def discard(self, run_id: str, node_id: str) -> None:
        """Forget a value that nobody needs any more."""
        self._runs.get(run_id, {}).pop(node_id, None)

    async def clear(self, run_id: str) -> None:
        """Forget everything about a run."""
        self._runs.pop(run_id, None)
