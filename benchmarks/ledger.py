"""How large a year is, how quickly a day of it is opened, and what a killed process leaves."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter

from pems_core.clock import FastClock
from pems_core.domain import QUARTER, CycleReport
from pems_core.planning.planner import Planner
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.measured import INTERVAL
from pems_core.recording.ledger.retention import Retention
from pems_core.runtime.house_record import house_record
from pems_core.simulation.experiment import Experiment
from tests.houses import battery_at, heating, inverter, rooms_at, small_house
from tests.ledger.killed import Killed, at, killed_at

from .houses import reference_house, scenario_for
from .rows import Bar, Row
from .setting import Benchmark, Setting

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LIVED_H = 6.0
"""So long the reference house lives; its cycles and telemetry are those of the year, over and over."""
KILLS = 200
LATEST_S = 0.3
"""After so long at most a process is killed; a cycle takes some 10 ms."""


def a_year(setting: Setting) -> Iterator[Row]:
    """A cycle every quarter hour and telemetry every five minutes, thinned out day by day as in a house that runs."""
    built, days = reference_house(), 365 if setting.full else 90
    scenario, start = scenario_for(built, "winter", 2)
    with tempfile.TemporaryDirectory() as place:
        lived = Path(place) / "lived.sqlite3"
        Experiment(built, scenario, start, LIVED_H / 24, every=HOUR, baselines=(), with_bound=False, ledger=lived).run()
        clock = FastClock(start)
        with Ledger(lived, clock) as ledger:
            cycles = [ledger.cycle(entry.number) for entry in ledger.cycles(start, start + DAY)]
            rows = ledger.telemetry([], start, start + DAY).to_dict("records")
        measured = [{str(name): float(value) for name, value in row.items()} for row in rows]
        reports = [CycleReport(c.state, c.forecasts, c.plan, c.decisions, readings=c.readings) for c in cycles]
        path = Path(place) / "year.sqlite3"
        took_s = list[float]()
        with Ledger(path, clock, writing=True, retention=Retention()) as ledger:
            ledger.add_house(*house_record(built, built.options, built.house.strategy.name))
            for k in range(days * 96):
                now = start + k * QUARTER
                report = reports[k % len(reports)]
                began = perf_counter()
                ledger.add_cycle(at(report, now - report.state.now), ("time",))
                took_s.append(perf_counter() - began)
                for step in range(QUARTER // INTERVAL):
                    ledger.add_telemetry(now + step * INTERVAL, INTERVAL, measured[k % len(measured)])
        size_mb = path.stat().st_size / 1e6
        yield Row(f"size after {days} days", size_mb, "MB", Bar("<", 500.0) if setting.full else None)
        yield Row("the writing of a cycle, median", 1000 * median(took_s), "ms")
        opened = [_opened(path, FastClock(start + days * DAY), start + day * DAY) for day in range(0, days, 7)]
        yield Row(f"opening any of {len(opened)} days, median", median(opened), "s")
        yield Row(f"opening any of {len(opened)} days, most", max(opened), "s", Bar("<", 0.5))
        yield from _backed_up(path, clock, Path(place) / "copy.sqlite3", at(reports[0], days * DAY))


def _opened(path: Path, clock: FastClock, day: datetime) -> float:
    """Read all that there is of a day, and the last cycle of it whole if it is kept [s]."""
    began = perf_counter()
    with Ledger(path, clock) as ledger:
        ledger.telemetry([], day, day + DAY)
        ledger.decisions(day, day + DAY)
        ledger.commands(day, day + DAY)
        ledger.events("alert", day, day + DAY)
        entries = ledger.cycles(day, day + DAY)
        if entries[-1].whole:
            ledger.cycle(entries[-1].number)
    return perf_counter() - began


def _backed_up(path: Path, clock: FastClock, copy: Path, report: CycleReport) -> Iterator[Row]:
    with Ledger(path, clock, writing=True) as ledger:
        began = perf_counter()
        ledger.backup(copy)
        took_s = perf_counter() - began
        ledger.add_cycle(report)
        number = ledger.cycle_at(report.state.now)
    with Ledger(copy, clock) as copied:
        there = copied.cycle_at(report.state.now)
    yield Row("a backup while it is open for writing", took_s, "s")
    yield Row("cycles missing in the backup", number - 1 - there, "", Bar("=", 0))


def kills(setting: Setting) -> Iterator[Row]:
    """Processes that write one cycle of a small house after the other, each killed at a random moment."""
    small = small_house({inverter(): battery_at(0.5), heating(): rooms_at()})
    with closing(Planner(small.house, small.options)) as planner:
        plan = planner.plan(small.state, small.forecasts)
    report = CycleReport(small.state, small.forecasts, plan, ())
    random, found = Random(2), list[Killed]()  # noqa: S311
    with tempfile.TemporaryDirectory() as place:
        for _ in range(KILLS if setting.full else 20):
            found.append(killed_at(random.uniform(0.0, LATEST_S), Path(place) / "ledger.sqlite3", report))
    yield Row("processes killed", len(found), "", Bar(">=", KILLS) if setting.full else None)
    yield Row("cycles that they wrote", sum(killed.kept for killed in found))
    yield Row("files that were not sound", sum(not killed.sound for killed in found), "", Bar("=", 0))
    yield Row("killed within a cycle", sum(killed.handed > killed.written for killed in found))
    yield Row("cycles lost, at most", max(killed.lost for killed in found), "", Bar("<=", 1))


LEDGER = (
    Benchmark(
        "ledger_year",
        "A year in the ledger",
        f"The reference house lives {LIVED_H:g} h. Its cycles, of every quarter hour, and its telemetry, of every five "
        "minutes, are written over and over at their times for a year by the ledger's own means, retention included; "
        "each row is packed anew, so that the repetition does not make the file smaller.",
        a_year,
        in_short=False,
    ),
    Benchmark(
        "ledger_kills",
        "A ledger whose writer is killed",
        "A process hands over one cycle after the other, the next when the one before is written, and is killed with "
        "SIGKILL at a random moment. Then the file is opened, checked, and its last cycles are read.",
        kills,
        in_short=False,
    ),
)
