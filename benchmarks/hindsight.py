"""What is made of the ledger, held against its bars: `python -m benchmarks.hindsight`.

A small house lives six weeks in winter, planned every hour, and is written down. Then every cycle is planned again, the
books of all days are worked out and compared with what the simulated house paid, and decisions are priced by another
solver. With `--kills N` a process that writes a ledger is killed so often.
"""

import argparse
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

from pems_core.domain import Override, Plan
from pems_core.hindsight.books import Bookkeeper, DayBooks
from pems_core.hindsight.replay import replay
from pems_core.hindsight.why import Instead, explained
from pems_core.planning.planner import PlanOptions, solve_house
from pems_core.planning.solvers import solver_named
from pems_core.simulation.experiment import BASELINES
from tests.ledger.houses import Written, written

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKED = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--kills", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = written(Path(folder) / "planned", asked.days, baselines=BASELINES)
        show("ledger", f"{run.path.stat().st_size / 1e6:.1f} MB for {asked.days} days of {_count(run)} cycles")
        replays(run)
        money(run)
        for name in BASELINES:
            own(Path(folder) / name, name)
        whys(run)
        if asked.kills:
            kills(asked.kills, Path(folder), run)


def replays(run: Written) -> None:
    began, same, other = time.process_time(), 0, []
    with run.ledger() as ledger:
        for entry in ledger.cycles(run.start, run.end):
            done = replay(ledger.cycle(entry.number), run.house, guarded=False)
            same += done.same
            if not done.same:
                other.append(f"{done.number} {done.note} {done.differences[:1]}")
    show("replay", f"{same} of {same + len(other)} plans the same to the last bit {other[:3]}", began)


def money(run: Written) -> None:
    """Books against what the simulated house says of itself."""
    began = time.process_time()
    books = list(all_books(run))
    bill, truth = sum(day.actual.bill for day in books), run.report.subject.bill
    show("bill", f"books {bill:.2f}, house {truth:.2f}, {abs(bill / truth - 1):.4%} (bar 0.5 %)")
    show("balance", f"worst day {max(day.balance_error for day in books):.4%} (bar 0.5 %)")
    for result in run.report.baselines:
        twin = sum(day.baselines[result.name].net for day in books)
        show(
            f"{result.name}, one run", f"days {twin:.2f}, run {result.net_cost:.2f}, {twin / result.net_cost - 1:+.2%}"
        )
    deviations = [day.deviation for day in books if day.deviation is not None]
    show("deviation", f"mean {statistics.mean(deviations):+.3f}, of a day {statistics.pstdev(deviations):.3f}", began)
    begun = time.process_time()
    with run.ledger() as ledger:
        first = run.start.astimezone(run.house.site.zone).date()
        found = Bookkeeper(ledger, run.house).books(first + 2 * DAY, with_regret=True)
    assert found.regret is not None
    show("regret", f"{found.regret}, whole {found.regret.total:.3f}", begun)


def own(folder: Path, name: str) -> None:
    """A house that is run by a baseline saves nothing against it."""
    run = written(folder, 14, strategy=name)
    books = list(all_books(run))
    actual, twin = (sum(values) for values in zip(*((d.actual.net, d.baselines[name].net) for d in books), strict=True))
    show(f"{name} of itself", f"books {twin:.2f}, house {actual:.2f}, {twin / actual - 1:+.2%} (bar 1 %)")


def whys(run: Written) -> None:
    """Prices of other choices against another solver's."""
    random = Random(1)  # noqa: S311
    off, wall_s, cpu_s = [], [], []
    options = PlanOptions(solver="cbc")
    with run.ledger() as ledger, closing(solver_named("cbc")) as solver:
        entries = [entry for entry in ledger.cycles(run.start, run.end) if entry.bound is not None]
        for entry in random.sample(entries, min(ASKED, len(entries))):
            cycle = ledger.cycle(entry.number)
            mode = random.choice(["load_first", "battery_first", "grid_first"])
            began, begun = time.perf_counter(), time.process_time()
            (answer,) = explained(cycle, run.house, entry.at, [Instead("inverter", "mode", mode)]).answers
            wall_s.append(time.perf_counter() - began)
            cpu_s.append(time.process_time() - begun)
            pin = Override("inverter", "mode", mode, entry.at, entry.at + HOUR, "benchmark")
            state = replace(cycle.state, overrides=(pin,))
            other: Plan = solve_house(run.house.house, state, cycle.forecasts, solver, options)
            assert answer.costs is not None
            off.append(abs(answer.costs - (other.cost - cycle.plan.cost)))
    off.sort()
    show("why not", f"{len(off)} prices, off by {off[len(off) // 2]:.3f} (median), {off[-1]:.3f} (most)")
    show("explain", f"{statistics.median(wall_s):.2f} s, at most {max(wall_s):.2f} s of the wall (bar 3 s)")


def kills(count: int, folder: Path, run: Written) -> None:
    from tests.ledger.test_ledger import killed_at

    with run.ledger() as ledger:
        cycle = ledger.cycle(5)
    from pems_core.domain import CycleReport

    report = CycleReport(cycle.state, cycle.forecasts, cycle.plan, cycle.decisions)
    pickled = folder / "report.pickle"
    pickled.write_bytes(pickle.dumps(report))
    random = Random(2)  # noqa: S311
    for _ in range(count):
        killed_at(random.uniform(0.0, 0.8), folder, pickled)
    show("kills", f"{count} times killed: nothing lost but what was being written")


def all_books(run: Written) -> Iterator[DayBooks]:
    with run.ledger() as ledger:
        keeper = Bookkeeper(ledger, run.house)
        day = run.start.astimezone(run.house.site.zone).date()
        while day < run.end.astimezone(run.house.site.zone).date():
            yield keeper.books(day)
            day += DAY


def show(what: str, text: str, began: float | None = None) -> None:
    took = "" if began is None else f" [{time.process_time() - began:.0f} s CPU]"
    print(f"{what:>24}: {text}{took}", flush=True)


def _count(run: Written) -> int:
    with run.ledger() as ledger:
        return len(ledger.cycles(run.start, run.end))


if __name__ == "__main__":
    sys.exit(main())
