"""Datagrams out to one target, and in on one port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from urllib.parse import urlsplit

from pems_core.clock import Clock
from pems_core.domain import NotDelivered

from .mailbox import Mailbox

RESOLVE_TIMEOUT_S = 3.0
MOST_WAITING_DATAGRAMS = 1000

Datagram = tuple[str, datetime]


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, endpoint: "UdpEndpoint") -> None:
        self._endpoint = endpoint
        self.error: OSError | None = None
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._endpoint.deliver(data)

    def error_received(self, exc: Exception) -> None:
        self.error = exc if isinstance(exc, OSError) else OSError(str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


class UdpEndpoint:
    """One socket, shared by all lines that listen on its port. It opens when it is first needed."""

    def __init__(self, listen_port: int | None, clock: Clock) -> None:
        """
        :param listen_port: where everybody may send to; None only sends.
        """
        self.listen_port = listen_port
        self._clock = clock
        self._listeners: list[Mailbox[Datagram]] = []
        self._open: tuple[asyncio.DatagramTransport, _Receiver] | None = None
        self._opening = asyncio.Lock()

    def deliver(self, data: bytes) -> None:
        """Hand what arrived to all who listen."""
        arrived = data.decode(errors="replace"), self._clock.now()
        for listener in self._listeners:
            listener.put(arrived)

    async def send(self, data: bytes, host: str, port: int) -> None:
        """
        :raises NotDelivered: if the operating system does not take the datagram.
        """
        where = f"udp {host}:{port}"
        try:
            address = await _resolve(host, port)
            transport, receiver = await self._opened()
        except (OSError, UnicodeError, TimeoutError) as error:
            raise NotDelivered(f"{where}: {str(error) or 'no address in time'}") from error
        receiver.error = None
        transport.sendto(data, address)
        # What the system refuses at once it has told the receiver by now; nobody else ever says anything.
        if receiver.error is not None:
            raise NotDelivered(f"{where}: {receiver.error}")

    @asynccontextmanager
    async def datagrams(self) -> AsyncIterator[AsyncIterator[Datagram]]:
        """
        :raises NotDelivered: if the port is taken.
        """
        mailbox: Mailbox[Datagram] = Mailbox(MOST_WAITING_DATAGRAMS)
        try:
            await self._opened()
        except OSError as error:
            raise NotDelivered(f"udp port {self.listen_port} cannot be listened on: {error}") from error
        self._listeners.append(mailbox)
        try:
            yield mailbox
        finally:
            self._listeners.remove(mailbox)

    async def close(self) -> None:
        if self._open is not None:
            (transport, receiver), self._open = self._open, None
            transport.close()
            await receiver.closed.wait()

    async def _opened(self) -> tuple[asyncio.DatagramTransport, _Receiver]:
        async with self._opening:
            if self._open is None or self._open[0].is_closing():
                self._open = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Receiver(self),
                    local_addr=("0.0.0.0", self.listen_port or 0),  # noqa: S104 (the Miniserver is another machine)
                    family=socket.AF_INET,
                )
            return self._open


class UdpConnection:
    """A `UdpLine` over an endpoint."""

    def __init__(self, target: str, endpoint: UdpEndpoint) -> None:
        """
        :param target: `host:port`.
        :raises ValueError: if it is none.
        """
        self._host, self._port = _host_and_port(target)
        self._endpoint = endpoint

    async def send(self, text: str) -> None:
        """See `UdpLine`."""
        await self._endpoint.send(text.encode(errors="replace"), self._host, self._port)

    def datagrams(self) -> AbstractAsyncContextManager[AsyncIterator[Datagram]]:
        """See `UdpLine`.

        :raises ValueError: if the line was made without a port to listen on.
        """
        if self._endpoint.listen_port is None:
            raise ValueError("found no port to listen on; allowed: a line with listen_port")
        return self._endpoint.datagrams()


def _host_and_port(target: str) -> tuple[str, int]:
    parts = urlsplit(f"//{target}")
    with suppress(ValueError):
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise ValueError(f"found the target {target!r}; allowed: host:port")


async def _resolve(host: str, port: int) -> tuple[str, int]:
    """The address now: a Miniserver may get another one while PEMS runs."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVE_TIMEOUT_S):
        found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    address = found[0][4]
    return str(address[0]), int(address[1])
