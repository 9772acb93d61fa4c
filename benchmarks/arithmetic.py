"""How the figures follow from costs and flows: shares, gaps, growth. No runs, no clocks."""

from collections.abc import Sequence
from math import ceil, log
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pems_core.domain import RoomSpec

QUARTER_H = 0.25
NOTHING = 0.005
"""Costs and energies below this are nothing to divide by."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of all values do not exceed.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.5)
    2.0
    """
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def percent(part: float, whole: float) -> float | None:
    """`part` in % of `whole`; None if that is not above zero.

    >>> percent(1.0, 4.0)
    25.0
    """
    return 100 * part / whole if whole > NOTHING else None


def saving_percent(cost: float, baseline: float) -> float | None:
    """How much lower a cost is than the baseline's [%]; None if that is not above zero.

    >>> saving_percent(60.0, 80.0)
    25.0
    """
    return percent(baseline - cost, baseline)


def possible_percent(costs: Sequence[float], baselines: Sequence[float], bounds: Sequence[float]) -> float | None:
    """What was saved of what could be saved [%]; several runs are pooled, so a week with little at stake counts little.

    >>> possible_percent([70.0], [100.0], [60.0])
    75.0
    """
    return percent(sum(baselines) - sum(costs), sum(baselines) - sum(bounds))


def gap_percent(gaps: Sequence[float], baseline_bills: Sequence[float]) -> float | None:
    """Gaps to the proven bound in % of the bills without any planning, pooled.

    The bill of the plan itself is no measure: sun and negative prices bring it to zero.
    """
    return percent(sum(gaps), sum(baseline_bills))


def growth_exponent(size: tuple[float, float], seconds: tuple[float, float]) -> float:
    """The p of time ~ size^p between two sizes; 1 is linear.

    >>> growth_exponent((10.0, 40.0), (1.0, 16.0))
    2.0
    """
    return round(log(seconds[1] / seconds[0]) / log(size[1] / size[0]), 9)


def grid_charged_kwh(flows: pd.DataFrame) -> "pd.Series[float]":
    """Energy that went from the grid into the battery in each quarter of an hour.

    The house takes the PV first: what is imported while the battery charges goes into it, as far as it charges.
    """
    return flows[["grid_import_kw", "battery_charge_kw"]].min(axis=1) * QUARTER_H


def cheapest_quarters(prices: "pd.Series[float]", timezone: str, share: float = 0.2) -> "pd.Series[bool]":
    """Which quarter hours are among the cheapest `share` of their local day; equal prices stand together.

    :param prices: of whole local days, labelled in UTC.
    """
    days = pd.DatetimeIndex(prices.index).tz_convert(ZoneInfo(timezone)).date
    limits = prices.groupby(days).transform(lambda day: percentile(day.tolist(), share))
    return prices <= limits


def cheap_charging_percent(flows: pd.DataFrame, import_prices: "pd.Series[float]", timezone: str) -> float | None:
    """Share of the grid-charged energy that was bought in the cheapest 20 % of its day [%]."""
    charged = grid_charged_kwh(flows)
    cheap = cheapest_quarters(import_prices.reindex(charged.index), timezone)
    return percent(float(charged[cheap].sum()), float(charged.sum()))


def sold_below_zero_kwh(flows: pd.DataFrame, feed_in_prices: "pd.Series[float]") -> float:
    """Energy fed in while that cost money."""
    exported = flows["grid_export_kw"] * QUARTER_H
    return float(exported[feed_in_prices.reindex(exported.index) < 0].sum())


def heating_cost(flows: pd.DataFrame, import_prices: "pd.Series[float]") -> float:
    """What the heating would cost if all its energy were bought [currency]."""
    return float((flows["heating_kw"] * QUARTER_H * import_prices.reindex(flows.index)).sum())


def warmth_difference_kwh(flows: pd.DataFrame, baseline: pd.DataFrame, rooms: Sequence[RoomSpec]) -> float:
    """Heat that a run lost to the outside beyond the baseline because its rooms were warmer; negative: cooler.

    conductance to the outside * difference of the mean room temperatures * hours, summed over the rooms
    """
    hours = len(flows) * QUARTER_H
    return sum(
        room.outside_kw_per_k * float(flows[f"{room.name}_c"].mean() - baseline[f"{room.name}_c"].mean()) * hours
        for room in rooms
    )


def mean_temperature_c(flows: pd.DataFrame, rooms: Sequence[RoomSpec]) -> float:
    """Mean room temperature, each room weighted by its conductance to the outside."""
    weights = np.array([room.outside_kw_per_k for room in rooms])
    means = np.array([flows[f"{room.name}_c"].mean() for room in rooms])
    return float(weights @ means / weights.sum())
