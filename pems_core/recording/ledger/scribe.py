"""Writes the ledger in a thread of its own: whoever hands something over goes on at once."""

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from time import monotonic

from pems_core.clock import Clock
from pems_core.domain import Alert, PemsError, Severity
from pems_core.recording.losses import Losses

from .ledger import PLACE, Ledger

log = logging.getLogger(__name__)

Work = Callable[[Ledger], object]
MOST_WAITING = 20_000
"""Beyond that what comes is dropped, and told: memory is not the place for weeks."""
IDLE_S = 5.0
"""How often it is tried to write what could not be written [s of the wall]."""


class Scribe:
    """Takes work for the ledger and does it in order.

    :param open_ledger: opens it for writing; runs in the thread, as a check of a large file takes its time.
    """

    def __init__(self, open_ledger: Callable[[], Ledger], clock: Clock) -> None:
        self._open, self._clock = open_ledger, clock
        self._work: Queue[Work | None] = Queue(MOST_WAITING)
        self._ledger: Ledger | None = None
        self._ended: Alert | None = None
        self._dropped = Losses(clock, PLACE, Severity.WARNING, _dropped)
        self._failed = Losses(clock, PLACE, Severity.WARNING, self._say_failed)
        self._why = ""
        """What was wrong with the last entry that could not be written."""
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def hand(self, work: Work) -> None:
        """Have something written; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
            self._thread.start()
        try:
            self._work.put_nowait(work)
        except Full:
            self._dropped.add()

    @property
    def waiting(self) -> int:
        return self._work.qsize()

    @property
    def alerts(self) -> Sequence[Alert]:
        ended = [] if self._ended is None else [self._ended]
        of_file = self._ledger.alerts if self._ledger is not None else ()
        return [*ended, *self._dropped.alerts, *self._failed.alerts, *of_file]

    def close(self, within_s: float = 5.0) -> bool:
        """Write what waits, within so much time; true if nothing was left."""
        if self._thread is None:
            return True
        deadline = monotonic() + within_s
        self._closing.set()
        try:
            self._work.put(None, timeout=within_s)
        except Full:
            return False
        self._thread.join(max(0.0, deadline - monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._opened() as ledger:
                self._ledger, self._ended = ledger, None
                while (work := self._next(ledger)) is not None:
                    self._do(work, ledger)
        except PemsError as fault:
            self._end(str(fault))
        except Exception as error:
            # What happens is not recorded then, and the house goes on.
            log.exception("the ledger failed")
            self._end(f"{type(error).__name__}: {error}")

    def _opened(self) -> Ledger:
        """The ledger as soon as it can be opened: somebody else may hold it, or it may be made readable.

        :raises PemsError: if it cannot until the end.
        """
        while True:
            try:
                return self._open()
            except PemsError as fault:
                self._end(str(fault))
                if self._closing.wait(IDLE_S):
                    raise

    def _next(self, ledger: Ledger) -> Work | None:
        while True:
            try:
                return self._work.get(timeout=IDLE_S)
            except Empty:
                ledger.flush()

    def _do(self, work: Work, ledger: Ledger) -> None:
        try:
            work(ledger)
        except Exception as error:
            log.exception("an entry of the ledger is lost")
            self._why = f"{type(error).__name__}: {error}"
            self._failed.add()

    def _end(self, fault: str) -> None:
        since = self._ended.since if self._ended else self._clock.now()
        self._ended = Alert(Severity.WARNING, PLACE, f"nothing is recorded: {fault}", since)

    def _say_failed(self, count: int) -> str:
        return f"{count} entries are lost; the last: {self._why}"


def _dropped(count: int) -> str:
    return f"{count} entries were dropped: {MOST_WAITING} wait already"
