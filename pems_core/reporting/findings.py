"""Titles that say what a picture shows, from the same numbers that are drawn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .books import books, mean_price_per_kwh
from .course import Course, Values, outside_k
from .result import Report
from .words import energy, money, percent, price, span

COMFORT_TOLERANCE_K = 0.3


def headline(report: Report) -> str:
    """The net cost of the run, and what it saves against the first baseline."""
    run = report.subject
    text = f"{run.name}: {money(run.net_cost, report.currency)} net in {span(report.end - report.start)}"
    if not report.baselines:
        return text
    return f"{text}, {against(report)}"


def against(report: Report) -> str:
    """How the run compares with the first baseline."""
    run, baseline = report.subject, report.baselines[0]
    saving, share = run.saves_against(baseline), run.saving_share(baseline)
    direction = "less" if saving >= 0 else "more"
    amount = money(abs(saving), report.currency) if share is None else percent(abs(share))
    return f"{amount} {direction} than {baseline.name}"


def of_prices(prices: Course, currency: str) -> str:
    imported = prices.known("import_price_per_kwh")
    text = f"Import at {price(np.nanmin(imported))} to {price(np.nanmax(imported))} {currency}/kWh"
    negative_h = float(prices.step_h[prices.values("feed_in_price_per_kwh") < 0].sum())
    return f"{text}; feed-in below zero for {negative_h:g} h" if negative_h else text


def of_power(course: Course) -> str:
    sums = books(course)
    parts = [f"{energy(sums.import_kwh)} bought", f"{energy(sums.export_kwh)} sold"]
    if course.knows("pv_kw"):
        parts.insert(0, f"{energy(sums.pv_kwh)} from PV")
    return f"{', '.join(parts)}: {percent(sums.self_sufficiency)} self-sufficient"


def of_battery(course: Course, prices: pd.DataFrame, currency: str) -> str:
    charged = mean_price_per_kwh(course, "battery_charge_kw", prices, "import_price_per_kwh")
    discharged = mean_price_per_kwh(course, "battery_discharge_kw", prices, "import_price_per_kwh")
    if charged is None or discharged is None:
        return "The battery rests" if charged is None and discharged is None else "State of charge"
    return (
        f"The battery charges at a mean import price of {price(charged)} "
        f"and discharges at {price(discharged)} {currency}/kWh"
    )


def of_heating(course: Course, prices: pd.DataFrame, currency: str) -> str:
    paid = mean_price_per_kwh(course, "heating_kw", prices, "import_price_per_kwh")
    total = energy(books(course).heating_kwh)
    if paid is None:
        return "No heating was needed"
    on_average = float(np.nanmean(course.onto(prices)["import_price_per_kwh"].to_numpy(dtype=np.float64)))
    return (
        f"Heating drew {total} at a mean import price of {price(paid)} (all hours: {price(on_average)} {currency}/kWh)"
    )


def of_rooms(course: Course, bands: Mapping[str, pd.DataFrame]) -> str:
    """The room that strays furthest from its band."""
    furthest = {room: _furthest(outside_k(course, room, bands)) for room in course.rooms}
    room = max(furthest, key=lambda room: abs(furthest[room]))
    worst = furthest[room]
    if not bands:
        return "Room temperatures"
    if abs(worst) <= COMFORT_TOLERANCE_K:
        return f"All rooms stay within {COMFORT_TOLERANCE_K:g} K of their bands"
    side = "above" if worst > 0 else "below"
    return f"{spoken(room).capitalize()} strays furthest: {abs(worst):.1f} K {side} its band"


def of_grid(course: Course) -> str:
    sums = books(course)
    return f"Import peaks at {sums.peak_import_kw:.1f} kW, export at {sums.peak_export_kw:.1f} kW (15-min means)"


def of_planned(course: Course, planned: Course, column: str, what: str, unit: str, factor: float = 1.0) -> str:
    """How far plan and reality lie apart on average."""
    both = pd.concat([course.frame[column], planned.frame[column]], axis=1, keys=["is", "was"]).dropna()
    if both.empty:
        return f"{what}: nothing to compare"
    apart = float((both["is"] - both["was"]).abs().mean()) * factor
    return f"{what}: planned and happened differ by {apart:.2g} {unit} on average"


def _furthest(outside: Values) -> float:
    return float(outside[np.abs(outside).argmax()])


def spoken(name: str) -> str:
    """
    >>> spoken("child_room_1")
    'child room 1'
    """
    return name.replace("_", " ")
