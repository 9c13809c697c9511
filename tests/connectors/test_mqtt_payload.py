"""Payloads on their way over MQTT: what JSON can express arrives as it was, bytes as bytes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.connectors import mqtt_payload
from cascade.connectors.mqtt_payload import decode, encode

WORDS = st.text(st.characters(codec="utf-8"), max_size=10)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner), max_leaves=8
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=3) | st.lists(VALUES, max_size=3))
def test_what_json_can_express_arrives_as_it_was(payload: Any) -> None:
    assert decode(encode(payload)) == payload


@given(st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_arrive_as_they_were(payload: Any) -> None:
    arrived = decode(encode(payload))
    assert (arrived, type(arrived)) == (payload, type(payload))


@given(st.binary())
def test_bytes_go_as_they_are_and_arrive_as_bytes_unless_they_are_json(payload: bytes) -> None:
    assert encode(payload) == encode(bytearray(payload)) == encode(memoryview(payload)) == payload
    arrived = decode(payload)
    assert arrived is payload or decode(encode(arrived)) == arrived


@given(st.text(st.characters(codec="utf-8")))
def test_text_goes_as_it_is(payload: str) -> None:
    assert encode(payload).decode() == payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b'""',
        b'{"scope": "glo',
        b"\xff\xfe{}",
        b"NaN",
        b"[1, -Infinity]",
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_json_is_handed_over_as_it_is(payload: bytes) -> None:
    assert decode(payload) is payload


def test_nothing_is_an_empty_message() -> None:
    assert encode(None) == encode("") == b""


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (object(), TypeError),
        ({"a": {1}}, TypeError),
        ({("a", 1): 1}, TypeError),
        (math.nan, ValueError),
        ([math.inf], ValueError),
        ("\ud800", ValueError),
        (CIRCLE, ValueError),
        (DEEP, ValueError),
    ],
    ids=["object", "set", "key", "nan", "infinity", "surrogate", "circle", "deep"],
)
def test_what_json_cannot_express_is_refused(payload: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="payload must be bytes, text or something that JSON"):
        encode(payload)


def test_what_is_too_long_for_mqtt_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_payload, "LONGEST", 3)
    assert encode(b"abc") == b"abc"
    with pytest.raises(ValueError, match="payload must have at most 3 bytes, got 4"):
        encode("abcd")
