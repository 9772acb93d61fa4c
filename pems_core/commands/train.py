"""`pems train`: learn from what was measured."""

import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pems_core.commanding.store import Store
from pems_core.config import ConfigError, PvSection
from pems_core.domain import History
from pems_core.forecasting.hygiene import House, cleaned
from pems_core.learning.training import bound_memory
from pems_core.learning.training import train as learn
from pems_core.plugins import create_forecasters, create_sources
from pems_core.protocols import Learner
from pems_core.runtime.build import Blueprint
from pems_core.site import HouseFile
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.remembered import DayAhead, weather_sources

from .options import house_option
from .run import blueprint_of

HISTORY_DAYS = 400.0


def known_of(file: HouseFile) -> House:
    """What bounds the measurements of a house."""
    arrays = tuple(section.array() for section in file.config.all(PvSection))
    return House(file.site.timezone, file.site.latitude, file.site.longitude, arrays)


def foretold_before(blueprint: Blueprint) -> pd.DataFrame | None:
    """What was said of the weather of each day before it began; None if nobody was asked."""
    sources = weather_sources(create_sources(blueprint.manager, blueprint.config))
    if not sources or not blueprint.folder.sources.exists():
        return None
    now = blueprint.clock.now()
    with closing(VintageBook(blueprint.folder.sources, blueprint.clock, writing=False)) as book:
        return DayAhead(book, sources).table(now - timedelta(days=HISTORY_DAYS), now)


@click.command()
@house_option
@click.option("--model", help="Only this model. [all]")
@click.option("--background", is_flag=True, help="Stay out of the way of an engine: lowest priority, bounded memory.")
def train(house: Path, model: str | None, background: bool) -> None:
    """Learn models anew from what the house has measured, and take those into use that are not much worse."""
    if background:
        os.nice(19)
        bound_memory()
    blueprint = blueprint_of(house)
    learners = [f for f in create_forecasters(blueprint.manager, blueprint.config) if isinstance(f, Learner)]
    chosen = [learner for learner in learners if model in (None, learner.model)]
    if not chosen:
        allowed = ", ".join(learner.model for learner in learners) or "none: no plugin learns"
        raise ConfigError([f"--model: found {model!r}; allowed: {allowed}"])
    with Store(blueprint.folder.make().path, blueprint.clock, writing=False) as store:
        found = cleaned(store.history(HISTORY_DAYS), known_of(blueprint.house))
    history = History(found.frame, foretold_before(blueprint))
    for finding in found.findings:
        click.echo(str(finding), err=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("learning")
        outcomes = learn(
            chosen,
            history,
            blueprint.models,
            blueprint.clock.now(),
            lambda name: bars.update(task, description=name),
        )
    for outcome in outcomes:
        click.echo(f"{outcome.model}: {outcome.said}")
    if all(outcome.version is None for outcome in outcomes):
        raise click.exceptions.Exit(1)
