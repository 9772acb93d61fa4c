"""`pems plan`: one plan of a house, with its reasons."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from pems_core.cycle import measure
from pems_core.domain import (
    Decision,
    Forecasts,
    HeatingSpec,
    Plan,
    Reason,
    SiteState,
)
from pems_core.planning.decide import decisions
from pems_core.planning.explain import Alternative, Asked, Words, alternatives, explain, with_next_best
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.reporting import plan_json, plan_picture, plan_table
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.outlook import ForecastQuality
from pems_core.site import HouseFile

from .identified import equip_as_run
from .inputs import GENERATED_START, house_from, moment, scenario_from
from .options import HOUSE_HELP, Share, as_in_file_option, require_writable
from .own_forecasts import foresight

DAYS = 1
"""Of generated series; there are more before and after them."""
ROOM_REASONS = 5
"""Shown without --why: those of the rooms that are worth most."""


@dataclass(frozen=True)
class Planned:
    """One plan and what it was made from."""

    built: HouseFile
    state: SiteState
    forecasts: Forecasts
    plan: Plan
    decisions: Sequence[Decision]
    others: Sequence[Alternative]
    series: str
    """What the plan lives on, in words."""
    identified: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By device that is planned with other numbers than the house file's: these numbers."""


@click.command()
@click.option("--house", type=click.Path(path_type=Path, dir_okay=False), help=HOUSE_HELP)
@click.option(
    "--scenario", type=click.Path(path_type=Path, dir_okay=False), help="CSV with the series. [generated series]"
)
@click.option("--at", metavar="TIME", help="Local day, or time (in UTC if no zone is given), at which to plan.")
@click.option("--soc", type=Share(), default=0.5, show_default=True, help="State of charge at that time.")
@click.option(
    "--forecast",
    type=click.Choice([q.value for q in ForecastQuality]),
    default=ForecastQuality.REALISTIC.value,
    show_default=True,
    help="How well the plan knows the future; learned: as the house's own forecasters do.",
)
@as_in_file_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, format pems-plan/1.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw the plan as PNG.")
@click.option("--why", is_flag=True, help="Show every reason, and what other choices would cost now.")
@click.option("--solver", type=click.Choice(["highs", "cbc"]), help="[what the house file says]")
@click.option("--path", type=click.Choice(["reduced", "full", "both"]), help="[what the house file says]")
def plan(
    house: Path | None,
    scenario: Path | None,
    at: str | None,
    soc: float,
    forecast: str,
    as_in_file: bool,
    as_json: bool,
    picture: Path | None,
    why: bool,
    solver: str | None,
    path: str | None,
) -> None:
    """Make one plan and say why it does what it does.

    The house is taken to have its rooms at their setpoints and its battery at --soc.
    """
    require_writable(picture=picture)
    built = house_from(house)
    options = replace(built.options, solver=solver or built.options.solver, path=path or built.options.path)
    identified = {} if as_in_file else equip_as_run(built, house)
    done = replace(
        make(built, scenario, at, soc, ForecastQuality(forecast), options, why, house), identified=identified
    )
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(draw(done))
        click.echo(f"picture: {picture}", err=True)
    if as_json:
        click.echo(json.dumps(as_data(done), indent=2))
    else:
        show(Console(width=None if sys.stdout.isatty() else 160), done, everything=why)


