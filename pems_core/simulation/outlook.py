"""What the planner is told in a simulation: the truth, the truth with realistic errors, or yesterday."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import maximum_filter1d

from pems_core.domain import HOUR, BadSeries, Forecast, Forecasts, Horizon, floor_time, require_utc

from .scenario import Scenario
from .scenario_checks import FORECAST, OPTIONAL, REQUIRED

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

PRICES = ("import_price_per_kwh", "feed_in_price_per_kwh")
SUNNY = ("pv_kw", "ghi_w_m2")
LOAD = "base_load_kw"
TEMPERATURE = "outdoor_temperature_c"
DAY_H = 24.0
# Horizons that reach beyond the scenario see its last day again.
DAYS_BEYOND_END = 8
PUBLISHED_AT = time(13)
MARKET_TIMEZONE = "Europe/Prague"
# Mean absolute deviation of a normal distribution, in standard deviations.
MEAN_DEVIATION = 0.7979


class ForecastQuality(StrEnum):
    PERFECT = "perfect"
    REALISTIC = "realistic"
    NAIVE = "naive"
    LEARNED = "learned"
    """What the house's own forecasters say; see `AskedOutlook`."""


class Foresight(Protocol):
    """Says what is expected."""

    def forecasts(self, now: datetime, horizon: Horizon) -> Forecasts:
        """What is expected at `now` over a horizon, one mean value per step."""


@dataclass(frozen=True)
class ForecastErrors:
    """Size of realistic errors by lead time [h], after what forecasts of such series reach.

    An error is one smooth course over the target times, scaled by the lead: as a time comes nearer, the same error
    shrinks, and consecutive cycles agree.
    """

    temperature_mae_k: tuple[float, float] = (0.93, 1.08)
    """At 1 h and at 36 h."""
    temperature_memory_h: float = 8.0
    sun_deviation: float = 0.34
    """Day-ahead, as a share of what a clear sky gives; the RMSE of PV over 24 h is then 10 to 12 % of its peak."""
    sun_memory_h: float = 3.0
    load_mae: float = 0.45
    """Day-ahead, as a share of the mean load, for quarter-hour values."""
    load_memory_h: float = 2.0

    def temperature_k(self, lead_h: Array) -> Array:
        """Standard deviation [K]."""
        at_1h, at_36h = self.temperature_mae_k
        return np.asarray((at_1h + (at_36h - at_1h) * (lead_h - 1) / 35) / MEAN_DEVIATION, dtype=np.float64)

    def sun(self, lead_h: Array) -> Array:
        """Standard deviation as a share of the clear sky: clouds over the house now are known for a while."""
        return np.asarray(self.sun_deviation * (0.35 + 0.65 * (1 - np.exp(-lead_h / 3))), dtype=np.float64)

    def load_share(self, lead_h: Array) -> Array:
        """Share of the day-ahead error: half of it remains for the running quarter, as the present level helps."""
        return np.asarray(0.5 + 0.5 * (1 - np.exp(-lead_h / 1.5)), dtype=np.float64)


@dataclass(frozen=True)
class View:
    """One moment: which intervals are asked for, and what is known by then."""

    slots: Indices
    """Intervals of the scenario that the horizon touches."""
    lead_h: Array
    """From now to the middle of each."""
    measured: int
    """Intervals before this one have ended."""
    published: int
    """Prices of intervals before this one are known."""


