"""What PEMS saves in closed loop, against what and of what."""

from collections.abc import Iterator, Sequence

import pandas as pd

from .arithmetic import heating_cost, mean_temperature_c, saving_percent, warmth_difference_kwh
from .houses import reference_house, rooms_of
from .loops import COMFORT, CURRENCY, baseline, of_possible, peak_kw, pems, series, weeks
from .rows import Bar, Row
from .runs import BOUND, RULES, RunRecord, RunSpec
from .setting import Benchmark, Setting

ALL_WEEKS = ("winter", "late_winter", "spring", "summer", "autumn")
LESS_THAN_THERMOSTATS = {"winter": Bar(">", 25.0), "spring": Bar(">", 60.0)}
BASELINE_WORDS = {
    "thermostat_only": "thermostats, battery at rest (1)",
    "self_use": "self use and thermostats (2)",
    "rules": "rules (3)",
}
KNOWLEDGE = {
    "perfect forecasts": ("perfect", 0.0, Bar(">=", 92.0)),
    "realistic forecasts": ("realistic", 0.0, Bar(">=", 87.0)),
    "realistic forecasts, thermal parameters wrong by 30 %": ("realistic", 0.3, Bar(">=", 80.0)),
}


def economics_runs(setting: Setting) -> Sequence[RunSpec]:
    planned = [pems(setting, week, f, s) for week in weeks(setting) for f, s, _ in KNOWLEDGE.values()]
    return planned + [baseline(setting, week, name) for week in weeks(setting) for name in (*RULES, BOUND)]


def economics(setting: Setting) -> Iterator[Row]:
    for week in weeks(setting):
        yield from week_rows(setting, week)
    if len(weeks(setting)) > 1:
        for knowledge, (forecast, spread, bar) in KNOWLEDGE.items():
            runs = [setting.runs[pems(setting, week, forecast, spread)] for week in weeks(setting)]
            share = of_possible(setting, weeks(setting), runs)
            yield Row(f"all weeks pooled, {knowledge}: of the saving from (2) to the bound", share, "%", bar)


def week_rows(setting: Setting, week: str) -> Iterator[Row]:
    runs = setting.runs
    before = {name: runs[baseline(setting, week, name)] for name in RULES}
    for name, run in before.items():
        yield Row(f"{week}, {BASELINE_WORDS[name]}: net cost", run.net_cost, CURRENCY)
        yield Row(f"{week}, {BASELINE_WORDS[name]}: outside the comfort band", 100 * run.comfort_share, "%")
        yield Row(f"{week}, {BASELINE_WORDS[name]}: peak import", peak_kw(run), "kW")
    yield Row(f"{week}, perfect-foresight bound: net cost", runs[baseline(setting, week, BOUND)].net_cost, CURRENCY)
    for knowledge, (forecast, spread, bar) in KNOWLEDGE.items():
        run, prefix = runs[pems(setting, week, forecast, spread)], f"{week}, {knowledge}"
        yield Row(f"{prefix}: net cost", run.net_cost, CURRENCY)
        yield Row(
            f"{prefix}: bill / wear / stored", f"{run.bill:.1f} / {run.wear:.1f} / {run.stored_value:.1f}", CURRENCY
        )
        for name, other in before.items():
            saved = other.net_cost - run.net_cost
            against = f"{prefix}: saving against {BASELINE_WORDS[name]}"
            yield Row(against, saved, CURRENCY)
            less = LESS_THAN_THERMOSTATS.get(week) if name == "thermostat_only" and not spread else None
            yield Row(f"{against}, share", saving_percent(run.net_cost, other.net_cost), "%", less)
        yield Row(f"{prefix}: of the saving from (2) to the bound", of_possible(setting, [week], [run]), "%", bar)
        yield from course_rows(prefix, run)


def course_rows(prefix: str, run: RunRecord) -> Iterator[Row]:
    """Comfort, peak and plans of one run."""
    yield Row(f"{prefix}: outside the comfort band", 100 * run.comfort_share, "%", COMFORT)
    yield Row(f"{prefix}: of it below the band", 100 * run.cold_share, "%")
    yield Row(f"{prefix}: peak import", peak_kw(run), "kW")
    unsolved = sum(plan.rung not in ("solver", "incumbent") for plan in run.plans)
    yield Row(f"{prefix}: plans, of them not from the solver", f"{len(run.plans)}, {unsolved}")
    yield Row(f"{prefix}: plans that break a limit", sum(plan.violations > 0 for plan in run.plans), "", Bar("=", 0))


NO_HEATING = {"no_rooms": "no heated rooms", "unplanned_heating": "heating in the base load"}


def no_heating_weeks(setting: Setting) -> Sequence[str]:
    return ALL_WEEKS if setting.full else ("winter", "spring")


def no_heating_runs(setting: Setting) -> Sequence[RunSpec]:
    places = [(week, house) for week in no_heating_weeks(setting) for house in NO_HEATING]
    planned = [
        pems(setting, week, forecast, house=house) for week, house in places for forecast in ("realistic", "perfect")
    ]
    return planned + [baseline(setting, week, name, house) for week, house in places for name in ("self_use", BOUND)]


