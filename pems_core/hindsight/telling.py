"""A review as tables, as one self-contained page with pictures, and as plain data."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from rich.table import Table

from pems_core.reporting.course import Course
from pems_core.reporting.look import (
    BASE_LOAD,
    BATTERY,
    EXPORT,
    FEED_IN_PRICE,
    HEATING,
    IMPORT,
    IMPORT_PRICE,
    PV,
    canvas,
    legend_above,
    png,
    style,
    time_axis,
    titled,
)
from pems_core.reporting.words import NOTHING, clock, day, energy, money, percent

from .bill import Reconciled
from .books import TOLD
from .review import Hour, Review

FORMAT = "pems-review/1"
DRAWN = (("grid_import_kw", IMPORT), ("pv_kw", PV), ("heating_kw", HEATING), ("base_load_kw", BASE_LOAD),
         ("grid_export_kw", EXPORT))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a report."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def title(review: Review) -> str:
    period = review.period
    if period.name == "day":
        return f"{period.first:%A %d %B %Y}"
    return f"{period.name} of {period.first:%d %b} to {period.last:%d %b %Y}"


def headline(review: Review) -> str:
    """What was saved, and how sure that is; of a day that is not over, until when."""
    period, currency = review.period, review.currency
    error = "" if period.error is None else f" ± {period.error:.2f}"
    verdict = "saved against" if period.saved() >= 0.0 else "dearer than"
    told = f"{abs(period.saved()):.2f}{error} {currency} {verdict} {TOLD.replace('_', ' ')}"
    running = next((books for books in period.days if not books.complete), None)
    until = "" if running is None else f" until {clock(running.until, review.timezone)}"
    return f"{told}{until}; bill {money(period.bill, currency)}"


def sections(review: Review, bills: Sequence[Reconciled] = ()) -> list[Section]:
    """All tables, in the order in which they are told."""
    found = [
        _money(review),
        _baselines(review),
        _energy(review),
        _comfort(review),
        _reality(review),
        _forecasts(review),
    ]
    found += [_trend(review), _regret(review), _bills(review, bills), _missing(review)]
    return [section for section in found if section.rows]


def tables(review: Review, bills: Sequence[Reconciled] = ()) -> Iterator[Table]:
    """For the terminal."""
    for section in sections(review, bills):
        table = Table(title=section.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for i, column in enumerate(section.columns):
            table.add_column(column, justify="right" if i else "left")
        for row in section.rows:
            table.add_row(*row)
        yield table


def page(review: Review, bills: Sequence[Reconciled] = ()) -> str:
    """One HTML document that needs nothing else: every text is escaped, and it forbids itself to ask any server."""
    environment = Environment(
        loader=PackageLoader("pems_core.hindsight"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("review.html.j2").render(
        title=title(review),
        headline=headline(review),
        sections=sections(review, bills),
        pictures=[
            {"name": name, "data": b64encode(png(figure)).decode("ascii")} for name, figure in pictures(review).items()
        ],
    )


def data(review: Review, bills: Sequence[Reconciled] = ()) -> dict[str, Any]:
    """Plain data for JSON, format `pems-review/1`; money in `currency`. Keys may be added, none is renamed."""
    period = review.period
    return {
        "format": FORMAT,
        "period": period.name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "currency": review.currency,
        "bill": period.bill,
        "net_cost": period.net,
        "saved": {name: period.saved(name) for name in period.baselines},
        "saved_error": period.error,
        "arbitrage": period.sum_of("arbitrage"),
        "heating_shift": period.sum_of("heating_shift"),
        "export_revenue": period.sum_of("export_revenue"),
        "self_consumption": period.self_consumption,
        "self_sufficiency": period.self_sufficiency,
        "peak_kw": period.peak_kw,
        "effectiveness": period.effectiveness,
        "days": [dict(books.data()) for books in period.days],
        "missing": {missing.isoformat(): why for missing, why in period.missing.items()},
        "rooms": [asdict(room) for room in review.rooms],
        "best": None if review.best is None else _hour_data(review.best),
        "worst": None if review.worst is None else _hour_data(review.worst),
        "forecasts": [asdict(skill) for skill in review.skills],
        "trend": {name: {"before": before, "now": now} for name, (before, now) in review.trend.items()},
        "bills": [
            {"from": r.bill.first.isoformat(), "to": r.bill.last.isoformat(), "billed": r.bill.amount,
             "books": r.amount, "from_energy": r.from_energy if r.complete else None,
             "from_prices": r.from_prices if r.complete else None, "days": r.days}
            for r in bills
        ],
    }  # fmt: skip


def pictures(review: Review) -> dict[str, Figure]:
    """What flowed at which prices, and what each day saved."""
    with style():
        found = {"Flows and prices": _flows(review)}
        if len(review.period.days) > 1:
            found["Saved by day"] = _by_day(review)
    return found


def _flows(review: Review) -> Figure:
    course = Course.regular(review.flows)
    figure = canvas(5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    edges = course.edges
    for name, colour in DRAWN:
        values = course.values(name)
        above.stairs(values, edges, label=name.removesuffix("_kw").replace("_", " "), color=colour)
    battery = course.values("battery_discharge_kw") - course.values("battery_charge_kw")
    above.stairs(battery, edges, label="battery, charging below 0", color=BATTERY)
    legend_above(above)
    titled(above, "What flowed", "kW")
    for name, colour in (("import_price_per_kwh", IMPORT_PRICE), ("feed_in_price_per_kwh", FEED_IN_PRICE)):
        label = name.removesuffix("_price_per_kwh").replace("_", " ")
        below.stairs(course.values(name), edges, label=label, color=colour)
    legend_above(below)
    titled(below, "Prices", f"{review.currency}/kWh")
    time_axis(above, course, review.timezone, labelled=False)
    time_axis(below, course, review.timezone)
    return figure


def _by_day(review: Review) -> Figure:
    figure = canvas(3.0)
    ax = figure.subplots()
    days = review.period.days
    ax.bar(
        [f"{books.day:%d %b}" for books in days],
        [books.saved() for books in days],
        yerr=np.array([books.error or 0.0 for books in days]),
        color=BATTERY,
        capsize=3,
    )
    ax.tick_params(axis="x", rotation=90 if len(days) > 10 else 0)
    titled(ax, f"Saved against {TOLD.replace('_', ' ')}", review.currency)
    return figure


def _money(review: Review) -> Section:
    period, currency = review.period, review.currency
    rows = [
        ("bill: import less feed-in", money(period.bill, currency)),
        ("net: with wear of the battery, less what was stored", money(period.net, currency)),
        ("earned by the battery", _money_or_nothing(period.sum_of("arbitrage"), currency)),
        ("saved by heating at other times", _money_or_nothing(period.sum_of("heating_shift"), currency)),
        ("earned by feeding in", _money_or_nothing(period.sum_of("export_revenue"), currency)),
    ]
    return Section("Money", ("", currency), rows)


def _baselines(review: Review) -> Section:
    period, currency = review.period, review.currency
    rows = [
        (
            name.replace("_", " "),
            money(sum(d.baselines[name].net for d in period.days if name in d.baselines), currency),
            money(period.saved(name), currency),
            NOTHING if period.error is None else f"± {period.error:.2f}",
        )
        for name in period.baselines
    ]
    return Section("Saved", ("against", "net cost", "saved", "error"), rows)


def _energy(review: Review) -> Section:
    period = review.period
    names = {
        "import_kwh": "imported",
        "export_kwh": "fed in",
        "pv_kwh": "PV",
        "curtailed_kwh": "PV not taken",
        "heating_kwh": "heating",
        "base_load_kwh": "base load",
        "charge_kwh": "into the battery",
        "discharge_kwh": "out of the battery",
    }
    rows = [(told, energy(period.energy(name))) for name, told in names.items()]
    rows += [
        ("PV used in the house", percent(period.self_consumption)),
        ("use that was not imported", percent(period.self_sufficiency)),
        ("highest import of a quarter hour", f"{period.peak_kw:.2f} kW"),
    ]
    return Section("Energy", ("", ""), rows)


def _comfort(review: Review) -> Section:
    rows = [
        (room.room, f"{room.outside_kh:.1f} K·h", f"{room.coldest_c:.1f} °C", f"{room.warmest_c:.1f} °C")
        for room in review.rooms
    ]
    return Section("Comfort", ("room", "outside its band", "coldest", "warmest"), rows)


def _reality(review: Review) -> Section:
    period, currency = review.period, review.currency
    rows = []
    planned = [books for books in period.days if books.expected_bill is not None]
    if planned:
        expected = sum(books.expected_bill or 0.0 for books in planned)
        paid = sum(books.actual.bill for books in planned)
        rows.append(("bill that plans expected", money(expected, currency), ""))
        rows.append(("bill of the same days", money(paid, currency), ""))
        if period.effectiveness is not None:
            rows.append(("achieved of the saving expected", percent(period.effectiveness), ""))
    for told, hour in (("best hour", review.best), ("worst hour", review.worst)):
        if hour is not None:
            at = f"{day(hour.start, review.timezone)} {clock(hour.start, review.timezone)}"
            figures = f"{hour.better:+.2f} {currency} against its plan"
            rows.append((f"{told}, {at}", figures, hour.decision))
    return Section("Plans and reality", ("", "", ""), rows)


def _forecasts(review: Review) -> Section:
    rows = [(skill.series, f"{skill.lead_h:g} h", f"{skill.error:.2f}", f"{skill.count}") for skill in review.skills]
    return Section("Forecasts", ("series", "before", "mean absolute error", "of"), rows)


def _trend(review: Review) -> Section:
    rows = [
        (name, NOTHING if before is None else f"{before:.2f}", NOTHING if now is None else f"{now:.2f}")
        for name, (before, now) in review.trend.items()
        if before is not None or now is not None
    ]
    return Section(f"Trend, {review.currency} a day", ("", f"{review.period.name} before", "now"), rows)


def _regret(review: Review) -> Section:
    period, currency = review.period, review.currency
    parts = [(part, period.regret(part)) for part in ("total", "forecast", "model", "execution", "override")]
    rows = [(part, money(value, currency)) for part, value in parts if value is not None]
    return Section("More than the best possible", ("because of", currency), rows)


def _bills(review: Review, bills: Sequence[Reconciled]) -> Section:
    currency = review.currency
    rows = [
        (
            f"{r.bill.first} to {r.bill.last}, books of {r.days} of {(r.bill.last - r.bill.first).days + 1} days",
            f"{r.bill.import_kwh:.1f} / {r.import_kwh:.1f}",
            f"{r.bill.export_kwh:.1f} / {r.export_kwh:.1f}",
            f"{r.bill.amount:.2f} / {r.amount:.2f}",
            money(r.from_energy, currency) if r.complete else NOTHING,
            money(r.from_prices, currency) if r.complete else NOTHING,
        )
        for r in bills
    ]
    columns = ("bill / books", "import [kWh]", "export [kWh]", currency, "by energy", "by prices and fees")
    return Section("Bill", columns, rows)


def _missing(review: Review) -> Section:
    return Section("Without books", ("day", ""), [(f"{d}", why) for d, why in review.period.missing.items()])


def _hour_data(hour: Hour) -> dict[str, Any]:
    return {**asdict(hour), "start": hour.start.isoformat()}


def _money_or_nothing(amount: float | None, currency: str) -> str:
    return NOTHING if amount is None else money(amount, currency)
