"""From a provider's answer to a vintage: labels, units and bounds, checked in one place."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, QUARTER, NoAnswer, Vintage

BOUNDS: Mapping[str, tuple[float, float]] = {
    "outdoor_temperature_c": (-60.0, 60.0),
    "ghi_w_m2": (0.0, 1500.0),
    "dni_w_m2": (0.0, 1500.0),
    "dhi_w_m2": (0.0, 1200.0),
    "cloud_share": (0.0, 1.0),
    "wind_m_s": (0.0, 80.0),
    "pv_kw": (0.0, 1000.0),
    # The harmonised limits of the European day-ahead coupling are -500 and 4000 EUR/MWh, and were 5000 for a while.
    "day_ahead_price_eur_per_mwh": (-1000.0, 10_000.0),
    "currency_per_eur": (1e-3, 1e5),
}
STEPS = (QUARTER, 2 * QUARTER, HOUR)


def vintage(
    source: str,
    now: datetime,
    starts: Sequence[datetime] | pd.DatetimeIndex,
    series: Mapping[str, Sequence[float | None]],
    step: timedelta | None = None,
    issued_at: datetime | None = None,
) -> Vintage:
    """What a source said, if it can be.

    :param starts: of the intervals, aware, in any order; equal ones must agree.
    :param step: length of the intervals; the smallest distance of two starts, if the source does not say.
    :raises NoAnswer: if labels and values do not fit, steps are uneven, or a value cannot be.
    """
    index = pd.DatetimeIndex(list(starts))
    if len(index) == 0:
        raise NoAnswer(f"{source}: the answer has no interval")
    if index.tz is None:
        raise NoAnswer(f"{source}: found times without a zone; allowed: UTC")
    lengths = {name: len(values) for name, values in series.items() if len(values) != len(index)}
    if lengths:
        raise NoAnswer(f"{source}: found {lengths} values for {len(index)} times; one for each is needed")
    frame = pd.DataFrame({n: pd.to_numeric(pd.Series(list(v)), errors="coerce") for n, v in series.items()})
    frame = frame.astype(float).set_axis(index.tz_convert("UTC").as_unit("us"), axis=0).sort_index()
    frame = frame.replace([np.inf, -np.inf], np.nan)
    frame = frame[~frame.reset_index().duplicated().to_numpy()]
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise NoAnswer(f"{source}: found two values at {twice.isoformat()}; one is allowed")
    if frame.isna().all().all():
        raise NoAnswer(f"{source}: the answer has no value")
    for name in frame:
        _require_bounds(source, str(name), frame[name])
    known = step or _step(source, pd.DatetimeIndex(frame.index))
    return Vintage(source, issued_at or now, now, known, frame)


def _require_bounds(source: str, name: str, values: "pd.Series[float]") -> None:
    least, most = BOUNDS.get(name.partition(".")[0], (-np.inf, np.inf))
    bad = values[(values < least) | (values > most)]
    if len(bad):
        at = pd.Timestamp(str(bad.index[0])).isoformat()
        raise NoAnswer(f"{source}: {name} is {bad.iloc[0]:g} at {at}; allowed: {least:g} to {most:g}")


def _step(source: str, index: pd.DatetimeIndex) -> timedelta:
    if len(index) < 2:
        raise NoAnswer(f"{source}: found one interval; the length of it is not known")
    step = pd.Timedelta(str(pd.Series(index).diff().min())).to_pytimedelta()
    if step not in STEPS or any((index - index[0]) % step != pd.Timedelta(0)):
        raise NoAnswer(f"{source}: intervals begin {step} apart; allowed: 15, 30 or 60 min, evenly")
    return step


def local_day(source: str, day: date, zone: ZoneInfo, count: int) -> tuple[pd.DatetimeIndex, timedelta]:
    """The starts of a local day's intervals, by how many there are: 23 to 25 hours, 92 to 100 quarters.

    >>> starts, step = local_day("ote", date(2025, 3, 30), ZoneInfo("Europe/Prague"), 92)
    >>> len(starts), str(starts[-1]), str(step)
    (92, '2025-03-30 21:45:00+00:00', '0:15:00')

    :raises NoAnswer: if the day has not so many.
    """
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    for step in (HOUR, QUARTER):
        starts = pd.date_range(begin, end, freq=step, inclusive="left").tz_convert("UTC")
        if len(starts) == count:
            return starts, step
    hours = (end.astimezone(ZoneInfo("UTC")) - begin.astimezone(ZoneInfo("UTC"))) // HOUR
    raise NoAnswer(f"{source}: found {count} values for {day}; allowed: {hours} hours or {4 * hours} quarter hours")


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))