def no_heating(setting: Setting) -> Iterator[Row]:
    periods = no_heating_weeks(setting)
    for house, words in NO_HEATING.items():
        found = [setting.runs[pems(setting, week, house=house)] for week in periods]
        for week, run in zip(periods, found, strict=True):
            best = setting.runs[baseline(setting, week, BOUND, house)].net_cost
            at_stake = setting.runs[baseline(setting, week, "self_use", house)].net_cost - best
            yield Row(f"{words}, {week}: saving from (2) to the bound", at_stake, CURRENCY)
            share = of_possible(setting, [week], [run], house)
            yield Row(f"{words}, {week}, realistic forecasts: of that saving", share, "%", barred(house, 60.0))
        pooled = of_possible(setting, periods, found, house)
        yield Row(f"{words}, weeks pooled, realistic forecasts: of that saving", pooled, "%", barred(house, 88.0))
        perfect = [setting.runs[pems(setting, week, "perfect", house=house)] for week in periods]
        pooled = of_possible(setting, periods, perfect, house)
        yield Row(f"{words}, weeks pooled, perfect forecasts: of that saving", pooled, "%")


def barred(house: str, percent: float) -> Bar | None:
    """The bars are for a house without heated rooms; the load of unplanned heating is stated beside it."""
    return Bar(">=", percent) if house == "no_rooms" else None


HEATING_ONLY = "heating_only"


def heating_alone_runs(setting: Setting) -> Sequence[RunSpec]:
    others = [baseline(setting, "winter", name, HEATING_ONLY) for name in ("thermostat_only", "rules", BOUND)]
    return [pems(setting, "winter", house=HEATING_ONLY), *others]


def heating_alone(setting: Setting) -> Iterator[Row]:
    names = {
        "thermostats": baseline(setting, "winter", "thermostat_only", HEATING_ONLY),
        "rules": baseline(setting, "winter", "rules", HEATING_ONLY),
        "PEMS": pems(setting, "winter", house=HEATING_ONLY),
        "perfect foresight": baseline(setting, "winter", BOUND, HEATING_ONLY),
    }
    runs = {name: setting.runs[spec] for name, spec in names.items()}
    prices = series(setting, "winter")["import_price_per_kwh"]
    costs = {name: equal_warmth_cost(run, runs["thermostats"], prices) for name, run in runs.items()}
    for name, run in runs.items():
        yield Row(f"{name}: heating cost as it was", heating_cost(run.flows, prices), CURRENCY)
        yield Row(f"{name}: mean room temperature", mean_temperature_c(run.flows, rooms_of(reference_house())), "°C")
        yield Row(f"{name}: heating cost at equal mean temperature", costs[name], CURRENCY)
        if name != "perfect foresight":
            yield Row(f"{name}: outside the comfort band", 100 * run.comfort_share, "%")
    saved = {name: saving_percent(costs[name], costs["thermostats"]) for name in names}
    by_rules = saved["rules"] or 0.0
    yield Row("perfect foresight: saving of heating cost", saved["perfect foresight"], "%")
    yield Row("rules: saving of heating cost", saved["rules"], "%")
    yield Row("PEMS: saving of heating cost", saved["PEMS"], "%", Bar(">", 20.0))
    yield Row("PEMS: saving beyond that of the rules, in points", (saved["PEMS"] or 0.0) - by_rules, "%", Bar(">", 0.0))


def equal_warmth_cost(run: RunRecord, base: RunRecord, prices: "pd.Series[float]") -> float:
    """Heating cost as if the mean room temperatures and the heat stored at the end had been those of the baseline.

    The heat that warmer rooms lost to the outside is taken out at the mean price of the days, and stored heat at the
    value that it has in every run.
    """
    rooms = rooms_of(reference_house())
    mean_price = float(prices.reindex(run.flows.index).mean())
    warmer = warmth_difference_kwh(run.flows, base.flows, rooms) * mean_price
    return heating_cost(run.flows, prices) - warmer - (run.stored_value - base.stored_value)


ECONOMICS = (
    Benchmark(
        "economics",
        "Savings in closed loop",
        "The simulated reference house on each week, from the same start. Net cost is the bill and battery wear less "
        "the change of stored energy and heat, which is valued alike in every run. The bound solves the whole week at "
        "once with everything known. With wrong parameters the plan's thermal parameters differ from the house's by "
        "up to 30 %, each room's and each parameter by itself.",
        economics,
        economics_runs,
    ),
    Benchmark(
        "no_heating",
        "Battery and PV without planned heating",
        "The reference house without its heated rooms, and with the heat that thermostats would use in its base load.",
        no_heating,
        no_heating_runs,
    ),
    Benchmark(
        "heating_alone",
        "Heating alone",
        "The reference house without PV and battery, in winter. Means are made equal in money: the heat that warmer "
        "rooms lost (conductance to the outside, times the difference of mean temperatures, times hours, summed over "
        "rooms) is taken out at the mean import price, and stored heat at the end at its common value. Mean "
        "temperatures are weighted by conductance to the outside. Perfect foresight is the optimum of the bill, "
        "with all relays relaxed, under the same measure.",
        heating_alone,
        heating_alone_runs,
        in_short=False,
    ),
)
