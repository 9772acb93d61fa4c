"""A running engine against a real broker and an inverter behind it."""

from .conftest import Start, wait_for


async def test_plans_and_commands_the_inverter(start_engine: Start) -> None:
    async with start_engine() as running:
        decision = await wait_for(lambda: running.ears.last("decision/inverter/mode"))
        await wait_for(lambda: running.server.told)
        assert running.server.told["mode"] == decision["value"]
        assert running.ears.last("status")["state"] in ("running", "unhealthy")
        assert running.ears.last("status")["rung"] == "solver"
