"""A real MQTT broker for tests: mosquitto, on free ports, with logins, TLS and a memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "engine", "correct horse"
LIMITED = "limited"
"""Another user, of the same password, who may do nothing but what rules need."""
PATIENCE = 10.0
"""How many seconds anything may take on a busy machine."""

# Debian keeps what serves in directories that not everybody looks into.
_WHERE = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str:
    """Where a program is; without it, the tests are skipped."""
    path = shutil.which(name, path=_WHERE)
    if path is None:
        pytest.skip(f"{name} isn't installed")
    return path


class Broker:
    """A mosquitto that can be killed, and comes back on the same ports with what it knew."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificate = directory / "broker.crt"
        self._process: subprocess.Popen[bytes] | None = None
        self._mosquitto = program("mosquitto")
        passwords, key = directory / "passwords", directory / "broker.key"
        passwords.touch(0o600)
        for user in (USER, LIMITED):
            _call(program("mosquitto_passwd"), "-b", str(passwords), user, PASSWORD)
        allowed = directory / "allowed"
        allowed.write_text(
            f"user {USER}\ntopic readwrite #\ntopic readwrite $own/#\n"
            f"user {LIMITED}\ntopic readwrite cascade/constraints/#\n"
        )
        allowed.chmod(0o600)
        _call(
            *(program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", str(key)),
            *("-out", str(self.certificate), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        )
        self.port, self.tls_port = free_ports(2)
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(
            f"""
            user root
            allow_anonymous false
            password_file {passwords}
            acl_file {allowed}
            persistence true
            persistence_location {directory}/
            autosave_interval 1
            autosave_on_changes true
            set_tcp_nodelay true
            listener {self.port} 127.0.0.1
            listener {self.tls_port} 127.0.0.1
            certfile {self.certificate}
            keyfile {key}
            """.replace("    ", "")
        )

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with (self.directory / "log").open("ab") as log:
            command = [self._mosquitto, "-c", str(self._configuration)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        give_up = time.monotonic() + PATIENCE
        while not _listens(self.port):
            told = (self.directory / "log").read_text()
            assert self._process.poll() is None, f"mosquitto has ended: {told}"
            assert time.monotonic() < give_up, f"mosquitto doesn't listen: {told}"
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it, without a moment to put anything in order."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def has_saved(self, *ids: str) -> bool:
        """Whether rules would survive if it were killed now."""
        saved = self.directory / "mosquitto.db"
        content = saved.read_bytes() if saved.exists() else b""
        return all(f"cascade/constraints/{id}".encode() in content for id in ids)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Operator:
    """Somebody who sets rules with another program, and hears what comes of it."""

    def __init__(self, client: Any) -> None:
        self.heard: list[Any] = []
        """The messages that were heard."""
        self._client = client
        self._rules: set[str] = set()

    async def publish(
        self, topic: str, payload: bytes | str = b"", qos: int = 0, retain: bool = False
    ) -> None:
        await self._client.publish(topic, payload, qos=qos, retain=retain)

    async def set(self, id: str, rule: str | bytes, qos: int = 0) -> None:
        """Set a rule, which ends with the test."""
        self._rules.add(id)
        await self.publish(f"cascade/constraints/{id}", rule, qos, retain=True)

    async def remove(self, id: str, qos: int = 0) -> None:
        """Remove a rule."""
        await self.publish(f"cascade/constraints/{id}", b"", qos, retain=True)

    async def hear(self, topic: str) -> None:
        """Hear of what is published from now on."""
        await self._client.subscribe(topic, qos=2)

    async def clean_up(self) -> None:
        for id in self._rules:
            await self.remove(id, qos=1)

    async def listen(self) -> None:
        async for message in self._client.messages:
            self.heard.append(message)


@asynccontextmanager
async def operator(broker: Broker) -> AsyncIterator[Operator]:
    """Connect an operator."""
    aiomqtt = pytest.importorskip("aiomqtt")
    async with aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        username=USER,
        password=PASSWORD,
        protocol=aiomqtt.ProtocolVersion.V5,
    ) as client:
        someone = Operator(client)
        listening = asyncio.ensure_future(someone.listen())
        try:
            yield someone
            await someone.clean_up()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    if client._misc_task is not None:  # it has been cancelled, but may not have ended yet
        await asyncio.wait({client._misc_task})


async def until(condition: Callable[[], Any], limit: float = PATIENCE) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < give_up, "it didn't come to it in time"
        await asyncio.sleep(0.005)
