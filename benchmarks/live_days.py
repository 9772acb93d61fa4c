"""Days of operation on a fast clock: how often memory is written, and how often relays start."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

from pems_core.clock import Clock
from pems_core.commanding.store import Store
from pems_core.domain import HeatingSpec, floor_time
from pems_core.runtime.engine import Engine
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.live_house import MINUTE, LiveHouse
from pems_core.simulation.devices.miniserver import Miniserver
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.patient_clock import PatientClock

from .live_broker import Broker
from .live_plant import ROOMS_OF_SMALL, Trial, blueprint, folder, house_text, scenario_of
from .rows import Bar, Row
from .setting import Benchmark, Setting

SPEED = 500.0
MOST_AT_ONCE_S = 0.005
"""So much of the wall counts at most between two ticks: a busy machine slows the house down, and skips nothing."""
POLL_S = 60.0
WATCHDOG_S = 900.0
"""Of the Miniserver: heartbeats are 0.25 s of the wall apart at least, which is long on a fast clock."""
SHORT_DAYS, FULL_DAYS = 2, 30
START = datetime(2025, 1, 13, 23, 0, 5, tzinfo=UTC)
"""Midnight in Prague."""
CLOCK_REGISTERS = range(45, 51)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WRITES_PER_DAY, STARTS_PER_HOUR, STARTS_PER_DAY = Bar("<=", 10), Bar("<=", 6), Bar("<=", 18)
"""Protocols A.7 and D.5: 100 000 operations in 15 years."""


class CountingGrowatt(SimulatedGrowatt):
    """Notes what is written in vain."""

    def __init__(self, live_house: LiveHouse, clock: Clock, timezone: str) -> None:
        self.unchanged: list[tuple[int, tuple[int, ...]]] = []
        """Writes that said what already was."""
        super().__init__(live_house, clock, "sph", timezone=timezone)

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        written = enumerate(values, address)
        if address not in CLOCK_REGISTERS and all(self.get("holding", at) == value for at, value in written):
            self.unchanged.append((address, tuple(values)))
        super().write(address, values, single)


@dataclass
class Relays:
    """When each relay started."""

    on: dict[str, bool] = field(default_factory=dict)
    starts: dict[str, list[datetime]] = field(default_factory=dict)

    def see(self, now: datetime, truth: dict[str, bool]) -> None:
        for name, on in truth.items():
            if on and not self.on.get(name, True):
                self.starts.setdefault(name, []).append(now)
            self.on[name] = on

    @property
    def most_in_an_hour(self) -> int:
        most = 0
        for times in self.starts.values():
            window: deque[datetime] = deque()
            for at in times:
                window.append(at)
                while at - window[0] >= HOUR:
                    window.popleft()
                most = max(most, len(window))
        return most


@dataclass
class Lived:
    """What became of the days."""

    days: float = 0.0
    wall_s: float = 0.0
    plans: int = 0
    searched: int = 0
    """Plans of the solver."""
    writes: Counter[int] = field(default_factory=Counter)
    unchanged: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    relays: Relays = field(default_factory=Relays)
    why: str = ""
    """Why it ended; empty if it was told to."""


def live_writes(setting: Setting) -> Iterator[Row]:
    days = setting.asked_days or (FULL_DAYS if setting.full else SHORT_DAYS)
    yield from rows_of(asyncio.run(lived(days)))


def rows_of(found: Lived) -> Iterator[Row]:
    yield Row(f"simulated days, at {SPEED:g} times the speed of the wall or slower", found.days, "d")
    yield Row("wall time", found.wall_s / 60, "min")
    yield Row("plans", found.plans)
    yield Row("plans of the solver", found.searched)
    worst, writes = max(found.writes.items(), key=lambda pair: pair[1], default=(0, 0))
    yield Row("registers written", len(found.writes))
    yield Row(f"writes of the busiest register ({worst}), per day", writes / found.days, "", WRITES_PER_DAY)
    yield Row("writes of unchanged values", len(found.unchanged), "", Bar("=", 0))
    yield Row("most starts of one relay in an hour", found.relays.most_in_an_hour, "", STARTS_PER_HOUR)
    starts = {name: len(times) / found.days for name, times in found.relays.starts.items()}
    yield Row("starts of the busiest relay, per day", max(starts.values(), default=None), "", STARTS_PER_DAY)


async def lived(days: float) -> Lived:
    """Let the small house follow its plans for days, and count."""
    clock = PatientClock(START, SPEED, MOST_AT_ONCE_S)
    with folder() as place, Broker(place) as broker:
        trial = Trial.beginning_now(place, START, SPEED, int(days) + 2)
        text = house_text("small", "modbus", broker, 1)
        trial.house.write_text(text, encoding="utf-8")
        made = blueprint(trial)
        built, scenario = made.house, scenario_of(trial, made.house)
        begin = floor_time(clock.now(), MINUTE)
        live = LiveHouse(SimulatedHouse(built.equipment, built.house.grid, scenario, begin, soc=0.5), clock)
        inverter = CountingGrowatt(live, clock, built.site.timezone)
        async with ModbusServer(inverter, clock) as server:
            text = house_text("small", "modbus", broker, server.port)
            text = text.replace("[growatt]\n", f"[growatt]\npoll_s = {POLL_S}\n", 1)
            trial.house.write_text(text, encoding="utf-8")
            made = blueprint(trial)
            made.clock = clock
            heating = next(spec for spec in built.equipment.values() if isinstance(spec, HeatingSpec))
            miniserver = Miniserver(live, heating, watchdog_s=WATCHDOG_S)
            mqtt = MiniserverMqtt(miniserver, broker.url)
            with Store(made.folder.make().path, clock) as store:
                engine = made.engine(store)
                runs = [clock.run(), live.run(), inverter.run(), miniserver.run(), mqtt.run()]
                tasks = [asyncio.create_task(run) for run in runs]
                try:
                    return await _follow(engine, clock, live, inverter, server, days)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    engine.live.site.planner.close()


async def _follow(
    engine: Engine, clock: PatientClock, live: LiveHouse, inverter: CountingGrowatt, server: ModbusServer, days: float
) -> Lived:
    found = Lived()
    began = monotonic()

    async def note(report: object, reasons: Sequence[str]) -> None:
        followed = engine.live.followed
        found.plans += 1
        found.searched += followed is not None and str(followed.plan.rung) == "solver"

    # Else the house would wait ten minutes for each plan, and the plan deal with where it has been.
    engine.cycles.plan = clock.in_its_time(engine.cycles.plan)  # type: ignore[method-assign]
    engine.finished = [note]
    ended = asyncio.create_task(engine.run())
    while clock.now() < START + days * DAY and not ended.done():
        truth = live.truth()
        found.relays.see(clock.now(), {name: bool(truth[f"heating/{name}_relay"]) for name in ROOMS_OF_SMALL})
        server.log.clear()
        await clock.sleep(60.0)
    found.why = str(ended.result()) if ended.done() else ""
    found.days, found.wall_s = (clock.now() - START) / DAY, monotonic() - began
    found.writes = Counter({at: count for at, count in inverter.writes.items() if at not in CLOCK_REGISTERS})
    found.unchanged = list(inverter.unchanged)
    engine.end("the days are over")
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ended, 30.0)
    return found


WRITES = Benchmark(
    "live_writes",
    "What following plans wears",
    "The real engine (planning every quarter of an hour, dispatcher, guard) follows its plans in a house with three "
    "rooms: a simulated inverter behind a real Modbus TCP socket, relays of a simulated Miniserver behind a real "
    "Mosquitto. Polls, spacing and minimum times are on the house's clock. Writes of the inverter's own clock are not "
    "counted. Bars are those that spread 100 000 operations over 15 years.",
    live_writes,
    in_short=False,
)
