"""The engine and its guard as real processes, against the simulated devices of the reference house."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pems_core.clock import Clock, SystemClock
from pems_core.commanding.emergency import EmergencyStop
from pems_core.commanding.overrides import Overrides
from pems_core.commanding.store import Store
from pems_core.commanding.told import WISH
from pems_core.commands.inputs import house_from
from pems_core.commands.run import blueprint_of
from pems_core.domain import HOUR, QUARTER, Override, Value, floor_time
from pems_core.runtime.guard_process import GuardProcess
from pems_core.runtime.state_folder import StateFolder, read_json, write_json
from pems_core.runtime.words import instant
from pems_core.simulation.devices.miniserver_program import AUTO, NO_SETPOINT
from pems_core.simulation.live_trial import TrialHouse
from pems_core.site import HouseFile
from tests.brokers import Mosquitto

from .conftest import wait_for
from .small_house import constant, small_house_file, write_prices

AC_CHARGE, FIRST_SLOT_ENABLED = 1092, 1102
CHARGED: dict[str, Value] = {
    "mode": "battery_first",
    "battery_charge_grid": True,
    "charge_power_kw": 2.0,
    "stop_soc": 0.9,
}
RELEASED_WITHIN_S = 60.0


def remember(folder: Path, built: HouseFile, clock: Clock) -> None:
    """What an earlier run left: two days of measurements, and a person who wants the battery charged from the grid."""
    now = clock.now()
    with Store(folder, clock) as store:
        for k in range(1, 4 * 48):
            store.add_history(
                floor_time(now, QUARTER) - k * QUARTER, {"base_load_kw": 0.5, "outdoor_temperature_c": 0.0}
            )
        overrides = Overrides(store, built.house.devices, clock)
        for control, value in CHARGED.items():
            overrides.set(Override("inverter", control, value, now, now + 2 * HOUR, "tester"))


@dataclass
class Processes:
    """`pems run` with its guard, and the devices."""

    house: TrialHouse
    file: Path
    engine: subprocess.Popen[bytes]

    @property
    def folder(self) -> StateFolder:
        return StateFolder(self.file.parent / "state")

    @property
    def charges(self) -> bool:
        """Whether the inverter has a slot in which it charges from the grid (protocols A.2)."""
        holding = self.house.inverter
        return bool(holding.get("holding", AC_CHARGE) and holding.get("holding", FIRST_SLOT_ENABLED))

    @property
    def rooms_are_own(self) -> bool:
        """Whether every room follows the Miniserver's own thermostat."""
        rooms = self.house.miniserver.rooms.values()
        return all((room.relay_input, room.setpoint_input) == (AUTO, NO_SETPOINT) for room in rooms)

    async def commanded(self) -> None:
        """Wait until the inverter has been told to charge from the grid."""
        await wait_for(lambda: self.charges, 100)


def start_engine_process(file: Path, *options: str) -> subprocess.Popen[bytes]:
    run = [sys.executable, "-m", "pems_core.cli", "run", "--house", str(file), "--verbose", *options]
    with (file.parent / "engine.log").open("wb") as log:
        return subprocess.Popen(run, stdout=log, stderr=log)


