"""Steering from outside of the program: who runs what, and limits set from another terminal.

A program opens a socket in a directory that only its user may enter (`LocalControl`, or
``CASCADE_CONTROL=1``); ``cascade ps``, ``limit``, ``pause`` and the others speak to it (`Client`,
and `AsyncClient` on an event loop).
"""

from __future__ import annotations

from cascade.control.aio import AsyncClient
from cascade.control.client import Client, find
from cascade.control.local import LocalControl, control_from_environment, is_switched_on

__all__ = [
    "AsyncClient",
    "Client",
    "LocalControl",
    "control_from_environment",
    "find",
    "is_switched_on",
]
