"""The pump keeps the promises of every device, and says what a Shelly plug understands."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from pems_pool_pump import PoolPump, PoolPumpSection
from pems_pool_pump.plug import ShellyPlug
from pems_pool_pump.simulated import SimulatedPlug

from pems_core.clock import SystemClock
from pems_core.config import MqttSection
from pems_core.domain import FlexibleLoadState, Readings, SiteState, Stage
from pems_core.testing import DEVICE_CONTRACT, DeviceCase
from pems_core.transport.broker import EmbeddedBroker
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.uncounted import UncountedWear

NOON = datetime(2025, 7, 15, 12, tzinfo=UTC)


@pytest.fixture
def pump() -> PoolPump:
    section = PoolPumpSection(power_kw=0.8, hours_per_day=5.0, skipped_price_per_kwh=10.0)
    return PoolPump("pool_pump", section.spec("Europe/Prague"))


@pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
def test_the_pump_keeps(promise: Callable[[DeviceCase], None], pump: PoolPump) -> None:
    promise(DeviceCase(pump, {"pool_pump/energy_needed_kwh": (4.0, "kWh")}))


def test_a_rest_ends_by_itself(pump: PoolPump) -> None:
    house = SiteState(NOON, {"pool_pump": FlexibleLoadState(4.0)})
    [command] = pump.encode({"power_kw": 0.0}, NOON, NOON + timedelta(minutes=15), house)
    assert command.address == "pool_pump/rpc"
    assert json.loads(command.payload)["params"] == {"id": 0, "on": False, "toggle_after": 900.0}


@pytest.mark.parametrize(("deaf", "stage"), [(False, Stage.READBACK_OK), (True, Stage.NO_EFFECT)])
def test_a_command_counts_when_the_plug_shows_it(deaf: bool, stage: Stage, pump: PoolPump) -> None:
    async def converse() -> None:
        async with EmbeddedBroker() as broker:
            garden, plug = SimulatedPlug(broker.port, deaf=deaf), ShellyPlug("pool_pump", pump.spec)
            async with HouseLines(MqttSection(url=broker.url), SystemClock(), UncountedWear()) as lines:
                tasks = [asyncio.create_task(garden.run()), asyncio.create_task(plug.run(lines))]
                while not plug.readings():  # noqa: ASYNC110 - the protocol is asked, it does not call
                    await asyncio.sleep(0.05)
                now = lines.clock.now()
                assert pump.state(Readings(now, plug.readings())).energy_needed_kwh == pytest.approx(4.0, abs=0.01)
                house = SiteState(now, {"pool_pump": FlexibleLoadState(4.0)})
                [command] = pump.encode({"power_kw": 0.0}, now, now + timedelta(minutes=15), house)
                receipt = await plug.send(command)
                assert receipt.stage is stage
                assert garden.on is deaf
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    asyncio.run(asyncio.wait_for(converse(), 30))
