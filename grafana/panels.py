"""Panels of the dashboards: each kind once, with the looks that all of them share."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, gauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model

from .questions import Question

SOURCE = model.DataSourceRef("influxdb", "${source}")
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#8e8e8e"
SUN, GRID, BATTERY, HOUSE, HEAT, SOLD = "#f2cc0c", "#e0556a", "#56a64b", "#5794f2", "#ff780a", "#b877d9"
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; None: from the lowest."""
Codes = Mapping[int, tuple[str, str]]
"""Text and colour of each code."""

ON_OFF: Codes = {0: ("off", "#2c3235"), 1: ("on", HEAT)}
MODES: Codes = {0: ("load first", BLUE), 1: ("battery first", YELLOW), 2: ("grid first", PURPLE)}
CHARGING: Codes = {
    -1: ("discharging", BLUE),
    0: ("resting", GREY),
    1: ("charging", GREEN),
    2: ("charging from the grid", YELLOW),
}
EXPORTING: Codes = {0: ("forbidden", RED), 1: ("allowed", BLUE), 2: ("feeding in", GREEN)}
RUNGS: Codes = {
    0: ("solver", GREEN),
    1: ("incumbent", BLUE),
    2: ("shifted", YELLOW),
    3: ("rules", ORANGE),
    4: ("release", RED),
}
Panel = Any
"""A builder of the SDK, which has one class for each kind and no common one."""


class Query(Dataquery):
    """One question to an InfluxDB, as Grafana's data source keeps it."""

    def __init__(self, question: Question, letter: str) -> None:
        self.question, self.letter = question, letter

    def to_json(self) -> dict[str, object]:
        said: dict[str, object] = {
            "refId": self.letter,
            "datasource": SOURCE,
            "query": self.question.text,
            "rawQuery": True,
            "resultFormat": "table" if self.question.as_table else "time_series",
        }
        return said | ({"alias": self.question.called} if self.question.called else {})


class _Built(Builder[Any]):
    """What is there already, for a builder that wants builders."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def build(self) -> Any:
        return self._made


def numbers(title: str, questions: Sequence[Question], unit: str, about: str = "", **looks: Any) -> Panel:
    """The newest value, large."""
    panel = _common(stat.Panel(), title, questions, unit, about, **looks)
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(words.BigValueGraphMode.NONE)
        .color_mode(words.BigValueColorMode.VALUE)
    )


def dial(title: str, questions: Sequence[Question], unit: str, steps: Steps, about: str = "", **looks: Any) -> Panel:
    """A share from 0 to 1 on a dial."""
    panel = _common(gauge.Panel(), title, questions, unit, about, steps=steps, **looks).min(0).max(1)
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def lines(
    title: str,
    questions: Sequence[Question],
    unit: str,
    about: str = "",
    *,
    colours: Mapping[str, str] | None = None,
    stacked: bool = False,
    bars: bool = False,
    stepped: bool = False,
    lowest: float | None = None,
    right: Mapping[str, str] | None = None,
    **looks: Any,
) -> Panel:
    """Courses over time.

    :param colours: by name of the series.
    :param right: series that have an axis of their own on the right, with its unit.
    """
    panel = _common(timeseries.Panel(), title, questions, unit, about, **looks)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(words.LegendDisplayMode.LIST)
        .placement(words.LegendPlacement.BOTTOM)
    ).tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI))
    panel.line_width(1).fill_opacity(70 if bars else 35 if stacked else 8).show_points(words.VisibilityMode.NEVER)
    if bars:
        panel.draw_style(words.GraphDrawStyle.BARS)
    if stepped:
        panel.line_interpolation(words.LineInterpolation.STEP_AFTER)
    if stacked:
        panel.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL).group("A"))
    if lowest is not None:
        panel.min(lowest)
    known, other = colours or {}, right or {}
    for name in dict.fromkeys([*known, *other]):
        own = [_fixed(known[name])] if name in known else []
        own += _on_the_right(other[name]) if name in other else []
        panel.override_by_name(name, own)
    return panel


def timeline(title: str, questions: Sequence[Question], codes: Codes, about: str = "", **looks: Any) -> Panel:
    """States over time, one row for each series."""
    panel = _common(statetimeline.Panel(), title, questions, "none", about, codes=codes, **looks)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(words.LegendDisplayMode.LIST)
        .placement(words.LegendPlacement.BOTTOM)
    ).tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.SINGLE))
    return (
        panel.merge_values(True).show_value(words.VisibilityMode.NEVER).row_height(0.85).fill_opacity(85).line_width(0)
    )


def bars(title: str, questions: Sequence[Question], unit: str, about: str = "", **looks: Any) -> Panel:
    """One bar for each series, with its newest value."""
    panel = _common(bargauge.Panel(), title, questions, unit, about, **looks)
    return (
        panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .orientation(words.VizOrientation.HORIZONTAL)
        .display_mode(words.BarGaugeDisplayMode.BASIC)
    )


def log(
    title: str, questions: Sequence[Question], about: str = "", *, units: Mapping[str, str] | None = None, **looks: Any
) -> Panel:
    """What happened, newest first.

    :param units: by column.
    """
    panel = _common(table.Panel(), title, questions, "none", about, **looks)
    for column, unit in (units or {}).items():
        panel.override_by_name(column, [model.DynamicConfigValue("unit", unit)])
    return panel


def _common(
    panel: Panel,
    title: str,
    questions: Sequence[Question],
    unit: str,
    about: str,
    *,
    steps: Steps = ((None, "text"),),
    codes: Codes | None = None,
    decimals: int | None = None,
    back: str = "",
    least: str = "",
    colour: str = "",
    links: Sequence[tuple[str, str]] = (),
    nothing: str = "",
    repeat: str = "",
) -> Panel:
    """
    :param back: how far back this panel looks, whatever the dashboard does, such as `40d`.
    :param least: shortest interval over which values are gathered.
    :param links: title and address of where to read on.
    """
    panel.title(title).datasource(SOURCE).unit(unit)
    panel.targets([_Built(Query(q, "ABCDEFGHIJKL"[k])) for k, q in enumerate(questions)])
    panel.thresholds(
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value, shade) for value, shade in steps])
    )
    if about:
        panel.description(about)
    if codes:
        texts = {
            str(code): model.ValueMappingResult(text, shade, index=k)
            for k, (code, (text, shade)) in enumerate(codes.items())
        }
        panel.mappings([model.ValueMap(texts)])
    if len(steps) > 1:
        panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    elif colour:
        panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour))
    for wanted, value in (("decimals", decimals), ("time_from", back), ("interval", least), ("no_value", nothing)):
        if value not in (None, ""):
            getattr(panel, wanted)(value)
    if links:
        panel.links([build.DashboardLink(name).type(model.DashboardLinkType.LINK).url(url) for name, url in links])
    if repeat:
        panel.repeat(repeat).repeat_direction("h")
    return panel


def _on_the_right(unit: str) -> list[model.DynamicConfigValue]:
    said = {"unit": unit, "custom.axisPlacement": "right", "custom.fillOpacity": 0}
    return [model.DynamicConfigValue(name, value) for name, value in said.items()]


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
