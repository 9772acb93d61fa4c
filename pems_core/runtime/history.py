"""What was measured, in quarter hours: what forecasters learn from, kept over restarts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.commanding.store import Store
from pems_core.domain import (
    QUARTER,
    Equipment,
    HeatingSpec,
    HybridInverterSpec,
    ImportPeak,
    Readings,
    StaleReading,
    floor_time,
)
from pems_core.tariff import billing_month

MAX_AGE = timedelta(minutes=2)
SITE_MAX_AGE = timedelta(hours=1)
LEAST_SHARE = 0.5
"""A quarter of which less was seen has no mean."""
LEARN_DAYS = 35.0
"""How far back forecasters look, and a little more."""
LOAD, PV, OUTDOOR, GHI = "base_load_kw", "pv_kw", "outdoor_temperature_c", "ghi_w_m2"
IMPORT = "grid_import_kw"


@dataclass
class _Mean:
    """A mean over time, of samples each of which holds until the next."""

    weighted: float = 0.0
    seconds: float = 0.0

    def add(self, value: float, seconds: float) -> None:
        self.weighted += value * seconds
        self.seconds += seconds


@dataclass
class Recorder:
    """Makes quarter-hour means of the readings, as often as it is shown them.

    :param equipment: by device name.
    """

    equipment: Mapping[str, Equipment]
    store: Store
    kept: tuple[datetime, Mapping[str, float]] | None = None
    """The last quarter hour that was completed, by its start, with its means by series."""
    _quarter: datetime | None = None
    _last: datetime | None = None
    _means: dict[str, _Mean] = field(default_factory=dict)

    def see(self, readings: Readings) -> bool:
        """Take the readings into the running quarter; true if one was completed and kept."""
        now = readings.now
        quarter = floor_time(now, QUARTER)
        completed = self._quarter is not None and quarter > self._quarter
        if completed:
            self._keep()
        if self._last is not None and self._quarter == quarter and now > self._last:
            for series, value in self.sample(readings).items():
                self._means.setdefault(series, _Mean()).add(value, (now - self._last).total_seconds())
        self._quarter, self._last = quarter, now
        return completed

    def _keep(self) -> None:
        assert self._quarter is not None
        enough_s = LEAST_SHARE * QUARTER.total_seconds()
        means = {name: mean.weighted / mean.seconds for name, mean in self._means.items() if mean.seconds >= enough_s}
        if means:
            self.kept = self._quarter, means
            self.store.add_history(self._quarter, means)
        self._means = {}

    def sample(self, readings: Readings) -> dict[str, float]:
        """What is known now of the series that forecasters learn from."""
        found = {
            LOAD: self._base_load_kw(readings),
            PV: self._pv_kw(readings),
            OUTDOOR: number(readings, "site/outdoor_temperature_c", "°C", SITE_MAX_AGE),
            GHI: number(readings, "site/ghi_w_m2", "W/m2", SITE_MAX_AGE),
            IMPORT: number(readings, "site/import_kw", "kW"),
        }
        return {series: value for series, value in found.items() if value is not None}

    def _base_load_kw(self, readings: Readings) -> float | None:
        """The house's load less what PEMS plans itself: a relay that is on would be counted twice otherwise."""
        load_kw = sum_known(number(readings, f"{name}/load_kw", "kW") for name in self._inverters)
        planned_kw = [self._heating_kw(readings, name, spec) for name, spec in self._heatings]
        if load_kw is None or None in planned_kw:
            return None
        return max(0.0, load_kw - sum(kw for kw in planned_kw if kw is not None))

    def _heating_kw(self, readings: Readings, name: str, spec: HeatingSpec) -> float | None:
        total_kw = 0.0
        for room in spec.rooms:
            power_kw = number(readings, f"{name}/{room.name}_power_kw", "kW")
            relay = readings.points.get(f"{name}/{room.name}_relay")
            if power_kw is None and relay is None:
                return None
            total_kw += power_kw if power_kw is not None else room.relay_kw * bool(relay and relay.value)
        return total_kw

    def _pv_kw(self, readings: Readings) -> float | None:
        """What the arrays give, unless they may be curtailed: that would teach a forecaster too little sun."""
        for name in self._inverters:
            export = readings.points.get(f"{name}/grid_export")
            derating = readings.points.get(f"{name}/derating")
            if (export is not None and export.value is False) or (derating is not None and derating.value):
                return None
        return sum_known(number(readings, f"{name}/pv_kw", "kW") for name in self._inverters)

    @property
    def _inverters(self) -> Sequence[str]:
        return [name for name, spec in self.equipment.items() if isinstance(spec, HybridInverterSpec)]

    @property
    def _heatings(self) -> Sequence[tuple[str, HeatingSpec]]:
        return [(name, spec) for name, spec in self.equipment.items() if isinstance(spec, HeatingSpec)]


def number(readings: Readings, point: str, unit: str, max_age: timedelta = MAX_AGE) -> float | None:
    """A fresh number, or None."""
    try:
        return readings.number(point, max_age, unit)
    except StaleReading:
        return None


def sum_known(values: Iterable[float | None]) -> float | None:
    """The sum, or None if a part of it is unknown or there is none."""
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if found and len(known) == len(found) else None


def month_peak(store: Store, now: datetime, zone: ZoneInfo) -> ImportPeak:
    """What a charge for power has seen of the running local month."""
    begin, end = billing_month(now, zone)
    frame = store.history((now - begin) / timedelta(days=1))
    so_far_kw = float(frame[IMPORT].max()) if IMPORT in frame and frame[IMPORT].notna().any() else 0.0
    return ImportPeak(so_far_kw, end)
