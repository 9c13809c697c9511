"""What a value holds, as a digest: equal content gives an equal digest, in every process.

Values are told apart by type and content, never by `repr` or identity: 1, 1.0 and True differ, two
equal arrays don't. What isn't known here goes by its pickle: equal objects may then differ (the
order of a set inside of them), but different ones never pass for equal.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

from cascade.spec.checks import shown
from cascade.spec.lazy import LazyResult
from cascade.spec.resource import Inject

_WRITTEN = (float, complex, bool, type(None), type(...))
_PRINTED = (date, time, timedelta, Decimal, Fraction, UUID, range, slice, Inject)
"""Types whose `repr` is all that they hold."""
_HOLDERS = (list, tuple, dict, set, frozenset, str, bytes, bytearray, int, float, complex)
"""Classes made of these hold something beside their attributes."""


def digest_of(value: Any) -> bytes:
    """Return 20 bytes that stand for the content of a value.

    Raises:
        TypeError: the content of something in it can't be told; the error names that.
        ValueError: it holds itself, or is nested too deeply.
    """
    try:
        return _digest(value)
    except RecursionError:
        raise ValueError(
            f"{shown(type(value).__name__)} holds itself, or is nested too deeply, "
            "to be told by its content"
        ) from None


def _joined(kind: str, parts: Iterable[bytes]) -> bytes:
    whole = hashlib.blake2b(kind.encode(), digest_size=20)
    for part in parts:
        whole.update(len(part).to_bytes(8, "big"))
        whole.update(part)
    return whole.digest()


def _digest(value: Any) -> bytes:
    kind = type(value)
    if kind is int:  # not by repr: Python doesn't write out thousands of decimal digits
        return _joined("int", [hex(value).encode()])
    if kind in _WRITTEN:
        text = value.hex() if kind is float else repr(value)
        return _joined(kind.__name__, [text.encode()])
    if kind is str:
        return _joined("str", [value.encode("utf-8", "surrogatepass")])
    if kind in (bytes, bytearray):
        return _joined(kind.__name__, [bytes(value)])
    if kind in (list, tuple):
        return _joined(kind.__name__, map(_digest, value))
    if kind is dict:
        pairs = sorted((_digest(key), _digest(item)) for key, item in value.items())
        return _joined("dict", [part for pair in pairs for part in pair])
    if kind in (set, frozenset):
        return _joined(kind.__name__, sorted(map(_digest, value)))
    if isinstance(value, LazyResult):
        return _joined("call", [str(value.call).encode()])
    return _joined(f"{kind.__module__}.{kind.__qualname__}", _parts(value, kind))


def _parts(value: Any, kind: type) -> Iterable[bytes]:
    """Return what a value of a richer type consists of."""
    if kind in _PRINTED:
        return [repr(value).encode()]
    if isinstance(value, PurePath):
        return [str(value).encode("utf-8", "surrogateescape")]
    if isinstance(value, Enum):
        # A combination of flags, or none of them, may have no name.
        return [value.name.encode()] if value.name else [b"", _digest(value.value)]
    if isinstance(value, (type, BuiltinFunctionType, ModuleType)):
        name = getattr(value, "__qualname__", value.__name__)
        return [f"{getattr(value, '__module__', '')}.{name}".encode()]
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, (FunctionType, MethodType, functools.partial)):
        return [code_of(value)]
    if kind.__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
        shape = repr((value.dtype.descr if value.dtype.names else value.dtype.str, value.shape))
        content = _digest(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return [shape.encode(), content]
    if is_dataclass(value) and not isinstance(value, _HOLDERS):
        return [_digest(_attributes(value, kind))]
    try:
        return [pickle.dumps(value, protocol=5)]
    except Exception as error:
        raise TypeError(f"the content of {shown(value)} can't be told: {error}") from error


def _attributes(value: Any, kind: type) -> dict[str, Any]:
    """Return the fields of an object of a dataclass, and what else it has been given.

    What a `functools.cached_property` has left there follows from the rest.
    """
    names = [field.name for field in fields(value) if hasattr(value, field.name)]
    more = [
        name
        for name in getattr(value, "__dict__", ())
        if not isinstance(getattr(kind, name, None), functools.cached_property)
    ]
    return {name: getattr(value, name) for name in [*names, *more]}


def code_of(function: Callable[..., Any]) -> bytes:
    """Return a digest of what a function does: its code, its defaults and what it has enclosed.

    Not of the functions that it calls, nor of global names.

    Raises:
        TypeError: the content of something that it has enclosed can't be told.
    """
    function = getattr(function, "fn", function)
    if isinstance(function, functools.partial):
        return _joined(
            "partial", [code_of(function.func), _digest(function.args), _digest(function.keywords)]
        )
    if isinstance(function, MethodType):
        return _joined("method", [code_of(function.__func__), _digest(function.__self__)])
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    code = getattr(function, "__code__", None)
    if code is None:
        wrapped = getattr(function, "__wrapped__", None)  # as with functools.lru_cache
        if wrapped is not None:
            return _joined("wrapped", [name.encode(), code_of(wrapped)])
        if not hasattr(function, "__qualname__"):  # an object that can be called
            return _joined("object", [code_of(type(function).__call__), _digest(function)])
        return _joined("callable", [name.encode()])
    plain: Any = function
    defaults = _digest((plain.__defaults__, plain.__kwdefaults__))
    cells = [_enclosed(cell, function) for cell in plain.__closure__ or ()]
    return _joined("function", [name.encode(), *_code(code), defaults, *cells])


def _enclosed(cell: Any, function: Callable[..., Any]) -> bytes:
    try:
        content = cell.cell_contents
    except ValueError:  # not set yet
        return b""
    # A function that calls itself is enclosed in itself.
    return b"itself" if getattr(content, "fn", content) is function else _digest(content)


def _code(code: CodeType) -> list[bytes]:
    return [
        code.co_code,
        _digest(code.co_consts),
        _digest((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)),
        _digest((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)),
        _digest((code.co_flags, code.co_name)),
    ]
