"""Whether flows go as planned, and whether they go at the right time: charging, feeding in, peaks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from .arithmetic import (
    QUARTER_H,
    cheap_charging_percent,
    grid_charged_kwh,
    percent,
    saving_percent,
    sold_below_zero_kwh,
)
from .houses import reference_house
from .loops import COMFORT, CURRENCY, baseline, pems, series, weeks
from .rows import Bar, Row
from .runs import BOUND, RunRecord, RunSpec
from .setting import Benchmark, Setting


def followed_runs(setting: Setting) -> Sequence[RunSpec]:
    return [pems(setting, week, forecast) for week in weeks(setting) for forecast in ("perfect", "realistic")]


def followed(setting: Setting) -> Iterator[Row]:
    for week in weeks(setting):
        run = setting.runs[pems(setting, week, "perfect")]
        plans = [plan for plan in run.plans if plan.rung in ("solver", "incumbent")]
        yield executed_row(f"{week}, plans with perfect forecasts", sum(p.executed for p in plans), plans_cost(run))
        yield planned_quarters_row(f"{week}, closed loop with perfect forecasts", run, series(setting, week))
        real = setting.runs[pems(setting, week)]
        yield Row(
            f"{week}, plans with realistic forecasts: executed above planned",
            _above(sum(p.executed for p in real.plans if p.rung in ("solver", "incumbent")), plans_cost(real)),
            "%",
        )


def plans_cost(run: RunRecord) -> float:
    return sum(plan.planned for plan in run.plans if plan.rung in ("solver", "incumbent"))


def executed_row(name: str, executed: float, planned: float) -> Row:
    return Row(f"{name}: executed above planned", _above(executed, planned), "%", Bar("<=", 1.0))


def planned_quarters_row(name: str, run: RunRecord, prices: pd.DataFrame) -> Row:
    """Bill of what each plan said of its own next quarters, against the bill that came."""
    at = prices.loc[run.flows.index]
    imported, exported = run.flows["planned_import_kw"], run.flows["planned_export_kw"]
    planned = (imported * at["import_price_per_kwh"] - exported * at["feed_in_price_per_kwh"]).sum() * QUARTER_H
    return Row(f"{name}: bill above the planned", _above(run.bill, float(planned)), "%", Bar("<=", 1.0))


def _above(happened: float, planned: float) -> float | None:
    return percent(happened - planned, abs(planned))


def grid_charging_runs(setting: Setting) -> Sequence[RunSpec]:
    return [spec for week in weeks(setting) for spec in (pems(setting, week), baseline(setting, week, BOUND))]


def grid_charging(setting: Setting) -> Iterator[Row]:
    timezone = reference_house().site.timezone
    for week in weeks(setting):
        prices = series(setting, week)["import_price_per_kwh"]
        run, best = (setting.runs[spec] for spec in (pems(setting, week), baseline(setting, week, BOUND)))
        share, possible = (cheap_charging_percent(r.flows, prices, timezone) for r in (run, best))
        yield Row(f"{week}, PEMS: charged from the grid", float(grid_charged_kwh(run.flows).sum()), "kWh")
        yield Row(f"{week}, bound: charged from the grid", float(grid_charged_kwh(best.flows).sum()), "kWh")
        yield Row(f"{week}, bound: in the cheapest 20 % of its day", possible, "%")
        bar = None if possible is None else Bar(">=", round(possible - 5, 1))
        yield Row(f"{week}, PEMS: in the cheapest 20 % of its day", share, "%", bar)


NO_FEED_IN = "no_feed_in"


def export_runs(setting: Setting) -> Sequence[RunSpec]:
    houses = ("reference", NO_FEED_IN)
    both = [(week, house) for week in export_weeks(setting) for house in houses]
    planned = [pems(setting, week, house=house) for week, house in both]
    return planned + [baseline(setting, week, BOUND, house) for week, house in both]


def export_weeks(setting: Setting) -> Sequence[str]:
    return ("spring", "summer") if setting.full else ("spring",)


def export(setting: Setting) -> Iterator[Row]:
    runs = setting.runs
    for week in export_weeks(setting):
        feed_in = series(setting, week)["feed_in_price_per_kwh"]
        run, best = runs[pems(setting, week)], runs[baseline(setting, week, BOUND)]
        benefit = runs[pems(setting, week, house=NO_FEED_IN)].net_cost - run.net_cost
        possible = runs[baseline(setting, week, BOUND, NO_FEED_IN)].net_cost - best.net_cost
        yield Row(f"{week}, PEMS: fed in", float(run.flows["grid_export_kw"].sum() * QUARTER_H), "kWh")
        yield Row(f"{week}, bound: fed in", float(best.flows["grid_export_kw"].sum() * QUARTER_H), "kWh")
        yield Row(f"{week}, PEMS: net benefit of feeding in", benefit, CURRENCY)
        yield Row(f"{week}, bound: net benefit of feeding in", possible, CURRENCY)
        yield Row(f"{week}, PEMS: net benefit, of the bound's", percent(benefit, possible), "%", Bar(">", 90.0))
        most = sold_below_zero_kwh(best.flows, feed_in)
        yield Row(f"{week}, bound: fed in at a negative price", most, "kWh")
        fed_in = sold_below_zero_kwh(run.flows, feed_in)
        yield Row(f"{week}, PEMS: fed in at a negative price", fed_in, "kWh", Bar("<=", round(most, 3)))


LEAD_IN_DAYS = 1.0


def peak_runs(setting: Setting) -> Sequence[RunSpec]:
    days = LEAD_IN_DAYS + (31.0 if setting.full else setting.days)
    # A month of plans every quarter of an hour would take longer than all other benchmarks together.
    shaved = RunSpec("peak_shaving", "january", days, every_min=60)
    return [shaved, RunSpec("self_use", "january", days), replace(shaved, strategy="lowest_bill")]


def month_peak_kw(run: RunRecord) -> float:
    """Highest import of the month, as a mean of a quarter of an hour."""
    return float(run.flows["grid_import_kw"].iloc[int(LEAD_IN_DAYS * 24 / QUARTER_H) :].max())


def peak_shaving(setting: Setting) -> Iterator[Row]:
    shaved, before, cheapest = (setting.runs[spec] for spec in peak_runs(setting))
    yield Row("days of the month", shaved.spec.days - LEAD_IN_DAYS)
    yield Row("self use and thermostats (2): import peak", month_peak_kw(before), "kW")
    yield Row("lowest_bill: import peak", month_peak_kw(cheapest), "kW")
    yield Row("peak_shaving: import peak", month_peak_kw(shaved), "kW")
    cut = saving_percent(month_peak_kw(shaved), month_peak_kw(before))
    yield Row("peak_shaving: peak cut against (2)", cut, "%", Bar(">", 30.0))
    yield Row("peak_shaving: net cost above lowest_bill", shaved.net_cost - cheapest.net_cost, CURRENCY)
    yield Row("peak_shaving: outside the comfort band", 100 * shaved.comfort_share, "%", COMFORT)


FLOWS = (
    Benchmark(
        "followed",
        "Plans that the inverter can follow",
        "Executed: bill, wear and discomfort less the worth of stored energy as the devices' execution models carry "
        "each plan out, against the same as planned, summed over the plans of a run. Closed loop: the bill that came "
        "against that of what the plan in force said of each quarter of an hour when it began.",
        followed,
        followed_runs,
    ),
    Benchmark(
        "grid_charging",
        "Charging from the grid",
        "Energy imported while the battery charges, as far as it charges; PV feeds the house first. The cheapest 20 % "
        "are the quarter hours of a local day whose import price is at most that of its 20th cheapest of 96.",
        grid_charging,
        grid_charging_runs,
    ),
    Benchmark(
        "export",
        "Feeding in",
        "Net benefit: what the same days cost more, net, in a house that may not feed in. So earnings count less what "
        "the energy would have been worth later, in PEMS with realistic forecasts and in the bound alike.",
        export,
        export_runs,
        in_short=False,
    ),
    Benchmark(
        "peak_shaving",
        "Peak shaving",
        "Highest mean import of a quarter of an hour over January (short: its first three days) after a day before it, "
        "realistic forecasts, hourly plans.",
        peak_shaving,
        peak_runs,
        in_short=False,
    ),
)