class Outlook:
    """Forecasts over any horizon at any time of a scenario.

    perfect
        the truth.
    realistic
        prices are known until the end of the day for which they are published (the next day from 13:00 local time
        of the market), and beyond that those of the day before are repeated. The other series are the truth with
        errors after `ForecastErrors`; carbon intensity is that of the day before. Where the scenario has a column
        `<name>_forecast`, its values are taken instead.
    naive
        the same prices; all else as at the same local time of the last day that has been measured, temperature as
        last measured. Columns `<name>_forecast` are taken as well.
    """

    def __init__(
        self,
        scenario: Scenario,
        quality: ForecastQuality | str = ForecastQuality.REALISTIC,
        *,
        seed: int = 1,
        errors: ForecastErrors | None = None,
        market_timezone: str = MARKET_TIMEZONE,
    ) -> None:
        self.scenario = scenario
        self.quality = ForecastQuality(quality)
        if self.quality is ForecastQuality.LEARNED:
            raise ValueError("learned forecasts are made by forecasters; see AskedOutlook")
        self._errors = errors or ForecastErrors()
        self._market = ZoneInfo(market_timezone)
        self._step_h = scenario.step / HOUR
        self._per_day = timedelta(days=1) // scenario.step
        self._count = len(scenario.frame)
        self._truth = {name: self._extended(name) for name in (*REQUIRED, *OPTIONAL) if name in scenario.frame}
        self._expected = {
            name: self._extended(name + FORECAST) for name in self._truth if name + FORECAST in scenario.frame
        }
        self._day_before = self._same_time_the_day_before()
        self._error = self._error_courses(np.random.RandomState(seed))

    def forecasts(self, now: datetime, horizon: Horizon) -> Forecasts:
        """What is expected at `now` over a horizon, one mean value per step.

        :raises BadSeries: if the horizon begins outside the scenario, or a naive forecast has no measured value yet.
        """
        edges = self._edges(horizon)
        view = self._view(now, edges)
        source = f"{self.quality} outlook"
        series = {
            name: Forecast(means(self._expect(name, view), view.slots[0], edges), source, now) for name in self._truth
        }
        return Forecasts(horizon, series)

    def told(self, names: Sequence[str], now: datetime, since: datetime, until: datetime) -> pd.DataFrame:
        """What is said at `now` of whole intervals from `since` up to `until`; of past ones what was said a day ahead.

        :raises BadSeries: if the time is not one of the scenario.
        """
        asked = self.scenario.between(floor_time(since, self.scenario.step), floor_time(until, self.scenario.step))
        first = (asked.start - self.scenario.start) // self.scenario.step
        view = self._view(now, np.array([first, first + len(asked.frame)], dtype=np.float64))
        ahead = view.slots >= view.measured
        view = replace(view, lead_h=np.where(ahead, view.lead_h, DAY_H))
        return pd.DataFrame({name: self._expect(name, view) for name in names}, index=asked.frame.index)

    def _edges(self, horizon: Horizon) -> Array:
        """Ends of the horizon's steps, counted in intervals from the scenario's start."""
        scenario = self.scenario
        if not scenario.start <= horizon.start < scenario.end:
            allowed = f"{scenario.start.isoformat()} to {scenario.end.isoformat()} is allowed"
            raise BadSeries([f"{scenario.name}: a horizon begins at {horizon.start.isoformat()}; {allowed}"])
        first_h = (horizon.start - scenario.start) / HOUR
        edges_h = first_h + np.concatenate([[0.0], np.cumsum(horizon.step_h)])
        # Sums of lengths such as 1/3 h must not reach into the next interval by the last digit.
        edges = np.round(edges_h / self._step_h, 9)
        beyond = self._count + DAYS_BEYOND_END * self._per_day
        if edges[-1] > beyond:
            raise BadSeries(
                [f"{scenario.name}: a horizon ends more than {DAYS_BEYOND_END} days after {scenario.end.isoformat()}"]
            )
        return np.asarray(edges, dtype=np.float64)

    def _view(self, now: datetime, edges: Array) -> View:
        at = (require_utc(now, "now") - self.scenario.start) / self.scenario.step
        slots = np.arange(int(edges[0]), int(np.ceil(edges[-1])), dtype=np.int64)
        lead_h = np.maximum(0.0, (slots + 0.5 - at) * self._step_h)
        until = (published_until(now, self._market) - self.scenario.start) / self.scenario.step
        return View(slots, lead_h, int(at), int(until))

    def _expect(self, name: str, view: View) -> Array:
        """The series by interval, over the intervals of the view."""
        if self.quality is ForecastQuality.PERFECT:
            return self._truth[name][view.slots]
        if name in self._expected:
            return self._expected[name][view.slots]
        if name in PRICES:
            return self._latest(name, view, known=view.published)
        if self.quality is ForecastQuality.NAIVE:
            return self._naive(name, view)
        rules: Mapping[str, Callable[[str, View], Array]] = {
            **dict.fromkeys(SUNNY, self._sunny),
            LOAD: self._load,
            TEMPERATURE: self._temperature,
        }
        return rules.get(name, self._naive)(name, view)

    def _naive(self, name: str, view: View) -> Array:
        if view.measured < 1:
            found = f"nothing was measured before {self.scenario.start.isoformat()}"
            raise BadSeries([f"{self.scenario.name}: {found}; a naive forecast of {name} needs rows before the start"])
        if name == TEMPERATURE:
            return np.full(len(view.slots), self._truth[name][view.measured - 1])
        return self._latest(name, view, known=view.measured)

    def _latest(self, name: str, view: View, known: int) -> Array:
        """The value itself where it is known, else that of the last day before on which it is."""
        slots = view.slots
        while (slots >= known).any():
            slots = np.where(slots >= known, self._day_before[slots], slots)
        values = self._truth[name]
        # Before the first row nothing is known of the day before: the mean of what is known stands in.
        return np.where(slots < 0, values[:known].mean(), values[np.maximum(slots, 0)])

    def _sunny(self, name: str, view: View) -> Array:
        clear = self._error["clear_" + name][view.slots]
        error = clear * self._errors.sun(view.lead_h) * self._error["sun"][view.slots]
        return np.clip(self._truth[name][view.slots] + error, 0.0, clear)

    def _load(self, name: str, view: View) -> Array:
        error = self._error[name][view.slots] * self._errors.load_share(view.lead_h)
        return np.maximum(0.0, self._truth[name][view.slots] + error)

    def _temperature(self, name: str, view: View) -> Array:
        error = self._errors.temperature_k(view.lead_h) * self._error[name][view.slots]
        return np.asarray(self._truth[name][view.slots] + error, dtype=np.float64)

    def _extended(self, column: str) -> Array:
        """A column of the scenario, with its last day repeated beyond its end."""
        values = self.scenario.frame[column].to_numpy(dtype=np.float64)
        last_day = values[-self._per_day :]
        return np.concatenate([values, np.resize(last_day, DAYS_BEYOND_END * self._per_day)])

    def _same_time_the_day_before(self) -> Indices:
        """For each interval the one at the same local time the day before; -1 before the first row."""
        size = self._count + DAYS_BEYOND_END * self._per_day
        labels = pd.date_range(self.scenario.start, periods=size, freq=self.scenario.step)
        clock = labels.tz_convert(self._market).tz_localize(None) - timedelta(days=1)
        # Of an hour that occurs twice the first is taken; one that does not occur is the hour after it.
        day_before = clock.tz_localize(
            self._market, ambiguous=np.ones(size, dtype=np.bool_), nonexistent=timedelta(hours=1)
        )
        offsets = (day_before.tz_convert("UTC") - labels[0]) // self.scenario.step
        return np.maximum(-1, np.asarray(offsets, dtype=np.int64))

    def _error_courses(self, random: np.random.RandomState) -> dict[str, Array]:
        """Everything random, by target time; RandomState, as its streams are the same with every numpy."""
        size, errors = len(self._day_before), self._errors
        temperature, sun, load = (
            smooth_noise(random, size, memory_h / self._step_h)
            for memory_h in (errors.temperature_memory_h, errors.sun_memory_h, errors.load_memory_h)
        )
        courses = {TEMPERATURE: temperature, "sun": sun, LOAD: self._load_error(load)}
        for name in SUNNY:
            courses["clear_" + name] = clear_course(self._truth[name], self._per_day)
        return courses

    def _load_error(self, noise: Array) -> Array:
        """The day-ahead error of the load [kW].

        A forecast sees the habit, not the single burst: the error leads from the truth towards the mean of the seven
        days before, with some noise, and is scaled to the mean absolute error that such forecasts have.
        """
        truth = self._truth[LOAD]
        mean_kw = float(truth[: self._count].mean())
        error = habit(truth, self._per_day) - truth + 0.2 * mean_kw * noise
        typical_kw = float(np.abs(error[: self._count]).mean())
        return error * (self._errors.load_mae * mean_kw / typical_kw) if typical_kw > 0 else error


