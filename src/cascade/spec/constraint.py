"""GlobalConstraint: a rule for everything that runs, given and changed while it runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from cascade.spec.amounts import check_amount
from cascade.spec.checks import check_finite, check_name, check_whole, shown

TYPES: Final = ("pause", "concurrency", "rate_limit")
"""What a rule can do."""
SCOPES: Final = ("global", "task:<glob>", "tag:<name>", "engine:<name>")
"""Whom a rule can be for."""

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LEAST_RATE: Final = 1e-300
"""Pieces per second at least: of less, one takes longer than a number can say."""
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*([smhd])\s*")


@dataclass(frozen=True, slots=True)
class GlobalConstraint:
    """A rule that holds for all tasks in its scope, also for those that run or wait already.

    The types and their parameters:

    - ``pause``, ``{}``: nothing starts.
    - ``concurrency``, ``{"limit": 10}``: at most so many run at once; 0 is a pause.
    - ``rate_limit``, ``{"rate": "10/m", "burst": 1}``: so many starts per ``s``, ``m``, ``h`` or
      ``d``; `burst` (1 by default) is how many may start at once after a lull.

    The scopes: ``global``; ``task:<glob>``, by the name of the task or of the call; ``tag:<name>``;
    ``engine:<name>``.

    Raises:
        TypeError: a field is of the wrong kind; the error names it.
        ValueError: a field isn't valid, or a parameter is missing or unknown; the error names it.
    """

    id: str
    """What the rule goes by: the last one of an id counts."""
    scope: str
    """Whom it is for."""
    type: str
    """What it does."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """How much."""
    expires_in: float | None = None
    """After how many seconds it ends by itself; None: never."""

    def __post_init__(self) -> None:
        check_name(self.id, "id of a constraint")
        if any(letter in self.id for letter in "/+#\0"):
            raise ValueError(f"id of a constraint must not contain /, + or #, got {self.id!r}")
        _check_scope(self.scope)
        if self.type not in TYPES:
            raise ValueError(f"type must be one of {', '.join(TYPES)}, got {shown(self.type)}")
        if not isinstance(self.params, Mapping):
            raise TypeError(f"params must map names to values, got {shown(self.params)}")
        object.__setattr__(self, "params", MappingProxyType(_checked(self.type, self.params)))
        if self.expires_in is not None and check_finite("expires_in", self.expires_in) <= 0:
            raise ValueError(f"expires_in must be above 0 seconds, got {self.expires_in!r}")

    @classmethod
    def from_payload(cls, id: str, payload: object) -> GlobalConstraint:
        """Return the rule that a message speaks of.

        Args:
            id: the id that the message's topic names.
            payload: a mapping with the fields; `id` may be left out.

        Raises:
            TypeError, ValueError: it isn't a rule, has unknown fields, or speaks of another id.
        """
        if not isinstance(payload, Mapping):
            raise TypeError(f"a constraint must be a mapping of its fields, got {shown(payload)}")
        fields = dict(payload)
        if fields.setdefault("id", id) != id:
            raise ValueError(f"the topic says {id!r}, but the payload {shown(fields['id'])}")
        known = ("id", "scope", "type", "params", "expires_in")
        _check_names("constraint", fields, known, ("scope", "type"))
        return cls(**fields)

    def matches(self, names: tuple[str, ...], tags: tuple[str, ...], engine: str | None) -> bool:
        """Whether the rule is for a task of these names and tags in an engine of that name."""
        scope, _, pattern = self.scope.partition(":")
        if scope == "task":
            return any(fnmatchcase(name, pattern) for name in names)
        if scope == "tag":
            return pattern in tags
        return scope == "global" or pattern == engine

    @property
    def per_second(self) -> float:
        """The rate of a ``rate_limit``, in starts per second."""
        return parse_rate(self.params["rate"])


def parse_rate(rate: object) -> float:
    """Return a rate such as ``"10/m"`` in pieces per second; a plain number counts as such.

    Raises:
        TypeError, ValueError: it is neither.
    """
    if isinstance(rate, str):
        match = _RATE.fullmatch(rate)
        per_second = 0.0 if match is None else float(match[1]) / _SECONDS[match[2]]
        if not _LEAST_RATE <= per_second < math.inf:
            raise ValueError(
                'rate must be of the form "10/m" (per s, m, h or d, and above 0), '
                f"got {shown(rate)}"
            )
        return per_second
    if check_finite("rate", rate) < _LEAST_RATE:
        raise ValueError(f"rate must be above 0 per second, got {shown(rate)}")
    return float(rate)  # type: ignore[arg-type]


def _check_scope(scope: object) -> None:
    if not isinstance(scope, str):
        raise TypeError(f"scope must be a string, got {shown(scope)}")
    kind, colon, name = scope.partition(":")
    if scope == "global" or (kind in ("task", "tag", "engine") and colon and name):
        return
    raise ValueError(f"scope must be one of {', '.join(SCOPES)}, got {shown(scope)}")


def _checked(type: str, params: Mapping[str, Any]) -> dict[str, Any]:
    if type == "pause":
        _check_names("pause", params, (), ())
        return {}
    if type == "concurrency":
        _check_names("concurrency", params, ("limit",), ("limit",))
        return {"limit": check_whole("limit", params["limit"], 0)}
    _check_names("rate_limit", params, ("rate", "burst"), ("rate",))
    parse_rate(params["rate"])
    burst = params.get("burst", 1)
    if check_finite("burst", burst) < 1:
        raise ValueError(f"burst must be at least 1, got {shown(burst)}")
    check_amount("burst", burst)
    return {"rate": params["rate"], "burst": burst}


def _check_names(
    what: str, given: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]
) -> None:
    for name in given:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no parameters"
            raise ValueError(f"a {what} {takes}, got {shown(name)}")
    for name in needed:
        if name not in given:
            raise ValueError(f"a {what} needs {name!r}")
