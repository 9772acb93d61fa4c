"""The closed loops that several benchmarks look at, and what is told of each."""

from collections.abc import Sequence

import pandas as pd

from .arithmetic import possible_percent
from .houses import reference_house, scenario_for
from .rows import Bar
from .runs import BOUND, RunRecord, RunSpec
from .setting import Setting

CURRENCY = "CZK"
COMFORT = Bar("<", 1.0)
"""Share of occupied room-time more than 0.3 K outside the band [%]."""


def weeks(setting: Setting) -> Sequence[str]:
    return ("winter", "spring", "summer") if setting.full else ("winter",)


def baseline(setting: Setting, week: str, strategy: str, house: str = "reference") -> RunSpec:
    """A run without plans, or the bound."""
    return RunSpec(strategy, week, setting.days, house)


def pems(
    setting: Setting, week: str, forecast: str = "realistic", spread: float = 0.0, house: str = "reference"
) -> RunSpec:
    return RunSpec("lowest_bill", week, setting.days, house, forecast, setting.every_min, spread)


def of_possible(
    setting: Setting, periods: Sequence[str], found: Sequence[RunRecord], house: str = "reference"
) -> float | None:
    """Saving from self use as a share of what perfect foresight would save, pooled over periods [%]."""
    before = [setting.runs[baseline(setting, period, "self_use", house)].net_cost for period in periods]
    bounds = [setting.runs[baseline(setting, period, BOUND, house)].net_cost for period in periods]
    return possible_percent([run.net_cost for run in found], before, bounds)


def peak_kw(run: RunRecord) -> float:
    """Highest import, as a mean of a quarter of an hour."""
    return float(run.flows["grid_import_kw"].max())


def series(setting: Setting, week: str) -> pd.DataFrame:
    """Prices and weather of a week."""
    return scenario_for(reference_house(), week, setting.days)[0].frame
