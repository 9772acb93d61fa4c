"""Forecasts for a person: what is expected now, how good it was, and pictures with fans."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pems_core.domain import HOUR, Forecast, Forecasts
from pems_core.forecasting.scoring import SIMPLE

from . import look
from .pictures import Picture
from .words import NOTHING, percent

LEADS_H = (0, 1, 3, 6, 12, 24, 36)
UNITS = {"_kw": "kW", "_per_kwh": "/kWh", "_c": "°C", "_w_m2": "W/m2"}
COLOURS = {"pv_kw": look.PV, "base_load_kw": look.BASE_LOAD, "outdoor_temperature_c": look.BATTERY}
PANEL_IN = 2.1
FANS = 4
"""Issues that one picture of a backtest shows, from the middle of it."""


def forecasts_table(forecasts: Forecasts, now: datetime, timezone: str) -> Table:
    """One line a series: what is expected soon and later, between which bounds with 80 %, by whom and how old."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("series", no_wrap=True)
    horizon = forecasts.horizon
    leads = [lead for lead in LEADS_H if now + lead * HOUR < horizon.end]
    for lead in leads:
        at = max(horizon.start, now + lead * HOUR).astimezone(ZoneInfo(timezone))
        table.add_column(f"{at:%H:%M}" if lead < 24 else f"{at:%a %H:%M}", justify="right")
    for heading in ("by", "age"):
        table.add_column(heading)
    for name, forecast in sorted(forecasts.series.items()):
        steps = [horizon.step_at(max(horizon.start, now + lead * HOUR)) for lead in leads]
        age = f"{(now - forecast.issued_at) / timedelta(minutes=1):.0f} min"
        table.add_row(name, *(_between(forecast, t) for t in steps), forecast.source, age)
    return table


def _between(forecast: Forecast, t: int) -> str:
    text = f"{forecast.values[t]:.3g}"
    if {0.1, 0.9} <= set(forecast.quantiles):
        text += f"\n{forecast.quantiles[0.1][t]:.3g}..{forecast.quantiles[0.9][t]:.3g}"
    return text


def scores_table(scores: Mapping[str, pd.DataFrame]) -> Table:
    """One line a series and horizon.

    :param scores: by series, from `scoring.scores`.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("series", no_wrap=True)
    table.add_column("ahead", no_wrap=True)
    for heading in ("count", "MAE", "RMSE", "bias", "pinball", "80 % covers"):
        table.add_column(heading, justify="right")
    for name in SIMPLE:
        table.add_column(f"better than {name.replace('_', ' ')}", justify="right")
    for series, rows in scores.items():
        for place, (horizon, row) in enumerate(rows.iterrows()):
            figures = [f"{int(row['count'])}", *(_figure(row[name]) for name in ("mae", "rmse", "bias", "pinball"))]
            shares = [row.get("covered"), *(row.get(f"skill_{name}") for name in SIMPLE)]
            told = [NOTHING if share is None or isnan(share) else percent(float(share)) for share in shares]
            table.add_row(series if place == 0 else "", str(horizon), *figures, *told)
        table.add_section()
    return table


def _figure(value: float) -> str:
    return NOTHING if isnan(value) else f"{value:.3g}"


def forecasts_picture(forecasts: Forecasts, measured: pd.DataFrame, timezone: str) -> Picture:
    """What is expected, with fans, after what was measured in the day before.

    :param measured: one column a series, labelled by interval start in UTC.
    """
    names = sorted(forecasts.series)
    with look.style():
        figure = look.canvas(PANEL_IN * len(names))
        axes = np.atleast_1d(figure.subplots(len(names), 1, sharex=True))
        edges = [*forecasts.horizon.starts, forecasts.horizon.end]
        for ax, name in zip(axes, names, strict=True):
            forecast = forecasts.series[name]
            known = measured[name].dropna() if name in measured else pd.Series(dtype=float)
            known = known[known.index >= forecasts.horizon.start - timedelta(days=1)]
            ax.plot(known.index, known.to_numpy(), color=look.HAPPENED, label="measured")
            _fan(ax, edges, forecast.quantiles, COLOURS.get(name, look.IMPORT))
            ax.stairs(forecast.values, edges, color=COLOURS.get(name, look.IMPORT), label="expected", baseline=None)
            _labelled(ax, f"{name}: {forecast.source}", name, timezone)
    return Picture("forecasts", "What is expected, with the interval that holds 80 %.", figure)


def backtest_picture(compared: Mapping[str, pd.DataFrame], timezone: str) -> Picture:
    """Some of the forecasts of each series with their fans, against what happened.

    :param compared: by series, from `scoring.compared`.
    """
    names = [name for name, rows in compared.items() if rows["truth"].notna().any()]
    with look.style():
        figure = look.canvas(PANEL_IN * max(1, len(names)))
        axes = np.atleast_1d(figure.subplots(max(1, len(names)), 1))
        for ax, name in zip(axes, names, strict=False):
            rows, colour = compared[name].dropna(subset=["truth"]), COLOURS.get(name, look.IMPORT)
            chosen = _some_issues(rows)
            shown = rows[rows["issued_at"].isin(chosen)]
            happened = shown.drop_duplicates("start", keep="last").sort_values("start")
            ax.step(happened["start"], happened["truth"], where="post", color=look.HAPPENED, label="happened")
            for _, part in shown.groupby("issued_at"):
                edges = [*part["start"], part["end"].iloc[-1]]
                quantiles = {float(n[1:]) / 100: part[n].to_numpy() for n in ("p10", "p90") if n in part}
                _fan(ax, edges, quantiles, colour)
                ax.stairs(part["value"].to_numpy(), edges, color=colour, label="foretold", baseline=None)
            _labelled(ax, name, name, timezone)
    return Picture("backtest", "Forecasts as they were made, with their fans, and what happened.", figure)


def _some_issues(rows: pd.DataFrame) -> Sequence[pd.Timestamp]:
    """A few consecutive days' first issues, from the middle."""
    issues = pd.Series(pd.DatetimeIndex(rows["issued_at"]).unique()).sort_values()
    daily = issues.groupby(issues.dt.floor("D")).first()
    begin = max(0, (len(daily) - FANS) // 2)
    return list(daily.iloc[begin : begin + FANS])


def _fan(ax: Axes, edges: Sequence[datetime], quantiles: Mapping[float, Any], colour: str) -> None:
    if {0.1, 0.9} <= set(quantiles):
        low, high = (np.append(quantiles[q], quantiles[q][-1]) for q in (0.1, 0.9))
        ax.fill_between(edges, low, high, step="post", color=colour, alpha=0.25, linewidth=0, label="80 %")  # type: ignore[arg-type]


def _labelled(ax: Axes, title: str, series: str, timezone: str) -> None:
    locator = AutoDateLocator(tz=ZoneInfo(timezone))  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=ZoneInfo(timezone)))  # type: ignore[no-untyped-call]
    look.legend_above(ax)
    unit = next((unit for ending, unit in UNITS.items() if series.endswith(ending)), "")
    look.titled(ax, title, unit)
