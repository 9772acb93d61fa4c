"""A gateway in front of the simulated inverter: what PEMS commands, the house's battery does."""

from datetime import UTC, datetime, timedelta

import pytest
from pems_growatt.inverter import HybridInverter
from pems_growatt.oig import OigTransport

from pems_core.clock import FastClock
from pems_core.config.live import MqttSection
from pems_core.domain import BatteryState, InverterState, Quality, SiteState, Stage, Value
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.oig_stick import OigStick
from pems_core.simulation.devices.oig_tables import Build
from pems_core.simulation.devices.small_live_house import INVERTER, small_live_house
from pems_core.transport.house_lines import HouseLines
from tests.brokers import Mosquitto

from .house import SECTION, Book, running, until

START = datetime(2025, 1, 15, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(("build", "family"), [("124", "sph"), ("3000", "tl_xh")])
async def test_charges_from_the_grid_when_told_and_stops_when_released(
    mosquitto: Mosquitto, build: Build, family: str
) -> None:
    clock = FastClock(START, speed=30)
    inverter = SimulatedGrowatt(small_live_house(clock), clock, family)  # type: ignore[arg-type]
    stick = OigStick(inverter, clock, "127.0.0.1", mosquitto.port, build=build)
    device = HybridInverter("inverter", INVERTER, "Europe/Prague")
    transport = OigTransport("inverter", SECTION, INVERTER, "Europe/Prague")

    def power_kw(point: str) -> float:
        reading = transport.readings().get(f"inverter/{point}")
        return float(reading.value) if reading and reading.quality is Quality.GOOD else -1.0

    async with HouseLines(MqttSection(url=mosquitto.url), clock, Book()) as lines:
        await until(lambda: lines.mqtt.connected, "a connection to the broker")
        async with running(transport.run(lines), stick.run(), inverter.run()):
            await until(lambda: power_kw("soc") >= 0, "telemetry")
            charge: dict[str, Value] = {
                "mode": "battery_first",
                "charge_power_kw": 2.0,
                "battery_charge_grid": True,
                "stop_soc": 0.9,
            }
            now = clock.now()
            state = SiteState(now, {"inverter": InverterState(BatteryState(0.5))})
            for command in device.encode(charge, now, now + timedelta(hours=1), state):
                assert (await transport.send(command)).stage is Stage.READBACK_OK
            await until(lambda: power_kw("charge_kw") > 1.5, "charging")
            await until(lambda: power_kw("import_kw") > 1.5, "charging from the grid")
            mode = transport.readings()["inverter/mode"]
            for command in device.release():
                assert (await transport.send(command)).stage is Stage.READBACK_OK
            await until(lambda: power_kw("charge_kw") == 0.0, "the end of charging")
            assert mode.unit == ""
