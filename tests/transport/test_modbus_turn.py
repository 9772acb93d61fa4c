"""Who is asked next on a Modbus bus."""

import asyncio
from itertools import pairwise

import pytest

from pems_core.transport.lines import NoAnswer
from pems_core.transport.urgency import commands_first

from .modbus_units import wired


async def test_a_command_overtakes_the_requests_of_a_poll() -> None:
    async with wired("tcp", speed=10.0) as unit:
        line = unit.line

        async def poll() -> None:
            await asyncio.gather(*(line.read("input", 1090 + k, 1) for k in range(4)))

        async def command() -> None:
            with commands_first():
                await line.read("holding", 3, 1)
                await line.write(3, [40])
                await line.read("holding", 3, 1)

        polling = asyncio.create_task(poll())
        while not unit.server.log:  # noqa: ASYNC110 (the server tells nobody)
            await asyncio.sleep(0.001)
        await command()
        await polling
        asked = [(request.function, request.address) for request in unit.server.log]
        assert asked == [(4, 1090), (3, 3), (16, 3), (3, 3), (4, 1091), (4, 1092), (4, 1093)]


@pytest.mark.trap("14")
async def test_a_command_waits_less_for_a_look_than_a_look_does() -> None:
    """The inverter hears nothing for 0.85 s: what a person waits for comes right after that, all else after 1 s."""
    async with wired("tcp", speed=2.0) as unit:
        line = unit.line
        unit.connection.hurry_after(0.85)
        unit.traps.set("14")

        async def command() -> None:
            with commands_first():
                await line.read("holding", 3, 1)
                await line.write(3, [40])

        await line.read("input", 1090, 1)
        # The poll waits for its second request already when the command comes.
        poll = asyncio.create_task(line.read("input", 1091, 1))
        await unit.clock.sleep(0.2)
        await command()
        await poll
        times = [request.at_s for request in unit.server.log]
        first, second, third = (later - earlier for earlier, later in pairwise(times))
        assert 0.85 <= first < 1.0
        assert second >= 1.0
        assert third >= 1.0


async def test_after_an_error_a_command_waits_as_all_do() -> None:
    async with wired("tcp", speed=10.0, timeout_s=0.1) as unit:
        line = unit.line
        unit.connection.hurry_after(0.85)
        unit.traps.set("15")
        with pytest.raises(NoAnswer):
            await line.read("input", 1090, 1)
        unit.traps.clear("15")
        with commands_first():
            await line.read("holding", 3, 1)
        before, after = (request.at_s for request in unit.server.log[-2:])
        assert after - before >= 2.0


async def test_a_bus_is_hurried_no_more_than_each_of_its_units_bears() -> None:
    async with wired("tcp", speed=10.0) as unit:
        unit.connection.hurry_after(0.5)
        unit.connection.hurry_after(0.9)
        unit.connection.hurry_after(0.7)
        await unit.line.read("input", 1090, 1)
        with commands_first():
            await unit.line.read("holding", 3, 1)
        before, after = (request.at_s for request in unit.server.log)
        assert after - before >= 0.9


async def test_a_cancelled_command_holds_up_nobody() -> None:
    async with wired("tcp", speed=10.0) as unit:
        line = unit.line

        async def command() -> None:
            with commands_first():
                await line.read("holding", 3, 1)

        await line.read("input", 1090, 1)
        poll = asyncio.create_task(line.read("input", 1091, 1))
        await asyncio.sleep(0.01)
        asked = asyncio.create_task(command())
        await asyncio.sleep(0.01)
        asked.cancel()
        async with asyncio.timeout(5):
            assert await poll == (11091,)
