"""Pictures of the dashboards from the answers of a real InfluxDB: grid, kinds of panels and colours as in Grafana."""

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import shorten
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, Wedge

from tests.databases import InfluxDb

from .answers import Answer, Course, Viewer, read
from .boards import FOLDER, boards
from .filled import fill, viewer
from .week import Week

INK, DIM, PAPER, PANEL, LINE = "#d8d9da", "#8e8e8e", "#111217", "#181b1f", "#2c3235"
COLOURS = {"green": "#73bf69", "yellow": "#fade2a", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2"}
COLOURS |= {"purple": "#b877d9", "text": INK}
PALETTE = ("#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#e0556a", "#b877d9", "#8ab8ff", "#fade2a", "#ffa6b0", "#96d98d")
CELL_W, CELL_H = 0.75, 0.42
"""Of one cell of Grafana's grid [inches]."""
PHONE_IN = 5.0
"""Width of a phone beside the text sizes here [inches]."""
LEGEND_IN = 0.2
"""Below the axes [inches]."""
MOST_REPEATED = 6
"""Of a panel that is there once for each room: a picture of all 17 would be taller than any page."""
ZONE = ZoneInfo("Europe/Prague")
UNITS = {"kwatt": " kW", "kwatth": " kWh", "celsius": " °C", "s": " s", "none": "", "decmbytes": " MB"}


def draw_all(folder: Path) -> None:
    """One picture of each dashboard, and the first one as on a phone, from a week that is simulated for it."""
    folder.mkdir(parents=True, exist_ok=True)
    week = Week().live()
    with tempfile.TemporaryDirectory() as place:
        database = InfluxDb(Path(place))
        database.start()
        try:
            looking = viewer(fill(database.url, week.points).ask, week.rooms)
            for board in boards():
                said = read((FOLDER / "dashboards" / f"{board.name}.json").read_text(encoding="utf-8"))
                draw(said, looking, folder / f"{board.name}.png")
                if board.name == "overview":
                    draw(said, looking, folder / "overview-phone.png", phone=True)
        finally:
            database.stop()


def draw(board: Mapping[str, Any], looking: Viewer, path: Path, *, phone: bool = False) -> None:
    """One dashboard as a picture; on a phone Grafana shows one panel below the other."""
    mpl.rcParams.update({"font.size": 8, "text.color": INK, "font.family": "DejaVu Sans"})
    placed = _placed(board, looking)
    if phone:
        placed = _in_one_column(placed)
    height = max(pos["y"] + pos["h"] for pos, _ in placed)
    width_in, height_in = PHONE_IN if phone else 24 * CELL_W, height * CELL_H + 0.5
    figure = Figure(figsize=(width_in, height_in), facecolor=PAPER)
    figure.text(0.012, 1 - 0.28 / height_in, board["title"], fontsize=13, weight="bold", va="center")
    for pos, said in placed:
        left, top = pos["x"] / 24, (pos["y"] * CELL_H + 0.5) / height_in
        box = (left + 0.003, 1 - top - pos["h"] * CELL_H / height_in + 0.06 / height_in)
        size = (pos["w"] / 24 - 0.006, pos["h"] * CELL_H / height_in - 0.12 / height_in)
        if isinstance(said, str):
            figure.text(0.012, 1 - top - 0.21 / height_in, f"⌄ {said}", fontsize=10, weight="bold", va="center")
            continue
        figure.add_artist(
            Rectangle(box, *size, facecolor=PANEL, edgecolor=LINE, lw=0.8, zorder=-1, transform=figure.transFigure)
        )
        title_y = box[1] + size[1] - 0.16 / height_in
        figure.text(box[0] + 0.005, title_y, said.panel["title"], fontsize=9, weight="bold", va="center")
        _draw_panel(figure, said, box, size, height_in)
    figure.savefig(path, dpi=80, facecolor=PAPER)


def _placed(board: Mapping[str, Any], looking: Viewer) -> list[tuple[dict[str, int], Answer | str]]:
    """Rows and panels with their places; repeated ones take further places below."""
    answers = {id(a.panel): a for a in looking.panels(board)}
    by_panel: dict[int, list[Answer]] = {}
    for answer in answers.values():
        by_panel.setdefault(answer.panel["id"], []).append(answer)
    found: list[tuple[dict[str, int], Answer | str]] = []
    for panel in board["panels"]:
        pos = dict(panel["gridPos"])
        if panel["type"] == "row":
            found.append((pos, panel["title"]))
            continue
        for k, answer in enumerate(by_panel[panel["id"]][:MOST_REPEATED]):
            x, y = pos["x"] + k % 3 * pos["w"], pos["y"] + k // 3 * pos["h"]
            found.append((pos | ({"x": x, "y": y} if len(by_panel[panel["id"]]) > 1 else {}), answer))
    return found


def _in_one_column(placed: list[tuple[dict[str, int], Answer | str]]) -> list[tuple[dict[str, int], Answer | str]]:
    y, found = 0, list[tuple[dict[str, int], Answer | str]]()
    for pos, said in placed:
        found.append(({"x": 0, "y": y, "w": 24, "h": pos["h"]}, said))
        y += pos["h"]
    return found


def _draw_panel(
    figure: Figure, said: Answer, box: tuple[float, float], size: tuple[float, float], height_in: float
) -> None:
    kind = said.panel["type"]
    inner = (box[0] + 0.004, box[1], size[0] - 0.008, size[1] - 0.3 / height_in)
    if kind == "stat":
        _stat(figure, said, inner)
    elif kind == "gauge":
        _gauge(figure.add_axes(inner), said)
    elif kind == "table":
        _table(figure, said, inner, height_in)
    else:
        axes = {"timeseries": 0.034, "state-timeline": 0.056, "bargauge": 0.06}
        # Margins are made for the text beside the axes, whatever the width of the picture.
        scale = 24 * CELL_W / figure.get_figwidth()
        to_the_right = any(own.get("custom.axisPlacement") == "right" for own in _overrides(said.panel).values())
        left, right = axes[kind] * scale, (0.042 if to_the_right or kind == "bargauge" else 0.01) * scale
        low = (0.12 if kind == "bargauge" else 0.62) / height_in
        place = (box[0] + left, box[1] + low, size[0] - left - right, size[1] - low - 0.38 / height_in)
        {"timeseries": _lines, "state-timeline": _timeline, "bargauge": _bars}[kind](figure.add_axes(place), said)


def _stat(figure: Figure, said: Answer, inner: tuple[float, float, float, float]) -> None:
    x, y, w, h = inner
    value = said.courses[0].last if said.courses else None
    text, colour = _shown(said.panel, value)
    figure.text(
        x + w / 2,
        y + h / 2,
        text,
        fontsize=22 if len(text) < 13 else 15,
        color=colour,
        ha="center",
        va="center",
        weight="bold",
    )


def _gauge(axes: Axes, said: Answer) -> None:
    value = said.courses[0].last if said.courses else None
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 1.1)
    axes.set_ylim(-0.25, 1.1)
    text, colour = _shown(said.panel, value)
    axes.add_patch(Wedge((0, 0), 1.0, 0, 180, width=0.28, color=LINE))
    axes.add_patch(Wedge((0, 0), 1.0, 180 - 180 * min(1.0, max(0.0, value or 0.0)), 180, width=0.28, color=colour))
    axes.text(0, 0.08, text, ha="center", va="center", fontsize=17, color=colour, weight="bold")


