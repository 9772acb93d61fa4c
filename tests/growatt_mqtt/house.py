"""A gateway in front of a bank of registers, a real broker, and PEMS's transport on the production line."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pems_growatt.config import GrowattSection
from pems_growatt.inverter import HybridInverter
from pems_growatt.oig import OigTransport

from pems_core.clock import Clock, FastClock
from pems_core.config.live import MqttSection
from pems_core.domain import (
    BatterySpec,
    BatteryState,
    Command,
    HybridInverterSpec,
    InverterState,
    Quality,
    Reading,
    Receipt,
    SiteState,
    Value,
    WornOut,
)
from pems_core.simulation.devices.oig_stick import OigStick
from pems_core.simulation.devices.oig_tables import Build
from pems_core.simulation.devices.registers import RegisterBank
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.uncounted import UncountedWear
from tests.brokers import Mosquitto

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Prague")
SPEC = HybridInverterSpec(
    ac_limit_kw=10.0,
    grid_charge_limit_kw=10.0,
    battery=BatterySpec(capacity_kwh=10.0, charge_limit_kw=10.0, discharge_limit_kw=5.0, soc_min=0.2),
)
DEADLINE_S = 20.0
SPEED = 20.0
GROUPS = (range(125), range(125, 250), range(533, 660), range(1000, 1125), range(1125, 1250), range(3000, 3250))


SECTION = GrowattSection(
    ac_limit_kw=10.0,
    battery_kwh=10.0,
    charge_limit_kw=10.0,
    discharge_limit_kw=5.0,
    grott_topic="energy/growatt",
)


class Inverter(RegisterBank):
    """Registers that keep what is written; its clock runs with the house's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__({"holding": GROUPS, "input": GROUPS})
        self._clock = clock
        self.clock_ahead = timedelta(0)
        self.clock_is_locked = False
        self.ignores: int | None = None
        """A register that acknowledges writes and keeps its value."""
        self.put("holding", 122, 1)
        self.put("holding", 123, 1000)
        for address, value in ((0, 5), (1014, 60), (1040, 215), (118, 0), (1096, 98), (3000, 0x0501), (3171, 60)):
            self.put("input", address, value)
        for address, tenths in ((1, 34567), (1009, 0), (1011, 12000), (1021, 0), (1029, 12345), (1037, 10222)):
            self.put("input", address, tenths, words=2)
        for address, tenths in ((3001, 34567), (3180, 12000), (3043, 12345), (3045, 10222), (3069, 55)):
            self.put("input", address, tenths, words=2)
        self.put("input", 1046, 123456, words=2)

    def refresh(self) -> None:
        local = (self._clock.now() + self.clock_ahead).astimezone(ZONE)
        shown = (local.year - 2000, local.month, local.day, local.hour, local.minute, local.second)
        for address, value in enumerate(shown, 45):
            self.put("holding", address, value)

    def apply(self, address: int, values: Sequence[int], single: bool) -> None:
        if address == self.ignores:
            return
        if address != 45:
            super().apply(address, values, single)
            return
        if self.clock_is_locked:
            return
        year, month, day, hour, minute, second = values
        told = datetime(2000 + year, month, day, hour, minute, second, tzinfo=ZONE)
        self.clock_ahead = told - self._clock.now()


@dataclass
class Book(UncountedWear):
    """A wear book that counts, and allows so many writes of each register."""

    allowed: int = 1000
    spent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        for one in memory:
            if self.spent.count(one) >= self.allowed and not releases:
                raise WornOut(f"{device}: {one} was written {self.allowed} times today")
        self.spent += memory


@dataclass
class House:
    clock: FastClock
    inverter: Inverter
    stick: OigStick
    transport: OigTransport
    lines: HouseLines
    wear: Book
    device: HybridInverter = field(default_factory=lambda: HybridInverter("inverter", SPEC, "Europe/Prague"))

    @property
    def traps(self) -> Traps:
        return self.stick.traps

    def commands(self, settings: dict[str, Value], ends: datetime = NOON + timedelta(hours=1)) -> list[Command]:
        now = self.clock.now()
        state = SiteState(now, {"inverter": InverterState(BatteryState(0.5))})
        return list(self.device.encode(settings, now, ends, state))

    def word(self, name: str, settings: dict[str, Value]) -> Command:
        """The first command with this word among those that bring settings about."""
        return next(command for command in self.commands(settings) if command.address.endswith(name))

    def feed_in(self, settings: Mapping[str, Value]) -> Command:
        """The command that says how much may be fed in."""
        return next(command for command in self.commands(dict(settings)) if command.control == "grid_export")

    async def send_all(self, commands: Sequence[Command]) -> list[Receipt]:
        return [await self.transport.send(command) for command in commands]

    def reading(self, point: str) -> Reading | None:
        return self.transport.readings().get(f"inverter/{point}")

    def good(self, point: str) -> Value | None:
        reading = self.reading(point)
        return reading.value if reading and reading.quality is Quality.GOOD else None

    def told(self, but: Sequence[str] = ("get", "list")) -> list[str]:
        """What the gateway was told, as lines of topic and payload; requests that only read are left out."""
        lines = []
        for heard in self.stick.heard:
            if heard.name.split("/")[-1] in but:
                continue
            said = json.loads(heard.payload)
            said.pop("correlationId", None)
            lines.append(f"energy/solar/command/{heard.name} {json.dumps(said)}")
        return lines


async def until(condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
    """Wait for something that comes about by itself."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 (whatever it is need not know that somebody waits)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within_s:g} s") from None


@asynccontextmanager
async def running(*tasks: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Let coroutines run meanwhile; an error of one ends the test."""
    async with asyncio.TaskGroup() as group:
        started = [group.create_task(task) for task in tasks]
        try:
            yield
        finally:
            for task in started:
                task.cancel()


@asynccontextmanager
async def house(
    mosquitto: Mosquitto,
    *,
    build: Build = "124",
    traps: Traps | None = None,
    start: datetime = NOON,
    speed: float = SPEED,
    stick_runs: bool = True,
    export_limit_percent: float = 100.0,
) -> AsyncIterator[House]:
    """All of it, running.

    :param stick_runs: and its telemetry was heard.
    """
    clock = FastClock(start, speed)
    inverter = Inverter(clock)
    stick = OigStick(inverter, clock, "127.0.0.1", mosquitto.port, build=build, traps=traps)
    wear = Book()
    transport = OigTransport("inverter", SECTION, SPEC, "Europe/Prague", export_limit_percent)
    async with HouseLines(MqttSection(url=mosquitto.url), clock, wear) as lines:
        await until(lambda: lines.mqtt.connected, "a connection to the broker")
        made = House(clock, inverter, stick, transport, lines, wear)
        sticks = [stick.run()] if stick_runs else []
        async with running(transport.run(lines), *sticks):
            if stick_runs:
                await until(lambda: made.good("soc") is not None, "telemetry")
            yield made
