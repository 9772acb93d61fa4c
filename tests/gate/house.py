"""A whole house for the release gate: the production engine, real sockets, simulated devices, one clock."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import aiomqtt
import pandas as pd
import pluggy

from pems_core.clock import Clock
from pems_core.commanding.store import JournalLine, Store
from pems_core.config import load_config, parse_config
from pems_core.domain import QUARTER, CycleReport, HeatingSpec, InverterState, Value, floor_time
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Ended, Engine
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.live_house import MINUTE, LiveHouse
from pems_core.simulation.devices.miniserver import Miniserver
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from pems_core.simulation.devices.oig_stick import OigStick
from pems_core.simulation.devices.small_live_house import HISTORY, flat_scenario
from pems_core.simulation.devices.traps import Traps
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.patient_clock import PatientClock
from pems_core.simulation.scenario import Scenario
from tests.brokers import Mosquitto, free_port
from tests.runtime.trial import Expected

PRAGUE = ZoneInfo("Europe/Prague")
ROOMS = ("kitchen", "bathroom")
DEADLINE_S = 120.0
"""Of the wall; tests wait for what is to happen."""
CHARGE: Mapping[str, Value] = {
    "mode": "battery_first",
    "battery_charge_grid": True,
    "charge_power_kw": 3.0,
    "stop_soc": 1.0,
}
"""Controls by which a person has the battery charge from the grid."""
CLOCK_REGISTERS = range(45, 51)
"""Of an SPH: what they hold passes by itself."""
Series = float | Callable[[datetime], float]

HOUSE = """
[site]
name = "gate"
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
currency = "CZK"
[grid]
import_limit_kw = 17.0
export_limit_kw = 10.0
[[pv]]
peak_kw = 8.0
tilt_deg = 35.0
azimuth_deg = 180.0
[strategy]
name = "lowest_bill"
[solver]
horizon_hours = {horizon_hours}
near_hours = 4
binary_hours = 3
time_limit_s = 3
gap = 0.5
[state]
folder = "state"
[mqtt]
url = "{url}"
[stages]
default = "control"
[cycles]
every_minutes = {every_minutes}
stale_after_minutes = {stale_after_minutes}
[growatt]
ac_limit_kw = 10.0
battery_kwh = 10.0
charge_limit_kw = 5.0
discharge_limit_kw = 5.0
reserve_soc = 0.2
wear_cost_per_kwh = 0.5
mode_change_cost = 0.5
{growatt}
[heating_loxone]
discomfort_price_per_kh = 2.0
steep_discomfort_price_per_kh = 20.0
"""
ROOM = """
[[heating_loxone.room]]
name = "{name}"
relay_kw = 2.0
comfort = [{{ from = "00:00", setpoint_c = 21 }}]
air_kwh_per_k = 1.0
slab_kwh_per_k = 2.0
slab_to_air_kw_per_k = 0.5
outside_kw_per_k = 0.05
min_on_minutes = 15
min_off_minutes = 15
"""


def house_text(url: str, growatt: str, *, every_minutes: int = 15, horizon_hours: int = 24) -> str:
    """A house file."""
    head = HOUSE.format(
        url=url,
        growatt=growatt,
        every_minutes=every_minutes,
        stale_after_minutes=max(30, 2 * every_minutes),
        horizon_hours=horizon_hours,
    )
    return head + "".join(ROOM.format(name=name) for name in ROOMS)


def over_modbus(port: int, *, scheme: str = "tcp", poll_s: float = 15.0) -> str:
    """Keys of [growatt] that lead to a Modbus server of this machine."""
    return f'transport = "modbus"\nurl = "{scheme}://127.0.0.1:{port}"\npoll_s = {poll_s:g}\n'


def local_hour(at: datetime) -> float:
    """Hour of the local day, with its share that has passed."""
    local = at.astimezone(PRAGUE)
    return local.hour + local.minute / 60


def evening_peak(at: datetime) -> float:
    """An import price with a cheap night and a dear evening [CZK/kWh]."""
    hour = local_hour(at)
    return 1.5 if hour < 5 else 9.0 if 17 <= hour < 21 else 4.0


def evening_feed_in(at: datetime) -> float:
    """What feed-in brings at the same time [CZK/kWh]."""
    return 6.0 if 17 <= local_hour(at) < 21 else 0.5


@dataclass(frozen=True, slots=True)
class RegisterWrite:
    """One write that reached the inverter."""

    at: datetime
    address: int
    before: tuple[int, ...]
    values: tuple[int, ...]

    @property
    def unchanged(self) -> bool:
        """It wore the memory for nothing."""
        return self.before == self.values


class WatchedGrowatt(SimulatedGrowatt):
    """Notes what each write changed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.written: list[RegisterWrite] = []
        super().__init__(*args, **options)

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        before = tuple(self.get("holding", at) for at in range(address, address + len(values)))
        self.written.append(RegisterWrite(self._clock.now(), address, before, tuple(values)))
        super().write(address, values, single)

    @property
    def settings_written(self) -> list[RegisterWrite]:
        """All writes but those of its clock."""
        return [write for write in self.written if write.address not in CLOCK_REGISTERS]

    def worn(self) -> Counter[int]:
        """Writes by register, of all that is stored."""
        counts: Counter[int] = Counter()
        for write in self.settings_written:
            counts.update(range(write.address, write.address + len(write.values)))
        return counts


