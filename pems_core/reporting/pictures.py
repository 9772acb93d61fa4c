"""Pictures of a closed loop and of one plan, for README, report and `--picture`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pems_core.domain import Forecasts, Plan

from . import findings, look, panels
from .course import Course, outside_k
from .plan_course import plan_course
from .result import Report
from .words import clock, day, money

NEAREST_ROOMS = 4


@dataclass(frozen=True)
class Picture:
    """One drawn figure with what a reader who cannot see it is told."""

    name: str
    caption: str
    figure: Figure

    @cached_property
    def png(self) -> bytes:
        return look.png(self.figure)


@dataclass(frozen=True)
class _Panel:
    height: float
    draw: Callable[[Axes], None]


def pictures(report: Report) -> Sequence[Picture]:
    """All pictures that the report's runs allow, the overview first; a part the house has not is left out."""
    with look.style():
        return tuple(_pictures(report))


def overview(report: Report) -> Picture:
    """Prices, power, battery, rooms and the bill of the first run, on one time axis."""
    with look.style():
        return _overview(report)


def plan_picture(
    plan: Plan,
    forecasts: Forecasts,
    bands: Mapping[str, pd.DataFrame],
    timezone: str,
    currency: str,
) -> Picture:
    """One plan: prices and outdoor temperature, power, battery with modes, and rooms in their bands.

    :param bands: by room `low_c`, `high_c` and, if known, `setpoint_c` [°C]; rooms may be left out.
    :raises ValueError: if the forecasts are not on the plan's horizon.
    """
    course = plan_course(plan, forecasts)
    with look.style():
        stack = [_prices(course, currency), _power(course)]
        stack += [_battery(course, course.frame, currency)] if course.knows("soc") else []
        stack += [_rooms_map(course, bands)] if course.rooms else []
        stack += [_outdoor(course)] if course.knows("outdoor_temperature_c") else []
        made = f"{day(plan.made_at, timezone)} {clock(plan.made_at, timezone)}"
        title = f"Plan of {made} for {course.step_h.sum():.0f} h: {money(plan.cost, currency)} ({plan.rung})"
        return Picture("plan", title, _stacked(title, stack, course, timezone))


def _pictures(report: Report) -> Iterator[Picture]:
    run = report.subject
    course, timezone, currency = run.course, report.timezone, report.currency
    yield _overview(report)
    if course.knows("heating_kw"):
        panel = _heating(course, report.prices, currency)
        yield _alone("heating", panel, course, timezone)
    if course.rooms:
        yield _rooms(report)
    yield _alone("grid", _grid(report), course, timezone)
    if run.planned is not None:
        yield _planned(report, Course.regular(run.planned))
    yield _alone("bills", _bills(report), course, timezone)


def _overview(report: Report) -> Picture:
    course = report.subject.course
    stack = [_prices(report.price_course, report.currency), _power(course)]
    stack += [_battery(course, report.prices, report.currency)] if course.knows("soc") else []
    stack += [_rooms_map(course, report.bands)] if course.rooms else []
    stack += [_bills(report)]
    title = findings.headline(report)
    return Picture("overview", title, _stacked(title, stack, course, report.timezone))


def _rooms(report: Report) -> Picture:
    """Small multiples: the rooms that stray furthest, each with its band."""
    course = report.subject.course
    rooms = _most_telling(course, report.bands)
    planned = Course.regular(report.subject.planned) if report.subject.planned is not None else None
    rows = (len(rooms) + 1) // 2
    figure = look.canvas(0.8 + 2.1 * rows)
    axes = figure.subplots(rows, min(2, len(rooms)), squeeze=False, sharex=True).flatten()
    for ax, room in zip(axes, rooms, strict=False):
        panels.draw_room(ax, course, room, report.bands, planned)
        strays = float(np.abs(outside_k(course, room, report.bands)).max())
        fact = f"up to {strays:.1f} K outside its band" if strays >= 0.05 else "always in its band"
        look.titled(ax, f"{findings.spoken(room)}: {fact}" if room in report.bands else findings.spoken(room), "°C")
        look.time_axis(ax, course, report.timezone, labelled=ax in axes[-2:])
    for ax in axes[len(rooms) :]:
        ax.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=4)
    title = findings.of_rooms(course, report.bands)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12)
    return Picture("rooms", title, figure)


def _planned(report: Report, planned: Course) -> Picture:
    course = report.subject.course
    compared = [("grid_import_kw", "Import", "kW", 1.0), ("soc", "State of charge", "points", 100.0)]
    rooms = _most_telling(course, report.bands)
    compared += [(f"{room}_c", findings.spoken(room).capitalize(), "K", 1.0) for room in rooms[:1]]
    stack = []
    for column, what, unit, factor in compared:
        if course.knows(column) and planned.knows(column):
            stack.append(_compared(course, planned, column, what, unit, factor))
    title = "Planned against happened: what the plan in force said when each interval began"
    return Picture("planned", title, _stacked(title, stack, course, report.timezone))


