"""`pems explain`: why something was done, and why not something else."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from pems_core.domain import Decision
from pems_core.hindsight.replay import house_of
from pems_core.hindsight.why import Explained, choice_from, explained, words_of
from pems_core.planning.decide import reason_for
from pems_core.planning.explain import Words
from pems_core.site import HouseFile

from .ledger_options import instant, ledger_options, opened

ASKED_S = "pems_core.cli.asked_s"
"""By this the context of a command knows when it was called, before what it needs was loaded."""


@click.command()
@ledger_options
@click.argument("time")
@click.option(
    "--instead",
    multiple=True,
    metavar="DEVICE.CONTROL=VALUE",
    help="What this would have cost, such as inverter.mode=grid_first. [other modes of the inverter]",
)
@click.option("--hours", type=click.FloatRange(0.25, 48), default=1.0, show_default=True, help="For which it is held.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def explain(
    house: Path | None, ledger: Path | None, time: str, instead: tuple[str, ...], hours: float, as_json: bool
) -> None:
    """Say why the house did at TIME what it did, and what other choices would have cost.

    TIME is the house's own, such as 2025-01-15T17:30, or 17:30 for when it last was that. Nothing is asked of a running
    engine.
    """
    built, kept = opened(house, ledger)
    with kept:
        at = instant(time, "TIME", built, kept)
        cycle = kept.cycle(kept.cycle_at(at))
    then = house_of(cycle, built)
    choices = [choice_from(text, then, timedelta(hours=hours)) for text in instead]
    asked_s = click.get_current_context().meta.get(ASKED_S, perf_counter())
    found = explained(cycle, then, at, choices, waited_s=perf_counter() - asked_s)
    if as_json:
        click.echo(json.dumps(as_data(found, then), indent=2))
    else:
        show(Console(width=None if sys.stdout.isatty() else 140), found, then)


def show(console: Console, found: Explained, house: HouseFile) -> None:
    site, plan = house.site, found.plan
    words = Words(plan.horizon, site.timezone, site.currency)
    local = found.at.astimezone(site.zone)
    bound = "" if plan.gap is None else f", at most {words.money(plan.gap)} above the best possible"
    console.print(
        f"{local:%a %d %b %Y %H:%M %Z}: cycle {found.cycle.number} planned at "
        f"{plan.made_at.astimezone(site.zone):%H:%M}, {plan.rung}, {words.money(plan.cost)}{bound}",
        markup=False,
        highlight=False,
    )
    if found.cycle.why:
        console.print(f"planned because of: {', '.join(found.cycle.why)}", markup=False, highlight=False)
    table = Table("what", "value", "until", "why", box=None, title="Why", title_justify="left", title_style="bold")
    for decision in found.in_force:
        until = f"{decision.valid_until.astimezone(site.zone):%H:%M}"
        table.add_row(f"{decision.device}.{decision.control}", _value(decision), until, _reason(decision, found))
    console.print(table)
    for override in found.cycle.state.overrides:
        console.print(f"set by hand: {override.device}.{override.control} {override.value}, by {override.by}: "
                      f"{override.reason}", markup=False, highlight=False)  # fmt: skip
    for fault in found.cycle.faults:
        console.print(fault, markup=False, highlight=False)
    if found.answers:
        why_not = Table("instead", "more", "", box=None, title="Why not", title_justify="left", title_style="bold")
        for answer in found.answers:
            costs = "unknown" if answer.costs is None else f"{answer.costs:+.2f} {site.currency}"
            why_not.add_row(f"{answer.instead.device}: {words_of(answer.instead, words)}", costs, answer.note)
        console.print(why_not)


def as_data(found: Explained, house: HouseFile) -> dict[str, Any]:
    """The answer as plain data, format `pems-explanation/1`."""
    return {
        "format": "pems-explanation/1",
        "at": found.at.isoformat(),
        "cycle": found.cycle.number,
        "made_at": found.plan.made_at.isoformat(),
        "rung": str(found.plan.rung),
        "cost": found.plan.cost,
        "gap": found.plan.gap,
        "currency": house.site.currency,
        "why": list(found.cycle.why),
        "decisions": [
            {"device": d.device, "control": d.control, "value": d.value, "until": d.valid_until.isoformat(),
             "reason": _reason(d, found)}
            for d in found.in_force
        ],
        "instead": [
            {"device": a.instead.device, "control": a.instead.control, "value": a.instead.value,
             "hours": a.instead.held / timedelta(hours=1), "costs": a.costs, "note": a.note}
            for a in found.answers
        ],
        "seconds": found.seconds,
    }  # fmt: skip


def _value(decision: Decision) -> str:
    value = decision.value
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g} {decision.unit}".strip() if isinstance(value, float) else str(value)


def _reason(decision: Decision, found: Explained) -> str:
    if decision.reason.text:
        return decision.reason.text
    return reason_for(found.plan, decision.device, decision.control, decision).text
