"""How wrong stored forecasts were, by who made them, by day and by how far ahead they were."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .evidence import Compared, compared
from .network import Array

QUARTER_US = 900_000_000
LEADS_H: Mapping[str, tuple[float, float]] = {
    "1 h": (0.0, 1.0),
    "6 h": (1.0, 6.0),
    "24 h": (6.0, 24.0),
    "48 h": (24.0, 48.0),
}
"""By the end of each: from when on it is."""
FURTHEST_H = 48.0
"""What is farther ahead is not compared."""
LEAST_FORECASTS_A_DAY = 24
"""A day of which fewer values were foreseen is not judged."""
FALLBACK = "fallback"


def who_of(number: int) -> str:
    """The name under which forecasts of a version are stored."""
    return f"version {number}"


def stored_as(series: str, who: str, model: str = "") -> str:
    """The name of a series of forecasts that were made beside those that plans used.

    Two models may foresee one series: the one that is not called like it has its own name before that of the version.

    >>> stored_as("pv_kw", "version 3", "pv_kw"), stored_as("pv_kw", "version 3", "pv_given_kw")
    ('pv_kw@version 3', 'pv_kw@pv_given_kw version 3')
    """
    return f"{series}@{who}" if model in ("", series) or who == FALLBACK else f"{series}@{model} {who}"


@dataclass(frozen=True)
class Judged:
    """Forecasts of one series, each with what happened.

    :param errors: by who: `cycle_at`, `start`, local `day`, `lead_h`, `error` (foreseen less measured).
    """

    errors: Mapping[str, pd.DataFrame]

    def by_lead(self, who: str) -> dict[str, float]:
        """Mean absolute error by how far ahead it was; what was never foreseen is left out."""
        frame = self.errors.get(who)
        if frame is None or frame.empty:
            return {}
        found = {}
        for name, (begin, end) in LEADS_H.items():
            there = frame["error"][(frame["lead_h"] >= begin) & (frame["lead_h"] < end)]
            if len(there):
                found[name] = float(there.abs().mean())
        return found

    def compared(self, who: str, other: str, since: pd.Timestamp | None = None) -> Compared:
        """Errors by day, of values that both have foreseen at the same moment.

        :param since: of days that begin after it.
        """
        mine, others = self._ahead(who), self._ahead(other)
        if mine is None or others is None:
            return compared([], [])
        both = mine.merge(others, on=["cycle_at", "start", "day"], suffixes=("", "_other"))
        if since is not None:
            both = both[both["day"] > since]
        by_day = both.assign(error=both["error"].abs(), error_other=both["error_other"].abs()).groupby("day")
        days = by_day[["error", "error_other"]].mean()[by_day.size() >= LEAST_FORECASTS_A_DAY]
        return compared(days["error"].tolist(), days["error_other"].tolist())

    def days(self, who: str, since: pd.Timestamp) -> int:
        """Days that begin after a moment, and of which one has foreseen enough to be judged."""
        frame = self._ahead(who)
        if frame is None:
            return 0
        counts = frame[frame["day"] > since].groupby("day").size()
        return int((counts >= LEAST_FORECASTS_A_DAY).sum())

    def answered(self, who: str, other: str, since: pd.Timestamp) -> float:
        """In which share of the moments at which another foresaw something this one did too."""
        frames = [self.errors.get(name) for name in (who, other)]
        moments = [
            set() if frame is None else set(frame["cycle_at"][frame["day"] > since].unique()) for frame in frames
        ]
        return len(moments[0] & moments[1]) / len(moments[1]) if moments[1] else 1.0

    def _ahead(self, who: str) -> pd.DataFrame | None:
        frame = self.errors.get(who)
        if frame is None or frame.empty:
            return None
        return frame.loc[frame["lead_h"] < FURTHEST_H, ["cycle_at", "start", "day", "error"]]


def judged(vintages: Mapping[str, pd.DataFrame], measured: "pd.Series[float]", timezone: str) -> Judged:
    """Hold stored forecasts against what happened; what was not measured, or only in part, is left out.

    :param vintages: by who, as `Ledger.vintages` gives them.
    :param measured: means of quarter hours, labelled by their start in UTC.
    """
    known = measured.dropna()
    return Judged({who: _errors(frame, known, timezone) for who, frame in vintages.items() if len(frame)})


def _errors(vintages: pd.DataFrame, measured: "pd.Series[float]", timezone: str) -> pd.DataFrame:
    truth = mean_between(measured, _micros(vintages["start"]), _micros(vintages["end"]))
    frame = pd.DataFrame(
        {
            "cycle_at": vintages["cycle_at"],
            "start": vintages["start"],
            "day": vintages["start"].dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize(),
            "lead_h": (vintages["start"] - vintages["cycle_at"]).dt.total_seconds() / 3600,
            "error": vintages["value"] - truth,
        }
    )
    return frame.dropna(subset=["error"])


def mean_between(measured: "pd.Series[float]", begin: Array, end: Array) -> Array:
    """Mean of what was measured in whole quarters from `begin` to `end` [µs]; NaN if one of them is missing."""
    if measured.empty:
        return np.full(len(begin), np.nan)
    at = _micros(pd.Series(measured.index))
    sums = np.concatenate([[0.0], np.cumsum(measured.to_numpy(np.float64))])
    first, last = np.searchsorted(at, begin), np.searchsorted(at, end)
    count = last - first
    whole = (count > 0) & (count * QUARTER_US == end - begin)
    return np.where(whole, (sums[last] - sums[first]) / np.maximum(count, 1), np.nan)


def _micros(times: "pd.Series[pd.Timestamp]") -> Array:
    found = pd.DatetimeIndex(times).as_unit("us").asi8
    return np.asarray(found)
