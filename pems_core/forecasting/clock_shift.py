"""Finds labels that are an hour off between two changes of the clock: local time for UTC, or summer time missed.

The sun knows what time it is without a clock. Between two changes of the clock a mistake is the same for all days, so
that weeks of them are compared with the clear sky at once. Habits of people say too little: of eleven recorded
homes four seemed to move their day by an hour at some change of the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, PvArray

from .sun import Sky, pv_kw

LEAST_DAYS = 5
OFF_H = 0.6
"""What is so late or early is an hour off: sunny mornings and foggy afternoons move the course of PV by less."""
HALF_HOUR = timedelta(minutes=30)
LAGS = range(-4, 5)
"""How late the sun may be, in half hours."""
EDGE = timedelta(hours=3)
LEAST_LIKENESS = 0.5
"""A course that is less like the clear sky than this, however it is shifted, says nothing."""
AIR_C = 15.0


@dataclass(frozen=True, slots=True)
class SunSpan:
    """One span between changes of the clock, and how late the sun is by the labels of a series [h]."""

    since: datetime
    until: datetime
    late_h: float


def shifted_spans(
    known: "pd.Series[float]", timezone: str, latitude: float, longitude: float, arrays: Sequence[PvArray] | None
) -> list[SunSpan]:
    """The spans in which a sunny series is an hour off.

    :param arrays: of the PV; none: it is irradiance on the ground; None: PV whose arrays are not known. Where they look
        is then unknown too, so that only spans that differ from the best one are off.
    """
    spans = sun_spans(known, timezone, latitude, longitude, arrays or ())
    if not spans:
        return []
    usual_h = 0.0 if arrays is not None else min((span.late_h for span in spans), key=abs)
    return [span for span in spans if abs(span.late_h - usual_h) >= OFF_H]


def sun_spans(
    known: "pd.Series[float]", timezone: str, latitude: float, longitude: float, arrays: Sequence[PvArray]
) -> list[SunSpan]:
    """How late the sun is in each span that has days enough."""
    if known.empty:
        return []
    halves = known.resample(HALF_HOUR).mean().dropna()
    around = pd.date_range(halves.index[0] - EDGE, halves.index[-1] + EDGE, freq=HALF_HOUR)
    sky = Sky.at(around, HALF_HOUR, latitude, longitude)
    course = pv_kw(arrays, sky, sky.clear, pd.Series(AIR_C, index=around)) if arrays else sky.clear["ghi"]
    spans = []
    for since, until in clock_spans(known, timezone):
        part = halves[(halves.index >= since) & (halves.index < until)]
        index = pd.DatetimeIndex(part.index)
        if index.normalize().nunique() < LEAST_DAYS or part.max() <= 0:
            continue
        likeness = [_likeness(part, course.reindex(index - lag * HALF_HOUR)) for lag in LAGS]
        if max(likeness) >= LEAST_LIKENESS:
            spans.append(SunSpan(since, until, _peak(likeness)))
    return spans


def clock_spans(known: "pd.Series[float]", timezone: str) -> list[tuple[datetime, datetime]]:
    """The spans of a series in which local time has one offset to UTC."""
    if len(known) < 2:
        return []
    index = pd.DatetimeIndex(known.index)
    hours = pd.date_range(index[0].floor("h"), index[-1] + HOUR, freq="h")
    offset = hours.tz_convert(timezone).tz_localize(None) - hours.tz_localize(None)
    changes = np.flatnonzero(np.diff(np.asarray(offset / HOUR, dtype=np.float64))) + 1
    edges = [hours[0], *hours[changes], hours[-1] + HOUR]
    return [(a.to_pydatetime(), b.to_pydatetime()) for a, b in pairwise(edges)]


def _likeness(part: "pd.Series[float]", course: "pd.Series[float]") -> float:
    """Correlation, label by label."""
    return float(np.corrcoef(part.to_numpy(dtype=np.float64), course.to_numpy(dtype=np.float64))[0, 1])


def _peak(likeness: Sequence[float]) -> float:
    """The lag of the highest likeness, between the lags that were tried, by a parabola through its neighbours [h]."""
    k = int(np.argmax(likeness))
    if k in (0, len(likeness) - 1):
        return LAGS[k] / 2
    before, top, after = likeness[k - 1 : k + 2]
    bend = before - 2 * top + after
    return (LAGS[k] + (0.5 * (before - after) / bend if bend else 0.0)) / 2
