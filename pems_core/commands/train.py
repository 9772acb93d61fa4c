"""`pems train`: learn from what was measured."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pems_core.commanding.store import Store
from pems_core.config import ConfigError, LearningSection, PvSection
from pems_core.domain import History
from pems_core.forecasting.hygiene import House, cleaned
from pems_core.learning.battery_model import Wanted
from pems_core.learning.care import Terms
from pems_core.learning.device_models import DeviceModel
from pems_core.learning.equipping import device_models
from pems_core.learning.night import Past, identify, judge
from pems_core.learning.night import due as those_due
from pems_core.learning.training import bound_memory
from pems_core.learning.training import train as learn
from pems_core.learning.versioned import LearningForecaster
from pems_core.plugins import create_forecasters, create_sources
from pems_core.recording.ledger.ledger import Ledger
from pems_core.runtime.build import Blueprint
from pems_core.site import HouseFile
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.remembered import DayAhead, foretelling

from .options import house_option
from .run import blueprint_of

HISTORY_DAYS = 400.0


def known_of(file: HouseFile) -> House:
    """What bounds the measurements of a house."""
    arrays = tuple(section.array() for section in file.config.all(PvSection))
    return House(file.site.timezone, file.site.latitude, file.site.longitude, arrays)


def foretold_before(blueprint: Blueprint) -> pd.DataFrame | None:
    """What was said of weather and PV of each day before it began; None if nobody was asked."""
    sources = foretelling(create_sources(blueprint.manager, blueprint.config))
    if not sources or not blueprint.folder.sources.exists():
        return None
    now = blueprint.clock.now()
    with closing(VintageBook(blueprint.folder.sources, blueprint.clock, writing=False)) as book:
        return DayAhead(book, sources).table(now - timedelta(days=HISTORY_DAYS), now)


@click.command()
@house_option
@click.option("--model", help="Only this model. [all]")
@click.option("--due", is_flag=True, help="Judge versions by what has happened, and learn only what is due.")
@click.option("--background", is_flag=True, help="Stay out of the way of an engine: lowest priority, bounded memory.")
def train(house: Path, model: str | None, due: bool, background: bool) -> None:
    """Learn models anew from what the house has measured, and identify its rooms and battery.

    A new version of a forecast runs in shadow until it has proved itself; `pems models promote` uses it at once.
    """
    if background:
        os.nice(19)
        bound_memory()
    blueprint = blueprint_of(house)
    given = create_forecasters(blueprint.manager, blueprint.config)
    learners = [forecaster for forecaster in given if isinstance(forecaster, LearningForecaster)]
    with Ledger(blueprint.folder.make().ledger, blueprint.clock) as ledger:
        devices = _identifiable(blueprint, ledger)
        chosen = [learner for learner in learners if model in (None, learner.model)]
        wanted = [one for one in devices if model in (None, one.model)]
        if not chosen and not wanted:
            known = [*(learner.model for learner in learners), *(one.model for one in devices)]
            allowed = ", ".join(known) or "none: nothing can be learned"
            raise ConfigError([f"--model: found {model!r}; allowed: {allowed}"])
        _learn(blueprint, chosen, wanted, Past(_history(blueprint), ledger.vintages, ledger.telemetry), due)


def _learn(
    blueprint: Blueprint,
    learners: Sequence[LearningForecaster],
    devices: Sequence[DeviceModel],
    past: Past,
    due: bool,
) -> None:
    section, registry, now = blueprint.config[LearningSection], blueprint.models, blueprint.clock.now()
    terms = Terms(section.shadow_days, section.trial_days)
    if said := registry.renewed(now):
        click.echo(said, err=True)
    if due:
        for line in judge(learners, registry, past, now, blueprint.house.site.timezone, terms):
            click.echo(line)
        learners = those_due(learners, registry, now, timedelta(days=section.every_days))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("learning")
        outcomes = learn(learners, past.history, registry, now, lambda name: bars.update(task, description=name))
        bars.update(task, description="rooms and battery")
        identified = identify(devices, registry, past, now)
    for outcome in (*outcomes, *identified):
        click.echo(f"{outcome.model}: {outcome.said}")
    if outcomes and not due and all(outcome.version is None for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _history(blueprint: Blueprint) -> History:
    """What was measured, without what cannot be; that is told."""
    with Store(blueprint.folder.make().path, blueprint.clock, writing=False) as store:
        found = cleaned(store.history(HISTORY_DAYS), known_of(blueprint.house))
    for finding in found.findings:
        click.echo(str(finding), err=True)
    return History(found.frame, foretold_before(blueprint))


def _identifiable(blueprint: Blueprint, ledger: Ledger) -> Sequence[DeviceModel]:
    if not blueprint.config[LearningSection].identify:
        return ()
    return device_models(blueprint.house.house.devices, blueprint.house.site.timezone, charge_wanted(ledger))


def charge_wanted(ledger: Ledger) -> Callable[[str], Wanted]:
    """By inverter: the charge that plans asked for from the grid, by when; NaN when its own surplus set the pace."""

    def of(inverter: str) -> Wanted:
        def wanted(since: datetime, until: datetime) -> "pd.Series[float]":
            found: dict[datetime, float] = {}
            for at, decisions in ledger.decisions(since, until):
                told = {decision.control: decision.value for decision in decisions if decision.device == inverter}
                charging = told.get("mode") == "battery_first" and told.get("battery_charge_grid")
                found[at] = float(told.get("charge_power_kw", float("nan"))) if charging else float("nan")
            return pd.Series(found, dtype=float)

        return wanted

    return of
