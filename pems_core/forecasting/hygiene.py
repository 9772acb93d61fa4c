"""Finds what is wrong with measured series, names it, and leaves it out.

A forecaster that learns from a stuck sensor or from watts that are called kilowatts is worse than one that has learnt
nothing. Nothing is repaired here: what cannot be believed is missing afterwards, and what was left out is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import HOUR, QUARTER, BadSeries, PvArray

from .clock_shift import SunSpan, shifted_spans

Mask = npt.NDArray[np.bool_]

DAY = timedelta(days=1)
LONG_GAP = DAY
"""Gaps of at least so long are told one by one."""
DAYS_TO_COMPARE = 5
"""With fewer days nothing can be said of what is usual."""
UNIT_FACTOR = 100.0
"""A day whose high values are so many times the usual ones is in another unit: the next one is 1000 times as large."""


class Wrong(StrEnum):
    """What can be wrong with a series."""

    OUT_OF_ORDER = "rows out of order"
    TWICE = "rows with one label"
    NOT_A_NUMBER = "not a number"
    GAP = "gap"
    IMPOSSIBLE = "impossible value"
    UNIT = "another unit"
    STUCK = "stuck"
    HOUR_OFF = "an hour off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    series: str
    """Empty for what concerns whole rows."""
    wrong: Wrong
    since: datetime
    until: datetime
    text: str
    """What was found and what is allowed."""
    left_out: int
    """Values (or rows) that are missing because of it."""

    def __str__(self) -> str:
        place = f"{self.series}, " if self.series else ""
        count = f"; {self.left_out} left out" if self.left_out else ""
        return (
            f"{place}{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} UTC: {self.wrong}: {self.text}{count}"
        )


@dataclass(frozen=True)
class Cleaned:
    """What can be believed of a table, and what could not."""

    frame: pd.DataFrame
    findings: tuple[Finding, ...]

    def of(self, wrong: Wrong) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.wrong is wrong)


@dataclass(frozen=True)
class House:
    """What is known of a house and bounds what it can measure."""

    timezone: str = "UTC"
    latitude: float | None = None
    longitude: float | None = None
    """None: whether the sun is an hour off cannot be seen."""
    arrays: tuple[PvArray, ...] = ()
    highest_kw: Mapping[str, float] = field(default_factory=dict)
    """By series; 50 kW for those that are not named, and 1.3 times the peak of the arrays for `pv_kw`."""

    def limit_kw(self, name: str) -> float:
        peak_kw = sum(array.peak_kw for array in self.arrays)
        usual = 1.3 * peak_kw if name == "pv_kw" and peak_kw else 50.0
        return self.highest_kw.get(name, usual)


def cleaned(frame: pd.DataFrame, house: House | None = None) -> Cleaned:
    """The rows in order with one label each, and of each series what can be believed.

    :param frame: one column a series, whose name ends in its unit; labelled by the start of the interval, aware.
    :raises BadSeries: if the labels are not times with a zone.
    """
    known = house or House()
    labelled, findings = in_order(frame)
    columns: dict[str, pd.Series[float]] = {}
    for column in labelled.columns:
        name = str(column)
        columns[name], found = _clean(labelled[column], name, known)
        findings += found
    result = pd.DataFrame(columns, index=labelled.index)
    shifted, found = _left_out_hours_off(result, known)
    return Cleaned(shifted, (*findings, *found))


def in_order(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Rows by time, one for each label; rows of one label that contradict each other are left out, all of them."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or index.hasnans:
        raise BadSeries([f"labels: found {index.dtype}; allowed: times with a zone, all known"])
    frame = frame.set_axis(index.tz_convert("UTC"), axis=0)
    findings: list[Finding] = []
    if len(frame) and not frame.index.is_monotonic_increasing:
        late = int((pd.Series(frame.index).diff() < pd.Timedelta(0)).sum())
        since, until = _ends(pd.DatetimeIndex(frame.index))
        text = f"{late} rows are earlier than the row before; they were sorted"
        findings.append(Finding("", Wrong.OUT_OF_ORDER, since, until, text, 0))
        frame = frame.sort_index(kind="stable")
    again = frame.index.duplicated(keep=False)
    if again.any():
        kept = frame[~frame.reset_index().duplicated(keep="first").to_numpy()]
        contradicting = kept.index.duplicated(keep=False)
        text = f"{int(again.sum())} rows; of equal ones one is kept, of others none"
        since, until = _ends(pd.DatetimeIndex(frame.index[again]))
        findings.append(Finding("", Wrong.TWICE, since, until, text, len(frame) - int((~contradicting).sum())))
        frame = kept[~contradicting]
    return frame, findings


def _clean(values: "pd.Series[float]", name: str, house: House) -> "tuple[pd.Series[float], list[Finding]]":
    numbers = pd.to_numeric(values, errors="coerce").astype(float)
    findings: list[Finding] = []
    known = numbers.dropna().index
    if known.empty:
        return numbers, findings
    within = np.asarray((numbers.index >= known[0]) & (numbers.index <= known[-1]))
    unusable = ~np.isfinite(numbers.to_numpy()) & within
    if unusable.any():
        text = f"{int(unusable.sum())} of {int(within.sum())} values; allowed: finite numbers"
        findings.append(_finding(numbers, name, Wrong.NOT_A_NUMBER, unusable, text))
    numbers = numbers.where(np.isfinite(numbers))
    findings += _gaps(numbers, name)
    for wrong, check in (
        (Wrong.UNIT, other_unit(numbers, name, house)),
        (Wrong.IMPOSSIBLE, impossible(numbers, name, house)),
    ):
        bad, text = check
        bad &= numbers.notna().to_numpy()
        if bad.any():
            findings.append(_finding(numbers, name, wrong, bad, text))
            numbers = numbers.mask(bad)
    for since, until, bad, text in stuck(numbers, name):
        findings.append(Finding(name, Wrong.STUCK, since, until, text, int(bad.sum())))
        numbers = numbers.mask(bad)
    return numbers, findings


def _gaps(numbers: "pd.Series[float]", name: str) -> Iterator[Finding]:
    known = pd.DatetimeIndex(numbers.dropna().index)
    step = _step(known)
    for before, after in pairwise(known.to_pydatetime()):
        gap = after - before - step
        if gap >= LONG_GAP:
            yield Finding(name, Wrong.GAP, before + step, after, f"nothing was measured for {gap / DAY:.1f} days", 0)


def impossible(numbers: "pd.Series[float]", name: str, house: House) -> tuple[Mask, str]:
    """Values outside what a house or its weather can have."""
    least, most = bounds(name, house)
    values = numbers.to_numpy()
    bad = np.asarray((values < least) | (values > most))
    worst = f"{values[bad][np.abs(values[bad]).argmax()]:g}" if bad.any() else ""
    return bad, f"found {worst}; allowed: {least:g} to {most:g}"


def bounds(name: str, house: House) -> tuple[float, float]:
    if name.endswith("_kw"):
        # Meters show some watts below zero at night.
        return -0.05, house.limit_kw(name)
    if name.endswith("_c"):
        return -60.0, 60.0
    if name.endswith("_w_m2"):
        return -10.0, 1500.0
    if name.endswith("_per_kwh"):
        return -40.0, 40.0
    return -np.inf, np.inf


def other_unit(numbers: "pd.Series[float]", name: str, house: House) -> tuple[Mask, str]:
    """Whole days of a power series whose high values are those of another unit, such as W in a series of kW."""
    none = np.zeros(len(numbers), dtype=np.bool_)
    if not name.endswith("_kw"):
        return none, ""
    day = pd.DatetimeIndex(numbers.index).floor("D")
    high = numbers.groupby(day).quantile(0.95).dropna()
    too_high = high > house.limit_kw(name)
    usual = high[~too_high]
    if len(usual) >= DAYS_TO_COMPARE and usual.median() > 0:
        too_high |= high > UNIT_FACTOR * usual.median()
    bad_days = pd.DatetimeIndex(high.index[too_high])
    if bad_days.empty:
        return none, ""
    found = float(high[too_high].median())
    allowed = f"kW, up to {house.limit_kw(name):g}"
    text = f"{len(bad_days)} days with {found:g} as a high value, probably in W; allowed: {allowed}"
    return np.asarray(day.isin(bad_days)), text


STUCK_H = {"base_load_kw": 8.0, "pv_kw": 3.0, "ghi_w_m2": 3.0, "outdoor_temperature_c": 12.0}
"""How long one value may stay exactly the same [h]; other temperatures 24 h."""
ROOMS_STUCK_H = 24.0
BRIGHT = ("pv_kw", "ghi_w_m2")
CLIPPED = 0.97
"""An inverter at its limit gives one value for hours: what is so near the highest value is no fault."""
RUNS = 3.0
"""A coarse meter shows the same value for long: only what lasts so many times longer than its long runs is stuck."""


def stuck(numbers: "pd.Series[float]", name: str) -> Iterator[tuple[datetime, datetime, Mask, str]]:
    """Runs of one and the same value that last longer than that can be."""
    allowed_h = STUCK_H.get(name, ROOMS_STUCK_H if name.endswith("_c") else None)
    known = numbers.dropna()
    if allowed_h is None or len(known) < 2:
        return
    step = _step(pd.DatetimeIndex(known.index))
    run = (known.diff().abs() > 1e-9).cumsum()
    runs = pd.DataFrame({"value": known, "at": known.index}).groupby(run)
    table = runs.agg(value=("value", "first"), begin=("at", "first"), end=("at", "last"), count=("at", "size"))
    # What was measured, not what lies between: the same value before and after a gap is chance.
    table["hours"] = table["count"] * (step / HOUR)
    if name in BRIGHT:
        # The sun is down for longer than any sensor is stuck.
        table = table[(table["value"] > 1e-6) & (table["value"] < CLIPPED * known.max())]
    if table.empty:
        return
    usual_h = float(table["hours"].quantile(0.99)) if len(table) >= 50 else 0.0
    limit_h = max(allowed_h, RUNS * usual_h)
    long = table[table["hours"] > limit_h]
    begins, ends = pd.DatetimeIndex(long["begin"]), pd.DatetimeIndex(long["end"])
    for begin, end, value, hours in zip(begins, ends, long["value"], long["hours"], strict=True):
        bad = np.asarray((numbers.index >= begin) & (numbers.index <= end))
        text = f"{value:g} for {hours:.1f} h; allowed: {limit_h:.0f} h"
        yield begin.to_pydatetime(), (end + step).to_pydatetime(), bad, text


def _left_out_hours_off(frame: pd.DataFrame, house: House) -> tuple[pd.DataFrame, list[Finding]]:
    """Whole spans between changes of the clock in which the labels are an hour off; all series share their labels."""
    spans: dict[tuple[datetime, datetime], tuple[str, SunSpan]] = {}
    for name in (n for n in BRIGHT if n in frame):
        if house.latitude is None or house.longitude is None:
            continue
        known = frame[name].dropna()
        arrays = () if name != "pv_kw" else house.arrays or None
        for span in shifted_spans(known, house.timezone, house.latitude, house.longitude, arrays):
            spans.setdefault((span.since, span.until), (name, span))
    findings = []
    for name, span in spans.values():
        off = np.asarray((frame.index >= span.since) & (frame.index < span.until))
        count = int(frame[off].notna().to_numpy().sum())
        word = "late" if span.late_h > 0 else "early"
        text = f"the sun is {abs(span.late_h):.1f} h {word} by the labels; allowed: starts of intervals in UTC"
        findings.append(Finding(name, Wrong.HOUR_OFF, span.since, span.until, text, count))
        frame = frame[~off].reindex(frame.index)
    return frame, findings


def _finding(numbers: "pd.Series[float]", name: str, wrong: Wrong, bad: Mask, text: str) -> Finding:
    since, until = _ends(pd.DatetimeIndex(numbers.index[bad]))
    return Finding(name, wrong, since, until, text, int(bad.sum()))


def _ends(index: pd.DatetimeIndex) -> tuple[datetime, datetime]:
    return index.min().to_pydatetime(), index.max().to_pydatetime()


def _step(index: pd.DatetimeIndex) -> timedelta:
    """The usual distance of two rows; a quarter hour if there are no two."""
    return pd.Timedelta(str(pd.Series(index).diff().median())).to_pytimedelta() if len(index) > 1 else QUARTER
