"""One Modbus connection from its opening to its end: what pymodbus 3.16 lets through is caught here.

pymodbus takes a reply of the wrong length and an echo of another value for success, repeats writes, and waits out
the whole timeout when the connection ends (protocols A.1, "pymodbus facts").
"""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from pems_core.domain import NotDelivered

from .lines import ModbusRefused, NoAnswer, Space
from .modbus_address import Address, SerialAddress
from .modbus_errors import WrongLength

_T = TypeVar("_T")

MOST_READ = 125
MOST_WRITTEN = 123
"""Registers in one request, by the Modbus specification."""
LAST_REGISTER = 0xFFFF

UNKNOWN_OUTCOME = {5: "works on it still", 11: "was not reached by its gateway"}
"""Exceptions of the Modbus specification after which a write may yet have been made."""

# What it reports as errors reaches the caller as exceptions, and noise on the bus would fill the log.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_NoFrame = (ModbusException, ValueError, IndexError, struct.error)


class _TcpFramer(FramerSocket):
    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        return _frame_or_noise(super().handleFrame, data, exp_devid, exp_tid)


class _RtuFramer(FramerRTU):
    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        return _frame_or_noise(super().handleFrame, data, exp_devid, exp_tid)


def _frame_or_noise(
    handle: Callable[[bytes, int, int], tuple[int, ModbusPDU | None]], data: bytes, unit: int, transaction: int
) -> tuple[int, ModbusPDU | None]:
    """Drop what no frame can be made of; pymodbus would raise into the event loop, which nobody can catch."""
    try:
        return handle(data, unit, transaction)
    except _NoFrame:
        return len(data), None


class ModbusWire:
    """A connection that is opened once. After anything but an answer it must be closed, and another one be made."""

    def __init__(self, url: str, address: Address, timeout_s: float, transactions: int = 0) -> None:
        """
        :param url: for people.
        :param timeout_s: for the connection and for each answer [s of the wall].
        :param transactions: see `transactions`; of the connection before this one.
        """
        self.transactions = transactions
        """The number of the last transaction. pymodbus would start at 1 again, and take a late answer to number 1
        from a gateway that passes it on to the next connection."""
        self._url = url
        self._client = _client(address, timeout_s, self._connection_changed)
        self._client.ctx.framer = _framer(address)
        self._waiting = False

    @property
    def up(self) -> bool:
        return bool(self._client.connected)

    async def open(self) -> None:
        """
        :raises NotDelivered: if there is no connection.
        """
        if not await _cancellable(self._client.connect()):
            raise NotDelivered(f"{self._url}: no connection")
        self._client.ctx.next_tid = self.transactions

    def close(self) -> None:
        self._client.close()

    async def read(self, unit: int, space: Space, address: int, count: int) -> tuple[int, ...]:
        """As `ModbusLine.read`, in one request."""
        function = 3 if space == "holding" else 4
        place = f"{self._url} unit {unit}, {space} {address}"
        ask = self._client.read_holding_registers if space == "holding" else self._client.read_input_registers
        answer = await self._answer(place, function, lambda: ask(address, count=count, device_id=unit))
        came = len(answer.registers)
        if came != count:
            raise WrongLength(f"{place}: {came} registers came, {count} were asked for", came)
        return tuple(answer.registers)

    async def write(self, unit: int, address: int, values: Sequence[int], *, single: bool) -> None:
        """As `ModbusLine.write`."""
        place = f"{self._url} unit {unit}, write to holding {address}"
        if single:
            value = values[0]
            echo = await self._answer(place, 6, lambda: self._client.write_register(address, value, device_id=unit))
            said, expected = (echo.address, *echo.registers), (address, value)
        else:
            many = list(values)
            echo = await self._answer(place, 16, lambda: self._client.write_registers(address, many, device_id=unit))
            said, expected = (echo.address, echo.count), (address, len(many))
        if said != expected:
            raise NoAnswer(f"{place}: the echo is of {said}, sent was {expected}")

    async def _answer(self, place: str, function: int, ask: Callable[[], Awaitable[ModbusPDU]]) -> ModbusPDU:
        try:
            asked = ask()
        except ConnectionException:
            raise NotDelivered(f"{place}: the connection was lost before") from None
        self._waiting = True
        try:
            answer = await _cancellable(asked)
        except ConnectionException:
            raise NoAnswer(f"{place}: the connection was lost") from None
        except ModbusException:
            raise NoAnswer(f"{place}: no answer in time") from None
        finally:
            self._waiting = False
            self.transactions = self._client.ctx.next_tid
        return _accepted(place, answer, function)

    def _connection_changed(self, up: bool) -> None:
        future = self._client.ctx.response_future
        if not up and self._waiting and not future.done():
            future.set_exception(ConnectionException("lost"))


async def _cancellable(asked: Awaitable[_T]) -> _T:
    """What was asked for, unless whoever asked is to end.

    Before Python 3.12 the `wait_for` in pymodbus swallows a cancellation that comes together with the
    answer (bpo-37658).
    """
    task = asyncio.current_task()
    cancelled = 0 if task is None else task.cancelling()
    answer = await asked
    if task is not None and task.cancelling() > cancelled:
        raise asyncio.CancelledError
    return answer


def _accepted(place: str, answer: ModbusPDU, function: int) -> ModbusPDU:
    if answer.function_code == function:
        return answer
    if answer.function_code != function | 0x80:
        raise NoAnswer(f"{place}: the answer is to function {answer.function_code & 0x7F}, asked was {function}")
    code = answer.exception_code
    if code in UNKNOWN_OUTCOME:
        raise NoAnswer(f"{place}: exception {code}, the device {UNKNOWN_OUTCOME[code]}")
    raise ModbusRefused(f"{place}: refused with exception {code}", code)


def _client(
    address: Address, timeout_s: float, changed: Callable[[bool], None]
) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
    """A client that neither repeats nor reconnects by itself."""
    if isinstance(address, SerialAddress):
        return AsyncModbusSerialClient(
            address.device,
            baudrate=address.baud,
            parity=address.parity,
            stopbits=address.stop_bits,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=changed,
        )
    return AsyncModbusTcpClient(
        address.host,
        port=address.port,
        framer=FramerType.RTU if address.rtu else FramerType.SOCKET,
        timeout=timeout_s,
        retries=0,
        reconnect_delay=0,
        trace_connect=changed,
    )


def _framer(address: Address) -> FramerBase:
    return _RtuFramer(DecodePDU(False)) if address.rtu else _TcpFramer(DecodePDU(False))
