"""Modbus lines: one request at a time on each connection, spaced, and nothing believed that was not asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pems_core.clock import Clock
from pems_core.domain import Alert, NotDelivered

from .lines import ModbusRefused, Space
from .modbus_address import TcpAddress, parse_address
from .modbus_breaker import Breaker
from .modbus_errors import LeftAlone
from .modbus_pace import Pace
from .modbus_turn import Turn
from .modbus_wire import LAST_REGISTER, MOST_READ, MOST_WRITTEN, ModbusWire
from .urgency import in_command

READ_ATTEMPTS = 3
BUSY = (6, 8)
"""Exceptions after which a read is worth repeating: busy, and the device's own CRC error (protocols A.1)."""

IDLE_S = 50.0
"""Of the clock. Gateways drop connections that were idle for 60 s, and with them the next write (protocols A.1, #375):
one that was idle longer than this is opened anew."""

_T = TypeVar("_T")


class ModbusConnection:
    """The connection to one gateway or bus, shared by all units behind it; opened when first needed."""

    def __init__(self, url: str, clock: Clock, spacing_s: float = 1.0, timeout_s: float = 3.0) -> None:
        """
        :param url: see `Lines.modbus`.
        :param spacing_s: least time between two requests [s of the clock].
        :param timeout_s: for the connection and for each answer [s of the wall].
        :raises ValueError: if the url names no address.
        """
        self.url = url
        self._address = parse_address(url)
        self._clock = clock
        self._timeout_s = timeout_s
        self._pace = Pace(clock, spacing_s)
        self._turn = Turn(clock, self._pace)
        self._wire: ModbusWire | None = None
        self._transactions = 0
        self._late_reply_possible = False
        self._closed = False
        self._units: dict[int, ModbusUnit] = {}

    def unit(self, number: int) -> "ModbusUnit":
        """The line to one unit; the same each time.

        :raises ValueError: if the number is none of 1..254.
        """
        if not 1 <= number <= 254:
            raise ValueError(f"found unit {number}; allowed: 1 to 254")
        return self._units.setdefault(number, ModbusUnit(self, number, self._clock))

    def hurry_after(self, rest_s: float) -> None:
        """Take it for the `hurried_s` of `Lines.modbus`, unless another unit of the bus needs more."""
        self._pace.hurry_after(rest_s)

    @property
    def alerts(self) -> Sequence[Alert]:
        """The units that do not answer now."""
        return tuple(alert for unit in self._units.values() if (alert := unit.alert))

    async def exchange(self, talk: Callable[[ModbusWire], Awaitable[_T]], gate: Callable[[], None]) -> _T:
        """One request and its answer, when its turn has come.

        :param gate: raises if the request is not to be made, or not any more when its turn has come.
        :raises NotDelivered: if nothing was sent, and as `talk` does.
        """
        self._require_open()
        gate()
        async with self._turn.taken():
            self._require_open()
            gate()
            answered = False
            try:
                wire = await self._open_wire()
                answer = await talk(wire)
                answered = True
            except ModbusRefused:
                answered = True
                raise
            finally:
                # Also when it is cancelled: its answer is on the way, and would be taken for the next one's.
                self._pace.ended(well=answered, command=in_command())
                if not answered:
                    self._late_reply_possible = True
                    self._drop()
            return answer

    async def close(self) -> None:
        """Close it for good, after the exchange that is going on."""
        self._closed = True
        async with self._turn.taken(rested=False):
            self._drop()

    def _require_open(self) -> None:
        if self._closed:
            raise NotDelivered(f"{self.url} was closed")

    async def _open_wire(self) -> ModbusWire:
        forgotten = isinstance(self._address, TcpAddress) and self._pace.idle_s > IDLE_S
        if self._wire is not None and (forgotten or not self._wire.up):
            self._drop()
        if self._wire is None:
            self._wire = ModbusWire(self.url, self._address, self._timeout_s, self._transactions)
            await self._wire.open()
            await self._drain()
        return self._wire

    async def _drain(self) -> None:
        """Let a late reply pass: RTU frames do not say to which request they belong (protocols A.1, trap 10)."""
        if self._late_reply_possible and self._address.rtu:
            await asyncio.sleep(self._timeout_s / 2)
        self._late_reply_possible = False

    def _drop(self) -> None:
        if self._wire is not None:
            self._transactions = self._wire.transactions
            self._wire.close()
            self._wire = None


class ModbusUnit:
    """A `ModbusLine` to one unit of a connection."""

    def __init__(self, connection: ModbusConnection, number: int, clock: Clock) -> None:
        self.connection = connection
        self.place = f"{connection.url} unit {number}"
        self._number = number
        self._breaker = Breaker(clock, self.place)

    @property
    def alert(self) -> Alert | None:
        """What is wrong now."""
        return self._breaker.alert

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        """As `ModbusLine.read`; asked up to three times.

        :raises NotDelivered: if there is no connection, or if the unit is left alone for a while.
        """
        _require_place(address, count, MOST_READ)
        number = self._number
        return await self._ask(lambda wire: wire.read(number, space, address, count), READ_ATTEMPTS)

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        """As `ModbusLine.write`.

        :raises NotDelivered: if there is no connection, or if the unit is left alone: nothing was sent.
        """
        _require_place(address, len(values), 1 if single else MOST_WRITTEN)
        if not all(0 <= value <= 0xFFFF for value in values):
            raise ValueError(f"found {list(values)}; a register holds 0 to 65535")
        number = self._number
        await self._ask(lambda wire: wire.write(number, address, values, single=single), 1)

    async def _ask(self, talk: Callable[[ModbusWire], Awaitable[_T]], attempts: int) -> _T:
        while True:
            attempts -= 1
            try:
                answer = await self.connection.exchange(talk, self._breaker.require_closed)
            except ModbusRefused as refused:
                self._breaker.succeeded()
                if not attempts or refused.code not in BUSY:
                    raise
            except LeftAlone:
                raise
            except NotDelivered as error:
                self._breaker.failed(str(error))
                if not attempts or self._breaker.open:
                    raise
            else:
                self._breaker.succeeded()
                return answer


def _require_place(address: int, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise ValueError(f"found {count} registers; 1 to {most} are allowed in one request")
    if not 0 <= address <= LAST_REGISTER + 1 - count:
        raise ValueError(f"found registers {address} to {address + count - 1}; 0 to {LAST_REGISTER} are allowed")
