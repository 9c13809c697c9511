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
#   preview.py   dry_run(), what a run would do
#   pictures.py  visualize(), a workflow as a picture
#   child_groups.py  the process groups that this program has started
#   quiet.py     a log that nobody can flood
#   testing.py   virtual time and spies for tests
#   cli/         the command `cascade`
#
# Who may import whom: app -> adapters, connectors -> runtime -> ports -> graph -> spec -> errors.

from cascade import errors
from cascade.adapters.cache.files import FileCache
from cascade.adapters.cache.memory import InMemoryCache
from cascade.adapters.executors.local import LocalExecutor
from cascade.adapters.run_record import RunRecord
from cascade.adapters.solvers.native import NativeSolver
from cascade.app import arun, astream, run
from cascade.pictures import visualize
from cascade.preview import dry_run
from cascade.runtime.attempts import released
from cascade.runtime.bus import MessageBus
from cascade.runtime.current import current
from cascade.runtime.engine import Engine
from cascade.runtime.resource_manager import ResourceManager
from cascade.spec.caching import cache
from cascade.spec.constant import constant
from cascade.spec.constraint import GlobalConstraint
from cascade.spec.flow import pipeline, sequence
from cascade.spec.inputs import Env, Param
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import inject, resource
from cascade.spec.routing import Router
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
    "Param",
    "Env",
    # Flow
    "Router",
    "sequence",
    "pipeline",
    # Policies
    "cache",
    # Running
    "run",
    "arun",
    "astream",
    "Engine",
    "current",
    # Seeing
    "dry_run",
    "visualize",
    "RunRecord",
    # Limits
    "ResourceManager",
    "GlobalConstraint",
    "released",
    # Parts of an engine
    "FileCache",
    "InMemoryCache",
    "LocalExecutor",
    "MessageBus",
    "NativeSolver",
    # Errors
    "errors",
]
