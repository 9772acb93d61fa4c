"""Points that wait on the disk until a server has them, and a little longer."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pems_core.clock import Clock
from pems_core.commanding.database import Database, Statement
from pems_core.domain import Alert, Severity
from pems_core.recording.losses import Losses

PLACE = "influxdb buffer"
SCHEMA = "CREATE TABLE batches (number INTEGER PRIMARY KEY, points INTEGER NOT NULL, lines BLOB NOT NULL)"
READ_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Some points in line protocol.

    :param number: of the last of its parts; what is numbered higher came later.
    """

    number: int
    lines: tuple[str, ...]


class Buffer:
    """A queue in one SQLite file, in the order in which points came; the oldest go when it holds too much.

    :param most_bytes: of points, compressed.
    """

    def __init__(self, path: Path, clock: Clock, most_bytes: float) -> None:
        self._most_bytes = most_bytes
        self._database = Database(path, (SCHEMA,), clock)
        self._lost = Losses(clock, PLACE, Severity.CRITICAL, _lost)
        self._number, self._bytes = self._database.read(
            "SELECT ifnull(max(number), 0), ifnull(sum(length(lines)), 0) FROM batches"
        )[0]

    def close(self) -> None:
        self._database.close()

    @property
    def alerts(self) -> Sequence[Alert]:
        faults = [replace(alert, place=PLACE) for alert in self._database.alerts]
        return [*faults, *self._lost.alerts]

    @property
    def last(self) -> int:
        """Number of what came last."""
        return int(self._number)

    def add(self, lines: Sequence[str]) -> None:
        """Take points in after all others."""
        self._number += 1
        packed = zlib.compress("\n".join(lines).encode(), 1)
        self._bytes += len(packed)
        values = (self._number, len(lines), packed)
        self._database.write(Statement("INSERT INTO batches VALUES (?, ?, ?)", values), lasting=False)
        while self._bytes > self._most_bytes:
            if not self._drop_oldest():
                break

    def after(self, number: int, most_points: int) -> Batch | None:
        """The oldest points that are numbered higher, as many parts as make `most_points`, at least one."""
        self._database.flush()
        rows = self._database.read(
            "SELECT number, points, lines FROM batches WHERE number > ? ORDER BY number LIMIT ?", (number, READ_AT_ONCE)
        )
        last, lines = number, list[str]()
        for found, points, packed in rows:
            if lines and len(lines) + points > most_points:
                break
            last = found
            lines += zlib.decompress(packed).decode().split("\n")
        return Batch(last, tuple(lines)) if lines else None

    def points_after(self, number: int) -> int:
        """How many points are numbered higher."""
        found = self._database.read("SELECT ifnull(sum(points), 0) FROM batches WHERE number > ?", (number,))
        return int(found[0][0]) if found else 0

    def forget(self, through: int) -> None:
        """Forget everything up to a number."""
        gone = self._database.read("SELECT ifnull(sum(length(lines)), 0) FROM batches WHERE number <= ?", (through,))
        self._bytes -= gone[0][0] if gone else 0
        self._database.write(Statement("DELETE FROM batches WHERE number <= ?", (through,)), lasting=False)

    def _drop_oldest(self) -> bool:
        oldest = self._database.read("SELECT number, points FROM batches ORDER BY number LIMIT 1")
        if not oldest or oldest[0][0] == self._number:
            return False
        self._lost.add(oldest[0][1])
        self.forget(oldest[0][0])
        return True


def _lost(count: int) -> str:
    return f"{count} points were lost, the oldest: buffer_mb is full while the server is away"
