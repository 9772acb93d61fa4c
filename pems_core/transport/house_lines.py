"""The lines of one house, made when they are asked for and closed together."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pems_core.clock import Clock
from pems_core.config.live import EMBEDDED, MqttSection
from pems_core.domain import Alert, ConfigError

from .http import HttpConnection
from .lines import HttpLine, ModbusLine, MqttLine, UdpLine, WearBook
from .mqtt import LastWords, MqttConnection
from .udp import UdpConnection, UdpEndpoint

if TYPE_CHECKING:
    from .broker import EmbeddedBroker
    from .modbus import ModbusConnection
    from .modbus_address import Address


class HouseLines:
    """The `Lines` of a house. From entering to leaving, the broker's connection is kept up."""

    def __init__(
        self,
        section: MqttSection | None,
        clock: Clock,
        wear: WearBook,
        name: str = "pems",
        will: tuple[str, str] | None = None,
    ) -> None:
        """
        :param section: the house file's [mqtt], if it has one.
        :param name: how the broker sees PEMS.
        :param will: topic and payload that are retained when PEMS is gone, in good order or not.
        :raises ConfigError: if the broker's address or certificates cannot be used.
        """
        self._clock = clock
        self._wear = wear
        self._open = AsyncExitStack()
        self._buses: dict[Address, tuple[ModbusConnection, tuple[float, float]]] = {}
        self._servers: dict[tuple[str, str, str], HttpConnection] = {}
        self._endpoints: dict[int | None, UdpEndpoint] = {}
        self._broker: EmbeddedBroker | None = None
        self._mqtt: MqttConnection | None = None
        if section is not None:
            if section.url == EMBEDDED:
                self._broker = _embedded_broker()
                section = section.model_copy(update={"url": self._broker.url})
            last_words = LastWords(*will) if will else None
            self._mqtt = MqttConnection(section, clock, name, will=last_words, farewell=last_words)

    async def __aenter__(self) -> Self:
        """
        :raises OSError: if the embedded broker cannot listen.
        """
        if self._broker is not None:
            await self._open.enter_async_context(self._broker)
        if self._mqtt is not None:
            self._open.push_async_callback(_end, asyncio.create_task(self._mqtt.run(), name="mqtt"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection, _ in self._buses.values():
            self._open.push_async_callback(connection.close)
        for server in self._servers.values():
            self._open.push_async_callback(server.close)
        for endpoint in self._endpoints.values():
            self._open.push_async_callback(endpoint.close)
        await self._open.aclose()

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def wear(self) -> WearBook:
        return self._wear

    @property
    def mqtt(self) -> MqttLine:
        """See `Lines`."""
        if self._mqtt is None:
            raise ConfigError(["mqtt: not in the house file; something in the house is reached over a broker"])
        return self._mqtt

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong with the lines now."""
        broker = self._mqtt.alerts if self._mqtt is not None else ()
        return [*broker, *(alert for connection, _ in self._buses.values() for alert in connection.alerts)]

    def modbus(
        self,
        url: str,
        unit: int = 1,
        *,
        spacing_s: float = 1.0,
        timeout_s: float = 3.0,
        hurried_s: float | None = None,
    ) -> ModbusLine:
        """See `Lines`. All who name one bus share its connection, and with it the turn and the spacing.

        :raises ConfigError: if they want it at different paces.
        :raises ValueError: if the url or the unit is none.
        """
        from .modbus import ModbusConnection
        from .modbus_address import parse_address

        address, pace = parse_address(url), (spacing_s, timeout_s)
        if address not in self._buses:
            self._buses[address] = ModbusConnection(url, self._clock, *pace), pace
        connection, known = self._buses[address]
        if pace != known:
            found = f"spacing and timeout {known[0]:g} and {known[1]:g} s, and {spacing_s:g} and {timeout_s:g} s"
            raise ConfigError([f"{url}: found {found}; allowed: one pace for all who share a bus"])
        connection.hurry_after(spacing_s if hurried_s is None else hurried_s)
        return connection.unit(unit)

    def http(self, url: str, user: str = "", password: str = "") -> HttpLine:
        """See `Lines`.

        :raises ValueError: if the url is not that of a server.
        """
        key = (url.rstrip("/"), user, password)
        if key not in self._servers:
            self._servers[key] = HttpConnection(url, user, password)
        return self._servers[key]

    def udp(self, target: str, listen_port: int | None = None) -> UdpLine:
        """See `Lines`. All who listen on one port share its socket.

        :raises ValueError: if the target is none.
        """
        endpoint = self._endpoints.setdefault(listen_port, UdpEndpoint(listen_port, self._clock))
        return UdpConnection(target, endpoint)


def _embedded_broker() -> "EmbeddedBroker":
    # Its library takes long to load, and only trials need it.
    from .broker import EmbeddedBroker

    return EmbeddedBroker()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has put itself in order.

    :raises Exception: what ended it before, if it was an error.
    """
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
