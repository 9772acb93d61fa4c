"""A simulated Miniserver on UDP: virtual UDP inputs, and a logger that sends what it sees (protocols C.4)."""

import asyncio
import random
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from .miniserver import Miniserver, Power

TELLS_EVERY_S = 30.0
LOSS = 0.1
"""Share of datagrams that are lost, doubled, or late (trap 87), each."""


class MiniserverUdp(asyncio.DatagramProtocol):
    """Listens on a port of its own; sends lines `time;name;value;room;type;tag1;tag2` in local time."""

    def __init__(
        self, miniserver: Miniserver, target_port: int, *, timezone: str = "Europe/Prague", name: str = "Miniserver"
    ) -> None:
        """
        :param target_port: where PEMS listens, on this machine.
        :param name: of the logger, which may have a semicolon in it.
        """
        self._miniserver = miniserver
        self._target_port = target_port
        self._zone = ZoneInfo(timezone)
        self._name = name
        self._transport: asyncio.DatagramTransport | None = None
        self._sequence = 0
        self._late: bytes | None = None
        self._random = random.Random(1)  # noqa: S311 - which datagrams are lost is no secret
        self.heard: list[str] = []
        """Every datagram that arrived."""

    async def start(self) -> None:
        """Open the port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))

    @property
    def target(self) -> str:
        """Where PEMS sends to."""
        if self._transport is None:
            raise RuntimeError("the port is not open; start() opens it")
        return f"127.0.0.1:{self._transport.get_extra_info('sockname')[1]}"

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def run(self) -> None:
        """Tell what is so, every half minute, until cancelled."""
        while True:
            if self._miniserver.power is Power.READY:
                for line in self.lines():
                    self._send(f"{line}\n".encode())
            await self._miniserver.clock.sleep(TELLS_EVERY_S)

    def lines(self) -> Iterator[str]:
        """One line for each value."""
        shown = f"{self._miniserver.clock.now().astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
        for room in self._miniserver.rooms:
            view = self._miniserver.view(room)
            yield f"{shown};{self._name};{self._number(view.temperature_c)};{room};temperature;;"
            yield f"{shown};{self._name};{self._number(view.target_c)};{room};target;;"
            yield f"{shown};{self._name};{int(view.relay)};{room};output;heating;"
            yield f"{shown};{self._name};{self._number(view.power_kw)};{room};power_kw;;"
            yield f"{shown};{self._name};{int(view.window)};{room};window;;"
            yield f"{shown};{self._name};{int(view.user)};{room};user;;"
        yield f"{shown};{self._name};{int(self._miniserver.pems_ok)};;pems_ok;;"

    def _number(self, value: float) -> str:
        return f"{value:g}".replace(".", ",") if "88" in self._miniserver.traps else f"{value:g}"

    def _send(self, line: bytes) -> None:
        for datagram in self._on_the_way(line):
            if self._transport is not None:
                self._transport.sendto(datagram, ("127.0.0.1", self._target_port))

    def datagram_received(self, data: bytes, addr: object) -> None:
        for datagram in self._on_the_way(data):
            text = datagram.decode(errors="replace")
            self.heard.append(text)
            if self._miniserver.power is Power.READY:
                self._recognise(text)

    def _on_the_way(self, data: bytes) -> list[bytes]:
        """What becomes of a datagram: with trap 87 some are lost, some come twice, some after the next one."""
        late, self._late = self._late, None
        arriving = [] if late is None else [late]
        if "87" not in self._miniserver.traps:
            return [data, *arriving]
        fate = self._random.random()
        if fate < LOSS:
            return arriving
        if fate < 2 * LOSS:
            return [data, data, *arriving]
        if fate < 3 * LOSS:
            self._late = data
            return arriving
        return [data, *arriving]

    def _recognise(self, text: str) -> None:
        """Command recognition `;key=\\v`, behind a comparison of `;seq=` with the last."""
        values = {key: float(value) for key, value in re.findall(r";([a-z][a-z0-9_]*)=(-?\d+(?:\.\d+)?)(?=;)", text)}
        sequence = int(values.pop("seq", 0))
        if sequence <= self._sequence:
            return
        self._sequence = sequence
        if "heartbeat" in values:
            self._miniserver.hear_beat(values.pop("heartbeat"))
        for key, value in values.items():
            for room in self._miniserver.rooms:
                if key == f"{room}_relay":
                    self._miniserver.set_relay(room, value)
                elif key == f"{room}_setpoint_c":
                    self._miniserver.set_setpoint(room, value)
