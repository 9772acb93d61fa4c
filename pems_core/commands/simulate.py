"""`pems simulate`: a closed loop over days, beside its baselines."""

import shlex
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pems_core.domain import QUARTER, ConfigError
from pems_core.reporting import html_report, overview, results_table
from pems_core.reporting.result import Report
from pems_core.simulation.experiment import BASELINES, Experiment
from pems_core.simulation.outlook import ForecastQuality
from pems_core.simulation.scenario import Scenario

from .identified import equip_as_run
from .inputs import house_from, moment, scenario_from
from .options import HOUSE_HELP, SEED, Share, as_in_file_option, require_writable
from .own_forecasts import own_forecasters

DAYS = 3.0
MOST_DAYS = 3660
EXPORTED = (
    "grid_import_kw",
    "grid_export_kw",
    "pv_kw",
    "pv_curtailed_kw",
    "battery_charge_kw",
    "battery_discharge_kw",
    "soc",
    "base_load_kw",
    "heating_kw",
)


@click.command()
@click.option("--house", type=click.Path(path_type=Path, dir_okay=False), help=HOUSE_HELP)
@click.option(
    "--scenario", type=click.Path(path_type=Path, dir_okay=False), help="CSV with the series. [generated series]"
)
@click.option("--recording", help="A recorded week under PEMS_DATA instead, such as winter or spring.")
@click.option("--start", help="Local day or UTC time to start at. [the scenario's first day after its history]")
@click.option("--days", type=float, help=f"How long. [{DAYS:g}, or as long as the scenario lasts]")
@click.option("--strategy", help="Strategy to run. [what the house file says]")
@click.option(
    "--forecast",
    type=click.Choice([q.value for q in ForecastQuality]),
    default=ForecastQuality.REALISTIC.value,
    show_default=True,
    help="How well the plans know the future; learned: as the house's own forecasters do.",
)
@as_in_file_option
@click.option("--every", type=click.IntRange(15, 1440), default=15, show_default=True, help="Minutes between plans.")
@click.option("--baselines/--no-baselines", default=True, show_default=True)
@click.option("--bound/--no-bound", default=True, show_default=True, help="Compute the perfect-foresight optimum.")
@click.option("--seed", type=SEED, default=1, show_default=True, help="Of generated series, errors and sensor noise.")
@click.option("--soc", type=Share(), default=0.5, show_default=True, help="State of charge at the start.")
@click.option("--export", type=click.Path(path_type=Path, dir_okay=False), help="Write what happened as CSV.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("out/report.html"),
    show_default=True,
    help="Where the report goes.",
)
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write the overview as PNG.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the run down as a house that runs does, for pems explain, replay and report. A new file.",
)
def simulate(
    house: Path | None,
    scenario: Path | None,
    recording: str | None,
    start: str | None,
    days: float | None,
    strategy: str | None,
    forecast: str,
    as_in_file: bool,
    every: int,
    baselines: bool,
    bound: bool,
    seed: int,
    soc: float,
    export: Path | None,
    report: Path,
    picture: Path | None,
    ledger: Path | None,
) -> None:
    """Let a strategy run a simulated house, and say what it saved and how it knows."""
    if every % 15:
        raise ConfigError([f"--every: found {every}; allowed: multiples of 15 minutes"])
    require_writable(export=export, report=report, picture=picture, ledger=ledger)
    if ledger is not None and ledger.exists():
        raise ConfigError([f"--ledger: found {str(ledger)!r}, which exists; allowed: a new file"])
    built = house_from(house)
    asked = DAYS if days is None else require_days(days)
    series, begins = scenario_from(built, scenario, recording, asked, seed)
    learned = ForecastQuality(forecast) is ForecastQuality.LEARNED
    begins = begins if start is None else moment(start, "--start", built)
    identified = {} if as_in_file else equip_as_run(built, house)
    experiment = Experiment(
        house=built,
        scenario=series,
        start=begins,
        days=asked if days is not None else min(asked, days_left(series, begins)),
        forecast=ForecastQuality(forecast),
        strategy=strategy,
        every=timedelta(minutes=every),
        baselines=BASELINES if baselines else (),
        with_bound=bound,
        seed=seed,
        soc=soc,
        command=shlex.join(["pems", *sys.argv[1:]]),
        ledger=ledger,
        forecasters=own_forecasters(built, house) if learned else (),
        identified=identified,
    )
    done = run_with_progress(experiment)
    hand_over(done, report, export, picture)


def days_left(scenario: Scenario, start: datetime) -> float:
    """Whole quarter hours from a start to the end of a scenario [days]; a day if there are none."""
    left = (scenario.end - start) // QUARTER
    return left * (QUARTER / timedelta(days=1)) if left > 0 else 1.0


def require_days(days: float) -> float:
    """The days as they were given, if they are whole quarter hours.

    :raises ConfigError: if they are not, or not between one quarter hour and ten years.
    """
    allowed = f"quarter hours (0.25 is six hours), up to {MOST_DAYS} days"
    if not 0 < days <= MOST_DAYS or timedelta(days=days) % QUARTER:
        raise ConfigError([f"--days: found {days:g}; allowed: {allowed}"])
    return days


def run_with_progress(experiment: Experiment) -> Report:
    experiment.check()
    console = Console(stderr=True)
    console.print(f"{experiment.scenario.name}: {experiment.start:%Y-%m-%d %H:%M} UTC, {experiment.days:g} days")
    columns = (TextColumn("{task.description:>16}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        return experiment.run(_advance(bars, experiment))


def _advance(bars: Progress, experiment: Experiment) -> Callable[[str, datetime], None]:
    tasks = {}

    def advance(name: str, at: datetime) -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=experiment.days)
        bars.update(tasks[name], completed=(at - experiment.start) / timedelta(days=1))

    return advance


def hand_over(report: Report, html: Path, export: Path | None, picture: Path | None) -> None:
    """Print the table, and write the files that were asked for."""
    Console().print(results_table(report))
    if export is not None:
        export_flows(report, export)
        click.echo(f"flows: {export}")
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(overview(report).png)
        click.echo(f"picture: {picture}")
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(html_report(report), encoding="utf-8")
    click.echo(f"report: {html}")


def export_flows(report: Report, path: Path) -> None:
    """What happened in the first run, one row an interval; see docs/simulation.md for each column."""
    flows = report.results[0].flows
    rooms = [name for name in flows.columns if name.endswith("_c")]
    loads = [name for name in flows.columns if name in ("flexible_load_kw", "unserved_kw")]
    frame = flows[[*EXPORTED, *loads, *rooms, "mode", "plan_source", "cost"]].copy()
    frame.index = pd.DatetimeIndex(frame.index).strftime("%Y-%m-%dT%H:%M:%SZ")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index_label="utc_start", float_format="%.6f")
