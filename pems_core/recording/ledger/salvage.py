"""What can still be read of a damaged ledger goes into the new one."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .schema import TABLES

AT_ONCE = 256
"""Rows that are copied together; where that fails, ever fewer are."""


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
    low, high = (_end(table, found, order) for order in ("ASC", "DESC"))
    if low is None or high is None:
        return 0
    return _rows(_Copy(table, columns, found, into), low, high)


def _end(table: str, found: sqlite3.Connection, order: str) -> int | None:
    row = found.execute(f"SELECT rowid FROM {table} ORDER BY rowid {order} LIMIT 1").fetchone()  # noqa: S608
    return None if row is None else int(row[0])


@dataclass(frozen=True)
class _Copy:
    table: str
    columns: Sequence[str]
    found: sqlite3.Connection
    into: sqlite3.Connection

    def rows(self, low: int, high: int) -> list[tuple[Any, ...]]:
        """The first rows from `low` to `high`, each with its place."""
        names = ", ".join(self.columns)
        select = f"SELECT rowid, {names} FROM {self.table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?"  # noqa: S608
        return self.found.execute(select, (low, high, AT_ONCE)).fetchall()

    def put(self, rows: Sequence[tuple[Any, ...]]) -> None:
        names, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        insert = f"INSERT OR IGNORE INTO {self.table} ({names}) VALUES ({marks})"  # noqa: S608
        self.into.executemany(insert, [row[1:] for row in rows])


def _rows(copy: _Copy, low: int, high: int) -> int:
    """Copy the rows from `low` to `high`; where a page is damaged, its neighbours are still copied."""
    saved = 0
    while low <= high:
        try:
            rows = copy.rows(low, high)
        except sqlite3.DatabaseError:
            if low == high:
                return saved
            middle = (low + high) // 2
            return saved + _rows(copy, low, middle) + _rows(copy, middle + 1, high)
        if not rows:
            return saved
        copy.put(rows)
        saved += len(rows)
        low = int(rows[-1][0]) + 1
    return saved
