"""One SQLite file that survives crashes of its user, and whose faults its user survives."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from pems_core.clock import Clock
from pems_core.domain import Alert, PemsError, Severity
from pems_core.set_aside import set_aside

PLACE = "store"
BUSY_MS = 200
"""How long the first write waits for another process that holds the file; those after a failure do not wait."""
BEGIN_BUSY_MS = 5_000
"""The same at the beginning: after a process was killed the first to look at the file puts it in order, such as the
guard that gives devices back, and nobody gets in meanwhile. An engine that took that for a fault would not start."""
AT_ONCE = 500
"""Pending writes in one transaction: after a long lock they cost few syncs, and none blocks for long."""
MOST_PENDING = 50_000


class StoreUnreadable(PemsError):
    """What PEMS must remember cannot be read now: without it nothing may be commanded."""


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _Work:
    """Statements that are written together or not at all."""

    statements: tuple[Statement, ...]
    lasting: bool


@dataclass
class Database:
    """Writes in order and at once; what cannot be written now waits in memory, and nothing is raised.

    :param migrations: SQL that brings the schema from each version to the next.
    :param snapshot: gives what a new file needs when a damaged one had to be set aside while in use.
    :param writing: False for who only looks: the file is neither made, nor changed, nor set aside.
    :param salvage: given a damaged file that was set aside, and the new one, into which it may take what can be read.
    :param place: what alerts call it.
    :raises StoreUnreadable: if the file can be neither read nor set aside.
    """

    path: Path
    migrations: Sequence[str]
    clock: Clock
    snapshot: Callable[[], Sequence[Statement]] = tuple
    writing: bool = True
    salvage: Callable[[Path, sqlite3.Connection], object] | None = None
    place: str = PLACE
    _pending: deque[_Work] = field(default_factory=deque)
    _lost: int = 0
    _stands_in: bool = False
    """The connection only reads, because the file could not be opened for writing."""
    _fault: Alert | None = None
    _damage: Alert | None = None

    def __post_init__(self) -> None:
        self._lock = RLock()
        try:
            self._connection = self._begin() if self.writing else self._look()
        except sqlite3.OperationalError as fault:
            raise StoreUnreadable(f"{self.path}: {fault}; a readable file is needed") from fault
        except sqlite3.DatabaseError as damage:
            if not self.writing:
                raise StoreUnreadable(f"{self.path}: {damage}; a sound file is needed") from damage
            self._connection = self._anew(damage)

    def close(self) -> None:
        with self._lock:
            self.flush()
            self._connection.close()

    @property
    def alerts(self) -> Sequence[Alert]:
        return [alert for alert in (self._damage, self._fault) if alert is not None]

    @property
    def pending(self) -> int:
        """Writes that wait in memory."""
        return len(self._pending)

    def write(self, *statements: Statement, lasting: bool = True) -> None:
        """Write statements together, after all earlier ones.

        :param lasting: also survives a power cut; whatever is written survives the death of this process.
        """
        with self._lock:
            self._pending.append(_Work(statements, lasting))
            if len(self._pending) > MOST_PENDING:
                self._pending.popleft()
                self._lost += 1
            self.flush()

    def flush(self) -> bool:
        """Write what waits; true if nothing waits any more."""
        with self._lock:
            while self._pending:
                works = [self._pending[i] for i in range(min(AT_ONCE, len(self._pending)))]
                try:
                    self._commit(works)
                except sqlite3.OperationalError as fault:
                    self._tell(fault)
                    return False
                except sqlite3.DatabaseError as damage:
                    if not self._renewed(damage):
                        return False
                    continue
                for _ in works:
                    self._pending.popleft()
            self._fault = None
            return True

    def read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows; none if the file cannot be read now, which is told."""
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as fault:
                self._tell(fault)
            except sqlite3.DatabaseError as damage:
                if not self.writing:
                    raise StoreUnreadable(f"{self.path}: {damage}; a sound file is needed") from damage
                self._renewed(damage)
            return []

    def read_aside(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """As `read`, over a connection of its own: for what takes long, while nobody who writes shall wait."""
        if self._stands_in or not self.writing:
            return self.read(sql, values)
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
                return connection.execute(sql, values).fetchall()
        except sqlite3.Error:
            return self.read(sql, values)  # which tells what is wrong, and mends it

    def must_read(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows.

        :raises StoreUnreadable: if they cannot be read now.
        """
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as fault:
                raise StoreUnreadable(f"{self.path}: {fault}; a readable file is needed") from fault

    def _commit(self, works: Sequence[_Work]) -> None:
        if self._stands_in:
            opened = self._open()
            self._connection.close()
            self._connection, self._stands_in = opened, False
        # Without a wait while the fault lasts: each write tries anew, and must not hold up the control of the house.
        self._connection.execute(f"PRAGMA busy_timeout = {0 if self._fault else BUSY_MS}")
        lasting = any(work.lasting for work in works)
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
        with transaction(self._connection):
            for work in works:
                for statement in work.statements:
                    self._connection.execute(statement.sql, statement.values)

    def _tell(self, fault: sqlite3.Error) -> None:
        since = self._fault.since if self._fault else self.clock.now()
        lost = f", {self._lost} older ones are lost" if self._lost else ""
        text = f"{self.path}: {fault}; {self.pending} writes wait in memory{lost}"
        self._fault = Alert(Severity.CRITICAL, self.place, text, since, "disk")

    def _open(self, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
            connection.execute("PRAGMA journal_mode = WAL")
            _check(connection)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self) -> sqlite3.Connection:
        """The file, or what stands in for it until it can be written: on a full disk not even its log can be made."""
        try:
            return self._open(BEGIN_BUSY_MS)
        except sqlite3.OperationalError as fault:
            log = self.path.with_name(f"{self.path.name}-wal")
            if not self.path.exists() or (log.exists() and log.stat().st_size > 0):
                raise
            # Nothing stands in the log, so that the file alone says all.
            immutable = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(immutable, uri=True, isolation_level=None, check_same_thread=False)
            self._stands_in = True
            self._tell(fault)
            return connection

    def _look(self) -> sqlite3.Connection:
        """The file as it is, or nothing at all if there is none."""
        if not self.path.exists():
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._migrate(connection)
            return connection
        connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != len(self.migrations):
            connection.close()
            raise StoreUnreadable(f"{self.path}: schema {version} is of another PEMS; {len(self.migrations)} is needed")
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self.migrations):
            raise StoreUnreadable(
                f"{self.path}: schema {version} is of a newer PEMS; up to {len(self.migrations)} is known"
            )
        for number, script in enumerate(self.migrations[version:], version + 1):
            with transaction(connection):
                for sql in script.split(";"):
                    connection.execute(sql)
                connection.execute(f"PRAGMA user_version = {number}")

    def _renewed(self, damage: sqlite3.DatabaseError) -> bool:
        """Go on in a new file with what is remembered."""
        self._connection.close()
        try:
            self._connection = self._anew(damage)
        except (OSError, sqlite3.Error) as fault:
            self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._stands_in = True
            self._pending.appendleft(_Work(tuple(self.snapshot()), lasting=True))
            self._tell(sqlite3.OperationalError(str(fault)))
            return False
        self._pending.appendleft(_Work(tuple(self.snapshot()), lasting=True))
        return True

    def _anew(self, damage: sqlite3.DatabaseError) -> sqlite3.Connection:
        """A new file, with what could be read of the damaged one."""
        aside = self._set_aside(damage)
        connection = self._open()
        if self.salvage is not None:
            try:
                with transaction(connection):
                    self.salvage(aside, connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _set_aside(self, damage: sqlite3.DatabaseError) -> Path:
        now = self.clock.now()
        aside = set_aside(self.path, now)
        text = f"{self.path} was damaged ({damage}) and is set aside as {aside.name}; a new one was begun"
        self._damage = Alert(Severity.CRITICAL, self.place, text, now, "disk")
        return aside


def _check(connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, whatever is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