def make(
    built: HouseFile,
    scenario: Path | None,
    at: str | None,
    soc: float,
    quality: ForecastQuality,
    options: PlanOptions,
    why: bool = False,
    house: Path | None = None,
) -> Planned:
    """Plan a house that is simulated up to the moment of the plan."""
    asked_for = moment(at, "--at", built) if at is not None else None
    day = asked_for.astimezone(built.site.zone).date() if asked_for is not None else GENERATED_START
    series, begins = scenario_from(built, scenario, None, DAYS, seed=1, begin=day)
    now = asked_for or begins
    simulated = SimulatedHouse(built.equipment, built.house.grid, series, now, soc=soc)
    state = measure(built.house.devices, simulated.readings())
    outlook = foresight(built, house, series, quality)
    forecasts = outlook.forecasts(now, options.horizon(now))
    timezone, currency = built.site.timezone, built.site.currency
    planner, words = Planner(built.house, options), Words(forecasts.horizon, timezone, currency)
    try:
        found = planner.plan(state, forecasts)
        asked = Asked(built.house, state, forecasts, found, planner.solver, options)
        others = alternatives(asked, words) if why else []
    finally:
        planner.close()
    told = with_next_best(explain(found, built.house.devices, state, forecasts, timezone, currency), others, words)
    lives_on = f"{series.name}, {series.provenance}; {quality} forecasts"
    return Planned(built, state, forecasts, told, decisions(told, built.house.devices), others, lives_on)


def show(console: Console, done: Planned, everything: bool) -> None:
    """Print what was planned for, the table, the reasons and what other choices would cost."""
    site, plan = done.built.site, done.plan
    console.print(f"{site.name} on {done.series}", markup=False, highlight=False)
    console.print(plan_table(short(plan, everything), done.forecasts, site.timezone, site.currency))
    for fault in [*done.state.faults.values(), *([plan.detail] if plan.detail else [])]:
        console.print(fault, markup=False, highlight=False)
    if plan.bound is not None:
        executed = "" if plan.executed_cost is None else f", {plan.executed_cost:.2f} as the devices would do it"
        console.print(
            f"spent within the horizon {plan.spent:.2f}{executed}; less what is stored at its end {plan.cost:.2f}, "
            f"proven bound {plan.bound:.2f}, gap {plan.gap:.2f} [{site.currency}]",
            markup=False,
            highlight=False,
        )
    if done.others:
        console.print(others_table(done))


def others_table(done: Planned) -> Table:
    table = Table(title="What other choices would cost", title_justify="left", title_style="bold")
    table.add_column("device")
    table.add_column("instead")
    table.add_column(f"more [{done.built.site.currency}]", justify="right")
    for other in done.others:
        table.add_row(other.device, other.text, f"{other.costs:+.2f}")
    return table


def short(plan: Plan, everything: bool) -> Plan:
    """The plan with all its reasons, or with those of rooms that are worth most."""
    if everything:
        return plan
    rooms = [(name, r) for name, found in plan.reasons.items() if name.endswith("_relay") for r in found]
    best = sorted(rooms, key=lambda pair: -(pair[1].saves or 0.0))[:ROOM_REASONS]
    kept: dict[str, list[Reason]] = {n: list(found) for n, found in plan.reasons.items() if not n.endswith("_relay")}
    for name, reason in best:
        kept.setdefault(name, []).append(reason)
    return replace(plan, reasons=kept)


def as_data(done: Planned) -> dict[str, object]:
    """The plan as plain data, with what it lives on and, if asked for, other choices."""
    data = plan_json(done.plan, done.forecasts, done.decisions, done.built.site.currency)
    data["series"] = done.series
    if done.identified:
        data["identified"] = done.identified
    if done.others:
        data["alternatives"] = [{"device": o.device, "text": o.text, "costs": o.costs} for o in done.others]
    return data


def draw(done: Planned) -> bytes:
    site = done.built.site
    return plan_picture(done.plan, done.forecasts, bands(done), site.timezone, site.currency).png


def bands(done: Planned) -> dict[str, pd.DataFrame]:
    """The comfort bands [°C] of each room over the plan."""
    starts = done.plan.horizon.starts
    rooms = [
        room for device in done.built.house.devices if isinstance(device.equipment, HeatingSpec)
        for room in device.equipment.rooms
    ]  # fmt: skip
    return {
        room.name: pd.DataFrame(
            [(band.low_c, band.high_c, band.setpoint_c) for band in map(room.comfort.at, starts)],
            columns=["low_c", "high_c", "setpoint_c"],
            index=pd.DatetimeIndex(starts),
        )
        for room in rooms
    }