@dataclass
class Seen:
    """What the house was at one minute."""

    at: datetime
    order: str
    soc: float
    temperatures_c: Mapping[str, float]
    relays: Mapping[str, bool]
    pems_ok: bool
    told_mode: Value | None
    powers_kw: Mapping[str, float]


@dataclass
class GateHouse:
    """The running house, as a test sees it."""

    clock: PatientClock
    live: LiveHouse
    inverter: WatchedGrowatt
    miniserver: Miniserver
    miniserver_mqtt: MiniserverMqtt
    mosquitto: Mosquitto
    engine: Engine
    store: Store
    ended: "asyncio.Task[Ended]"
    modbus: ModbusServer | None
    stick: OigStick | None
    serving: Sequence["asyncio.Task[None]"]
    """What moves the devices."""
    said: dict[str, list[Any]]
    """What PEMS published, by topic below its prefix, oldest first."""
    seen: list[Seen] = field(default_factory=list)
    reports: list[tuple[CycleReport, Sequence[str]]] = field(default_factory=list)
    """Each cycle and why it ran."""
    alarms: dict[str, set[str]] = field(default_factory=dict)
    """All texts of alerts that there were, by place."""

    @property
    def traps(self) -> Traps:
        return self.inverter.traps

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def soc(self) -> float:
        return float(self.live.truth()["inverter/soc"])

    @property
    def journal(self) -> Sequence[JournalLine]:
        """Oldest first."""
        return tuple(reversed(self.store.journal(20_000)))

    def last(self, topic: str) -> Any:
        return self.said.get(topic, [None])[-1]

    def alarmed(self, *words: str) -> bool:
        """Whether there was an alert in which all words stand."""
        texts = (f"{place} {text}" for place, texts in self.alarms.items() for text in texts)
        return any(all(word in text for word in words) for text in texts)

    async def until(self, condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
        """Wait until something has come about."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self.require_running()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {within_s:g} s of the wall; {self.situation}") from None

    async def passes(self, time: timedelta) -> None:
        """Let the house live for a while."""
        end = self.now + time
        while self.now < end:
            self.require_running()
            await asyncio.sleep(0.01)

    def require_running(self) -> None:
        if self.ended.done():
            raise AssertionError(f"the engine has ended: {self.ended.result()}")
        for task in self.serving:
            if task.done():
                task.result()

    @property
    def situation(self) -> str:
        """For who wonders why."""
        lines = [f"{line.at:%H:%M:%S} {line.control} {line.stage} {line.detail}" for line in self.journal[-12:]]
        alerts = [f"{place}: {text}" for place, texts in self.alarms.items() for text in texts]
        return "\n".join([f"at {self.now:%F %T}, soc {self.soc:.2f}, {self.inverter.order}", *lines, *alerts])

    async def override(self, settings: Mapping[str, Value], until: datetime) -> None:
        """Set controls of the inverter by hand, in one go."""
        await say_overrides(self.mosquitto.port, settings, until=until.isoformat())

    async def watch(self) -> None:
        """Note what is so each minute, and every alert."""
        while True:
            for alert in self.engine._alerts():
                self.alarms.setdefault(alert.place, set()).add(alert.text)
            in_force = self.engine.live.commanding.dispatcher.in_force("inverter")
            views = {name: self.miniserver.view(name) for name in ROOMS}
            self.seen.append(
                Seen(
                    self.now,
                    self.inverter.order.mode,
                    self.soc,
                    {name: view.temperature_c for name, view in views.items()},
                    {name: view.relay for name, view in views.items()},
                    self.miniserver.pems_ok,
                    in_force.settings.get("mode") if in_force else None,
                    dict(self.live.powers_kw),
                )
            )
            await self.clock.sleep(60.0)

    async def listen(self) -> None:
        """Hear what PEMS says, whenever there is a broker."""
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self.mosquitto.port) as client:
                    await client.subscribe("pems/gate/#", qos=1)
                    async for message in client.messages:
                        text = bytes(message.payload).decode()
                        topic = message.topic.value.removeprefix("pems/gate/")
                        said = json.loads(text) if text[:1] in ("{", "[") else text or None
                        self.said.setdefault(topic, []).append(said)
            await asyncio.sleep(0.1)

    async def note(self, report: CycleReport, reasons: Sequence[str]) -> None:
        self.reports.append((report, reasons))

    def failed(self) -> list[JournalLine]:
        """Stages that say that something did not work."""
        bad = ("rejected", "reverted", "no_effect", "expired")
        return [line for line in self.journal if line.stage in bad]

    def planned_soc(self) -> list[float]:
        """State of charge at each cycle, as the optimizer had it."""
        states = (report.state.devices.get("inverter") for report, _ in self.reports)
        return [s.battery.soc for s in states if isinstance(s, InverterState) and s.battery is not None]


Link = Literal["tcp", "rtu+tcp", "oig"]


@asynccontextmanager
async def gate_house(
    mosquitto: Mosquitto,
    folder: Path,
    start: datetime,
    *traps: str,
    speed: float = 300.0,
    link: Link = "tcp",
    soc: float = 0.5,
    every_minutes: int = 15,
    horizon_hours: int = 24,
    poll_s: float = 15.0,
    watchdog_s: float = 300.0,
    terms: WireTrapTerms | None = None,
    days: int = 4,
    series: Mapping[str, Series] | None = None,
    in_file: bool = False,
) -> AsyncIterator[GateHouse]:
    """Everything, from before the first reading to after the last hand-back.

    :param traps: that the inverter, its gateway and the wire play from the beginning.
    :param series: what the house lives on and what is forecast; see `usual`.
    :param in_file: the house is in a file `pems.toml` of the folder, so that commands can be asked about it.
    """
    clock, playing, lived_on = PatientClock(start, speed), Traps(*traps), usual(series or {})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(clock.run()))
        port = free_port()
        growatt = "" if link == "oig" else over_modbus(port, scheme=link, poll_s=poll_s)
        text = house_text(mosquitto.url, growatt, every_minutes=every_minutes, horizon_hours=horizon_hours)
        manager = production_plugins()
        config = parse_config(text, declared_sections(manager))
        if in_file:
            (folder / "pems.toml").write_text(text, encoding="utf-8")
            config = load_config(folder / "pems.toml", declared_sections(manager), {})
        blueprint = Blueprint(config, manager, clock, folder, [Expected(**lived_on)], patience_s=20.0)
        live = live_house(blueprint, clock, lived_on, soc, days)
        inverter = WatchedGrowatt(live, clock, "sph", playing)
        heating = blueprint.house.equipment["heating"]
        assert isinstance(heating, HeatingSpec)
        miniserver = Miniserver(live, heating, watchdog_s=watchdog_s)
        way = MiniserverMqtt(miniserver, mosquitto.url)
        modbus, stick = None, None
        jobs: list[Coroutine[object, object, None]] = [live.run(), miniserver.run(), way.run()]
        if link == "oig":
            stick = OigStick(inverter, clock, "127.0.0.1", mosquitto.port, traps=playing)
            jobs.append(stick.run())
        else:
            framing: Literal["tcp", "rtu"] = "rtu" if link == "rtu+tcp" else "tcp"
            modbus = ModbusServer(inverter, clock, playing, framing=framing, port=port, terms=terms)
            await stack.enter_async_context(modbus)
            jobs.append(inverter.run())
        serving = await stack.enter_async_context(running(*jobs))
        store = stack.enter_context(Store(blueprint.folder.make().path, clock))
        engine = blueprint.engine(store)
        stack.callback(engine.live.site.planner.close)
        ended = asyncio.create_task(engine.run())
        house = GateHouse(
            clock, live, inverter, miniserver, way, mosquitto, engine, store, ended, modbus, stick, serving, said={}
        )
        engine.finished = [house.note]
        stack.push_async_callback(_end, engine, ended)
        await stack.enter_async_context(running(house.watch(), house.listen()))
        await house.until(lambda: engine.live.followed, "a plan")
        yield house


async def say_overrides(port: int, settings: Mapping[str, Value], **ends: object) -> None:
    """What a person's app says to set controls of the inverter, in one go.

    :param ends: `until` or `for_minutes`.
    """
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for control, value in settings.items():
            said = {"device": "inverter", "control": control, "value": value, "by": "tester", **ends}
            await client.publish("pems/gate/override/set", json.dumps(said), qos=1)


def production_plugins() -> pluggy.PluginManager:
    """Those that are installed, without forecasters: what a house lives on is expected, too."""
    manager = load_plugins()
    manager.unregister(name="forecasters")
    return manager


def usual(series: Mapping[str, Series]) -> dict[str, Series]:
    """Series of a winter day without sun, unless told otherwise."""
    winter: dict[str, Series] = {
        "import_price_per_kwh": evening_peak,
        "feed_in_price_per_kwh": evening_feed_in,
        "pv_kw": 0.0,
        "base_load_kw": 0.6,
        "outdoor_temperature_c": 2.0,
        "ghi_w_m2": 0.0,
    }
    return {**winter, **series}


def live_house(
    blueprint: Blueprint, clock: Clock, series: Mapping[str, Series], soc: float, days: int = 4
) -> LiveHouse:
    """The house of a file, which lives on the given series."""
    start = floor_time(clock.now(), MINUTE)
    flat = flat_scenario(start - HISTORY, start + timedelta(days=days), dict.fromkeys(series, 0.0))
    values = {
        name: [float(said(at.to_pydatetime()) if callable(said) else said) for at in flat.frame.index]
        for name, said in series.items()
    }
    scenario: Scenario = replace(flat, frame=pd.DataFrame(values, index=flat.frame.index), step=QUARTER)
    house = blueprint.house
    return LiveHouse(SimulatedHouse(house.equipment, house.house.grid, scenario, start, noise=False, soc=soc), clock)


async def _end(engine: Engine, ended: "asyncio.Task[Ended]") -> None:
    engine.end("the test is over")
    await asyncio.wait([ended], timeout=30.0)
    assert ended.done(), "the engine does not end"


@asynccontextmanager
async def running(*jobs: Coroutine[object, object, None]) -> AsyncIterator[Sequence["asyncio.Task[None]"]]:
    """Let jobs run in the background; an error of one fails the test."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
