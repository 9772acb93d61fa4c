"""The series of telemetry: every numeric point, and beside them what the books need, named as in docs/ledger.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.domain import (
    FlexibleLoadState,
    HeatingState,
    InverterState,
    Quality,
    Readings,
    SiteState,
    floor_time,
)

INTERVAL = timedelta(minutes=5)
LEAST_SHARE = 0.5
"""An interval of which less was seen has no mean."""
LONGEST = timedelta(minutes=5)
"""A sample holds for no longer."""

FLOWS = (
    "grid_import_kw",
    "grid_export_kw",
    "pv_kw",
    "pv_curtailed_kw",
    "base_load_kw",
    "heating_kw",
    "flexible_load_kw",
    "battery_charge_kw",
    "battery_discharge_kw",
    "battery_terminal_charge_kw",
    "battery_terminal_discharge_kw",
)
PRICES = ("import_price_per_kwh", "feed_in_price_per_kwh")
WEATHER = ("outdoor_temperature_c", "ghi_w_m2")


def numbers(readings: Readings) -> dict[str, float]:
    """Every good numeric point; a switch is 1 while it is on."""
    return {
        name: float(reading.value)
        for name, reading in readings.points.items()
        if reading.quality is Quality.GOOD and isinstance(reading.value, int | float)
    }


def words(readings: Readings) -> dict[str, str]:
    """Every good point that is no number, such as a mode."""
    return {
        name: reading.value
        for name, reading in readings.points.items()
        if reading.quality is Quality.GOOD and isinstance(reading.value, str)
    }


def levels(state: SiteState) -> dict[str, float]:
    """What is stored in the house as it is known, named as the levels of a plan."""
    found: dict[str, float] = {}
    for name, device in state.devices.items():
        if isinstance(device, InverterState) and device.battery is not None:
            found[f"{name}.soc"] = device.battery.soc
        elif isinstance(device, HeatingState):
            for room, known in device.rooms.items():
                found[f"{name}.{room}_c"] = known.temperature_c
                found[f"{name}.{room}_slab_c"] = known.slab_c
        elif isinstance(device, FlexibleLoadState):
            found[f"{name}.needed_kwh"] = device.energy_needed_kwh
    return found


@dataclass
class Means:
    """Gathers samples, each of which stands for the time since the one before, into means of intervals."""

    interval: timedelta = INTERVAL
    _start: datetime | None = None
    _last: datetime | None = None
    _sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, now: datetime, values: Mapping[str, float]) -> tuple[datetime, Mapping[str, float]] | None:
        """Take a sample; gives the start and the means of the interval that it completed, if any."""
        start, done = floor_time(now, self.interval), None
        if self._start is not None and start > self._start:
            done = self._start, self._means()
            self._sums = {}
            # The sample that opens an interval stands for the time since its start.
            self._last = start if self._last is not None and now - self._last <= LONGEST else None
        if self._last is not None:
            held_s = min(now - self._last, LONGEST).total_seconds()
            for name, value in values.items():
                total, seconds = self._sums.get(name, (0.0, 0.0))
                self._sums[name] = total + value * held_s, seconds + held_s
        self._start, self._last = start, now
        return done

    def _means(self) -> Mapping[str, float]:
        enough_s = LEAST_SHARE * self.interval.total_seconds()
        return {name: total / seconds for name, (total, seconds) in self._sums.items() if seconds >= enough_s}
