"""What a message looks like on its way: objects as JSON, bytes and text as they are."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from cascade.spec.checks import shown

LONGEST = 268_435_455
"""How many bytes a message of MQTT may have."""


def encode(payload: Any) -> bytes:
    """Return the bytes that stand for a payload.

    Args:
        payload: bytes, or a string, which go as they are; None, which is an empty message; or
            anything that JSON can express.

    Raises:
        TypeError: it has something in it that JSON can't express.
        ValueError: the same, such as infinity, a circle or half of a surrogate pair; or it is
            longer than MQTT allows.
    """
    if payload is None:
        encoded = b""
    elif isinstance(payload, (bytes, bytearray, memoryview)):
        encoded = bytes(payload)
    else:
        try:
            text = payload if isinstance(payload, str) else _json(payload)
            encoded = text.encode()
        except (TypeError, ValueError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"payload must be bytes, text or something that JSON can express, "
                f"got {shown(payload)}: {error}"
            ) from error
    if len(encoded) > LONGEST:
        raise ValueError(f"payload must have at most {LONGEST} bytes, got {len(encoded)}")
    return encoded


def decode(payload: bytes) -> Any:
    """Return what JSON in UTF-8 stands for; of everything else the bytes themselves.

    Only an empty message says nothing: what would be None or an empty string stays bytes, too.
    """
    try:
        value = json.loads(payload.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return payload
    return payload if value is None or value == "" else value


def _json(payload: Any) -> str:
    return json.dumps(payload, allow_nan=False, separators=(",", ":"))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} isn't JSON")
