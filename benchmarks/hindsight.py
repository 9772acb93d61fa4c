"""What is made of the ledger, held against its bars: plans again, the books, and why not."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from statistics import fmean, median, pstdev
from time import perf_counter, process_time

from pems_core.domain import Override, Plan
from pems_core.hindsight.books import Bookkeeper, DayBooks
from pems_core.hindsight.recorded_day import recorded_day
from pems_core.hindsight.replay import replay
from pems_core.hindsight.why import Instead, explained
from pems_core.planning.planner import PlanOptions, solve_house
from pems_core.planning.solvers import solver_named
from pems_core.simulation.experiment import BASELINES
from tests.ledger.houses import Written, written

from .rows import Bar, Row
from .setting import Benchmark, Setting

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKS = 6
"""Of hourly plans: 1,008 of them."""
ASKED = 50
WINTER, SPRING = date(2025, 1, 1), date(2025, 4, 1)


def replays(setting: Setting) -> Iterator[Row]:
    """Weeks of hourly plans, each planned again from what the ledger kept."""
    weeks, same, asked, took_s = WEEKS if setting.full else 1, 0, 0, list[float]()
    with tempfile.TemporaryDirectory() as folder:
        for week in range(weeks):
            run = written(Path(folder) / f"{week}", 7.0, seed=week + 1)
            with run.ledger() as ledger:
                for entry in ledger.cycles(run.start, run.end):
                    done = replay(ledger.cycle(entry.number), run.house, guarded=False)
                    took_s.append(done.seconds)
                    same += done.same
                    asked += 1
    yield Row("cycles of closed loops", asked, "", Bar(">=", 1000) if setting.full else None)
    yield Row("planned again to another plan", asked - same, "", Bar("=", 0))
    yield Row("time of one replay, median", median(took_s), "s")


def books(setting: Setting) -> Iterator[Row]:
    """Months of houses that are run by rules, and days of one that is planned."""
    days = 31.0 if setting.full else 7.0
    with tempfile.TemporaryDirectory() as folder:
        for season, begin in (("winter", WINTER), ("spring", SPRING)):
            for name in BASELINES:
                run = written(Path(folder) / f"{season} {name}", days, strategy=name, begin=begin)
                yield from _month(f"{season}, {name}", run, name)
        yield from _planned(written(Path(folder) / "planned", 7.0 if setting.full else 2.0, baselines=BASELINES))


def _month(what: str, run: Written, name: str) -> Iterator[Row]:
    """A house that is run by a baseline saves nothing against it, and pays what the simulated house pays."""
    began, own = process_time(), list(kept_books(run, [name]))
    yield from _sums(f"{what}, {len(own)} days", run, own)
    actual, twin = sum(day.actual.net for day in own), sum(day.baselines[name].net for day in own)
    yield Row(f"{what}: the baseline against the house it is", 100 * abs(twin / actual - 1), "%", Bar("<=", 1.0))
    yield Row(f"{what}: processor for a day's books", (process_time() - began) / len(own), "s")


def _sums(what: str, run: Written, kept: Sequence[DayBooks]) -> Iterator[Row]:
    truth = run.report.subject.bill
    paid = sum(day.actual.bill for day in kept)
    yield Row(f"{what}: bill of the books off what the house paid", 100 * abs(paid / truth - 1), "%", Bar("<=", 0.5))
    worst = max(day.balance_error for day in kept)
    yield Row(f"{what}: energy that does not add up, worst day", 100 * worst, "%", Bar("<=", 0.5))


def _planned(run: Written) -> Iterator[Row]:
    """Days of hourly plans: baselines day by day against one run, and the parts of a regret against the whole."""
    kept = list(kept_books(run, BASELINES))
    yield from _sums(f"planned, {len(kept)} days", run, kept)
    for result in run.report.baselines:
        twin = sum(day.baselines[result.name].net for day in kept)
        yield Row(f"{result.name}, day by day against one run", 100 * abs(twin / result.net_cost - 1), "%")
    off = [day.deviation for day in kept if day.deviation is not None]
    yield Row("what a twin that is told the same costs more, mean of a day", fmean(off), "CZK")
    yield Row("its standard deviation", pstdev(off), "CZK")
    with run.ledger() as ledger:
        keeper = Bookkeeper(ledger, run.house, ())
        first = kept[1].day
        found = keeper.books(first, with_regret=True)
        whole = found.actual.net - keeper.bound(recorded_day(ledger, run.house, first))
    assert found.regret is not None
    yield Row("what a day costs more than the best possible", whole, "CZK")
    yield Row("its parts off the whole", abs(found.regret.total - whole), "CZK", Bar("<=", 0.001))


def kept_books(run: Written, baselines: Sequence[str]) -> Iterator[DayBooks]:
    with run.ledger() as ledger:
        keeper = Bookkeeper(ledger, run.house, baselines)
        day = run.start.astimezone(run.house.site.zone).date()
        while day < run.end.astimezone(run.house.site.zone).date():
            yield keeper.books(day)
            day += DAY


def whys(setting: Setting) -> Iterator[Row]:
    """Prices of other choices against those of another solver, which is told the choice as an override."""
    random = Random(1)  # noqa: S311
    off, wall_s, cpu_s = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        run = written(Path(folder), 7.0 if setting.full else 2.0)
        with run.ledger() as ledger, closing(solver_named("cbc")) as solver:
            entries = [entry for entry in ledger.cycles(run.start, run.end) if entry.bound is not None]
            for entry in random.sample(entries, min(ASKED, len(entries))):
                cycle = ledger.cycle(entry.number)
                mode = random.choice(["load_first", "battery_first", "grid_first"])
                began, begun = perf_counter(), process_time()
                (answer,) = explained(cycle, run.house, entry.at, [Instead("inverter", "mode", mode)]).answers
                wall_s.append(perf_counter() - began)
                cpu_s.append(process_time() - begun)
                pin = Override("inverter", "mode", mode, entry.at, entry.at + HOUR, "benchmark")
                state = replace(cycle.state, overrides=(pin,))
                other: Plan = solve_house(run.house.house, state, cycle.forecasts, solver, PlanOptions(solver="cbc"))
                assert answer.costs is not None
                off.append(abs(answer.costs - (other.cost - cycle.plan.cost)))
    yield Row("choices that were priced", len(off), "", Bar(">=", ASKED) if setting.full else None)
    yield Row("off the price by CBC, median", median(off), "CZK")
    yield Row("off the price by CBC, most", max(off), "CZK", Bar("<=", 2 * run.house.options.limits.gap))
    yield Row("time of an answer, median", median(wall_s), "s", Bar("<", 3.0))
    yield Row("time of an answer, most", max(wall_s), "s", Bar("<", 3.0))
    yield Row("processor of an answer, most", max(cpu_s), "s")


SMALL = "A small house (battery, PV, two rooms) on generated days, planned every hour with realistic forecasts"
HINDSIGHT = (
    Benchmark(
        "replay",
        "The same plan again",
        f"{SMALL}, is written down, week by week; then every cycle is planned again from what the ledger kept, and "
        "both plans are compared value by value.",
        replays,
        in_short=False,
    ),
    Benchmark(
        "books",
        "The books",
        "A small house lives months under rules, and days under plans. What the ledger's books say it paid is held "
        "against what the simulated house says, and the twin of a baseline against the house that is run by it.",
        books,
        in_short=False,
    ),
    Benchmark(
        "why_not",
        "Why not something else",
        f"{SMALL}. Random choices at random cycles are priced by `pems explain`'s own way, and by CBC with the choice "
        "set as an override. Times are those of the answer, without the start of the program.",
        whys,
        in_short=False,
    ),
)
