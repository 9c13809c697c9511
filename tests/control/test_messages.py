"""A message is a command with what it takes, or it is refused in words."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.control.messages import (
    COMMANDS,
    LONGEST_VIA,
    RefusedError,
    decode,
    encode,
    request_of,
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=9), part, max_size=3)
    ),
    max_leaves=6,
)
names = sorted(
    {name for fields in COMMANDS.values() for name in fields} | {"id", "do", "via", "other"}
)


@given(
    st.fixed_dictionaries(
        {"do": st.sampled_from(sorted(COMMANDS)) | json_values},
        optional={name: json_values for name in names if name != "do"},
    )
)
def test_whatever_is_said_is_a_request_or_refused(message: dict[str, Any]) -> None:
    with suppress(RefusedError):
        request = request_of(message)
        assert set(request.said) == set(COMMANDS[request.command])
        assert request.via == message.get("via")
        assert request.via is None or len(request.via) <= LONGEST_VIA


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_an_object_or_refused(line: bytes) -> None:
    with suppress(RefusedError):
        assert isinstance(decode(line), dict)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_is_encoded_is_one_line_and_can_be_read(message: dict[str, Any]) -> None:
    line = encode({"text": "two\nlines", **message})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    json.loads(line)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({}, "do must be one of ps, look"),
        ({"do": "dance"}, "got 'dance'"),
        ({"do": ["ps"]}, "do must be one of"),
        ({"do": "ps", "id": 1.5}, "id must be"),
        ({"do": "ps", "more": 1}, "ps takes nothing, got 'more'"),
        ({"do": "limit", "resource": "slot"}, "limit needs amount"),
        ({"do": "limit", "resource": "", "amount": 1}, "resource must be a text"),
        ({"do": "limit", "resource": "a\nb", "amount": 1}, "resource must be printable"),
        ({"do": "limit", "resource": "slot", "amount": "1"}, "amount must be a number"),
        ({"do": "limit", "resource": "slot", "amount": 1, "for": 0}, "for must be above 0"),
        ({"do": "limit", "resource": "slot", "amount": 1, "for": 1e9}, "at most a year"),
        ({"do": "log", "last": 0}, "last must be"),
        ({"do": "ps", "via": 1}, "via must be a string, got 1"),
        ({"do": "ps", "via": ""}, "via must be of up to 40 letters"),
        ({"do": "ps", "via": "x" * 41}, "via must be of up to 40 letters"),
        ({"do": "ps", "via": "ui), root (program"}, "via must be of up to 40 letters"),
        ({"do": "ps", "via": "ui\n"}, "via must be of up to 40 letters"),
        ({"do": "rule", "scope": "global", "type": "pause", "params": []}, "params must be"),
    ],
)
def test_what_does_not_fit_is_named(message: dict[str, Any], problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        request_of(message)


def test_a_message_of_deep_lists_is_refused() -> None:
    with pytest.raises(RefusedError, match="one JSON object"):
        decode(b"[" * 100_000)