@pytest.fixture
def run_house(mosquitto: Mosquitto, tmp_path: Path, example_house: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def run(*options: str) -> AsyncIterator[Processes]:
        file = small_house_file(example_house, tmp_path, mosquitto.url)
        write_prices(tmp_path / "prices.csv")
        clock = SystemClock()
        built = house_from(file)
        remember(tmp_path / "state", built, clock)
        house = TrialHouse.of(built, constant(clock.now()), clock, mosquitto.port)
        async with house.serving():
            engine = start_engine_process(file, *options)
            processes = Processes(house, file, engine)
            try:
                await wait_for(processes.folder.heartbeat.exists, 60)
                yield processes
            finally:
                engine.kill()
                engine.wait()
                await _guard_gone(processes.folder)

    return run


async def _guard_gone(folder: StateFolder) -> None:
    """End the guard, if it is still there, by the id that it left."""
    pid = read_json(folder.guard).get("pid")
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


@pytest.mark.slow
async def test_a_killed_engine_leaves_a_house_that_the_guard_gives_back(run_house: Callable[..., Any]) -> None:
    async with run_house() as processes:
        await processes.commanded()
        began = asyncio.get_running_loop().time()
        processes.engine.send_signal(signal.SIGKILL)
        await wait_for(lambda: not processes.charges and processes.rooms_are_own, RELEASED_WITHIN_S)
        assert asyncio.get_running_loop().time() - began < RELEASED_WITHIN_S
        await wait_for(lambda: "why" in read_json(processes.folder.guarded), 60)
        report = read_json(processes.folder.guarded)
        assert report["all_back"], report
        assert "died" in report["why"]


@pytest.mark.slow
async def test_an_engine_that_hung_went_on_and_then_died_is_given_back_twice(
    mosquitto: Mosquitto, tmp_path: Path, example_house: Path
) -> None:
    file = small_house_file(example_house, tmp_path, mosquitto.url)
    blueprint = blueprint_of(file)
    folder, built, clock = blueprint.folder.make(), house_from(file), SystemClock()
    house = TrialHouse.of(built, constant(clock.now()), clock, mosquitto.port)
    room = next(iter(house.miniserver.rooms.values()))
    write_json(folder.engine, {"session": "one"})

    async def given_back() -> None:
        await wait_for(lambda: room.relay_input == AUTO, RELEASED_WITHIN_S)
        await wait_for(lambda: read_json(folder.guarded).get("all_back"), RELEASED_WITHIN_S)

    async with house.serving():
        guard = GuardProcess(blueprint)
        guard.watchman.heartbeat_within_s = 3.0
        with Store(folder.path, clock) as engine:
            # The file of the store is behind: only the heartbeat says what is commanded.
            write_json(folder.heartbeat, {"session": "one", "count": 1, "taken": ["heating"]})
            room.relay_input = 1.0
            watching = asyncio.create_task(guard.run())
            await given_back()
            assert "not been well" in read_json(folder.guarded)["why"]
            folder.guarded.unlink()
            engine.keep(WISH, "heating", {})
            for count in range(2, 6):
                write_json(folder.heartbeat, {"session": "one", "count": count})
                await asyncio.sleep(1.0)
            room.relay_input = 1.0
        # Its lock is free now, and it has not said that it ended.
        await given_back()
        assert "died" in read_json(folder.guarded)["why"]
        watching.cancel()
        await asyncio.wait([watching])
        assert read_json(folder.guarded)["watches_since"] is None
        assert set(folder.given_back()) == {"heating"}


async def test_a_guard_shows_that_it_watches_before_it_has_anything_to_do(tmp_path: Path, example_house: Path) -> None:
    blueprint = blueprint_of(small_house_file(example_house, tmp_path, "mqtt://127.0.0.1:1"))
    folder = blueprint.folder.make()
    before = {"devices": {"heating": "read back"}, "ended": instant(SystemClock().now())}
    write_json(folder.guarded, before)
    watching = asyncio.create_task(GuardProcess(blueprint).run())
    await wait_for(lambda: read_json(folder.guarded).get("watches_since"), 10)
    assert read_json(folder.guarded)["pid"] == os.getpid()
    assert set(folder.given_back()) == {"heating"}
    watching.cancel()
    await asyncio.wait([watching])
    assert read_json(folder.guarded) == before | {"pid": None, "watches_since": None}


@pytest.mark.slow
async def test_sigterm_gives_everything_back_and_ends_the_guard(run_house: Callable[..., Any]) -> None:
    async with run_house() as processes:
        await processes.commanded()
        processes.engine.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(processes.engine.wait, 40) == 0
        assert not processes.charges
        assert processes.folder.ended_orderly(processes.folder.session)
        guard = read_json(processes.folder.guard)["pid"]
        await wait_for(lambda: "watches_since" in read_json(processes.folder.guarded), 20)
        await wait_for(lambda: not Path(f"/proc/{guard}").exists() or "Z" in _state(guard), 20)
        await wait_for(lambda: read_json(processes.folder.guarded)["watches_since"] is None, 20)
        assert processes.folder.given_back() == {}


def _state(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return "Z"


@pytest.mark.slow
async def test_a_stop_reaches_the_devices_beside_an_engine_that_hangs_and_holds_when_it_goes_on(
    run_house: Callable[..., Any],
) -> None:
    async with run_house("--no-guard") as processes:
        await processes.commanded()
        processes.engine.send_signal(signal.SIGSTOP)
        stop = [sys.executable, "-m", "pems_core.cli", "stop", "--house", str(processes.file), "--reason", "smoke"]
        child = await asyncio.create_subprocess_exec(*stop, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = (await asyncio.wait_for(child.communicate(), 100))[0].decode()
        assert child.returncode == 0, said
        assert "inverter: read back" in said
        assert not processes.charges

        processes.engine.send_signal(signal.SIGCONT)
        await wait_for(lambda: not processes.folder.stop_asked.exists(), 30)
        with Store(processes.folder.path, SystemClock(), writing=False) as store:
            latch = EmergencyStop(store, SystemClock()).latch
        assert latch is not None
        assert latch.reason == "smoke"
        assert not processes.charges


def test_an_engine_reads_what_its_guard_gave_back(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    assert folder.given_back() == {}
    ended = SystemClock().now().replace(microsecond=0)
    write_json(folder.guarded, {"session": "one", "devices": {"heating": "read back"}, "ended": instant(ended)})
    assert folder.given_back() == {"heating": ended}
    folder.guarded.write_text('{"devices": {"heating"')
    assert folder.given_back() == {}
