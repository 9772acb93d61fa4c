"""One panel each: what is drawn on one pair of axes. Titles and time axes are set by the pictures."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyQuadMesh, QuadMesh
from matplotlib.patches import Patch
from numpy.typing import NDArray

from . import look
from .course import Course, Values, outside_k
from .findings import COMFORT_TOLERANCE_K, spoken
from .result import RunResult

AnyValue = TypeVar("AnyValue", bound=np.generic)

SOURCES = {
    "pv_kw": ("PV", look.PV),
    "grid_import_kw": ("import", look.IMPORT),
    "battery_discharge_kw": ("discharge", look.BATTERY),
}
SINKS = {
    "base_load_kw": ("base load", look.BASE_LOAD),
    "flexible_load_kw": ("flexible loads", look.FLEXIBLE_LOAD),
    "heating_kw": ("heating", look.HEATING),
    "battery_charge_kw": ("charge", look.BATTERY),
    "grid_export_kw": ("export", look.EXPORT),
}


def draw_prices(ax: Axes, prices: Course) -> None:
    """Import and feed-in price [currency/kWh]; times of negative feed-in are shaded."""
    feed_in = prices.values("feed_in_price_per_kwh")
    _steps(ax, prices, prices.known("import_price_per_kwh"), look.IMPORT_PRICE, "import price")
    _steps(ax, prices, prices.known("feed_in_price_per_kwh"), look.FEED_IN_PRICE, "feed-in price")
    if (feed_in < 0).any():
        ax.broken_barh(
            _spans(prices, feed_in < 0), (0, 1), transform=ax.get_xaxis_transform(),
            color=look.FEED_IN_PRICE, alpha=0.12, linewidth=0, label="feed-in below zero",
        )  # fmt: skip
    ax.axhline(0, color="#888888", linewidth=0.8)
    look.legend_above(ax)


def draw_power(ax: Axes, course: Course) -> None:
    """Where power [kW] comes from above the line, where it goes below it; the rest is lost in conversion."""
    _stack(ax, course, {name: SOURCES[name] for name in SOURCES if course.knows(name)}, sign=1.0)
    _stack(ax, course, {name: SINKS[name] for name in SINKS if course.knows(name)}, sign=-1.0)
    if course.values("pv_curtailed_kw").any():
        top = np.sum([course.values(name) for name in SOURCES], axis=0)
        ax.fill_between(
            course.edges, _held(top), _held(top + course.values("pv_curtailed_kw")), step="post",
            facecolor=look.CURTAILED, edgecolor=look.PV, hatch="////", linewidth=0, label="PV curtailed",
        )  # fmt: skip
    ax.axhline(0, color="#222222", linewidth=0.8)
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    look.legend_above(ax, columns=9)


def draw_battery(ax: Axes, course: Course, planned: Course | None = None) -> None:
    """State of charge [%] with the inverter's mode as a strip below."""
    if course.knows("soc"):
        ax.plot(course.ends, 100 * course.known("soc"), color=look.BATTERY, linewidth=1.8, label="state of charge")
    if planned is not None and planned.knows("soc"):
        ax.plot(planned.ends, 100 * planned.known("soc"), color=look.PLANNED, linestyle=":", label="planned")
    ax.set_ylim(-14, 104)
    ax.set_yticks([0, 25, 50, 75, 100])
    handles = [*ax.get_legend_handles_labels()[0], *_mode_strip(ax, course)]
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=7)


def draw_heating(ax: Axes, course: Course) -> None:
    """Power of all heated rooms together [kW]."""
    _filled(ax, course, course.values("heating_kw"), look.HEATING, "heating")


def draw_grid(ax: Axes, course: Course, import_limit_kw: float | None, export_limit_kw: float | None) -> None:
    """Import above, export below the line, with the limits of the connection [kW]."""
    imported, exported = course.values("grid_import_kw"), course.values("grid_export_kw")
    _filled(ax, course, imported, look.IMPORT, "import")
    _filled(ax, course, -exported, look.EXPORT, "export")
    for limit_kw, sign, name in ((import_limit_kw, 1.0, "import limit"), (export_limit_kw, -1.0, "export limit")):
        if limit_kw is not None:
            ax.axhline(sign * limit_kw, color="#222222", linestyle="--" if sign > 0 else ":", linewidth=1, label=name)
    ax.axhline(0, color="#222222", linewidth=0.8)
    ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    look.legend_above(ax)


def draw_rooms_map(ax: Axes, course: Course, bands: Mapping[str, pd.DataFrame]) -> QuadMesh | PolyQuadMesh:
    """One line a room: colour tells degrees above or below the setpoint, a dot that the band is left."""
    rooms = sorted(course.rooms)
    deviation_k = np.vstack([from_setpoint_k(course, room, bands) for room in rooms])
    mesh = ax.pcolormesh(
        _numbers(course.edges), np.arange(len(rooms) + 1), deviation_k, cmap="RdBu_r", vmin=-2, vmax=2, rasterized=True
    )
    for row, room in enumerate(rooms):
        out = np.abs(outside_k(course, room, bands)) > COMFORT_TOLERANCE_K
        middles = (course.starts + (course.ends - course.starts) / 2)[out]
        ax.plot(
            middles, np.full(len(middles), row + 0.5), linestyle="", marker=".", markersize=3, color="black",
            label=f"more than {COMFORT_TOLERANCE_K:g} K outside the band",
        )  # fmt: skip
    ax.set_yticks(np.arange(len(rooms)) + 0.5, [spoken(room) for room in rooms], fontsize=8.5)
    ax.set_ylim(len(rooms), 0)
    ax.grid(visible=False)
    return mesh


