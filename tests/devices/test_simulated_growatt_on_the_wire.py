"""The simulated Growatt inverter behind a real Modbus server, asked by a client that PEMS has no part in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pymodbus.client import AsyncModbusTcpClient

from pems_core.clock import FastClock
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.small_live_house import small_live_house

from .growatt_units import ALL_DAY, word

NOON = datetime(2026, 1, 15, 11, 0, 10, tzinfo=UTC)
SPEED = 1200.0
"""Twenty minutes of the house in a second."""
DEADLINE_S = 20.0
POLL_S = 0.05
HOUR_S = 3600.0


@asynccontextmanager
async def plant(
    family: Family,
) -> AsyncIterator[tuple[SimulatedGrowatt, AsyncModbusTcpClient, FastClock]]:
    """An inverter that lives by itself, a connection to it, and its time."""
    clock = FastClock(NOON, SPEED)
    house = small_live_house(clock, rooms=())
    inverter = SimulatedGrowatt(house, clock, family)
    living = asyncio.create_task(inverter.run())
    try:
        async with ModbusServer(inverter, clock) as server:
            client = AsyncModbusTcpClient("127.0.0.1", port=server.port, retries=0)
            await client.connect()
            yield inverter, client, clock
            client.close()
    finally:
        living.cancel()


async def input_reaches(client: AsyncModbusTcpClient, address: int, least: int) -> bool:
    for _ in range(round(DEADLINE_S / POLL_S)):
        if (await client.read_input_registers(address, count=1)).registers[0] >= least:
            return True
        await asyncio.sleep(POLL_S)
    return False


def mode(inverter: SimulatedGrowatt) -> str:
    return inverter.order.mode


async def test_a_slot_written_over_modbus_charges_the_battery() -> None:
    async with plant("sph") as (_, client, _):
        assert not (await client.write_registers(1090, [60, 100, 1])).isError()
        assert not (await client.write_registers(1100, [0, ALL_DAY, 1])).isError()
        assert await input_reaches(client, 1014, 55)


async def test_a_refused_write_gets_its_exception() -> None:
    async with plant("sph") as (_, client, _):
        answer = await client.write_registers(1100, [word(25), ALL_DAY, 1])
        assert answer.isError()
        assert answer.exception_code == 3


async def test_a_slot_ends_though_its_writer_is_gone() -> None:
    async with plant("sph") as (inverter, client, clock):
        await client.write_registers(1090, [60, 100, 1])
        await client.write_registers(1100, [word(12), word(12, 40), 1])
        client.close()
        await clock.sleep(HOUR_S)
        assert mode(inverter) == "load_first"


async def test_remote_power_ends_though_its_writer_is_gone() -> None:
    async with plant("vpp") as (inverter, client, clock):
        await client.write_register(30100, 1)
        await client.write_registers(30409, [50])
        await client.write_registers(30408, [30])
        await client.write_registers(30407, [1])
        assert mode(inverter) == "battery_first"
        client.close()
        await clock.sleep(HOUR_S)
        assert mode(inverter) == "load_first"
