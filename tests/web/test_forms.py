"""What is filled in on the page is what the command of the same name would ask for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.control.messages import COMMANDS
from cascade.web.forms import DEEDS, FIELDS, command_of


@pytest.mark.parametrize(
    ("form", "command", "said"),
    [
        (
            {"do": "limit", "what": "line", "much": "5", "for": "10m"},
            "limit",
            {"resource": "line", "amount": 5.0, "for": 600.0},
        ),
        (
            {"do": "limit", "what": " line ", "much": "none"},
            "limit",
            {"resource": "line", "amount": None},
        ),
        (
            {"do": "limit", "what": "task:fetch*", "much": "3"},
            "rule",
            {"scope": "task:fetch*", "type": "concurrency", "params": {"limit": 3}},
        ),
        (
            {"do": "rate", "what": "calls", "much": "10/m", "burst": "2"},
            "rate",
            {"resource": "calls", "rate": "10/m", "burst": 2.0},
        ),
        (
            {"do": "rate", "what": "calls", "much": "none"},
            "rate",
            {"resource": "calls", "rate": None},
        ),
        (
            {"do": "rate", "what": "global", "much": "10/m"},
            "rule",
            {"scope": "global", "type": "rate_limit", "params": {"rate": "10/m"}},
        ),
        (
            {"do": "rate", "what": "tag:gpu", "much": "none"},
            "lift",
            {"scope": "tag:gpu", "type": "rate_limit"},
        ),
        (
            {"do": "limit", "what": "global", "much": "none"},
            "lift",
            {"scope": "global", "type": "concurrency"},
        ),
        (
            {"do": "limit", "what": "engine", "much": "3"},
            "limit",
            {"resource": "engine", "amount": 3.0},
        ),
        ({"do": "pause"}, "rule", {"scope": "global", "type": "pause", "params": {}}),
        (
            {"do": "pause", "what": "tag:gpu"},
            "rule",
            {"scope": "tag:gpu", "type": "pause", "params": {}},
        ),
        ({"do": "resume"}, "lift", {"type": "pause"}),
        ({"do": "resume", "what": "tag:gpu"}, "lift", {"type": "pause", "scope": "tag:gpu"}),
        ({"do": "lift", "what": "pause-global"}, "lift", {"rule": "pause-global"}),
        ({"do": "cancel", "what": "run-7"}, "cancel", {"run": "run-7"}),
    ],
)
def test_a_form_is_a_command(form: dict[str, str], command: str, said: dict[str, Any]) -> None:
    assert command_of(form) == (command, said)


@pytest.mark.parametrize(
    ("form", "error", "reason"),
    [
        ([], TypeError, "form must be an object"),
        ({}, ValueError, "do must be one of"),
        ({"do": "ps"}, ValueError, "do must be one of"),
        ({"do": ["limit"]}, TypeError, "do must be a text"),
        ({"do": "limit", "who": "me"}, ValueError, "a form has do, what"),
        ({"do": "limit", "much": "5"}, ValueError, "limit needs to know what"),
        ({"do": "limit", "what": "line"}, ValueError, "limit needs to know how much"),
        ({"do": "limit", "what": "line", "much": "few"}, ValueError, "how much must be a number"),
        ({"do": "limit", "what": "global", "much": "1.5"}, ValueError, "a whole number of tasks"),
        ({"do": "rate", "what": "x", "much": "1/s", "burst": "y"}, ValueError, "burst must be"),
        ({"do": "pause", "for": "soon"}, ValueError, "must be a duration"),
        ({"do": "resume", "for": "10m"}, ValueError, "for a time"),
        (
            {"do": "limit", "what": "tag:x", "much": "none", "for": "10m"},
            ValueError,
            "for a time",
        ),
        ({"do": "pause", "what": "x" * 201}, TypeError, "at most 200 characters"),
        ({"do": "cancel"}, ValueError, "cancel needs to know what"),
    ],
)
def test_what_cannot_be_is_named(form: object, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        command_of(form)


@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        st.sampled_from([*DEEDS, "5", "none", "10m", "global", ""]) | st.text(max_size=9),
    )
)
def test_whatever_is_filled_in_is_a_command_that_there_is_or_is_refused(
    form: dict[str, str],
) -> None:
    try:
        command, said = command_of(form)
    except (TypeError, ValueError):
        return
    assert said.keys() <= COMMANDS[command].keys()
