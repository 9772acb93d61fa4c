"""The engine, a process of its own, dies while the battery charges from the grid."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pems_core.clock import SystemClock
from pems_core.config import load_config
from pems_core.domain import HeatingSpec, floor_time
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.state_folder import read_json
from pems_core.simulation.devices.miniserver import Miniserver
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.modbus_server import ModbusServer
from tests.brokers import Mosquitto, free_port

from .clock import SkippingClock
from .house import CHARGE, WatchedGrowatt, house_text, live_house, over_modbus, running, say_overrides, usual

PATIENT_S = 150.0
"""Of the wall; a process starts, plans, and commands, on a busy machine."""
AHEAD = timedelta(seconds=45)
"""An inverter's clock may be a minute ahead; its slot begins so much sooner."""
GUARD_WITHIN_S = 40.0
"""It looks each second, starts lines of its own and reads back; the rest is for a busy machine."""
LOCAL_WITHIN = timedelta(minutes=5)
SLOT = timedelta(minutes=12)
"""Two cycles of 5 min, and what a slot is rounded up by."""


@dataclass
class Killable:
    """The devices of a house, and the process that runs it."""

    clock: SkippingClock
    inverter: WatchedGrowatt
    miniserver: Miniserver
    blueprint: Blueprint
    process: asyncio.subprocess.Process
    port: int

    @property
    def told_to_charge(self) -> bool:
        """Whether a slot to charge from the grid is there, begun or not."""
        return bool(self.inverter.get("holding", 1102) and self.inverter.get("holding", 1092))

    @property
    def charging(self) -> bool:
        return self.inverter.order.mode == "battery_first" and self.inverter.order.grid_charge

    async def charge(self, minutes: float) -> None:
        """Have PEMS charge from the grid, as a person does."""
        await say_overrides(self.port, CHARGE, for_minutes=minutes)

    async def until(self, condition: object, what: str, within_s: float = PATIENT_S) -> float:
        """Wait for something; how long it took [s of the wall]."""
        assert callable(condition)
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, f"{what}: not within {within_s:g} s; {self.inverter.order}"
            await asyncio.sleep(0.05)
        return time.monotonic() - began


@asynccontextmanager
async def killable(mosquitto: Mosquitto, folder: Path, *, guard: bool) -> AsyncIterator[Killable]:
    """`pems run` on a house that is charging from the grid, with its heating under control."""
    clock, port = SkippingClock(), free_port()
    file = folder / "pems.toml"
    file.write_text(house_text(mosquitto.url, over_modbus(port, poll_s=5.0), every_minutes=5), encoding="utf-8")
    (folder / "prices.csv").write_text(_prices(), encoding="utf-8")
    manager = load_plugins()
    config = load_config(file, declared_sections(manager), os.environ)
    blueprint = Blueprint(config, manager, SystemClock(), folder)
    series = usual({"import_price_per_kwh": 4.0})
    live = live_house(blueprint, clock, series, soc=0.5)
    inverter = WatchedGrowatt(live, clock, "sph")
    heating = blueprint.house.equipment["heating"]
    assert isinstance(heating, HeatingSpec)
    miniserver = Miniserver(live, heating)
    way = MiniserverMqtt(miniserver, mosquitto.url)
    words = ["run", "--house", str(file)] + ([] if guard else ["--no-guard"])
    async with (
        ModbusServer(inverter, clock, port=port),
        running(live.run(), inverter.run(), miniserver.run(), way.run()),
    ):
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "pems_core.cli", *words)
        house = Killable(clock, inverter, miniserver, blueprint, process, mosquitto.port)
        try:
            await house.until(lambda: miniserver.pems_ok, "PEMS_OK")
            await house.charge(minutes=8)
            await house.until(lambda: house.told_to_charge, "a slot to charge from the grid")
            yield house
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


def _prices() -> str:
    first = floor_time(datetime.now(UTC), timedelta(hours=1))
    lines = [f"{first + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ},3.0" for n in range(48)]
    return "\n".join(["utc_start,spot_price_per_kwh", *lines, ""])


def kill(house: Killable) -> None:
    """As the system does when memory runs out."""
    house.process.send_signal(signal.SIGKILL)


@pytest.mark.gate(2)
@pytest.mark.slow
async def test_the_guard_gives_the_battery_back_when_the_engine_is_killed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with killable(mosquitto, tmp_path, guard=True) as house:
        house.clock.skip(AHEAD)
        await house.until(lambda: house.charging, "charging from the grid")
        kill(house)
        await house.until(lambda: house.inverter.order.mode == "load_first", "self-use", GUARD_WITHIN_S)
        report = await _guarded(house)
        assert not house.told_to_charge
        assert not house.inverter.order.grid_charge
        assert report["all_back"] is True
        assert "inverter" in report["devices"]
        house.clock.skip(LOCAL_WITHIN)
        await house.until(lambda: not house.miniserver.pems_ok, "the watchdog of the Miniserver", 5.0)
        assert all(room.relay_input == -1.0 for room in house.miniserver.rooms.values())


async def _guarded(house: Killable) -> dict[str, Any]:
    """What the guard did; while it only watches it says no more than that."""
    file = house.blueprint.folder.guarded
    await house.until(lambda: read_json(file).get("all_back"), "the guard's report that all was given back")
    return read_json(file)


@pytest.mark.gate(2)
@pytest.mark.slow
async def test_slots_and_watchdog_end_by_themselves_when_nobody_is_left_to_give_back(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with killable(mosquitto, tmp_path, guard=False) as house:
        kill(house)
        await house.process.wait()
        house.clock.skip(timedelta(minutes=2))
        await house.until(lambda: house.charging, "charging with nobody there", 10.0)
        house.clock.skip(LOCAL_WITHIN - timedelta(minutes=2))
        await house.until(lambda: not house.miniserver.pems_ok, "the watchdog of the Miniserver", 5.0)
        house.clock.skip(SLOT - LOCAL_WITHIN)
        await house.until(lambda: house.inverter.order.mode == "load_first", "the end of the slot", 10.0)