def draw_room(
    ax: Axes, course: Course, room: str, bands: Mapping[str, pd.DataFrame], planned: Course | None = None
) -> None:
    """Temperature of one room [°C] in its band."""
    if room in bands:
        band = course.onto(bands[room])
        low, high = (band[side].to_numpy(dtype=np.float64) for side in ("low_c", "high_c"))
        ax.fill_between(course.edges, _held(low), _held(high), step="post", color=look.BAND, linewidth=0, label="band")
        if "setpoint_c" in band:
            setpoint_c = band["setpoint_c"].to_numpy(dtype=np.float64)
            _steps(ax, course, setpoint_c, "#7A9DB8", "setpoint", linewidth=0.9)
    if planned is not None and planned.knows(f"{room}_c"):
        ax.plot(planned.ends, planned.known(f"{room}_c"), color=look.PLANNED, linestyle=":", label="planned")
    ax.plot(course.ends, course.known(f"{room}_c"), color=look.HAPPENED, label="room")


def draw_planned(ax: Axes, course: Course, planned: Course, column: str) -> None:
    """What happened, and what the plan in force said when each interval began."""
    if column.endswith("_kw"):
        _steps(ax, course, course.known(column), look.HAPPENED, "happened")
        _steps(ax, planned, planned.known(column), look.PLANNED, "planned", linestyle=":", linewidth=1.6)
    else:
        ax.plot(course.ends, course.known(column), color=look.HAPPENED, label="happened")
        ax.plot(planned.ends, planned.known(column), color=look.PLANNED, linestyle=":", linewidth=1.6, label="planned")
    look.legend_above(ax)


def draw_bills(ax: Axes, runs: Sequence[RunResult]) -> None:
    """The bill so far [currency] of each run."""
    for run, colour in zip(runs, _colours(len(runs)), strict=True):
        bill = np.concatenate([[0.0], np.cumsum(run.course.values("cost"))])
        first = run is runs[0]
        ax.plot(run.course.edges, bill, color=colour, linewidth=2.4 if first else 1.4, label=run.name)
    ax.axhline(0, color="#888888", linewidth=0.8)
    look.legend_above(ax, columns=4)


def draw_temperature(ax: Axes, course: Course) -> None:
    """Outdoor temperature [°C]."""
    ax.plot(course.ends, course.known("outdoor_temperature_c"), color="#56607A", label="outdoor")


def from_setpoint_k(course: Course, room: str, bands: Mapping[str, pd.DataFrame]) -> Values:
    """Degrees above (positive) or below the setpoint, the middle of the band, or the room's mean: what is known."""
    temperature_c = course.known(f"{room}_c")
    if room not in bands:
        return np.asarray(temperature_c - np.nanmean(temperature_c), dtype=np.float64)
    band = course.onto(bands[room])
    middle = band["setpoint_c"] if "setpoint_c" in band else (band["low_c"] + band["high_c"]) / 2
    return np.asarray(temperature_c - middle.to_numpy(dtype=np.float64), dtype=np.float64)


def _numbers(edges: pd.DatetimeIndex) -> Values:
    # pcolormesh does not convert aware instants; matplotlib counts days since 1970 in UTC.
    return np.asarray((edges - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1), dtype=np.float64)


def _spans(course: Course, wanted: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Start and length, as matplotlib counts days, of each stretch of wanted intervals."""
    edges = _numbers(course.edges)
    turns = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(int)))
    return [(edges[first], edges[until] - edges[first]) for first, until in turns.reshape(-1, 2)]


def _held(values: NDArray[AnyValue]) -> NDArray[AnyValue]:
    """With the last value once more, so that the last interval is drawn to its end."""
    return np.append(values, values[-1:])


def _steps(
    ax: Axes, course: Course, values: Values, color: str, label: str, linestyle: str = "-", linewidth: float = 1.4
) -> None:
    ax.step(
        course.edges, _held(values), where="post", color=color, label=label, linestyle=linestyle, linewidth=linewidth
    )


def _filled(ax: Axes, course: Course, values: Values, color: str, label: str) -> None:
    ax.fill_between(course.edges, 0, _held(values), step="post", color=color, linewidth=0, label=label)


def _stack(ax: Axes, course: Course, parts: Mapping[str, tuple[str, str]], sign: float) -> None:
    base = np.zeros(len(course.edges))
    for name, (label, color) in parts.items():
        top = base + sign * _held(course.values(name))
        # Charge and discharge share the battery's colour: one legend entry tells both, by its side of the line.
        ax.fill_between(course.edges, base, top, step="post", color=color, linewidth=0, label=label)
        base = top


def _mode_strip(ax: Axes, course: Course) -> Sequence[Patch]:
    """Draw the modes below the axis and return their legend."""
    if "mode" not in course.frame:
        return []
    modes = course.frame["mode"].fillna("").astype(str).to_numpy()
    used = [mode for mode in dict.fromkeys(modes) if mode]
    for mode in used:
        ax.broken_barh(
            _spans(course, modes == mode), (-12, 9), color=look.MODES.get(mode, look.OTHER_MODE), linewidth=0
        )
    return [Patch(color=look.MODES.get(mode, look.OTHER_MODE), label=spoken(mode)) for mode in used]


def _colours(count: int) -> Sequence[str]:
    return [look.RUNS[i % len(look.RUNS)] for i in range(count)]
