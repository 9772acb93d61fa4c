"""What must survive a restart, however PEMS ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pandas as pd

from pems_core.clock import Clock
from pems_core.domain import Alert, Plan, Receipt
from pems_core.domain.plan_json import plan_from_json, plan_to_json
from pems_core.store_lock import Lock, StoreInUse, engine_alive

from .database import Database, Statement, StoreUnreadable

__all__ = ["JournalLine", "Store", "StoreInUse", "StoreUnreadable", "engine_alive"]

DATABASE = "pems.sqlite3"
JOURNAL_LINES = 20_000
HISTORY_KEPT = timedelta(days=400)
COUNTS_KEPT = timedelta(days=400)

SCHEMA = """
CREATE TABLE facts (kind TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE counts (
    kind TEXT, device TEXT, name TEXT, day TEXT, count INTEGER NOT NULL, PRIMARY KEY (kind, device, name, day)
) WITHOUT ROWID;
CREATE TABLE journal (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, device TEXT NOT NULL, control TEXT NOT NULL, command TEXT NOT NULL,
    address TEXT NOT NULL, payload TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE history (start INTEGER, series TEXT, value REAL NOT NULL, PRIMARY KEY (start, series)) WITHOUT ROWID
"""
MIGRATIONS = (SCHEMA,)
KEEP_FACT = "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)"
ADD_LINE = (
    "INSERT INTO journal (at, device, control, command, address, payload, stage, reason, detail) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SHORTEN_JOURNAL = "DELETE FROM journal WHERE number <= (SELECT max(number) FROM journal) - ?"
READ_COUNTS = "SELECT kind, device, name, day, count FROM counts WHERE day >= (SELECT date(max(day), ?) FROM counts)"
"""Of late as the counts have it: who looks may have another clock than the engine that counted."""
KEEP_COUNT = "INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One stage that a command reached."""

    at: datetime
    device: str
    control: str
    command: str
    """Its id."""
    address: str
    payload: str
    stage: str
    reason: str
    detail: str


class Store:
    """Facts, counters, the journal of commands and what was measured, in one SQLite file.

    Facts and the counters of late are kept in memory too, and are right there even while the file cannot be
    written: then writes wait in memory, in order, and `alerts` says so.

    :param folder: made if it is not there.
    :param writing: False for who only looks.
    :raises StoreInUse: if another process writes it.
    :raises StoreUnreadable: if it cannot be read, or was written by a newer PEMS.
    """

    def __init__(self, folder: Path, clock: Clock, writing: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = clock
        self._lock = Lock(folder) if writing else None
        self._facts: dict[str, dict[str, Any]] = {}
        self._counts: dict[tuple[str, str], dict[tuple[str, str], int]] = {}
        """By kind and device, then by name and day (UTC)."""
        self._journaled = 0
        self._seen = pd.DataFrame()
        try:
            self._database = Database(folder / DATABASE, MIGRATIONS, clock, self._snapshot, writing)
            self._load()
        except BaseException:
            self._unlock()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and let another process write."""
        self._database.close()
        self._unlock()

    @property
    def alerts(self) -> Sequence[Alert]:
        """That the file is locked, full, or was damaged."""
        return self._database.alerts

    @property
    def pending(self) -> int:
        """Writes that wait in memory."""
        return self._database.pending

    def flush(self) -> bool:
        """Try to write what waits; true if nothing waits any more."""
        return self._database.flush()

    def keep(self, kind: str, name: str, value: Any) -> None:
        """Remember a fact, in place of what was known of it.

        :param value: plain data for JSON.
        """
        text = json.dumps(value)
        self._facts.setdefault(kind, {})[name] = json.loads(text)
        self._database.write(Statement(KEEP_FACT, (kind, name, text)))

    def forget(self, kind: str, name: str) -> None:
        """Forget a fact, whether it was known or not."""
        if self._facts.get(kind, {}).pop(name, None) is not None:
            self._database.write(Statement("DELETE FROM facts WHERE kind = ? AND name = ?", (kind, name)))

    def kept(self, kind: str) -> Mapping[str, Any]:
        """The facts of one kind, by name."""
        return dict(self._facts.get(kind, {}))

    def count(self, kind: str, device: str, names: Sequence[str], *, lasting: bool = True) -> None:
        """Count one more of each today (UTC); written before this returns, unless the file cannot be written.

        :param lasting: also survives a power cut.
        """
        day = self._today().isoformat()
        counts = self._counts.setdefault((kind, device), {})
        statements = []
        for name in names:
            counts[name, day] = counts.get((name, day), 0) + 1
            statements.append(Statement(KEEP_COUNT, (kind, device, name, day, counts[name, day])))
        self._database.write(*statements, lasting=lasting)

    def counted(self, kind: str, device: str, name: str) -> int:
        """How many were counted today (UTC)."""
        return self._counts.get((kind, device), {}).get((name, self._today().isoformat()), 0)

    def counts_since(self, kind: str, device: str, since: date) -> Mapping[str, int]:
        """How many were counted since a day (UTC), by name."""
        sums: dict[str, int] = {}
        for (name, day), count in self._counts.get((kind, device), {}).items():
            if day >= since.isoformat():
                sums[name] = sums.get(name, 0) + count
        return sums

    def keep_plan(self, plan: Plan) -> None:
        self.keep("plan", "last", plan_to_json(plan))

    def last_plan(self) -> Plan | None:
        """The plan that was kept last; None if there is none, or another PEMS wrote it in another form."""
        data = self.kept("plan").get("last")
        return None if data is None else plan_from_json(data)

    def note(self, receipt: Receipt) -> None:
        """Write how far a command has come into the journal, which keeps the last `JOURNAL_LINES`."""
        command = receipt.command
        line = (
            receipt.at.isoformat(),
            command.device,
            command.control,
            command.id,
            command.address,
            command.payload,
            str(receipt.stage),
            command.reason,
            receipt.detail,
        )
        statements = [Statement(ADD_LINE, line)]
        self._journaled += 1
        if self._journaled % 100 == 0:
            statements.append(Statement(SHORTEN_JOURNAL, (JOURNAL_LINES,)))
        self._database.write(*statements, lasting=False)

    def journal(self, limit: int = 100, device: str | None = None) -> Sequence[JournalLine]:
        """The last stages that commands reached, newest first."""
        rows = self._database.read(
            "SELECT at, device, control, command, address, payload, stage, reason, detail FROM journal "
            "WHERE ? IS NULL OR device = ? ORDER BY number DESC LIMIT ?",
            (device, device, limit),
        )
        return [JournalLine(datetime.fromisoformat(at), *rest) for at, *rest in rows]

    def add_history(self, start: datetime, values: Mapping[str, float]) -> None:
        """Keep what was measured in the interval from `start`, by series; what is known of it already is replaced."""
        second = int(start.timestamp())
        rows = [
            Statement("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", (second, series, float(value)))
            for series, value in values.items()
        ]
        oldest = int((start - HISTORY_KEPT).timestamp())
        self._database.write(*rows, Statement("DELETE FROM history WHERE start < ?", (oldest,)), lasting=False)

    def add_series(self, series: str, values: Mapping[datetime, float]) -> None:
        """Keep what is known of one series, by interval start; as `add_history`, together."""
        rows = [
            Statement("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", (int(start.timestamp()), series, float(value)))
            for start, value in values.items()
        ]
        self._database.write(*rows, lasting=False)

    def history(self, days: float) -> pd.DataFrame:
        """What was measured in the last days: a column a series, labelled by interval start in UTC.

        While the file cannot be read: as it was read last.
        """
        since = int((self.clock.now() - timedelta(days=days)).timestamp())
        rows = self._database.read_aside("SELECT start, series, value FROM history WHERE start >= ?", (since,))
        if rows or not self.alerts:
            table = pd.DataFrame(rows, columns=["start", "series", "value"])
            frame = table.pivot(index="start", columns="series", values="value").sort_index()
            frame.index = pd.DatetimeIndex(pd.to_datetime(frame.index, unit="s", utc=True))
            self._seen = frame
        return self._seen

    def _load(self) -> None:
        for kind, name, value in self._database.must_read("SELECT kind, name, value FROM facts"):
            self._facts.setdefault(kind, {})[name] = json.loads(value)
        kept = f"-{COUNTS_KEPT.days} days"
        for kind, device, name, day, count in self._database.must_read(READ_COUNTS, (kept,)):
            self._counts.setdefault((kind, device), {})[name, day] = count

    def _snapshot(self) -> Sequence[Statement]:
        """All facts and counters, for a new file."""
        facts = [
            Statement(KEEP_FACT, (kind, name, json.dumps(value)))
            for kind, facts in self._facts.items()
            for name, value in facts.items()
        ]
        counts = [
            Statement(KEEP_COUNT, (kind, device, name, day, count))
            for (kind, device), counts in self._counts.items()
            for (name, day), count in counts.items()
        ]
        return [*facts, *counts]

    def _today(self) -> date:
        return self.clock.now().astimezone(UTC).date()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
