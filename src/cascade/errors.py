"""Every error the library raises by itself.

::

    CascadeError
    ├── GraphError                    the declaration doesn't make a graph
    ├── SkippedError                  the asked-for result belongs to a skipped task
    ├── MissingInputError             parameters or environment variables without a value
    ├── UnknownRouteError             a Router has no branch of that key (also a LookupError)
    ├── InjectionError                an injected resource is unknown or needs itself
    ├── NestedRunError                cs.run() inside a task
    ├── NoTaskError                   cs.current() outside of a task
    ├── RunCancelledError             a run was cancelled from outside of the program
    ├── ResourceError                 a ticket or a manager used wrongly
    │   ├── InfeasibleRequestError    more was asked for than the limit will ever give
    │   ├── AcquireTimeoutError       not granted in time (also a TimeoutError)
    │   └── DeadlockError             everybody who holds what is needed waits as well
    ├── ConnectorError                a connector used while it isn't connected
    │   └── ControlError              a program can't be steered from outside, or refuses
    ├── ChannelFullError              a full channel with overflow="error"
    ├── PictureError                  a picture can't be made, as Graphviz is missing or failed
    ├── WorkerDiedError               a worker process has ended in the midst of a call
    ├── RemoteError                   stands for an exception that a process couldn't send
    ├── MissingExtraError             an optional dependency isn't installed (also an ImportError)
    └── VirtualTimeError              something that virtual time can't simulate
        └── VirtualDeadlockError      everybody waits and nothing is left to happen

Those of the ready-made tasks stand beside these: ``shell.CommandError``, ``http.HTTPStatusError``.

A task that fails raises its own exception, never one of these; a note names the task.
Wrong arguments raise ``TypeError`` or ``ValueError`` on the line that passed them.
"""

from __future__ import annotations

import signal


class CascadeError(Exception):
    """The root of all errors of this library."""


class GraphError(CascadeError):
    """The declaration doesn't make a graph, such as two variants of one call in it."""


class SkippedError(CascadeError):
    """The asked-for result doesn't exist because its task was skipped."""

    def __init__(self, task_name: str, reason: str) -> None:
        super().__init__(f"task {task_name!r} has no result: it was skipped ({reason})")
        self.task_name = task_name
        """The task whose result was asked for."""
        self.reason = reason
        """Why it was skipped, naming the task that caused it."""


class MissingInputError(CascadeError):
    """Values that a workflow needs were not given, and have no default."""

    def __init__(self, parameters: list[str], variables: list[str]) -> None:
        parts = []
        if parameters:
            names = ", ".join(map(repr, parameters))
            parts.append(f"the workflow needs {names}: give them in params={{...}}")
        if variables:
            names = ", ".join(map(repr, variables))
            parts.append(f"the environment variables {names} must be set")
        super().__init__("; ".join(parts))
        self.parameters = parameters
        """The parameters that miss."""
        self.variables = variables
        """The environment variables that miss."""

    @property
    def names(self) -> list[str]:
        """All that miss."""
        return [*self.parameters, *self.variables]


class UnknownRouteError(CascadeError, LookupError):
    """What a Router was to choose by isn't the key of a branch."""


class InjectionError(CascadeError):
    """A resource that is to be injected isn't registered, or needs itself in a circle."""


class NestedRunError(CascadeError, RuntimeError):
    """``cs.run`` was called inside a task, where it would block the run it is part of."""


class NoTaskError(CascadeError, LookupError):
    """``cs.current`` was called where no task is running."""


class RunCancelledError(CascadeError):
    """A run was cancelled by somebody outside of the program, such as with ``cascade cancel``.

    Whoever awaits the run isn't cancelled itself, and so this isn't a ``CancelledError``.
    """

    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(f"{run_id} was cancelled: {reason}")
        self.run_id = run_id
        """The run."""
        self.reason = reason
        """Who has cancelled it, in words."""


class ResourceError(CascadeError):
    """A ticket or a resource manager was used in a way that can't be right."""


class InfeasibleRequestError(ResourceError):
    """A request asks for more than the resource's limit, so it could never be granted."""

    def __init__(self, resource: str, amount: float, limit: float, what: str = "capacity") -> None:
        super().__init__(
            f"a request for {amount:.15g} of {resource!r} can never be granted: "
            f"its {what} is {limit:.15g}"
        )
        self.resource = resource
        """The resource in question."""
        self.amount = amount
        """What was asked for."""
        self.limit = limit
        """What there is at most."""


class AcquireTimeoutError(ResourceError, TimeoutError):
    """A request wasn't granted within its timeout; it has left the queue."""

    def __init__(self, owner: str, amounts: dict[str, float], timeout: float) -> None:
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in amounts.items())
        super().__init__(f"{owner} was not granted {wanted} within {timeout:g} s")
        self.owner = owner
        """Who asked."""
        self.amounts = amounts
        """What was asked for, by resource."""
        self.timeout = timeout
        """How long it was waited for, in seconds."""


class DeadlockError(ResourceError):
    """Tasks hold what they wait for themselves; the message tells the circle."""


class ConnectorError(CascadeError):
    """A connector was used while it isn't connected."""


class ControlError(ConnectorError):
    """A program can't be steered from outside: there is none, it doesn't answer, or it refuses."""


class ChannelFullError(CascadeError):
    """A message was sent into a full channel whose overflow rule is ``"error"``."""


class PictureError(CascadeError):
    """A picture couldn't be made: Graphviz isn't installed, failed, or took too long."""


class WorkerDiedError(CascadeError):
    """A worker process has ended in the midst of a call; no other call is touched by that."""

    def __init__(self, task_name: str, exit_code: int) -> None:
        self.task_name = task_name
        """The task that it was working on."""
        self.exit_code = exit_code
        """What it ended with; a signal that killed it is negative."""
        how = f"exit code {exit_code}" if exit_code >= 0 else _signal_name(-exit_code)
        super().__init__(f"the process of task {task_name!r} died: {how}")

    def __reduce__(self) -> tuple[type[WorkerDiedError], tuple[str, int]]:
        return type(self), (self.task_name, self.exit_code)


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:  # one without a name, such as a real-time signal
        return f"signal {number}"


class RemoteError(CascadeError):
    """Stands for an exception that was raised in a worker process and can't be pickled."""

    def __init__(self, task_name: str, type_name: str, text: str) -> None:
        super().__init__(f"task {task_name!r} raised {type_name}: {text}")
        self.task_name = task_name
        """The task that raised it."""
        self.type_name = type_name
        """The exception's type, with its module."""
        self.text = text
        """The exception's text."""

    def __reduce__(self) -> tuple[type[RemoteError], tuple[str, str, str]]:
        return type(self), (self.task_name, self.type_name, self.text)


class MissingExtraError(CascadeError, ImportError):
    """An optional part was used without its extra being installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs {package!r}, which isn't installed: pip install 'cascade-py[{extra}]'"
        )
        self.extra = extra
        """The extra that brings what is missing."""


class VirtualTimeError(CascadeError, RuntimeError):
    """Something was used on a virtual-time loop whose answer comes in real time."""


class VirtualDeadlockError(VirtualTimeError):
    """On virtual time, everybody waits and no timer, job or callback is left to wake them."""
