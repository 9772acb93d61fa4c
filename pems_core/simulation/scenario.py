"""The series a simulation lives on: what will happen, and optionally what was expected."""

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from pems_core.domain import BadSeries, History, require_utc
from pems_core.tariff import Tariff

from .scenario_checks import (
    FORECAST,
    OPTIONAL,
    REQUIRED,
    SPOT,
    STEPS,
    TIME,
    Faults,
    check_columns,
    check_times,
    check_values,
)

PRICES = ("import_price_per_kwh", "feed_in_price_per_kwh")


@dataclass(frozen=True)
class Scenario:
    """One value per series and interval; flows in kW, never negative.

    `frame` is labelled by interval start in UTC, `step` apart without gaps. Its columns are `REQUIRED`, any of
    `OPTIONAL`, and for any of them `<name>_forecast`.
    """

    name: str
    frame: pd.DataFrame
    step: timedelta
    provenance: str
    """Where the numbers come from, in words for a report."""

    def __post_init__(self) -> None:
        faults = frame_faults(self.frame, self.step)
        if faults:
            raise BadSeries([f"{self.name}: {fault}" for fault in faults])

    @property
    def start(self) -> datetime:
        return instant(self.frame.index[0])

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return instant(self.frame.index[-1]) + self.step

    def between(self, start: datetime, end: datetime) -> "Scenario":
        """The intervals from `start` up to `end`.

        :raises BadSeries: if the scenario does not reach that far, or a time lies within an interval.
        """
        faults = [
            f"{self.name}: {what} is {at.isoformat()}; {self.start.isoformat()} to {self.end.isoformat()} "
            f"in steps of {minutes(self.step):g} min is allowed"
            for what, at in [("the start", require_utc(start, "start")), ("the end", require_utc(end, "end"))]
            if not self.start <= at <= self.end or (at - self.start) % self.step
        ]
        if not faults and end <= start:
            faults = [f"{self.name}: the end {end.isoformat()} is not after the start {start.isoformat()}"]
        if faults:
            raise BadSeries(faults)
        return replace(self, frame=self.frame.loc[start : end - timedelta(microseconds=1)])

    def resampled(self, step: timedelta) -> "Scenario":
        """The same series in other steps: means of longer ones, values held over shorter ones.

        :raises BadSeries: if the steps do not fit into each other, or the ends do not lie on the longer ones.
        """
        if step == self.step:
            return self
        if step > self.step and step % self.step == timedelta(0):
            return replace(self, frame=self._means(step), step=step)
        if step < self.step and self.step % step == timedelta(0):
            index = pd.date_range(self.start, self.end, freq=step, inclusive="left")
            return replace(self, frame=self.frame.reindex(index, method="ffill"), step=step)
        found = f"steps of {minutes(self.step):g} min cannot become {minutes(step):g} min"
        raise BadSeries([f"{self.name}: {found}; a multiple or a divisor is allowed"])

    def _means(self, step: timedelta) -> pd.DataFrame:
        groups = self.frame.resample(step)
        if not (groups.size() == step // self.step).all():
            raise BadSeries(
                [f"{self.name}: {self.start} to {self.end} is not made of whole steps of {minutes(step):g} min"]
            )
        return groups.mean()

    def history(self, until: datetime) -> History:
        """What was measured before `until`: intervals that have ended by then, without forecasts."""
        ended = self.frame.index <= require_utc(until, "until") - self.step
        measured = [name for name in self.frame if not str(name).endswith(FORECAST)]
        return History(self.frame.loc[ended, measured])


def instant(label: pd.Timestamp) -> datetime:
    # A plain datetime: a Timestamp would turn the arithmetic of its users into pandas'.
    found: datetime = label.to_pydatetime().astimezone(UTC)
    return found


def minutes(length: timedelta) -> float:
    return length / timedelta(minutes=1)


def frame_faults(frame: pd.DataFrame, step: timedelta) -> list[str]:
    """What a program got wrong when it made a scenario; files are checked by `read_scenario` in more detail."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        return ["the index is not in UTC; a DatetimeIndex in UTC is needed"]
    faults = [f"column {name} is missing" for name in REQUIRED if name not in frame]
    known = known_columns()
    faults += [f"column {name} is unknown; allowed: {', '.join(known)}" for name in frame if name not in known]
    if index.empty:
        return [*faults, "there are no rows; at least one is needed"]
    if not (index[1:] - index[:-1] == step).all():
        faults.append(f"the rows are not {minutes(step):g} min apart")
    for name, missing in frame.isna().sum().items():
        if missing:
            faults.append(f"column {name} has {missing} empty values; none is allowed")
    return faults


def known_columns() -> list[str]:
    names = [*REQUIRED, *OPTIONAL]
    return names + [name + FORECAST for name in names]


def read_scenario(path: Path, tariff: Tariff | None = None) -> Scenario:
    """Read a scenario from CSV (UTF-8, comma, optionally .gz).

    :param tariff: turns a column `spot_price_per_kwh` into the two prices; without it they stand in the file.
    :raises BadSeries: with one line for each kind of fault in each column (row numbers count the header as row 1, as
        a spreadsheet shows them); nothing is corrected.
    """
    faults = Faults(path.name)
    header, rows = read_rows(path, faults)
    check_columns(header, tariff is not None, faults)
    faults.stop_if_any()
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    index, step = check_times(frame.pop(TIME), faults)
    values = check_values(frame, step, faults)
    faults.stop_if_any()
    values.index = index
    if tariff is not None and SPOT in values:
        values = with_prices(values, tariff, step)
    return Scenario(path.name.split(".")[0], in_order(values), step, f"read from {path.name}")


def read_rows(path: Path, faults: Faults) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a CSV file; rows of another length than the header are faults."""
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            lines = list(csv.reader(file))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise BadSeries([f"{path.name} cannot be read: {error}; CSV in UTF-8 is needed"]) from error
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < 2:
        found = "only a header" if lines else "nothing"
        raise BadSeries([f"{path.name} has {found}; a header and at least two rows are needed"])
    header = [name.strip() for name in lines[0]]
    wrong = [len(row) != len(header) for row in lines[1:]]
    faults.rows("", wrong, lambda i: f"{len(lines[i + 1])} values", f"{len(header)}, as in the header")
    faults.stop_if_any()
    return header, lines[1:]


def with_prices(frame: pd.DataFrame, tariff: Tariff, step: timedelta) -> pd.DataFrame:
    """The frame with the household's prices in place of the spot price (and its forecast)."""
    index = pd.DatetimeIndex(frame.index)
    for suffix in ("", FORECAST):
        if SPOT + suffix in frame:
            spot = frame.pop(SPOT + suffix).to_numpy()
            for name, prices in zip(PRICES, tariff.prices(index, spot, step), strict=True):
                frame[name + suffix] = prices
    return frame


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[name for name in known_columns() if name in frame]]


def write_scenario(scenario: Scenario, path: Path, columns: Sequence[str] | None = None) -> None:
    """Write CSV that `read_scenario` reads back."""
    frame = scenario.frame if columns is None else scenario.frame[list(columns)]
    frame.to_csv(path, index_label=TIME, date_format="%Y-%m-%dT%H:%MZ")


__all__ = [
    "OPTIONAL",
    "REQUIRED",
    "STEPS",
    "Scenario",
    "read_scenario",
    "write_scenario",
]