def _lines(axes: Axes, said: Answer) -> None:
    custom = said.panel["fieldConfig"]["defaults"].get("custom", {})
    unit = said.panel["fieldConfig"]["defaults"].get("unit", "none")
    overrides = _overrides(said.panel)
    other: Axes | None = None
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    bars = custom.get("drawStyle") == "bars"
    columns = [c for c in said.courses if c.values]
    styles = []
    for k, course in enumerate(columns):
        own = overrides.get(course.name, {})
        colour = own.get("color", {}).get("fixedColor", PALETTE[k % len(PALETTE)])
        styles.append((COLOURS.get(colour, colour), own))
    if stacked and columns:
        times = [mdates.date2num(t) for t in columns[0].times]
        fitted = np.array([_fit(c, columns[0].times) for c in columns])
        colours = [colour for colour, _ in styles]
        if bars:
            for course, colour, values, below in zip(columns, colours, fitted, fitted.cumsum(0) - fitted, strict=True):
                axes.bar(times, values, 0.8, below, align="edge", color=colour, label=course.name, alpha=0.9)
        else:
            axes.stackplot(times, *fitted, colors=colours, alpha=0.75, labels=[course.name for course in columns])
        columns = []
    width = 0.8 / max(1, len([c for c, (_, own) in zip(columns, styles, strict=False)])) if columns else 1
    for k, (course, (colour, own)) in enumerate(zip(columns, styles, strict=False)):
        target = axes
        if own.get("custom.axisPlacement") == "right":
            other = other or axes.twinx()
            target = other
            _dress(other, own.get("unit", unit))
        times = [mdates.date2num(t) for t in course.times]
        values = [float("nan") if v is None else v for v in course.values]
        if bars:
            numbers = [t + (k + 0.1) * width for t in times]
            target.bar(numbers, values, width=width * 0.9, color=colour, label=course.name, align="edge", alpha=0.9)
        else:
            step = custom.get("lineInterpolation") == "stepAfter"
            target.plot(
                times, values, color=colour, lw=1.3, label=course.name, drawstyle="steps-post" if step else "default"
            )
    _dress(axes, unit)
    low = said.panel["fieldConfig"]["defaults"].get("min")
    if low is not None:
        axes.set_ylim(bottom=low)
    _time_axis(axes, said)
    handles, labels = axes.get_legend_handles_labels()
    if other is not None:
        more = other.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(-0.02, -LEGEND_IN / _height_in(axes)),
        ncols=7,
        frameon=False,
        fontsize=7,
        labelcolor=INK,
        handlelength=1.2,
    )


