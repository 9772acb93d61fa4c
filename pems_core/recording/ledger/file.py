"""The file of the ledger: opened, checked, thinned out, copied."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Self

from pems_core.clock import Clock
from pems_core.commanding.database import Database
from pems_core.domain import Alert, Severity

from .retention import Retention
from .salvage import salvage
from .schema import MIGRATIONS

PLACE = "ledger"


class LedgerFile:
    """Opens the file, and has it keep no more than it shall.

    :param writing: False for who only looks: the file is neither made nor changed.
    :raises StoreUnreadable: if it cannot be read, or was written by a newer PEMS.
    """

    def __init__(self, path: Path, clock: Clock, *, writing: bool = False, retention: Retention | None = None) -> None:
        if writing:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.clock = path, clock
        self.retention = retention or Retention()
        self._salvaged = 0
        self._database = Database(path, MIGRATIONS, clock, writing=writing, salvage=self._salvage, place=PLACE)
        self._thinned: date | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        self._database.close()

    @property
    def alerts(self) -> Sequence[Alert]:
        """That the file cannot be written, or was damaged and what was saved of it."""
        saved = f"; {self._salvaged} rows of it could be read and were taken over" if self._salvaged else ""
        # Nothing is commanded from the ledger: the house goes on without it.
        return [replace(a, severity=Severity.WARNING, text=a.text + saved) for a in self._database.alerts]

    def flush(self) -> bool:
        return self._database.flush()

    def backup(self, to: Path) -> None:
        """Copy the ledger as it is at one moment, while it is written.

        :raises sqlite3.Error: if it cannot be written there.
        """
        source = sqlite3.connect(self.path)
        target = sqlite3.connect(to)
        try:
            source.backup(target, pages=1000)
        finally:
            target.close()
            source.close()

    def _thin(self, now: datetime) -> None:
        """Drop what is too old, once a day."""
        if self._thinned != now.date():
            self._thinned = now.date()
            self._database.write(*self.retention.statements(now), lasting=False)

    def _salvage(self, damaged: Path, into: sqlite3.Connection) -> None:
        self._salvaged = salvage(damaged, into)
