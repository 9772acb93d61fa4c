"""A simulated Growatt inverter on a clock that the test moves, with its registers at hand."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.growatt_parameters import GrowattParameters
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.small_live_house import small_live_house
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.lines import Space

from .clocks import HandClock

NOON = datetime(2026, 1, 15, 11, 0, 10, tzinfo=UTC)
"""12:00:10 in Prague."""
ALL_DAY = 5947
"""23:59 as a slot word."""


def word(hour: int, minute: int = 0) -> int:
    return hour << 8 | minute


class Unit:
    """An inverter in a house without heated rooms."""

    def __init__(
        self,
        family: Family | Iterable[Family] = "sph",
        *traps: str,
        soc: float = 0.5,
        pv_kw: float = 0.0,
        base_load_kw: float = 0.5,
        start: datetime = NOON,
        parameters: GrowattParameters | None = None,
        battery_v: float | None = None,
    ) -> None:
        self.clock = HandClock(start)
        self.house = small_live_house(self.clock, soc=soc, pv_kw=pv_kw, base_load_kw=base_load_kw, rooms=())
        self.traps = Traps(*traps)
        self.inverter = SimulatedGrowatt(
            self.house, self.clock, family, self.traps, parameters=parameters, battery_v=battery_v
        )

    def write(self, address: int, *values: int) -> None:
        """Function code 16."""
        self.inverter.write(address, [value % 0x10000 for value in values], False)

    def write_one(self, address: int, value: int) -> None:
        """Function code 6."""
        self.inverter.write(address, [value % 0x10000], True)

    def holding(self, address: int) -> int:
        return self.inverter.read("holding", address, 1)[0]

    def input(self, address: int) -> int:
        return self._read("input", address, 1)

    def signed(self, address: int) -> int:
        value = self.input(address)
        return value - 0x10000 if value >= 0x8000 else value

    def input32(self, address: int) -> int:
        return self._read("input", address, 2)

    def signed32(self, address: int) -> int:
        value = self.input32(address)
        return value - 0x100000000 if value >= 0x80000000 else value

    def wait(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        self.clock.pass_by(hours=hours, minutes=minutes, seconds=seconds)

    @property
    def kw(self) -> dict[str, float]:
        """The flows of the house in the last minute, after the inverter has done what is due."""
        self.inverter.live()
        return dict(self.house.powers_kw)

    @property
    def soc(self) -> float:
        self.inverter.live()
        return float(self.house.truth()["inverter/soc"])

    def _read(self, space: Space, address: int, count: int) -> int:
        value = 0
        for found in self.inverter.read(space, address, count):
            value = value << 16 | found
        return value

    def charge_from_grid(self, percent: int = 40, stop: int = 100) -> None:
        """A whole-day battery-first slot, in the words of an SPH."""
        self.write(1090, percent, stop, 1)
        self.write(1100, 0, ALL_DAY, 1)
