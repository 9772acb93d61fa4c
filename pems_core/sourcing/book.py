"""Remembers what sources said and when, and how often they were asked."""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pems_core.clock import Clock
from pems_core.commanding.database import Database, Statement
from pems_core.domain import Alert, Vintage

KEPT = timedelta(days=400)
"""More than a year, so that forecasters can learn from what was said at all seasons."""
DAY = timedelta(days=1)
SCHEMA = """
CREATE TABLE vintages (source TEXT, issued_at INTEGER, fetched_at INTEGER, step_s INTEGER, content BLOB);
CREATE INDEX vintages_by_time ON vintages (source, fetched_at);
CREATE TABLE calls (source TEXT, at INTEGER, requests INTEGER)
"""


@dataclass
class VintageBook:
    """The answers of sources, in a file of their own: they can be fetched again, unlike what PEMS must remember.

    :param path: of the file.
    """

    path: Path
    clock: Clock
    writing: bool = True
    _newest: dict[str, Vintage] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._database = Database(self.path, (SCHEMA,), self.clock, writing=self.writing)

    def close(self) -> None:
        self._database.close()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self._database.alerts

    def keep(self, vintage: Vintage) -> None:
        """Remember an answer, and forget those that are too old for anything."""
        row = (
            vintage.source,
            _s(vintage.issued_at),
            _s(vintage.fetched_at),
            int(vintage.step.total_seconds()),
            packed(vintage.frame),
        )
        old = _s(vintage.fetched_at - KEPT)
        self._database.write(
            Statement("INSERT INTO vintages VALUES (?, ?, ?, ?, ?)", row),
            Statement("DELETE FROM vintages WHERE fetched_at < ?", (old,)),
            lasting=False,
        )
        self._newest[vintage.source] = vintage

    def newest(self, source: str) -> Vintage | None:
        """The last answer of a source; None if it never gave one."""
        if source not in self._newest:
            found = self._read("source = ? ORDER BY fetched_at DESC LIMIT 1", (source,))
            if not found:
                return None
            self._newest[source] = found[0]
        return self._newest[source]

    def last_before(self, source: str, at: datetime, since: datetime) -> Vintage | None:
        """The last answer of a source that came before a moment, and not before `since`; None if there was none."""
        found = self._read(
            "source = ? AND fetched_at < ? AND fetched_at >= ? ORDER BY fetched_at DESC LIMIT 1",
            (source, _s(at), _s(since)),
        )
        return found[0] if found else None

    def answers(self, source: str, since: datetime, until: datetime) -> Sequence[Vintage]:
        """All answers of a source that came in some time, in order."""
        return self._read(
            "source = ? AND fetched_at >= ? AND fetched_at < ? ORDER BY fetched_at", (source, _s(since), _s(until))
        )

    def vintages(self, series: str, sources: Iterable[str], since: datetime, until: datetime) -> pd.DataFrame:
        """What was said of the intervals of some time, whenever it was said.

        :return: columns `issued_at`, `start`, `end`, `value`, `source`, and one a quantile, such as `p10`; one row for
            each answer and interval.
        """
        parts = []
        for source in sources:
            # A weather service looks two weeks ahead at most.
            for said in self.answers(source, since - 16 * DAY, until):
                if series not in said.frame:
                    continue
                part = said.frame[(said.frame.index >= since) & (said.frame.index < until)]
                names = [name for name in map(str, part.columns) if _is_of(name, series)]
                columns = {name.partition(".")[2] or "value": part[name] for name in names}
                table = pd.DataFrame(columns).dropna(subset=["value"])
                table = table.assign(
                    issued_at=said.issued_at, start=table.index, end=table.index + said.step, source=source
                )
                parts.append(table.reset_index(drop=True))
        wanted = ["issued_at", "start", "end", "value", "source"]
        if not parts:
            return pd.DataFrame(columns=wanted)
        whole = pd.concat(parts, ignore_index=True)
        return whole[[*wanted, *(name for name in whole if name not in wanted)]]

    def count_call(self, source: str, requests: int) -> None:
        """A source is asked: that is written before it is done, so that a crash in between costs the budget."""
        now = self.clock.now()
        self._database.write(
            Statement("INSERT INTO calls VALUES (?, ?, ?)", (source, _s(now), requests)),
            Statement("DELETE FROM calls WHERE at < ?", (_s(now - 2 * DAY),)),
            lasting=False,
        )

    def calls(self, source: str) -> int:
        """Requests that a source was sent in the last 24 h."""
        rows = self._database.read(
            "SELECT COALESCE(SUM(requests), 0) FROM calls WHERE source = ? AND at > ?",
            (source, _s(self.clock.now() - DAY)),
        )
        return int(rows[0][0]) if rows else 0

    def _read(self, where: str, values: tuple[Any, ...]) -> list[Vintage]:
        rows = self._database.read(
            f"SELECT source, issued_at, fetched_at, step_s, content FROM vintages WHERE {where}",  # noqa: S608 - own text
            values,
        )
        return [
            Vintage(source, _time(issued), _time(fetched), timedelta(seconds=step_s), unpacked(content))
            for source, issued, fetched, step_s, content in rows
        ]


def packed(frame: pd.DataFrame) -> bytes:
    """A table in some kilobytes; numbers keep their every digit."""
    content = {
        "starts": [_s(start) for start in pd.DatetimeIndex(frame.index).to_pydatetime()],
        "series": {str(name): [None if np.isnan(v) else float(v) for v in frame[name]] for name in frame},
    }
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def unpacked(content: bytes) -> pd.DataFrame:
    said = json.loads(zlib.decompress(content))
    index = pd.DatetimeIndex(pd.to_datetime(said["starts"], unit="s", utc=True)).as_unit("us")
    return pd.DataFrame(said["series"], index=index, dtype=float)


def _is_of(name: str, series: str) -> bool:
    return name == series or name.startswith(f"{series}.")


def _s(at: datetime) -> int:
    return int(at.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
