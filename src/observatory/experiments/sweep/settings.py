"""Settings: the fields of an experiment's configuration, under the names of its command line."""

from __future__ import annotations

import types
import typing
from contextlib import suppress
from dataclasses import dataclass, fields
from difflib import get_close_matches

from cascade.spec.checks import shown
from observatory.experiments.calculated import ENGINES
from observatory.experiments.config import FirefliesConfig

Value = int | float | str | bool | None
"""What a setting can be."""

KINDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
}
"""The types a setting can have, and what that is called."""
OPTIONS = {"num_agents": "agents"}
"""Options that aren't called like their field."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a run is configured with."""

    name: str
    """What it is called on the command line."""
    field: str
    """What it is called in the configuration."""
    kind: type
    """Its type: bool, int, float or str."""
    choices: tuple[str, ...] = ()
    """The words it can be, if only some are allowed."""
    optional: bool = False
    """Whether it can be none."""

    @property
    def is_number(self) -> bool:
        """Whether it can be a number."""
        return self.kind in (int, float)

    def read(self, text: str) -> Value:
        """Return the value that a text says.

        Raises:
            ValueError: it says none; the error names the setting and what would be valid.
        """
        text = text.strip()
        if self.optional and text.lower() == "none":
            return None
        if self.choices:
            if text in self.choices:
                return text
        elif self.kind is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif self.kind is not str:
            with suppress(ValueError):  # told below
                return self.exact(self.kind(text))
        elif text:
            return text
        raise ValueError(f"{self.name} must be {self.valid}, got {shown(text)}")

    @property
    def valid(self) -> str:
        """What it can be, in words."""
        what = " or ".join(self.choices) if self.choices else KINDS[self.kind]
        return f"{what} or none" if self.optional else what

    def exact(self, value: Value) -> Value:
        """Return a value in the type of the setting, so that 1 and 1.0 are the same seconds."""
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value


def settings_of(config: type) -> dict[str, Setting]:
    """Return the settings of a configuration (a dataclass), by name.

    Fields of other types than numbers, words and truth values can't be said on a command line and
    are left out.
    """
    hints = typing.get_type_hints(config)
    found = {}
    for field in fields(config):
        setting = _setting(field.name, hints[field.name])
        if setting is not None:
            found[setting.name] = setting
    return found


def _setting(field: str, hint: object) -> Setting | None:
    name = OPTIONS.get(field, field).replace("_", "-")
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    parts = typing.get_args(hint) if union else (hint,)
    kinds = [part for part in parts if part is not types.NoneType]
    optional = len(kinds) < len(parts)
    if len(kinds) != 1:
        return None
    if typing.get_origin(kinds[0]) is typing.Literal:
        choices = typing.get_args(kinds[0])
        if not all(isinstance(choice, str) for choice in choices):
            return None
        return Setting(name, field, str, choices, optional)
    if kinds[0] not in KINDS:
        return None
    return Setting(name, field, typing.cast(type, kinds[0]), (), optional)


SETTINGS = settings_of(FirefliesConfig)
"""The settings of the fireflies, by name."""
ENGINE = Setting("engine", "engine", str, tuple(ENGINES))
"""What runs them: agents, or the calculation."""
SWEPT = {name: setting for name, setting in SETTINGS.items() if name != "seed"} | {"engine": ENGINE}
"""What a sweep can vary or fix: it derives the seed of each run itself."""


def find(name: str) -> Setting:
    """Return the setting of a name.

    Raises:
        ValueError: there is none; the error names the nearest one.
    """
    if name == "seed":
        raise ValueError("seed is derived for each replication; --seed says from what")
    if name not in SWEPT:
        (nearest,) = get_close_matches(name, SWEPT, n=1, cutoff=0.0)
        raise ValueError(f"there is no setting {shown(name)}; the nearest is {nearest}")
    return SWEPT[name]


def in_options(error: Exception) -> str:
    """Return the text of an error about a configuration, with the names of the command line."""
    text = str(error)
    for setting in SETTINGS.values():
        text = text.replace(setting.field, setting.name)
    return text


def said(value: Value) -> str:
    """Return a value as it is written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
