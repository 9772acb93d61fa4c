"""Who is asked next on a Modbus bus."""

import asyncio

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
