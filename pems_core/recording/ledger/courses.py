"""What can be asked of the ledger as courses over time: telemetry, words, and forecasts as they were known."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from .coding import MICROSECOND, horizon_from, instant, micros, unpacked
from .file import LedgerFile
from .records import NotRecorded


class Courses(LedgerFile):
    """Answers with frames, labelled by interval start in UTC."""

    def telemetry(self, series: Sequence[str], since: datetime, until: datetime) -> pd.DataFrame:
        """What was measured: one column a series, labelled by interval start in UTC; what is not known is NaN.

        :param series: names of points or of `measured` series; none: all that there are.
        """
        rows = self._database.must_read(
            "SELECT start, names, means FROM telemetry WHERE start >= ? AND start < ? ORDER BY start",
            (micros(since), micros(until)),
        )
        known = {
            number: tuple(json.loads(names))
            for number, names in self._database.must_read("SELECT id, names FROM names")
        }
        columns = list(series) or sorted({name for n in {row[1] for row in rows} for name in known[n]})
        place = {n: _places(columns, known[n]) for n in {row[1] for row in rows}}
        table = np.full((len(rows), len(columns)), np.nan)
        for i, (_, names, means) in enumerate(rows):
            here, there = place[names]
            table[i, here] = np.frombuffer(means)[there]
        return pd.DataFrame(table, _index([row[0] for row in rows], "start"), columns)

    def measured_until(self) -> datetime:
        """When the newest interval that is kept began: what came before it is known.

        :raises NotRecorded: if nothing was measured yet.
        """
        [[start]] = self._database.must_read("SELECT max(start) FROM telemetry")
        if start is None:
            raise NotRecorded(f"{self.path}: nothing was measured yet")
        return instant(start)

    def interval(self, since: datetime, until: datetime) -> timedelta:
        """The length of the intervals of a time, the shortest if they differ; 5 min if there is none."""
        rows = self._database.must_read(
            "SELECT min(length) FROM telemetry WHERE start >= ? AND start < ?", (micros(since), micros(until))
        )
        return int(rows[0][0]) * MICROSECOND if rows and rows[0][0] else timedelta(minutes=5)

    def words(self, points: Sequence[str], since: datetime, until: datetime) -> Sequence[tuple[datetime, str, str]]:
        """Changes of points that are no numbers: time, point and its new value; first what held at `since`."""
        before = [
            row
            for point in points
            for row in self._database.must_read(
                "SELECT ?, point, value FROM changes WHERE point = ? AND at < ? ORDER BY at DESC LIMIT 1",
                (micros(since), point, micros(since)),
            )
        ]
        rows = self._database.must_read(
            "SELECT at, point, value FROM changes WHERE at >= ? AND at < ? ORDER BY id", (micros(since), micros(until))
        )
        return [(instant(at), point, word) for at, point, word in [*before, *rows] if point in points]

    def vintages(self, series: str, since: datetime, until: datetime) -> pd.DataFrame:
        """Every forecast of a series for steps that begin from `since` up to `until`, as it was known then.

        Columns: `issued_at`, `start` and `end` of the step, `value`, `source`, `cycle_at`, when the cycle ran that
        used it, and one for each quantile, such as p10. Of forecasts that nobody used the series is `<series>@<who>`.
        """
        furthest = timedelta(days=8) // MICROSECOND
        rows = self._database.must_read(
            "SELECT f.at, c.lengths, f.issued, f.source, f.means, f.quantiles FROM forecasts f "
            "JOIN cycles c ON c.number = f.cycle WHERE f.series = ? AND f.at >= ? AND f.at < ? ORDER BY f.at, f.id",
            (series, micros(since) - furthest, micros(until)),
        )
        grids: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = {}
        # Arrays that are joined once: a table for each of thousands of forecasts takes seconds.
        times: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        sources: list[str] = []
        values: list[dict[str, np.ndarray[Any, np.dtype[np.float64]]]] = []
        for at, lengths, issued, source, means, quantiles in rows:
            if lengths not in grids:
                horizon = horizon_from(instant(0), lengths)
                grids[lengths] = np.array([micros(t) for t in (*horizon.starts, horizon.end)], dtype=np.int64)
            edges = grids[lengths] + at
            asked = (edges[:-1] >= micros(since)) & (edges[:-1] < micros(until))
            begins, ends = edges[:-1][asked], edges[1:][asked]
            times.append(np.stack([np.full_like(begins, issued), begins, ends, np.full_like(begins, at)], axis=1))
            sources += [source] * len(begins)
            columns = {"value": np.frombuffer(means)}
            if quantiles is not None:
                columns |= {f"p{100 * float(q):g}": np.array(found) for q, found in unpacked(quantiles).items()}
            values.append({name: found[asked] for name, found in columns.items()})
        whole = np.concatenate(times) if times else np.empty((0, 4), dtype=np.int64)
        instants = [pd.to_datetime(whole[:, k], unit="us", utc=True) for k in range(4)]
        names = list(dict.fromkeys(["value", *(name for columns in values for name in columns)]))
        numbers: dict[str, Any] = {
            name: np.concatenate([c.get(name, np.full(len(c["value"]), np.nan)) for c in values]) if values else []
            for name in names
        }
        table = {"issued_at": instants[0], "start": instants[1], "end": instants[2], "value": numbers.pop("value")}
        return pd.DataFrame(table | {"source": sources, "cycle_at": instants[3]} | numbers)


def _places(columns: Sequence[str], names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Which columns stand where in a row of these names."""
    pairs = [(i, names.index(column)) for i, column in enumerate(columns) if column in names]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _index(starts: Sequence[int], name: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(np.array(starts, dtype=np.int64), unit="us", utc=True), name=name)
