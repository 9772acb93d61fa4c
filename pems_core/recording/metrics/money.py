"""What was paid and earned, from metered flows and the prices known then; what was saved, as the books have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

import pandas as pd

from pems_core.domain import HOUR, QUARTER
from pems_core.recording.catalogue import MONEY, SAVINGS
from pems_core.recording.points import Point

PERIODS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved against one baseline."""

    baseline_bill: float
    saved: float
    saved_error: float | None = None
    """Standard error of `saved`, where it is known."""


@dataclass(frozen=True)
class Money:
    """One day, week or month [currency]; what is not known is None."""

    period: str
    start: datetime
    """Of the local day, week or month."""
    bill: float
    saved: Mapping[str, Saved] = field(default_factory=dict)
    """By name of the baseline."""
    arbitrage: float | None = None
    heating_shift: float | None = None
    export_revenue: float | None = None
    self_consumption_share: float | None = None
    self_sufficiency_share: float | None = None
    peak_kw: float | None = None
    regret: float | None = None
    regret_forecast: float | None = None
    regret_model: float | None = None
    regret_execution: float | None = None
    regret_override: float | None = None


METERED = (
    "grid_import_kw",
    "grid_export_kw",
    "pv_kw",
    "base_load_kw",
    "heating_kw",
    "flexible_load_kw",
    "battery_terminal_charge_kw",
    "battery_terminal_discharge_kw",
)
PRICES = ("import_price_per_kwh", "feed_in_price_per_kwh")
BOUGHT, SOLD = PRICES


def metered(
    period: str, start: datetime, frame: pd.DataFrame, zone: tzinfo, saved: Mapping[str, Saved] | None = None
) -> Money:
    """What one period cost and earned so far.

    :param zone: of the house, whose days count.
    :param frame: `METERED` and `PRICES`, labelled by interval start in UTC; intervals of which the grid or a price is
        not known are left out.
    """
    known = frame.reindex(columns=[*METERED, *PRICES]).dropna(subset=["grid_import_kw", "grid_export_kw", *PRICES])
    step = _step(frame)
    kwh = known[list(METERED)].fillna(0.0) * (step / HOUR)
    bought, sold = kwh["grid_import_kw"], kwh["grid_export_kw"]
    revenue = float((sold * known[SOLD]).sum())
    load = float(kwh[["base_load_kw", "heating_kw", "flexible_load_kw"]].to_numpy().sum())
    produced = float(kwh["pv_kw"].sum())
    return Money(
        period,
        start,
        bill=float((bought * known[BOUGHT]).sum()) - revenue,
        saved=saved or {},
        arbitrage=_arbitrage(kwh, known),
        heating_shift=_heating_shift(kwh["heating_kw"], known[BOUGHT], zone),
        export_revenue=revenue,
        # Energy of the grid that is fed in again, or stored, must not take a share out of its range.
        self_consumption_share=_share_kept(float(sold.sum()), produced),
        self_sufficiency_share=_share_kept(float(bought.sum()), load),
        peak_kw=float(known["grid_import_kw"].resample(QUARTER).mean().max()) if len(known) else None,
    )


def _arbitrage(kwh: pd.DataFrame, prices: pd.DataFrame) -> float:
    """What the battery gave at the prices then, less what it took: of the grid as bought, of PV as it would be sold."""
    taken = kwh["battery_terminal_charge_kw"]
    of_grid = (taken - kwh["pv_kw"]).clip(lower=0.0).clip(upper=kwh["grid_import_kw"])
    gave = (kwh["battery_terminal_discharge_kw"] * prices[BOUGHT]).sum()
    return float(gave - (of_grid * prices[BOUGHT]).sum() - ((taken - of_grid) * prices[SOLD].clip(lower=0.0)).sum())


def _share_kept(lost_kwh: float, whole_kwh: float) -> float | None:
    return min(1.0, max(0.0, 1.0 - lost_kwh / whole_kwh)) if whole_kwh > 0 else None


def _heating_shift(kwh: "pd.Series[float]", price: "pd.Series[float]", zone: tzinfo) -> float:
    """What the same heat would have cost spread evenly over each local day, less what it did cost."""
    days = pd.DatetimeIndex(price.index).tz_convert(zone).date
    even = price.groupby(days).transform("mean")
    return float((kwh * (even - price)).sum())


def _step(frame: pd.DataFrame) -> timedelta:
    """The length of the intervals: the shortest between two labels."""
    if len(frame) < 2:
        return QUARTER
    return pd.Timedelta(frame.index.to_series().diff().min()).to_pytimedelta()


def money_points(site: str, money: Money) -> Iterator[Point]:
    """The figures of one period, and what was saved against each baseline."""
    names = [metric.name for metric in MONEY.metrics]
    yield MONEY.point(money.start, site, {"period": money.period}, {name: getattr(money, name) for name in names})
    for baseline, saved in money.saved.items():
        yield SAVINGS.point(
            money.start,
            site,
            {"period": money.period, "baseline": baseline},
            {"baseline_bill": saved.baseline_bill, "saved": saved.saved, "saved_error": saved.saved_error},
        )
