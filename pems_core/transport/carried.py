"""Lines of a device whose messages somebody else carries: what is said goes through Node-RED, what is heard does not.

A plugin's transport speaks over them as over any lines: it keeps its spacing, counts its writes and reads back.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pems_core.clock import Clock
from pems_core.domain import Alert, Command, Reading, Receipt

from .lines import HttpAnswer, HttpLine, Lines, ModbusLine, MqttLine, MqttMessage, Space, UdpLine, WearBook
from .urgency import in_command

Wire = Mapping[str, Any]
"""One message as the MQTT contract words it."""
_COMMAND: ContextVar[Command | None] = ContextVar("command", default=None)


class Carriage(Protocol):
    """Who carries, if anybody does."""

    async def say(
        self, device: str, wire: Wire, command: Command | None, line: MqttLine, directly: Callable[[], Awaitable[None]]
    ) -> None:
        """Have a message carried, or say it directly, but never both.

        :param command: that it belongs to, if it belongs to one.
        :param line: over which the carrier is asked.
        :raises NotDelivered: if neither could be done, or nobody knows.
        """


class CarriedTransport:
    """A `Transport` around another whose device is carried."""

    def __init__(self, inner: "Inner", device: str, carriage: Carriage) -> None:
        self._inner = inner
        self._device = device
        self._carriage = carriage

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def devices(self) -> Sequence[str]:
        return self._inner.devices

    async def run(self, lines: Lines) -> None:
        """See `Transport.run`."""
        await self._inner.run(CarriedLines(lines, self._device, self._carriage))

    async def send(self, command: Command) -> Receipt:
        """See `Transport.send`; what it says meanwhile belongs to the command."""
        token = _COMMAND.set(command)
        try:
            return await self._inner.send(command)
        finally:
            _COMMAND.reset(token)

    async def check(self, command: Command) -> Receipt:
        """See `Transport.check`."""
        return await self._inner.check(command)

    async def beat(self, count: int) -> None:
        """See `Transport.beat`."""
        await self._inner.beat(count)

    def readings(self) -> Mapping[str, Reading]:
        return self._inner.readings()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self._inner.alerts


class Inner(Protocol):
    """What a `Transport` has; the protocol itself stands above the lines."""

    @property
    def name(self) -> str: ...

    @property
    def devices(self) -> Sequence[str]: ...

    async def run(self, lines: Lines) -> None: ...

    async def send(self, command: Command) -> Receipt: ...

    async def check(self, command: Command) -> Receipt: ...

    async def beat(self, count: int) -> None: ...

    def readings(self) -> Mapping[str, Reading]: ...

    @property
    def alerts(self) -> Sequence[Alert]: ...


class CarriedLines:
    """The `Lines` of one device, of which the ways out are carried."""

    def __init__(self, lines: Lines, device: str, carriage: Carriage) -> None:
        self._lines = lines
        self._device = device
        self._carriage = carriage

    @property
    def clock(self) -> Clock:
        return self._lines.clock

    @property
    def wear(self) -> WearBook:
        return self._lines.wear

    @property
    def mqtt(self) -> MqttLine:
        """See `Lines.mqtt`."""
        return _CarriedMqtt(self._lines.mqtt, self._say)

    def modbus(
        self,
        url: str,
        unit: int = 1,
        *,
        spacing_s: float = 1.0,
        timeout_s: float = 3.0,
        hurried_s: float | None = None,
    ) -> ModbusLine:
        """See `Lines.modbus`. Writes are asked for, and done here once they are let through."""
        line = self._lines.modbus(url, unit, spacing_s=spacing_s, timeout_s=timeout_s, hurried_s=hurried_s)
        return _AskedModbus(line, url, unit, self._say)

    def http(self, url: str, user: str = "", password: str = "") -> HttpLine:
        """See `Lines.http`. What a command asks for is done here once it is let through: passwords stay here."""
        return _AskedHttp(self._lines.http(url, user, password), url, self._say)

    def udp(self, target: str, listen_port: int | None = None) -> UdpLine:
        """See `Lines.udp`."""
        return _CarriedUdp(self._lines.udp(target, listen_port), target, self._say)

    async def _say(self, wire: Wire, directly: Callable[[], Awaitable[None]]) -> None:
        await self._carriage.say(self._device, wire, _COMMAND.get(), self._lines.mqtt, directly)


Say = Callable[[Wire, Callable[[], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True)
class _CarriedMqtt:
    line: MqttLine
    say: Say

    @property
    def connected(self) -> bool:
        return self.line.connected

    @property
    def connections(self) -> int:
        return self.line.connections

    async def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> None:
        wire = {"transport": "mqtt", "topic": topic, "payload": payload, "qos": qos, "retain": retain}
        await self.say(wire, lambda: self.line.publish(topic, payload, qos=qos, retain=retain))

    def messages(self, topic_filter: str, *, qos: int = 0) -> AbstractAsyncContextManager[AsyncIterator[MqttMessage]]:
        return self.line.messages(topic_filter, qos=qos)


@dataclass(frozen=True)
class _CarriedUdp:
    line: UdpLine
    target: str
    say: Say

    async def send(self, text: str) -> None:
        wire = {"transport": "udp", "target": self.target, "body": text}
        await self.say(wire, lambda: self.line.send(text))

    def datagrams(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, datetime]]]:
        return self.line.datagrams()


@dataclass(frozen=True)
class _AskedModbus:
    line: ModbusLine
    url: str
    unit: int
    say: Say

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        return await self.line.read(space, address, count)

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        wire = {
            "transport": "modbus",
            "target": f"{self.url} unit {self.unit}",
            "address": address,
            "values": list(values),
            "carried_by": "core",
        }
        await self.say(wire, lambda: self.line.write(address, values, single=single))


@dataclass(frozen=True)
class _AskedHttp:
    line: HttpLine
    url: str
    say: Say

    async def get(self, path: str, *, timeout_s: float = 5.0) -> HttpAnswer:
        answers: list[HttpAnswer] = []

        async def get() -> None:
            answers.append(await self.line.get(path, timeout_s=timeout_s))

        if in_command() or _COMMAND.get() is not None:
            await self.say({"transport": "http", "target": f"{self.url}{path}", "carried_by": "core"}, get)
        if not answers:
            await get()
        return answers[0]
