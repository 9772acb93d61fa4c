"""A simulated Growatt inverter behind a real socket, and the production transport that talks to it."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pems_growatt.control import Permissions
from pems_growatt.inverter import HybridInverter
from pems_growatt.modbus import Connection, GrowattModbus
from pems_growatt.plausible import Ratings
from pems_growatt.probe import Family as KnownFamily

from pems_core.domain import (
    Alert,
    BatteryState,
    Command,
    InverterState,
    Quality,
    Reading,
    Receipt,
    SiteState,
    Value,
    WornOut,
)
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.growatt_parameters import GrowattParameters
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.modbus_server import ModbusServer, Request
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from pems_core.simulation.devices.small_live_house import GRID, INVERTER, small_live_house
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.lines import ModbusLine
from pems_core.transport.uncounted import UncountedWear
from tests.devices.clocks import HandClock

NOON = datetime(2026, 1, 15, 11, 0, 10, tzinfo=UTC)
"""12:00:10 in Prague."""
PRAGUE = "Europe/Prague"
POLL_S = 15.0
SELF_USE: Mapping[str, Value] = {"mode": "load_first", "grid_export": True}
CHARGE: Mapping[str, Value] = {
    "mode": "battery_first",
    "battery_charge_grid": True,
    "charge_power_kw": 2.5,
    "stop_soc": 0.8,
}
SELL: Mapping[str, Value] = {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.35}
HOLD: Mapping[str, Value] = {"mode": "battery_first", "charge_power_kw": 0.0, "stop_soc": 0.5}


@dataclass
class Wear(UncountedWear):
    """Counts writes, and lets none through beyond a budget, unless they release."""

    budget: int = 1000
    writes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        used_up = [one for one in memory if self.writes[one] >= self.budget]
        if used_up and not releases:
            raise WornOut(f"{device}: {', '.join(used_up)} was written {self.budget} times today")
        self.writes.update(memory)


class Plant:
    """What a test sees of it. Time stands still between the test's lines."""

    def __init__(
        self,
        clock: HandClock,
        simulated: SimulatedGrowatt,
        server: ModbusServer,
        lines: HouseLines,
        transport: GrowattModbus,
        wear: Wear,
    ) -> None:
        self.clock, self.simulated, self.server = clock, simulated, server
        self.lines, self.transport, self.wear = lines, transport, wear
        self.device = HybridInverter("inverter", INVERTER, PRAGUE, "modbus")
        self.traps = simulated.traps
        self.line: ModbusLine = transport.line(lines)

    def restart(self, permissions: Permissions | None = None) -> None:
        """Begin anew with what the wear book knows."""
        self.transport = make_transport(f"tcp://127.0.0.1:{self.server.port}", permissions=permissions)
        self.line = self.transport.line(self.lines)

    async def polls(self, times: int = 1, every_s: float = POLL_S) -> None:
        """Let the transport poll, and time pass until the next."""
        for _ in range(times):
            await self.transport.poll(self.lines, self.line)
            self.clock.pass_by(seconds=every_s)

    async def tell(self, settings: Mapping[str, Value], minutes: float = 60.0) -> list[Receipt]:
        """Send what the device encodes, as the dispatcher does."""
        now = self.clock.now()
        state = SiteState(now, {"inverter": InverterState(BatteryState(0.5))})
        return await self.send(self.device.encode(settings, now, now + timedelta(minutes=minutes), state))

    async def release(self) -> list[Receipt]:
        return await self.send(self.device.release())

    async def send(self, commands: Iterable[Command]) -> list[Receipt]:
        return [await self.transport.send(command) for command in commands if command.expires_at > self.clock.now()]

    async def told_mode(self, settings: Mapping[str, Value], minutes: float = 60.0) -> Receipt:
        """What became of the mode."""
        return next(receipt for receipt in await self.tell(settings, minutes) if receipt.command.control == "mode")

    def holding(self, address: int, count: int = 1) -> list[int]:
        return [self.simulated.get("holding", at) for at in range(address, address + count)]

    def reading(self, point: str) -> Reading:
        return self.transport.readings()[f"inverter/{point}"]

    def value(self, point: str) -> Value:
        reading = self.reading(point)
        assert reading.quality is Quality.GOOD, reading
        return reading.value

    def number(self, point: str) -> float:
        return float(self.value(point))

    def heard(self, point: str) -> bool:
        return f"inverter/{point}" in self.transport.readings()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.transport.alerts

    @property
    def alert_texts(self) -> str:
        return "\n".join(alert.text for alert in self.alerts)

    @property
    def written(self) -> list[tuple[int, tuple[int, ...]]]:
        """All writes that reached the inverter, oldest first."""
        return [(request.address, request.values) for request in self.server.writes]

    def forget_log(self) -> None:
        self.server.log.clear()

    @property
    def requests(self) -> Sequence[Request]:
        return self.server.log

    async def pass_minutes(self, minutes: float) -> None:
        """Poll as in operation for so long, though less often."""
        until = self.clock.now() + timedelta(minutes=minutes)
        while self.clock.now() < until:
            await self.polls(every_s=60.0)


@asynccontextmanager
async def plant(
    family: Family | Iterable[Family] = "sph",
    *traps: str,
    soc: float = 0.5,
    pv_kw: float = 0.0,
    base_load_kw: float = 0.5,
    start: datetime = NOON,
    parameters: GrowattParameters | None = None,
    metering: int = 3,
    dtc: int | None = None,
    battery_v: float | None = None,
    permissions: Permissions | None = None,
    budget: int = 1000,
    timeout_s: float = 1.0,
    terms: WireTrapTerms | None = None,
    family_told: KnownFamily | None = None,
    kind: type[SimulatedGrowatt] = SimulatedGrowatt,
    probed: bool = True,
) -> AsyncIterator[Plant]:
    """A plant that has been polled once."""
    clock = HandClock(start)
    house = small_live_house(clock, soc=soc, pv_kw=pv_kw, base_load_kw=base_load_kw, rooms=())
    playing = Traps(*traps)
    simulated = kind(
        house,
        clock,
        family,
        playing,
        parameters=parameters,
        metering=metering,
        dtc=dtc,
        battery_v=battery_v,
        timezone=PRAGUE,
    )
    wear = Wear(budget)
    async with ModbusServer(simulated, clock, playing, terms=terms) as server, HouseLines(None, clock, wear) as lines:
        transport = make_transport(f"tcp://127.0.0.1:{server.port}", timeout_s, permissions, family_told)
        told = Plant(clock, simulated, server, lines, transport, wear)
        if probed:
            await told.polls()
        yield told


def make_transport(
    url: str, timeout_s: float = 1.0, permissions: Permissions | None = None, family: KnownFamily | None = None
) -> GrowattModbus:
    battery = INVERTER.battery
    assert battery is not None
    ratings = Ratings(10.0, battery.charge_limit_kw, GRID.import_limit_kw, battery.capacity_kwh)
    connection = Connection(url, family=family, poll_s=POLL_S, timeout_s=timeout_s)
    return GrowattModbus("inverter", connection, ratings, PRAGUE, permissions)
