"""Writes points from a thread of its own: whatever the server does, nobody waits for it."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity
from pems_core.recording.losses import Losses
from pems_core.recording.points import Point, as_lines

from .buffer import Buffer
from .server import Away, Influx, NotTaken

log = logging.getLogger(__name__)

PLACE = "influxdb"
FLUSH_EVERY_S = 2.0
"""How long points are gathered [s of the wall]."""
BATCH_POINTS = 5000
"""What InfluxDB's makers advise to send at once."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
SETTLED_S = 60.0
"""So long a server must have lived on before points that it took are forgotten: it may say yes before its disk has
them. VictoriaMetrics brings to its disk every five seconds what it has in memory; InfluxDB does at once."""
MOST_TURNS_BACK = 3
"""Without an end between them: where every connection breaks off, that is no sign of a server that died."""
MOST_QUEUED = 500_000
"""Points in memory; the thread takes them within seconds, unless the disk hangs."""
REFUSED = "influxdb-refused.txt"
"""What no server would take, with the reason, for whoever looks into it."""
MOST_REFUSED_BYTES = 10_000_000


class InfluxWriter:
    """Keeps points on the disk, sends them in order, and sends again what the server may have lost when it went away.

    A point that is sent twice is one point, for its time and tags say which it is.

    :param make: makes the connection, in the thread that uses it.
    :param refused: file for points that the server does not take.
    """

    def __init__(
        self,
        make: Callable[[], Influx],
        buffer: Buffer,
        clock: Clock,
        refused: Path,
        *,
        flush_every_s: float = FLUSH_EVERY_S,
        retry_most_s: float = RETRY_MOST_S,
    ) -> None:
        self._make = make
        self._buffer = buffer
        self._clock = clock
        self._refused_file = refused
        self._flush_every_s = flush_every_s
        self._retry_most_s = retry_most_s
        self._queue: deque[tuple[Point, ...]] = deque()
        self._queued = 0
        self._counting = Lock()
        """Two threads count what is queued."""
        self._lost = Losses(clock, PLACE, Severity.CRITICAL, _lost)
        self._wake, self._ending = Event(), Event()
        self._thread = Thread(target=self._run, name="influxdb", daemon=True)
        self._server: Influx | None = None
        self._prepared = False
        self._sent = 0
        """Number in the buffer up to which the server has said that it took everything."""
        self._settling: deque[tuple[float, int]] = deque()
        self._broken_off = 0
        self._turns_back = 0
        self._failures = 0
        self._again_s = 0.0
        self._away: Alert | None = None
        self._refused = Losses(clock, PLACE, Severity.WARNING, self._say_refused)
        self._why = ""
        """What was said of the last point that was refused."""
        self._defective = Losses(clock, PLACE, Severity.CRITICAL, self._say_defective)
        self._unsaid = ""
        """Why the last of them could not be said in the server's language."""
        self._crashed: Alert | None = None
        self._waiting = buffer.points_after(0)

    def start(self) -> "InfluxWriter":
        self._thread.start()
        return self

    def put(self, points: Iterable[Point]) -> None:
        """Have points written; returns at once."""
        some = tuple(points)
        if not some:
            return
        with self._counting:
            taken = self._queued <= MOST_QUEUED
            self._queued += len(some) if taken else 0
        if not taken:
            self._lost.add(len(some))
            return
        self._queue.append(some)
        if self._queued > BATCH_POINTS:
            self._wake.set()

    def close(self, within_s: float) -> None:
        """Bring what waits to the disk, and to the server if it takes it at once; then end, or be left behind."""
        self._ending.set()
        self._wake.set()
        self._thread.join(within_s)
        if self._queued:
            log.error("%d points were in memory at the end, and are lost: the disk did not take them", self._queued)

    @property
    def waiting(self) -> int:
        """Points that the server has not taken yet."""
        return self._waiting + self._queued

    @property
    def alerts(self) -> Sequence[Alert]:
        own = [alert for alert in (self._away, self._crashed) if alert is not None]
        of_points = (self._refused, self._defective, self._lost)
        return [*own, *(alert for losses in of_points for alert in losses.alerts), *self._buffer.alerts]

    def _say_defective(self, count: int) -> str:
        return f"{count} points were lost, that cannot be written; the last: {self._unsaid}"

    def _say_refused(self, count: int) -> str:
        return f"{count} points were not taken, see {self._refused_file}; the last: {self._why}"

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._wake.wait(self._flush_every_s)
                self._wake.clear()
                self._work()
            # What could not be sent is on the disk, and is sent when PEMS runs again.
            self._again_s = 0.0
            self._work()
        except Exception as error:  # a defect costs the points, and not the house
            log.exception("the thread of InfluxDB failed")
            self._crashed = Alert(Severity.CRITICAL, PLACE, f"{type(error).__name__}: {error}", self._clock.now())
        finally:
            if self._server is not None:
                self._server.close()
            self._buffer.close()

    def _work(self) -> None:
        self._store()
        while monotonic() >= self._again_s and self._send_some():
            self._store()
        self._waiting = self._buffer.points_after(self._sent)

    def _store(self) -> None:
        """From memory to the disk."""
        lines: list[str] = []
        while self._queue:
            points = self._queue.popleft()
            # Never counted less than there are, whoever looks between.
            self._waiting += len(points)
            with self._counting:
                self._queued -= len(points)
            lines += self._lines(points)
            if len(lines) >= BATCH_POINTS:
                self._buffer.add(lines)
                lines = []
        if lines:
            self._buffer.add(lines)

    def _lines(self, points: Sequence[Point]) -> list[str]:
        try:
            return as_lines(points)
        except Exception as error:  # a defect in these costs none of the others
            log.exception("points are lost")
            self._unsaid = f"{type(error).__name__}: {error}"
            self._defective.add(len(points))
            return []

    def _send_some(self) -> bool:
        """Send the oldest points; true if there may be more to send."""
        batch = self._buffer.after(self._sent, BATCH_POINTS)
        if batch is None:
            self._turns_back = 0
            return False
        try:
            self._prepare()
            self._deliver(batch.lines)
        except Away as fault:
            self._failed(str(fault))
            return False
        except Exception as error:  # such as a certificate that is not there; the points wait, and nothing ends
            log.exception("nothing could be sent to InfluxDB")
            self._failed(f"{type(error).__name__}: {error}")
            return False
        self._failures, self._away = 0, None
        if self._came_back():
            self._begin_again()
            return True
        self._sent = batch.number
        self._settling.append((monotonic(), batch.number))
        self._settle()
        return True

    def _came_back(self) -> bool:
        """Whether the server may have died and come back since the write before, without being missed."""
        assert self._server is not None
        if self._server.broken_off == self._broken_off or self._turns_back >= MOST_TURNS_BACK:
            return False
        self._turns_back += 1
        return True

    def _begin_again(self) -> None:
        """From the oldest that is kept: a server that died may have lost all of it."""
        self._sent, self._prepared = 0, False
        self._settling.clear()
        self._broken_off = self._server.broken_off if self._server is not None else 0

    def _prepare(self) -> None:
        if not self._prepared:
            if self._server is None:
                self._server = self._make()
            self._server.prepare()
            self._prepared = True

    def _deliver(self, lines: Sequence[str]) -> None:
        """Send lines; those that are refused are found by halving, and set aside."""
        assert self._server is not None
        try:
            self._server.write("\n".join(lines))
        except NotTaken as fault:
            if len(lines) == 1:
                self._set_aside(lines[0], str(fault))
                return
            middle = len(lines) // 2
            self._deliver(lines[:middle])
            self._deliver(lines[middle:])

    def _set_aside(self, line: str, why: str) -> None:
        self._why = why
        self._refused.add()
        with suppress(OSError):  # a full disk keeps no point that nobody would take, and is told elsewhere
            if self._refused_file.exists() and self._refused_file.stat().st_size > MOST_REFUSED_BYTES:
                return
            with self._refused_file.open("a", encoding="utf-8") as file:
                file.write(f"# {why}\n{line}\n")

    def _failed(self, fault: str) -> None:
        """The server is away: begin again from the oldest that is kept once it is back."""
        pause_s = min(self._retry_most_s, RETRY_FIRST_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        self._again_s = monotonic() + pause_s
        self._begin_again()
        since: datetime = self._away.since if self._away else self._clock.now()
        self._away = Alert(Severity.WARNING, PLACE, f"{fault}; points wait on the disk", since)

    def _settle(self) -> None:
        """Forget what the server had taken long enough before it took something again, without an end between."""
        through = 0
        while self._settling and monotonic() - self._settling[0][0] > SETTLED_S:
            through = self._settling.popleft()[1]
        if through:
            self._buffer.forget(through)


def _lost(count: int) -> str:
    return f"{count} points were lost: the disk did not take them in time"
