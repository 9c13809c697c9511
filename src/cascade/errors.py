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
    ├── ResourceError                 a ticket or a manager used wrongly
    │   ├── InfeasibleRequestError    more was asked for than the limit will ever give
    │   ├── AcquireTimeoutError       not granted in time (also a TimeoutError)
    │   └── DeadlockError             everybody who holds what is needed waits as well
    ├── ConnectorError                a connector used while it isn't connected
    ├── ChannelFullError              a full channel with overflow="error"
    ├── PictureError                  a picture can't be made, as Graphviz is missing or failed
    ├── MissingExtraError             an optional dependency isn't installed (also an ImportError)
    └── VirtualTimeError              something that virtual time can't simulate
        └── VirtualDeadlockError      everybody waits and nothing is left to happen

Those of the ready-made tasks stand beside these: ``shell.CommandError``, ``http.HTTPStatusError``.

A task that fails raises its own exception, never one of these; a note names the task.
Wrong arguments raise ``TypeError`` or ``ValueError`` on the line that passed them.
"""

from __future__ import annotations


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


class ChannelFullError(CascadeError):
    """A message was sent into a full channel whose overflow rule is ``"error"``."""


class PictureError(CascadeError):
    """A picture couldn't be made: Graphviz isn't installed, failed, or took too long."""


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
