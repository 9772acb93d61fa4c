"""What can be wrong with a scenario file, told with row, column, what was found and what is allowed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import BadSeries

TIME = "utc_start"
SPOT = "spot_price_per_kwh"
FORECAST = "_forecast"
REQUIRED = (
    "import_price_per_kwh",
    "feed_in_price_per_kwh",
    "pv_kw",
    "base_load_kw",
    "outdoor_temperature_c",
    "ghi_w_m2",
)
OPTIONAL = ("carbon_g_per_kwh",)
STEPS = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60))

MOST_LINES = 20
MOST_ROWS_OF_A_KIND = 3
HEADER_ROWS = 1

UTC_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:?00)"
LOCAL_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
OFFSET_TIME = LOCAL_TIME + r"[+-]\d\d:?\d\d"

Mask = Sequence[bool] | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What values of one unit may be, and which unit is likely where they are not."""

    low: float
    high: float
    unit: str
    too_high: str = ""
    """The likely mistake, said with values above `high`."""
    too_low: str = ""
    suspicious_below: float = 0.0
    """A whole day or more that stays below this, yet not at 0, is in another unit."""
    suspicion: str = ""
    suspicious_median: float = float("inf")
    """A column whose median magnitude is above this is in the unit of `too_high`, even if no value is above `high`."""


# The highest price recorded in Central Europe was 0.94 EUR/kWh at wholesale, about 30 CZK/kWh with fees and tax.
PER_MWH = "probably per MWh (divide by 1000)"
PRICE = Allowed(-40, 40, "currency/kWh", PER_MWH, PER_MWH, suspicious_median=20)
# A house has a connection of some tens of kW.
POWER = Allowed(0, 100, "kW", "probably W (divide by 1000)", "flows are never negative")
LIMITS = {
    "import_price_per_kwh": PRICE,
    "feed_in_price_per_kwh": PRICE,
    SPOT: PRICE,
    "pv_kw": POWER,
    "base_load_kw": POWER,
    "outdoor_temperature_c": Allowed(-60, 60, "°C", "probably K or °F"),
    "ghi_w_m2": Allowed(
        0, 1500, "W/m2", "probably kJ/m2 or a sum", "irradiance is never negative", 1.5, "probably kW/m2 (times 1000)"
    ),
    "carbon_g_per_kwh": Allowed(0, 2000, "g/kWh", "probably g/MWh", "", 2.0, "probably kg/kWh (times 1000)"),
}


@dataclass
class Faults:
    """Collects faults of one file and tells them together."""

    file: str
    lines: list[str] = field(default_factory=list)

    def add(self, fault: str) -> None:
        self.lines.append(f"{self.file}: {fault}")

    def rows(self, column: str, wrong: Mask, found: Callable[[int], str], allowed: str) -> None:
        """Add the rows that are wrong in one way: the first few each, the others as a count."""
        indices = np.flatnonzero(np.asarray(wrong))
        where = f", {column}" if column else ""
        for i in indices[:MOST_ROWS_OF_A_KIND]:
            self.add(f"row {row(i)}{where}: found {found(int(i))}; allowed: {allowed}")
        more = len(indices) - MOST_ROWS_OF_A_KIND
        if more > 0:
            self.add(
                f"row {row(indices[MOST_ROWS_OF_A_KIND])} to {row(indices[-1])}{where}: the same in {more} more rows"
            )

    def stop_if_any(self) -> None:
        """Tell what was found, at most `MOST_LINES` lines and the number of the others.

        :raises BadSeries: if there is any fault.
        """
        if not self.lines:
            return
        more = len(self.lines) - MOST_LINES
        rest = [f"{self.file}: and {more} more faults"] if more > 0 else []
        raise BadSeries(self.lines[:MOST_LINES] + rest)


def row(index: int | np.integer) -> int:
    """The row in the file, with the header as row 1."""
    return int(index) + HEADER_ROWS + 1


def base_name(column: str) -> str:
    return column.removesuffix(FORECAST)


def check_columns(header: Sequence[str], has_tariff: bool, faults: Faults) -> None:
    """Missing, unknown, repeated and contradicting columns."""
    spot = SPOT in header
    prices = [name for name in REQUIRED[:2] if name in header]
    needed = [TIME, *(name for name in REQUIRED if not (spot and name in REQUIRED[:2]))]
    known = [TIME, SPOT, *REQUIRED, *OPTIONAL]
    known += [name + FORECAST for name in known if name != TIME]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        faults.add(f"row 1: found {header[0]!r}, which has no comma; allowed: CSV with commas between values")
        return
    missing = [name for name in needed if name not in header]
    if missing:
        faults.add(f"missing columns: {', '.join(missing)}; found: {', '.join(header)}; needed: {', '.join(needed)}")
    for name in dict.fromkeys(header):
        if name not in known:
            faults.add(unknown_column(name, known))
        elif header.count(name) > 1:
            faults.add(f"column {name} stands {header.count(name)} times; allowed: once")
    if spot and prices:
        faults.add(f"found both {SPOT} and {', '.join(prices)}; allowed: {SPOT}, or {' and '.join(REQUIRED[:2])}")
    if (spot or SPOT + FORECAST in header) and not has_tariff:
        faults.add(f"column {SPOT} needs the tariff of a house file; without one, give {' and '.join(REQUIRED[:2])}")
    if SPOT + FORECAST in header and not spot:
        faults.add(f"column {SPOT + FORECAST} stands without {SPOT}")


