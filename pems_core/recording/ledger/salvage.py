"""What can still be read of a damaged ledger goes into the new one."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .coding import MICROSECOND
from .measured import INTERVAL
from .schema import TABLES

AT_ONCE = 256
"""Rows that are copied together; where that fails, ever fewer are."""
CLOSEST = {"telemetry": INTERVAL // MICROSECOND}
"""How far rows are from each other at least, if that is not 1: those of telemetry are numbered by their time [µs]."""
LAST_PLACE = 2**63 - 1


def salvage(damaged: Path, into: sqlite3.Connection) -> int:
    """Copy every row that can be read, table by table; returns how many.

    :param damaged: with its log beside it, if it had one.
    :param into: a connection to a file with the tables of now.
    """
    saved = 0
    with suppress(sqlite3.Error):
        found = sqlite3.connect(damaged)
        # Text that is no text any more must not lose what stands beside it.
        found.text_factory = lambda raw: raw.decode(errors="replace")
        for table in TABLES:
            with suppress(sqlite3.Error):
                saved += _table(table, found, into)
        found.close()
    return saved


def _table(table: str, found: sqlite3.Connection, into: sqlite3.Connection) -> int:
    columns = [name for _, name, *_ in into.execute(f"PRAGMA table_info({table})")]
    copy = _Copy(table, columns, CLOSEST.get(table, 1), found, into)
    low, high = _ends(copy)
    return _rows(copy, low, high)


@dataclass(frozen=True)
class _Copy:
    """One table on its way.

    :param closest: how far rows lie from each other at least.
    """

    table: str
    columns: Sequence[str]
    closest: int
    found: sqlite3.Connection
    into: sqlite3.Connection

    def next_to(self, place: int, way: int) -> int | None:
        """The row at a place, or the next one upwards (1) or downwards (-1); None if there is none.

        :raises sqlite3.DatabaseError: if it lies on a damaged page.
        """
        beyond, order = (">=", "ASC") if way > 0 else ("<=", "DESC")
        select = f"SELECT rowid FROM {self.table} WHERE rowid {beyond} ? ORDER BY rowid {order} LIMIT 1"  # noqa: S608
        row = self.found.execute(select, (place,)).fetchone()
        return None if row is None else int(row[0])

    def rows(self, low: int, high: int, most: int = AT_ONCE) -> list[tuple[Any, ...]]:
        """The first rows from `low` to `high`, each with its place."""
        names = ", ".join(self.columns)
        select = f"SELECT rowid, {names} FROM {self.table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?"  # noqa: S608
        return self.found.execute(select, (low, high, most)).fetchall()

    def put(self, rows: Sequence[tuple[Any, ...]]) -> None:
        names, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        insert = f"INSERT OR IGNORE INTO {self.table} ({names}) VALUES ({marks})"  # noqa: S608
        self.into.executemany(insert, [row[1:] for row in rows])


def _ends(copy: _Copy) -> tuple[int, int]:
    """Between which places rows lie; nothing lies between the second and the first of an empty table.

    What was written last is damaged most often: then its end is felt for from the other.
    """
    try:
        low = copy.next_to(-LAST_PLACE, 1)
    except sqlite3.DatabaseError:
        high = copy.next_to(LAST_PLACE, -1)
        return (1, 0) if high is None else (_farthest(copy, high, -1), high)
    if low is None:
        return 1, 0
    try:
        high = copy.next_to(LAST_PLACE, -1)
    except sqlite3.DatabaseError:
        high = _farthest(copy, low, 1)
    return low, low if high is None else high


def _farthest(copy: _Copy, start: int, way: int) -> int:
    """A place beyond which, seen from a row, nothing can be read: twice as far as something could."""
    reach, feel = copy.closest, copy.closest
    while abs(start + way * feel) < LAST_PLACE:
        with suppress(sqlite3.DatabaseError):
            if copy.next_to(start + way * feel, way) is not None:
                reach = 2 * feel
        feel *= 2
    return start + way * reach


def _rows(copy: _Copy, low: int, high: int) -> int:
    """Copy the rows from `low` to `high`; where a page is damaged, its neighbours are still copied."""
    saved = 0
    while low <= high:
        try:
            rows = copy.rows(low, high)
        except sqlite3.DatabaseError:
            if high - low < copy.closest:
                return saved + _only(copy, low, high)
            middle = (low + high) // 2
            return saved + _rows(copy, low, middle) + _rows(copy, middle + 1, high)
        if not rows:
            return saved
        copy.put(rows)
        saved += len(rows)
        low = int(rows[-1][0]) + 1
    return saved


def _only(copy: _Copy, low: int, high: int) -> int:
    """Copy the one row that can lie between two places, without a look at what comes after it."""
    try:
        rows = copy.rows(low, high, most=1)
    except sqlite3.DatabaseError:
        return 0
    copy.put(rows)
    return len(rows)
