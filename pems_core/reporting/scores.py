"""The rows of the result table, the same for terminal and HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .books import Books, books
from .result import Report, RunResult
from .words import NOTHING, energy, money, percent, seconds


@dataclass(frozen=True, slots=True)
class Score:
    """One line of the result table."""

    name: str
    explained: str
    values: tuple[str, ...]
    """One text a run, in the report's order."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What the first run saves against one baseline."""

    baseline: str
    net_cost: str
    saving: str
    share: str
    of_possible: str
    """Share of what perfect foresight would save."""


@dataclass(frozen=True, slots=True)
class _Run:
    result: RunResult
    sums: Books
    currency: str


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    explained: str
    tell: Callable[[_Run], str]


CAPACITY = "capacity charge"

LINES: Sequence[_Line] = (
    _Line("net cost", "bill + capacity charge + wear - stored", lambda run: money(run.result.net_cost, run.currency)),
    _Line("bill", "import less feed-in", lambda run: money(run.result.bill, run.currency)),
    _Line(
        CAPACITY,
        "for the highest import of each month",
        lambda run: money(run.result.capacity_cost, run.currency),
    ),
    _Line("battery wear", "", lambda run: money(run.result.wear, run.currency)),
    _Line(
        "stored at the end",
        "change of energy in battery and rooms, valued alike in all runs",
        lambda run: money(run.result.stored_value, run.currency),
    ),
    _Line(
        "uncomfortable",
        "share of occupied room-time more than 0.3 K outside the band",
        lambda run: percent(run.result.comfort_share, 1),
    ),
    _Line("of it too cold", "the rest is too warm, from the sun", lambda run: percent(run.result.cold_share, 1)),
    _Line("outside the band", "summed over the rooms", lambda run: f"{run.result.comfort_kh:.1f} K·h"),
    _Line("imported", "", lambda run: energy(run.sums.import_kwh)),
    _Line("fed in", "", lambda run: energy(run.sums.export_kwh)),
    _Line("heating", "", lambda run: energy(run.sums.heating_kwh)),
    _Line("PV curtailed", "", lambda run: energy(run.sums.curtailed_kwh)),
    _Line("self-consumption", "PV energy not fed in", lambda run: percent(run.sums.self_consumption)),
    _Line("self-sufficiency", "energy used but not imported", lambda run: percent(run.sums.self_sufficiency)),
    _Line("peak import", "mean of 15 min", lambda run: f"{run.sums.peak_import_kw:.1f} kW"),
    _Line("plans", "by rung of the fallback ladder", lambda run: rungs(run.result)),
    _Line(
        "time of a plan",
        "median / 95th percentile / longest",
        lambda run: plan_times(run.result),
    ),
    _Line("computing", "CPU / wall", lambda run: f"{seconds(run.result.cpu_s)} / {seconds(run.result.wall_s)}"),
)


def scores(report: Report) -> Sequence[Score]:
    """Every figure of every run as text."""
    runs = [_Run(result, books(result.course), report.currency) for result in report.results]
    charged = any(run.result.capacity_cost for run in runs)
    shown = [line for line in LINES if charged or line.name != CAPACITY]
    return tuple(Score(line.name, line.explained, tuple(line.tell(run) for run in runs)) for line in shown)


def savings(report: Report) -> Sequence[Saving]:
    """What the first run saves against each baseline."""
    run = report.subject
    return tuple(
        Saving(
            baseline=baseline.name,
            net_cost=money(baseline.net_cost, report.currency),
            saving=money(run.saves_against(baseline), report.currency),
            share=percent(run.saving_share(baseline)),
            of_possible=percent(run.share_of_possible(baseline, report.bound)),
        )
        for baseline in report.baselines
    )


def rungs(run: RunResult) -> str:
    used = [f"{count} {name}" for name, count in run.rungs.items() if count]
    return ", ".join(used) or (str(run.plans) if run.plans else NOTHING)


def plan_times(run: RunResult) -> str:
    if not run.plans:
        return NOTHING
    return f"{run.plan_p50_s:.2f} / {run.plan_p95_s:.2f} / {run.plan_max_s:.2f} s"