def _timeline(axes: Axes, said: Answer) -> None:
    codes = said.panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    for row, course in enumerate(said.courses):
        times = [*course.times, said.until]
        known = [(t, v, end) for t, v, end in zip(course.times, course.values, times[1:], strict=True) if v is not None]
        for begin, value, end in known:
            colour = codes.get(str(round(value)), {}).get("color", DIM)
            a, b = mdates.date2num(begin), mdates.date2num(end)
            axes.barh(row, b - a, left=a, height=0.85, color=COLOURS.get(colour, colour), lw=0)
    axes.set_yticks(range(len(said.courses)), [c.name for c in said.courses])
    axes.invert_yaxis()
    _dress(axes, "none")
    axes.grid(visible=False)
    axes.set_yticks(range(len(said.courses)), [c.name for c in said.courses])
    _time_axis(axes, said)
    for code in codes.values():
        axes.barh(0, 0, color=COLOURS.get(code["color"], code["color"]), label=code["text"])
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -LEGEND_IN / _height_in(axes)),
        ncols=6,
        frameon=False,
        fontsize=7,
        labelcolor=INK,
        handlelength=1.2,
    )


def _bars(axes: Axes, said: Answer) -> None:
    names = [c.name for c in said.courses]
    values = [c.last or 0.0 for c in said.courses]
    for row, value in enumerate(values):
        text, colour = _shown(said.panel, value)
        fixed = said.panel["fieldConfig"]["defaults"].get("color", {}).get("fixedColor")
        axes.barh(row, value, color=COLOURS.get(fixed or colour, fixed or colour), height=0.7)
        axes.text(max(values) * 1.02, row, text, va="center", fontsize=7)
    _dress(axes, "none")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.invert_yaxis()


