"""What is known of a house at one moment, and of the time since the one before."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.domain import (
    HOUR,
    CycleReport,
    Decision,
    Equipment,
    HeatingSpec,
    HybridInverterSpec,
    Readings,
    SiteState,
    StaleReading,
)

LONGEST = timedelta(minutes=20)
"""A sample stands for no longer: of a longer gap nobody knows what flowed."""
MAX_AGE = timedelta(minutes=5)
SLOW_MAX_AGE = timedelta(hours=1)
"""Of weather, which instruments tell rarely."""
RUNS_KW = 0.05
"""What flows below is the rest that instruments show."""


@dataclass(frozen=True)
class Household:
    """Whose metrics these are.

    :param equipment: by device name.
    """

    site: str
    equipment: Mapping[str, Equipment]

    @property
    def inverters(self) -> Mapping[str, HybridInverterSpec]:
        return {name: spec for name, spec in self.equipment.items() if isinstance(spec, HybridInverterSpec)}

    @property
    def heatings(self) -> Mapping[str, HeatingSpec]:
        return {name: spec for name, spec in self.equipment.items() if isinstance(spec, HeatingSpec)}


@dataclass(frozen=True)
class Moment:
    """One sample.

    :param before: time of the sample before; None for the first.
    :param report: of the last cycle, whose plan is in force.
    """

    household: Household
    readings: Readings
    state: SiteState
    before: datetime | None = None
    report: CycleReport | None = None

    @property
    def now(self) -> datetime:
        return self.readings.now

    @property
    def site(self) -> str:
        return self.household.site

    @property
    def hours(self) -> float:
        """For how long what is measured now has held [h]: since the sample before, 0 after a gap."""
        if self.before is None or not timedelta(0) < self.now - self.before <= LONGEST:
            return 0.0
        return (self.now - self.before) / HOUR

    def number(self, point: str, unit: str, max_age: timedelta = MAX_AGE) -> float | None:
        """A fresh number, or None."""
        try:
            return self.readings.number(point, max_age, unit)
        except StaleReading:
            return None

    def word(self, point: str) -> str | bool | None:
        """A fresh mode or switch, or None."""
        try:
            value = self.readings.fresh(point, MAX_AGE).value
        except StaleReading:
            return None
        return value if isinstance(value, str | bool) else None

    def expected(self, series: str, at: datetime | None = None) -> float | None:
        """What the last cycle expects of a series, such as a price, now or at another time that it looked ahead to."""
        forecasts = self.report.forecasts if self.report else None
        if forecasts is None or series not in forecasts.series or (at or self.now) >= forecasts.horizon.end:
            return None
        return forecasts[series][forecasts.horizon.step_at(at or self.now)]

    def decision(self, device: str, control: str) -> Decision | None:
        """What holds now for a control, as planned."""
        for decision in self.report.decisions if self.report else ():
            if decision.device == device and decision.control == control and decision.holds(self.now):
                return decision
        return None

    @property
    def import_price_per_kwh(self) -> float | None:
        """What the energy since the sample before was paid with."""
        return self.expected("import_price_per_kwh", self._middle)

    @property
    def feed_in_price_per_kwh(self) -> float | None:
        """What the energy since the sample before earned."""
        return self.expected("feed_in_price_per_kwh", self._middle)

    @property
    def _middle(self) -> datetime:
        return self.now - 0.5 * self.hours * HOUR


def times(*factors: float | None) -> float | None:
    """A product, or None if a factor is unknown.

    >>> times(2.0, 0.25), times(2.0, None)
    (0.5, None)
    """
    product = 1.0
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known, or None if nothing is.

    >>> total([1.0, None, 2.0]), total([None])
    (3.0, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) if known else None
