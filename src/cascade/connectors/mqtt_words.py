"""What went wrong with a connection to an MQTT broker, in words."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cascade.connectors.mqtt_client import Address

BAD_LOGIN = (134, 135)
"""The reason codes of MQTT 5 for a wrong user name or password, and for one that isn't allowed."""
BROKEN = 128
"""What paho calls it, too, when nothing was said at all."""


def words_for(error: BaseException, address: Address) -> str:
    """Say why a connection couldn't be opened."""
    if getattr(getattr(error, "rc", None), "value", None) in BAD_LOGIN:
        who = "without a login" if address.username is None else f"as {address.username!r}"
        return f"the broker at {address} doesn't let us in {who}: {_code(error)}"
    # aiomqtt keeps only the text of what it met, and hides the error itself.
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {address} isn't trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"{address} doesn't speak TLS as it should: {cause.reason or cause}"
    if isinstance(cause, ConnectionRefusedError):
        return f"no broker listens at {address}: {cause.strerror}"
    if isinstance(cause, socket.gaierror):
        return f"host {address.host!r} isn't known: {cause.strerror}"
    if isinstance(cause, ConnectionResetError):
        other = "without TLS" if address.tls is not None else "for TLS"
        return f"{address} hung up before it said anything; is that a port {other}?"
    if isinstance(cause, TimeoutError) or str(error) == "Operation timed out":
        return f"{address} doesn't answer as an MQTT broker"
    return f"no connection to the broker at {address}: {_code(error) or error}"


def reason_of(error: BaseException) -> str:
    """Say why a connection broke."""
    cause = error.__cause__ or error
    return _code(cause) or str(cause) or type(cause).__name__


def _code(error: BaseException) -> str:
    """What MQTT calls it, if it has a name for it."""
    code = getattr(error, "rc", None)
    if getattr(code, "value", None) == BROKEN:
        return "it broke"
    return "" if code is None or isinstance(code, int) else str(code)
