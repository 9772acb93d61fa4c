"""How good forecasts were: what was foretold, when, against what happened, and against what needs no forecaster.

Tables of forecasts have one row a forecast and step, as `Ledger.vintages` gives them: `issued_at`, `start` and `end` of
the step, `value`, and quantiles such as `p10`. `compared` puts beside each row what happened and what simple methods
would have said at that time; `scores` makes a table of it, by how far ahead it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]

DAY = timedelta(days=1)
WEEK = 7
LEAST_SHARE = 0.5
"""Of a step of which less was measured nothing is said."""
HELD = timedelta(hours=1)
"""The mean of so long a time before the issue is what `hold_last` goes on with."""
PERSISTENCE, MEAN_OF_WEEK, HOLD_LAST = "persistence", "mean_7_days", "hold_last"
SIMPLE = (PERSISTENCE, MEAN_OF_WEEK, HOLD_LAST)
LEADS_H = (0.0, 1.0, 6.0, 12.0, 24.0, 48.0)
"""Edges of the horizons in which forecasts are judged, by how far ahead their step begins."""
ALL = "all"


def mae(found: Array, truth: Array) -> float:
    """Mean absolute error, of what is known of both."""
    return float(np.nanmean(np.abs(found - truth)))


def rmse(found: Array, truth: Array) -> float:
    """Root of the mean square error, of what is known of both."""
    return float(np.sqrt(np.nanmean((found - truth) ** 2)))


def bias(found: Array, truth: Array) -> float:
    """Mean of what was foretold less what happened: above 0, too much was foretold."""
    return float(np.nanmean(found - truth))


def pinball(found: Array, truth: Array, quantile: float) -> float:
    """The loss whose least is the quantile: what is above the truth costs `1 - quantile`, what is below `quantile`."""
    under = truth - found
    return float(np.nanmean(np.maximum(quantile * under, (quantile - 1) * under)))


def covered(lower: Array, upper: Array, truth: Array) -> float:
    """Share of what happened that lay within the interval, its ends included; NaN if nothing is known."""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    return float(np.mean((truth >= lower)[known] & (truth <= upper)[known])) if known.any() else float("nan")


def skill(found: Array, simple: Array, truth: Array) -> float:
    """By which share of its MAE a forecast is better than a simple method, where both and the truth are known."""
    known = np.isfinite(found) & np.isfinite(simple) & np.isfinite(truth)
    if not known.any():
        return float("nan")
    usual = mae(simple[known], truth[known])
    return 1 - mae(found[known], truth[known]) / usual if usual > 0 else float("nan")


@dataclass(frozen=True)
class Course:
    """A series as it happened, whose mean over any time can be asked."""

    begin: pd.Timestamp
    step: timedelta
    sums: Array
    """Of values times steps, up to each edge."""
    known: Array
    """How many steps were measured, up to each edge."""

    @classmethod
    def of(cls, measured: "pd.Series[float]") -> "Course":
        """
        :param measured: labelled by interval start in UTC; what is missing is not known.
        :raises ValueError: if there are fewer than two values.
        """
        series = measured.dropna().sort_index()
        series = series[~series.index.duplicated(keep="last")]
        if len(series) < 2:
            raise ValueError(f"found {len(series)} measured values; at least 2 are needed")
        step = pd.Timedelta(str(pd.Series(series.index).diff().median())).to_pytimedelta()
        regular = series.resample(step, origin="epoch").mean()
        values = regular.to_numpy(dtype=np.float64)
        there = np.isfinite(values)
        sums, known = (np.concatenate([[0.0], np.cumsum(v)]) for v in (np.where(there, values, 0.0), there))
        return cls(pd.Timestamp(str(regular.index[0])), step, sums, known)

    def mean(self, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex) -> Array:
        """Means over times; NaN where less than `LEAST_SHARE` was measured."""
        edges = np.arange(len(self.sums), dtype=np.float64)
        at = [np.asarray((times - self.begin) / self.step, dtype=np.float64) for times in (starts, ends)]
        total, known = (
            np.interp(at[1], edges, column) - np.interp(at[0], edges, column) for column in (self.sums, self.known)
        )
        enough = (known > 0) & (known >= LEAST_SHARE * (at[1] - at[0]))
        return np.where(enough, total / np.where(enough, known, 1.0), np.nan)


def compared(foretold: pd.DataFrame, measured: "pd.Series[float]", timezone: str) -> pd.DataFrame:
    """The table of forecasts, with `truth`, `lead_h`, and what `SIMPLE` methods would have said; NaN where not known.

    :param measured: labelled by interval start in UTC. Forecasts never see what had not ended when they were issued.
    """
    course, issued = Course.of(measured), pd.DatetimeIndex(foretold["issued_at"])
    starts, ends = pd.DatetimeIndex(foretold["start"]), pd.DatetimeIndex(foretold["end"])
    lead_h = np.maximum(0.0, np.asarray((starts - issued) / timedelta(hours=1), dtype=np.float64))
    # By the clock on the wall: on the 23-hour day, yesterday's time of day is less than 24 h ago.
    ahead = _wall(ends, timezone) - _wall(issued, timezone)
    ago = np.maximum(1, np.ceil(np.asarray(ahead / DAY, dtype=np.float64))).astype(np.int64)
    same_time = _on_days_before(course, starts, ends, ago, timezone)
    known = np.isfinite(same_time)
    counts = known.sum(axis=0)
    week = np.where(counts > 0, np.where(known, same_time, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)
    return foretold.assign(
        lead_h=lead_h,
        truth=course.mean(starts, ends),
        **{PERSISTENCE: same_time[0], MEAN_OF_WEEK: week, HOLD_LAST: course.mean(issued - HELD, issued)},
    )


def _on_days_before(
    course: Course, starts: pd.DatetimeIndex, ends: pd.DatetimeIndex, ago: npt.NDArray[np.int64], timezone: str
) -> Array:
    """The same local time `ago` days before, one day more... a week of them: one row a day."""
    local, length = _wall(starts, timezone), ends - starts
    rows = []
    for day in range(WEEK):
        wall = local - pd.to_timedelta(ago + day, unit="D")
        # Of an hour that occurs twice the first is taken; one that does not occur is the hour after it.
        there = wall.tz_localize(timezone, ambiguous=np.ones(len(wall), dtype=np.bool_), nonexistent=timedelta(hours=1))
        rows.append(course.mean(there.tz_convert("UTC"), there.tz_convert("UTC") + length))
    return np.stack(rows)


def _wall(times: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    return times.tz_convert(timezone).tz_localize(None)


def scores(compared_rows: pd.DataFrame, leads_h: Sequence[float] = LEADS_H) -> pd.DataFrame:
    """How good forecasts were: one row a horizon, and `all`; horizons of which nothing is known are left out.

    Columns: `count`, `mae`, `rmse`, `bias`, `pinball` (mean over the quantiles that there are), `covered` (share within
    p10 to p90), and the skill against each of `SIMPLE` as `skill_<method>`.

    :param compared_rows: from `compared`.
    """
    lead_h = compared_rows["lead_h"]
    parts = {horizon(*edges): compared_rows[(lead_h >= edges[0]) & (lead_h < edges[1])] for edges in pairwise(leads_h)}
    rows = {name: _row(part) for name, part in {**parts, ALL: compared_rows}.items() if _known(part).any()}
    return pd.DataFrame.from_dict(rows, orient="index")


def horizon(begin_h: float, end_h: float) -> str:
    """How a horizon is called.

    >>> horizon(6.0, 12.0)
    '6-12 h'
    """
    return f"{begin_h:g}-{end_h:g} h"


def _known(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["truth"].notna() & rows["value"].notna()


def _row(rows: pd.DataFrame) -> dict[str, float]:
    known = rows[_known(rows)]
    truth, value = (known[name].to_numpy(dtype=np.float64) for name in ("truth", "value"))
    losses = [
        pinball(known[name].to_numpy(np.float64), truth, q) for name, q in quantiles(known) if known[name].notna().any()
    ]
    inside = float("nan")
    if {"p10", "p90"} <= set(known.columns):
        inside = covered(known["p10"].to_numpy(np.float64), known["p90"].to_numpy(np.float64), truth)
    return {
        "count": len(known),
        "mae": mae(value, truth),
        "rmse": rmse(value, truth),
        "bias": bias(value, truth),
        "pinball": float(np.mean(losses)) if losses else float("nan"),
        "covered": inside,
        **{f"skill_{name}": skill(value, known[name].to_numpy(np.float64), truth) for name in SIMPLE if name in known},
    }


def quantiles(table: pd.DataFrame) -> Sequence[tuple[str, float]]:
    """The columns that are quantiles, with their probability, lowest first."""
    found = [str(name) for name in table.columns if str(name)[:1] == "p" and str(name)[1:].replace(".", "").isdecimal()]
    return sorted(((name, float(name[1:]) / 100) for name in found), key=lambda pair: pair[1])
