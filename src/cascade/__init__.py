"""Cascade: workflows as values, limits that hold, agents that never end."""

# A map of the package:
#
#   spec/        what the user declares: tasks, lazy results, constraints, resources, tail calls
#   graph/       the declaration as nodes and edges
#   runtime/     how it runs: engine, graph runs, machines, the resource manager, events, time
#   adapters/    what plugs into the engine: solvers, executors, state backends
#   connectors/  what joins engines to a broker
#   ports.py     what each of these parts must offer
#   providers/   ready-made tasks: commands, files, requests, SQL
#   errors.py    every error, drawn as a tree
#   app.py       run() and arun(), the batteries chosen
#   testing.py   virtual time and spies for tests
#
# Who may import whom: app -> adapters, connectors -> runtime -> ports -> graph -> spec -> errors.

from cascade import errors
from cascade.adapters.executors.local import LocalExecutor
from cascade.adapters.solvers.native import NativeSolver
from cascade.app import arun, run
from cascade.runtime.attempts import released
from cascade.runtime.bus import MessageBus
from cascade.runtime.engine import Engine
from cascade.runtime.resource_manager import ResourceManager
from cascade.spec.constant import constant
from cascade.spec.constraint import GlobalConstraint
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import inject, resource
from cascade.spec.tail_call import TailCall
from cascade.spec.task import Task, task

__all__ = [  # noqa: RUF022 - grouped by theme
    # Declaring
    "task",
    "Task",
    "LazyResult",
    "TailCall",
    "resource",
    "inject",
    "constant",
    # Running
    "run",
    "arun",
    "Engine",
    # Limits
    "ResourceManager",
    "GlobalConstraint",
    "released",
    # Parts of an engine
    "LocalExecutor",
    "MessageBus",
    "NativeSolver",
    # Errors
    "errors",
]
