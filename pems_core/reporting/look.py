"""Colours, fonts and the time axis that all pictures share."""

from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, DayLocator, HourLocator
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from matplotlib.typing import RcKeyType

from .course import Course
from .words import zone

# Okabe and Ito's palette, which stays distinguishable with every common colour blindness.
IMPORT_PRICE = "#D55E00"
FEED_IN_PRICE = "#0072B2"
PV = "#E69F00"
CURTAILED = "#F0E442"
BATTERY = "#009E73"
IMPORT = "#56B4E9"
EXPORT = "#0072B2"
HEATING = "#D55E00"
BASE_LOAD = "#8C8C8C"
FLEXIBLE_LOAD = "#CC79A7"
BAND = "#DCE9F2"
PLANNED = "#D55E00"
HAPPENED = "#222222"
MODES = {"load_first": "#D0D0D0", "battery_first": "#009E73", "grid_first": "#0072B2", "hold": "#F3E7A1"}
OTHER_MODE = "#CC79A7"
RUNS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")

STYLE: dict[RcKeyType, Any] = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.borderaxespad": 0.2,
    "legend.handlelength": 1.4,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.4,
    "text.color": "#222222",
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "axes.edgecolor": "#888888",
}

WIDTH_IN = 10.0
DPI = 120


def style() -> AbstractContextManager[None]:
    """Our fonts and lines hold within it."""
    return rc_context(STYLE)


def canvas(height_in: float) -> Figure:
    """An empty figure of the width that suits a README. Call within `style()`."""
    return Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = BytesIO()
    with style():
        # Without the version of matplotlib, so that the same figures give the same bytes.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def legend_above(ax: Axes, columns: int = 8) -> None:
    """A legend in one line between title and plot."""
    handles, labels = ax.get_legend_handles_labels()
    if not labels:
        return
    by_label = dict(zip(labels, handles, strict=True))
    ax.legend(by_label.values(), by_label, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns)


def titled(ax: Axes, title: str, unit: str) -> None:
    """What the panel shows, above its legend, and the unit of its vertical axis."""
    has_legend = ax.get_legend() is not None
    ax.set_title(title, pad=22 if has_legend else 7)
    ax.set_ylabel(unit)


def time_axis(ax: Axes, course: Course, timezone: str, labelled: bool = True) -> None:
    """Ticks at local midnight and between, whatever the clock does; the zone is named below."""
    tz = ZoneInfo(timezone)
    ax.set_xlim(course.edges[0], course.edges[-1])  # type: ignore[arg-type]
    days = course.length.total_seconds() / 86400
    if days > 14:
        ax.xaxis.set_major_locator(AutoDateLocator(tz=tz, maxticks=10))  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(_format("%d %b", tz))
    else:
        ax.xaxis.set_major_locator(DayLocator(tz=tz))  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(_format("\n%a %d %b" if days <= 4 else "%a %d %b", tz))
        if days <= 4:
            hours = (3, 6, 9, 12, 15, 18, 21) if days <= 2.1 else (6, 12, 18)
            ax.xaxis.set_minor_locator(HourLocator(byhour=hours, tz=tz))  # type: ignore[no-untyped-call]
            ax.xaxis.set_minor_formatter(_format("%H", tz))
    ax.grid(True, axis="x", which="minor", color="#F2F2F2")
    ax.grid(True, axis="x", which="major", color="#BBBBBB")
    if not labelled:
        ax.xaxis.set_major_formatter(NullFormatter())
        ax.xaxis.set_minor_formatter(NullFormatter())
        return
    start, end = course.edges[0].to_pydatetime(), course.edges[-1].to_pydatetime()
    ax.set_xlabel(f"local time, {zone(start, end, timezone)}")


def _format(pattern: str, tz: ZoneInfo) -> DateFormatter:
    return DateFormatter(pattern, tz=tz)  # type: ignore[no-untyped-call]