def _table(figure: Figure, said: Answer, inner: tuple[float, float, float, float], height_in: float) -> None:
    x, y, w, h = inner
    if not said.rows:
        figure.text(
            x + w / 2,
            y + h / 2,
            said.panel["fieldConfig"]["defaults"].get("noValue", "no data"),
            color=DIM,
            ha="center",
        )
        return
    overrides = {name: own.get("unit", "none") for name, own in _overrides(said.panel).items()}
    rows = [
        [_cell(column, value, overrides) for column, value in zip(said.columns, row, strict=True)] for row in said.rows
    ]
    lengths = [
        min(70, max(len(column), *(len(row[k]) for row in rows[:40]))) + 2 for k, column in enumerate(said.columns)
    ]
    count = int(h * height_in / 0.2) - 1
    for line, row in enumerate([list(said.columns), *rows[:count]]):
        at = x + 0.003
        for k, text in enumerate(row):
            part = w * lengths[k] / sum(lengths)
            room = max(3, int(part * 24 * CELL_W / 0.072))
            figure.text(
                at,
                y + h - (line * 0.2 + 0.1) / height_in,
                shorten(text, room, placeholder="…") if text else "",
                fontsize=7,
                color=DIM if not line else INK,
                va="center",
            )
            at += part


def _cell(column: str, value: Any, units: Mapping[str, str]) -> str:
    if value is None:
        return ""
    if column == "time":
        return f"{datetime.fromtimestamp(value / 1000, ZONE):%a %d %b %H:%M}"
    return _number(value, units.get(column, "none"), None) if isinstance(value, float | int) else str(value)


def _shown(panel: Mapping[str, Any], value: Any) -> tuple[str, str]:
    """Text and colour of one value."""
    defaults = panel["fieldConfig"]["defaults"]
    if value is None:
        return defaults.get("noValue", "no data"), DIM
    mapped = (
        defaults.get("mappings", [{}])[0].get("options", {}).get(str(round(value)))
        if defaults.get("mappings")
        else None
    )
    if mapped:
        return mapped["text"], COLOURS.get(mapped["color"], mapped["color"])
    colour = "text"
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    if defaults.get("color", {}).get("mode") == "fixed":
        colour = defaults["color"]["fixedColor"]
    return _number(value, defaults.get("unit", "none"), defaults.get("decimals")), COLOURS.get(colour, colour)


def _number(value: float, unit: str, decimals: int | None) -> str:
    if unit == "percentunit":
        return f"{100 * value:.{decimals or 0}f} %"
    suffix = f" {unit.removeprefix('suffix:')}" if unit.startswith("suffix:") else UNITS.get(unit, "")
    places = decimals if decimals is not None else 0 if abs(value) >= 100 else 2
    text = f"{value:.{places}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text and decimals is None else text}{suffix}"


def _overrides(panel: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What holds for single series or columns, by name."""
    found: dict[str, dict[str, Any]] = {}
    for override in panel["fieldConfig"].get("overrides", []):
        said = {p["id"]: p["value"] for p in override["properties"]}
        found.setdefault(override["matcher"]["options"], {}).update(said)
    return found


def _height_in(axes: Axes) -> float:
    return float(axes.get_position().height * axes.figure.get_figheight())  # type: ignore[union-attr]  # of a figure


def _fit(course: Course, times: Sequence[datetime]) -> list[float]:
    known = dict(zip(course.times, course.values, strict=True))
    return [float(known.get(t) or 0.0) for t in times]


def _dress(axes: Axes, unit: str) -> None:
    axes.set_facecolor("none")
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=DIM, labelsize=7, length=0)
    axes.grid(visible=True, color=LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(lambda value, _: _number(value, unit, None))


def _time_axis(axes: Axes, said: Answer) -> None:
    axes.set_xlim(mdates.date2num(said.since), mdates.date2num(said.until))
    locator = mdates.AutoDateLocator(tz=ZONE, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, tz=ZONE, show_offset=False))