def _compared(course: Course, planned: Course, column: str, what: str, unit: str, factor: float) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_planned(ax, course, planned, column)
        look.titled(ax, findings.of_planned(course, planned, column, what, unit, factor), {"K": "°C"}.get(unit, unit))
        if factor == 100.0:
            ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
            ax.set_ylabel("%")

    return _Panel(1.9, draw)


def _most_telling(course: Course, bands: Mapping[str, pd.DataFrame]) -> Sequence[str]:
    """The rooms that leave their band most and, among equals, those that swing most."""

    def told(room: str) -> tuple[float, float]:
        strays_kh = float(np.abs(outside_k(course, room, bands)) @ course.step_h)
        return (round(strays_kh, 1), float(np.nanstd(course.known(f"{room}_c"))))

    return sorted(course.rooms, key=told, reverse=True)[:NEAREST_ROOMS]


def _prices(prices: Course, currency: str) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_prices(ax, prices)
        look.titled(ax, findings.of_prices(prices, currency), f"{currency}/kWh")

    return _Panel(1.7, draw)


def _power(course: Course) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_power(ax, course)
        look.titled(ax, findings.of_power(course), "kW (use below, source above)")

    return _Panel(3.0, draw)


def _battery(course: Course, prices: pd.DataFrame, currency: str) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_battery(ax, course)
        look.titled(ax, findings.of_battery(course, prices, currency), "% charged")

    return _Panel(1.8, draw)


def _heating(course: Course, prices: pd.DataFrame, currency: str) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_heating(ax, course)
        beside = ax.twinx()
        price = course.onto(prices)["import_price_per_kwh"]
        beside.step(course.starts, price.to_numpy(dtype=np.float64), where="post", color="#222222", linewidth=1)
        ax.plot([], [], color="#222222", linewidth=1, label="import price (right)")
        look.legend_above(ax)
        look.titled(ax, findings.of_heating(course, prices, currency), "kW")
        beside.set_ylabel(f"import price [{currency}/kWh]")
        beside.grid(visible=False)

    return _Panel(2.4, draw)


def _rooms_map(course: Course, bands: Mapping[str, pd.DataFrame]) -> _Panel:
    def draw(ax: Axes) -> None:
        mesh = panels.draw_rooms_map(ax, course, bands)
        look.legend_above(ax)
        look.titled(ax, findings.of_rooms(course, bands), "")
        ax.figure.colorbar(mesh, ax=ax, label="K from setpoint", pad=0.01, fraction=0.03, extend="both")

    return _Panel(0.9 + 0.17 * len(course.rooms), draw)


def _outdoor(course: Course) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_temperature(ax, course)
        low, high = np.nanmin(course.known("outdoor_temperature_c")), np.nanmax(course.known("outdoor_temperature_c"))
        look.titled(ax, f"Outdoors {low:.0f} to {high:.0f} °C", "°C")

    return _Panel(1.3, draw)


def _grid(report: Report) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_grid(ax, report.subject.course, report.import_limit_kw, report.export_limit_kw)
        look.titled(ax, findings.of_grid(report.subject.course), "kW")

    return _Panel(2.4, draw)


def _bills(report: Report) -> _Panel:
    def draw(ax: Axes) -> None:
        panels.draw_bills(ax, report.results)
        finding = f": {findings.against(report)}, net of stored energy and wear" if report.baselines else ""
        look.titled(ax, f"The bill so far{finding}", report.currency)

    return _Panel(1.9, draw)


def _alone(name: str, panel: _Panel, course: Course, timezone: str) -> Picture:
    figure = look.canvas(panel.height + 0.7)
    ax = figure.subplots()
    panel.draw(ax)
    look.time_axis(ax, course, timezone)
    return Picture(name, ax.get_title(loc="left"), figure)


def _stacked(title: str, stack: Sequence[_Panel], course: Course, timezone: str) -> Figure:
    """Panels above each other on one time axis."""
    figure = look.canvas(0.9 + sum(panel.height + 0.35 for panel in stack))
    axes = figure.subplots(len(stack), 1, squeeze=False, height_ratios=[panel.height for panel in stack])[:, 0]
    for ax, panel in zip(axes, stack, strict=True):
        panel.draw(ax)
        look.time_axis(ax, course, timezone, labelled=ax is axes[-1])
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=12.5)
    figure.align_ylabels([ax for ax in axes if ax.get_ylabel()])
    return figure
