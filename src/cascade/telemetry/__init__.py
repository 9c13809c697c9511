"""Telemetry: what runs tell, as OpenTelemetry traces and metrics, and as log records.

Nothing of it is loaded by ``import cascade``; without it a run makes no events at all. Traces and
metrics need the extra `telemetry`: ``pip install cascade-py[telemetry]``. Logs need nothing.

`cascade.telemetry.export` has a span processor that counts what it drops.
"""

from __future__ import annotations

from cascade.telemetry.instrumentation import Instrumentation, instrument
from cascade.telemetry.logs import JsonFormatter, TaskFilter, log_events

__all__ = ["Instrumentation", "JsonFormatter", "TaskFilter", "instrument", "log_events"]
