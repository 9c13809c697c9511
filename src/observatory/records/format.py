"""The format of records: one Arrow IPC stream with a schema for two kinds of rows, and a header.

`docs/records.md` describes it for those who read records with other programs.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from observatory.extras import require

require("a record", "numpy", "pyarrow")

import pyarrow as pa  # type: ignore[import-untyped]  # noqa: E402 - after what says what is missing

FORMAT = 1
"""The version of the format; a reader refuses others."""
KEY = b"observatory.record"
"""Where the header is in the metadata of the schema, as JSON."""
FLASH, METRICS = "flash", "metrics"
"""The kinds of rows."""
COLUMNS: dict[str, Any] = {
    "kind": pa.utf8(),
    "time": pa.float64(),
    "agent": pa.int32(),
    "lateness": pa.float64(),
    "order_parameter": pa.float64(),
    "local_order": pa.float64(),
    "flashes": pa.int64(),
    "active": pa.int32(),
    "waiting": pa.int32(),
    "lateness_p99": pa.float64(),
}
"""The columns of a record, in order."""
SAMPLED = ("time", *list(COLUMNS)[4:])
"""The columns of the metrics."""


class RecordError(Exception):
    """A file isn't a record, or none that can be read; the message says why, in one line."""


@lru_cache(maxsize=1)
def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages that a record is made with."""
    found = {"python": platform.python_version()}
    for package in ("cascade-py", "numpy", "pyarrow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"  # run from its sources
    return found


@dataclass(frozen=True, slots=True)
class Header:
    """What an experiment was run with."""

    agents: int
    """How many agents there are."""
    width: int
    """Agents in a row; they are numbered row by row."""
    height: int
    """Rows."""
    period: float
    """Seconds from flash to flash when nothing is heard."""
    duration: float
    """How long it was to last, in seconds."""
    seed: int
    """Where the initial phases came from."""
    clock: str
    """The clock it ran on: "real" or "virtual"."""
    start: float
    """When it started, in seconds on that clock; all times of the record count from there."""
    started: str | None = None
    """When that was on the calendar (ISO 8601, UTC); None on virtual time."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """All settings of the experiment, as plain data."""
    versions: Mapping[str, str] = field(default_factory=versions)
    """Versions of Python, the package, NumPy and pyarrow."""

    def as_json(self) -> bytes:
        """Return the header as it stands in a file."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Header:
        """Return the header that stands in a file.

        Raises:
            RecordError: it is of another format, or makes no sense.
        """
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise RecordError(
                    f"is a record of format {values['format']!r}; this version reads {FORMAT}"
                )
            header = cls(**{own.name: values[own.name] for own in fields(cls)})
            sound = (
                0 < header.agents == header.width * header.height
                and all(0 < seconds < math.inf for seconds in (header.period, header.duration))
                and isinstance(header.settings, dict)
            )
        except (ValueError, TypeError, KeyError) as error:
            raise RecordError(f"has a header that can't be read: {error}") from None
        if not sound:
            raise RecordError("has a header that makes no sense")
        return header


def schema(header: Header) -> Any:
    """Return the schema of a record with that header, as a `pyarrow.Schema`."""
    columns = [
        pa.field(name, kind, nullable=name not in ("kind", "time"))
        for name, kind in COLUMNS.items()
    ]
    return pa.schema(columns, metadata={KEY: header.as_json()})
