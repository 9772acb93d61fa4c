"""Processes that write a ledger and are killed."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from pems_core.clock import FastClock
from pems_core.domain import CycleReport
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.scribe import Scribe

START = datetime(2025, 1, 15, tzinfo=UTC)
YEAR = timedelta(days=365)
AT_ONCE_S = 60.0


@dataclass(frozen=True)
class Killed:
    """What a killed process left."""

    handed: int
    """Cycles that it had handed over; the next only after the one before was written."""
    written: int
    """Of which it knew that they were written."""
    kept: int
    """That the ledger has."""
    sound: bool
    """Whether the file is whole, and the last cycles can be read."""

    @property
    def lost(self) -> int:
        return self.handed - self.kept


def at(report: CycleReport, later: timedelta) -> CycleReport:
    """The same cycle at another time."""
    moved = replace(report.forecasts.horizon, start=report.forecasts.horizon.start + later)
    return replace(
        report,
        state=replace(report.state, now=report.state.now + later),
        forecasts=replace(report.forecasts, horizon=moved),
        plan=replace(report.plan, horizon=moved, made_at=report.plan.made_at + later),
    )


def killed_at(moment_s: float, path: Path, report: CycleReport) -> Killed:
    """Kill a process so long after it began to write a ledger, and look at what it left; then take that away."""
    context = get_context("forkserver")
    # So that a process is there at once and need not load everything first.
    context.set_forkserver_preload([__name__])
    said = path.with_suffix(".said")
    said.write_text("")
    writer = context.Process(target=_write, args=(path, said, report))
    writer.start()
    deadline = time.monotonic() + AT_ONCE_S
    while not said.read_text():
        assert time.monotonic() < deadline, "the process does not begin"
        time.sleep(0.005)
    time.sleep(moment_s)
    writer.kill()
    writer.join()
    handed, written = (said.read_text().count(word) for word in "hw")
    clock = FastClock(START)
    with Ledger(path, clock, writing=True) as ledger:
        entries = ledger.cycles(report.state.now - YEAR, report.state.now + YEAR)
        last = [ledger.cycle(entry.number).plan.horizon.start == entry.at for entry in entries[-2:]]
        sound = not ledger.alerts and all(last) and len(entries) >= written
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return Killed(handed, written, len(entries), sound)


def _write(path: Path, said: Path, report: CycleReport) -> None:
    """Hand one cycle after the other to the ledger, and say what was handed over and written."""
    clock = FastClock(START)
    scribe = Scribe(lambda: Ledger(path, clock, writing=True), clock)
    with said.open("ab", buffering=0) as words:
        for number in range(100_000):
            words.write(b"h")
            done = _handed(scribe, at(report, number * timedelta(seconds=1)))
            while not done:
                time.sleep(0.001)
            words.write(b"w")


def _handed(scribe: Scribe, cycle: CycleReport) -> list[int]:
    """Will have the cycle's number, once it is written."""
    done: list[int] = []
    scribe.hand(lambda ledger: done.append(ledger.add_cycle(cycle)))
    return done