def unknown_column(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f", nearest: {near[0]}" if near else ""
    return f"column {name!r} is unknown{hint}; allowed: {', '.join(known)}"


def check_times(column: "pd.Series[str]", faults: Faults) -> tuple[pd.DatetimeIndex, timedelta]:
    """Parse interval starts and find their step; order, gaps, doubles and alignment are checked on it."""
    text = column.str.strip()
    allowed = "UTC such as 2025-01-15T00:15Z"
    times = pd.to_datetime(text.where(text.str.fullmatch(UTC_TIME)), utc=True, errors="coerce", format="ISO8601")
    wrong = times.isna()
    naive = wrong & text.str.fullmatch(LOCAL_TIME)
    zoned = wrong & text.str.fullmatch(OFFSET_TIME)
    faults.rows(TIME, naive.to_numpy(), lambda i: f"{text[i]!r}, which has no time zone", allowed)
    faults.rows(TIME, zoned.to_numpy(), lambda i: f"{text[i]!r}, which is not in UTC", allowed)
    faults.rows(TIME, (wrong & ~naive & ~zoned).to_numpy(), lambda i: f"{text[i]!r}, which is no time", allowed)
    index = pd.DatetimeIndex(times).as_unit("us")
    step = common_step(index)
    if step not in STEPS:
        if not wrong.any():
            found = "a single time" if step is None else f"most rows {step / timedelta(minutes=1):g} min apart"
            faults.add(f"{TIME}: found {found}; allowed: steps of 5, 15, 30 or 60 min")
        return index, step or STEPS[1]
    check_grid(index, step, faults)
    if not wrong.any():
        check_gaps(index, step, faults)
    return index, step


def common_step(index: pd.DatetimeIndex) -> timedelta | None:
    """The most frequent distance between neighbours in time."""
    known = index.dropna().unique().sort_values()
    if len(known) < 2:
        return None
    distances = pd.Series(known[1:] - known[:-1])
    return pd.Timedelta(distances.mode().iloc[0]).to_pytimedelta()


def check_grid(index: pd.DatetimeIndex, step: timedelta, faults: Faults) -> None:
    """Rows ascend, each time stands once, and on a multiple of the step."""
    before = np.r_[False, np.asarray(index[1:] < index[:-1])]
    double = np.asarray(index.duplicated()) & np.asarray(index.notna())
    off_grid = np.asarray((index - index.normalize()) % step != timedelta(0)) & np.asarray(index.notna())
    allowed = f"multiples of {step / timedelta(minutes=1):g} min since midnight UTC"
    faults.rows(
        TIME, before, lambda i: f"{stamp(index[i])}, which is before {stamp(index[i - 1])} above", "ascending times"
    )
    faults.rows(TIME, double, lambda i: f"{stamp(index[i])} a second time", "each time once")
    faults.rows(TIME, off_grid, lambda i: stamp(index[i]), allowed)


def check_gaps(index: pd.DatetimeIndex, step: timedelta, faults: Faults) -> None:
    """No time is left out, whatever the order of the rows."""
    order = np.argsort(index.asi8, kind="stable")
    ordered = index[order]
    left_out = np.zeros(len(index), dtype=np.int64)
    left_out[order[1:]] = np.asarray((ordered[1:] - ordered[:-1]) // step) - 1
    previous = dict(zip(order[1:].tolist(), order[:-1].tolist(), strict=True))

    def gap(i: int) -> str:
        return f"a gap of {left_out[i]} rows between {stamp(index[int(previous[i])])} and {stamp(index[i])}"

    faults.rows(TIME, left_out > 0, gap, f"a row every {step / timedelta(minutes=1):g} min")


def stamp(label: datetime) -> str:
    return f"{label:%Y-%m-%dT%H:%M:%SZ}"


def check_values(frame: pd.DataFrame, step: timedelta, faults: Faults) -> pd.DataFrame:
    """Parse every column to numbers; text, gaps, impossible values and likely wrong units are faults."""
    return pd.DataFrame({str(name): numbers(frame[name], step, faults) for name in frame})


def numbers(column: "pd.Series[str]", step: timedelta, faults: Faults) -> npt.NDArray[np.float64]:
    name, limits = str(column.name), LIMITS[base_name(str(column.name))]
    text = column.str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    allowed = f"a number in {limits.unit}"
    empty = text.isin(["", "nan", "NaN", "NA", "null", "None"]).to_numpy()
    faults.rows(name, empty, lambda i: f"no value ({text[i]!r})", allowed)
    faults.rows(name, ~np.isfinite(values) & ~empty, lambda i: f"{text[i]!r}", allowed)
    check_magnitude(name, np.where(np.isfinite(values), values, 0.0), limits, step, faults)
    return values


def check_magnitude(
    name: str, values: npt.NDArray[np.float64], limits: Allowed, step: timedelta, faults: Faults
) -> None:
    allowed = f"{limits.low:g} to {limits.high:g} {limits.unit}"
    high, low = values > limits.high, values < limits.low
    faults.rows(name, high, lambda i: found_number(values[i], limits.too_high), allowed)
    faults.rows(name, low, lambda i: found_number(values[i], limits.too_low), allowed)
    highest = values.max(initial=0.0)
    if 0 < highest <= limits.suspicious_below and len(values) * step >= timedelta(days=1) and not low.any():
        i = int(values.argmax())
        faults.add(f"row {row(i)}, {name}: found at most {highest:g}, {limits.suspicion}; allowed: {allowed}")
    typical = float(np.median(np.abs(values)))
    if typical > limits.suspicious_median and not (high.any() or low.any()):
        faults.add(f"{name}: found a median of {typical:g}, {limits.too_high}; allowed: {allowed}")


def found_number(value: float, likely: str) -> str:
    return f"{value:g}, {likely}" if likely else f"{value:g}"