def published_until(now: datetime, market: ZoneInfo) -> datetime:
    """Until when day-ahead prices are known: the end of today, from 13:00 on of tomorrow, in the market's time.

    >>> from datetime import UTC
    >>> str(published_until(datetime(2025, 1, 15, 11, 59, tzinfo=UTC), ZoneInfo("Europe/Prague")))
    '2025-01-16 00:00:00+01:00'
    """
    local = now.astimezone(market)
    days = 2 if local.time() >= PUBLISHED_AT else 1
    return datetime.combine(local.date() + timedelta(days=days), time(), market)


def means(values: Array, first_slot: int | np.integer, edges: Array) -> tuple[float, ...]:
    """Bring values of consecutive intervals onto steps that end at `edges` [intervals], weighting by overlap."""
    integral = np.concatenate([[0.0], np.cumsum(values)])
    at_edges = np.interp(edges - first_slot, np.arange(len(integral)), integral)
    return tuple((np.diff(at_edges) / np.diff(edges)).tolist())


def smooth_noise(random: np.random.RandomState, size: int, memory: float) -> Array:
    """A process AR(1) with standard deviation 1; `memory` in intervals."""
    # It brings all statistics along: who makes no forecasts up need not wait for them.
    from scipy.signal import lfilter

    keep = np.exp(-1 / memory)
    shocks = random.standard_normal(size) * np.sqrt(1 - keep**2)
    shocks[0] /= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks), dtype=np.float64)


def clear_course(values: Array, per_day: int, days: int = 15) -> Array:
    """What a clear sky gives at each time: the most at that time of day within a week before and after."""
    by_day = np.zeros((-(-len(values) // per_day), per_day))
    by_day.flat[: len(values)] = values
    return np.asarray(maximum_filter1d(by_day, days, axis=0).ravel()[: len(values)], dtype=np.float64)


def habit(values: Array, per_day: int, days: int = 7) -> Array:
    """The mean of the days before at the same time of day, as many as there are up to `days`; on the first, itself."""
    by_day = np.full((-(-len(values) // per_day), per_day), np.nan)
    by_day.flat[: len(values)] = values
    before = pd.DataFrame(by_day).shift(1).rolling(days, min_periods=1).mean()
    return before.fillna(pd.DataFrame(by_day)).to_numpy().ravel()[: len(values)]
