"""`pems train`: learn from what was measured."""

import os
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pems_core.commanding.store import Store
from pems_core.config import ConfigError, PvSection
from pems_core.domain import History
from pems_core.forecasting.hygiene import House, cleaned
from pems_core.learning.training import bound_memory
from pems_core.learning.training import train as learn
from pems_core.plugins import create_forecasters
from pems_core.protocols import Learner
from pems_core.site import HouseFile

from .options import house_option
from .run import blueprint_of

HISTORY_DAYS = 400.0


def known_of(file: HouseFile) -> House:
    """What bounds the measurements of a house."""
    arrays = tuple(section.array() for section in file.config.all(PvSection))
    return House(file.site.timezone, file.site.latitude, file.site.longitude, arrays)


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
    for finding in found.findings:
        click.echo(str(finding), err=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("learning")
        outcomes = learn(
            chosen,
            History(found.frame),
            blueprint.models,
            blueprint.clock.now(),
            lambda name: bars.update(task, description=name),
        )
    for outcome in outcomes:
        click.echo(f"{outcome.model}: {outcome.said}")
    if all(outcome.version is None for outcome in outcomes):
        raise click.exceptions.Exit(1)
