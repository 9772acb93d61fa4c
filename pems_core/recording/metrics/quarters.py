"""Quarter hours that are over, held against what was expected of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.domain import HOUR, QUARTER, CycleReport, InverterState, floor_time
from pems_core.recording.catalogue import FORECAST_ERRORS, PLAN_REALITY
from pems_core.recording.points import Point

from .moment import Moment, times

AHEAD_H = (1, 6, 24)
SERIES = ("pv_kw", "base_load_kw", "outdoor_temperature_c", "ghi_w_m2")
KEPT = timedelta(days=2)


@dataclass
class ForecastErrors:
    """Remembers what was expected of a quarter hour some hours before it, until it was measured.

    What is remembered is lost in a restart; the ledger has all of it.
    """

    site: str
    _expected: dict[datetime, dict[tuple[str, int], float]] = field(default_factory=dict)

    def note(self, report: CycleReport) -> None:
        """Take what a cycle expects of the quarter hours that begin in 1, 6 and 24 h."""
        forecasts, now = report.forecasts, report.state.now
        for hours in AHEAD_H:
            quarter = floor_time(now, QUARTER) + hours * HOUR
            if quarter >= forecasts.horizon.end:
                continue
            t = forecasts.horizon.step_at(quarter)
            known = self._expected.setdefault(quarter, {})
            known.update({(name, hours): forecasts[name][t] for name in SERIES if name in forecasts.series})
        self._expected = {at: known for at, known in self._expected.items() if now - at < KEPT}

    def points(self, quarter: datetime, measured: Mapping[str, float]) -> Iterator[Point]:
        """The errors of a quarter hour, whose means are known now by series."""
        for (name, hours), expected in self._expected.pop(quarter, {}).items():
            if name in measured:
                error = expected - measured[name]
                yield FORECAST_ERRORS.point(
                    quarter,
                    self.site,
                    {"series": name, "ahead_h": str(hours)},
                    {
                        "expected": expected,
                        "measured": measured[name],
                        "error": error,
                        "absolute_error": abs(error),
                    },
                )


@dataclass
class PlanReality:
    """Adds up what a quarter hour really cost, beside what the plan that held at its start said."""

    site: str
    _quarter: datetime | None = None
    _expected: tuple[float, float, Mapping[str, float]] | None = None
    _cost: float = 0.0
    _exchanged_kwh: float = 0.0
    _hours: float = 0.0

    def points(self, moment: Moment) -> Iterator[Point]:
        """The quarter hour that ended before this sample, if one did and was seen whole."""
        self._add(moment)
        quarter = floor_time(moment.now, QUARTER)
        if quarter == self._quarter:
            return
        if self._quarter is not None and self._expected is not None and self._hours > 0.9 * (QUARTER / HOUR):
            yield self._point(self._quarter, moment)
        self._quarter, self._expected = quarter, _expected_at(moment.report, quarter)
        self._cost = self._exchanged_kwh = self._hours = 0.0

    def _add(self, moment: Moment) -> None:
        # What was measured at the end of an interval stands for the interval: also that before a quarter's end.
        bought = times(moment.number("site/import_kw", "kW"), moment.hours, moment.import_price_per_kwh)
        sold = times(moment.number("site/export_kw", "kW"), moment.hours, moment.feed_in_price_per_kwh)
        if bought is None or sold is None:
            return
        self._cost += bought - sold
        self._exchanged_kwh += times(_exchange_kw(moment), moment.hours) or 0.0
        self._hours += moment.hours

    def _point(self, quarter: datetime, moment: Moment) -> Point:
        assert self._expected is not None
        cost, exchange_kw, socs = self._expected
        soc_errors = [
            state.battery.soc - socs[name]
            for name, state in moment.state.devices.items()
            if isinstance(state, InverterState) and state.battery and name in socs
        ]
        return PLAN_REALITY.point(
            quarter,
            self.site,
            {},
            {
                "expected_cost": cost,
                "actual_cost": self._cost,
                "cost_error": self._cost - cost,
                "import_error_kw": self._exchanged_kwh / self._hours - exchange_kw,
                "soc_error": soc_errors[0] if soc_errors else None,
            },
        )


def _exchange_kw(moment: Moment) -> float | None:
    import_kw, export_kw = moment.number("site/import_kw", "kW"), moment.number("site/export_kw", "kW")
    return None if import_kw is None or export_kw is None else import_kw - export_kw


def _expected_at(report: CycleReport | None, quarter: datetime) -> tuple[float, float, Mapping[str, float]] | None:
    """Cost of a quarter hour [currency], mean exchange with the grid [kW], and states of charge at its end."""
    if report is None or not report.plan.prices or "grid.import_kw" not in report.plan.dispatch:
        return None
    plan = report.plan
    if not plan.horizon.start - QUARTER < quarter < plan.horizon.end:
        return None
    t = plan.horizon.step_at(quarter)
    import_kw, export_kw = plan.dispatch["grid.import_kw"][t], plan.dispatch["grid.export_kw"][t]
    hours = QUARTER / HOUR
    cost = (
        import_kw * plan.prices["import_price_per_kwh"][t] - export_kw * plan.prices["feed_in_price_per_kwh"][t]
    ) * hours
    socs = {name.removesuffix(".soc"): level[t] for name, level in plan.levels.items() if name.endswith(".soc")}
    return cost, import_kw - export_kw, socs
