"""A simulated Modbus unit and a line to it, for tests of what stands between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pems_core.clock import FastClock
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from pems_core.simulation.devices.registers import RegisterBank
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.modbus import ModbusConnection, ModbusUnit

START = datetime(2026, 1, 15, 12, tzinfo=UTC)
GROUPS = (range(125), range(125, 250), range(1000, 1125), range(3000, 3125))
Framing = Literal["tcp", "rtu"]


@dataclass
class Wired:
    """A unit, what serves it and the line to it."""

    clock: FastClock
    bank: RegisterBank
    traps: Traps
    server: ModbusServer
    connection: ModbusConnection

    @property
    def line(self) -> ModbusUnit:
        return self.connection.unit(1)


def bank(traps: Traps | None = None) -> RegisterBank:
    """Every register of every group, each holding what tells its space and address."""
    made = RegisterBank({"holding": GROUPS, "input": GROUPS}, traps)
    for group in GROUPS:
        for address in group:
            made.put("holding", address, address)
            made.put("input", address, 10000 + address)
    return made


@asynccontextmanager
async def wired(
    framing: Framing = "tcp",
    *,
    speed: float = 100.0,
    spacing_s: float = 1.0,
    timeout_s: float = 2.0,
    device: RegisterBank | None = None,
    terms: WireTrapTerms | None = None,
    units: tuple[int, ...] = (1,),
) -> AsyncIterator[Wired]:
    """
    :param speed: of the clock: 1 s of spacing takes 10 ms at 100.
    """
    clock = FastClock(START, speed)
    traps = device.traps if device else Traps()
    device = device or bank(traps)
    async with ModbusServer(device, clock, traps, framing=framing, terms=terms, units=units) as server:
        connection = ModbusConnection(url(framing, server.port), clock, spacing_s, timeout_s)
        try:
            yield Wired(clock, device, traps, server, connection)
        finally:
            await connection.close()


def url(framing: Framing, port: int) -> str:
    scheme = {"tcp": "tcp", "rtu": "rtu+tcp"}[framing]
    return f"{scheme}://127.0.0.1:{port}"


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to come about, at most 20 s."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.005)
