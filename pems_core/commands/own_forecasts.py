"""A house's own forecasters, with what they have learned of it."""

from pathlib import Path

import click

from pems_core.config import StateSection
from pems_core.forecasting.chain import ranked
from pems_core.learning.registry import ModelRegistry
from pems_core.learning.training import adopt
from pems_core.plugins import create_forecasters, load_plugins
from pems_core.protocols import Forecaster, Learner
from pems_core.runtime.state_folder import StateFolder
from pems_core.simulation.asked import AskedOutlook
from pems_core.simulation.outlook import ForecastQuality, Foresight, Outlook
from pems_core.simulation.scenario import Scenario
from pems_core.site import HouseFile

from .inputs import default_house


def registry_of(built: HouseFile, house: Path | None) -> ModelRegistry:
    """The models of a house."""
    beside = (house or default_house()).parent
    return ModelRegistry(StateFolder(built.config[StateSection].path(beside)).models)


def own_forecasters(built: HouseFile, house: Path | None) -> list[Forecaster]:
    """The chain of a house, each with its model in use; what cannot be used is told, and done without."""
    chain = ranked(create_forecasters(load_plugins(), built.config))
    registry = registry_of(built, house)
    learners = [forecaster for forecaster in chain if isinstance(forecaster, Learner)]
    for fault in adopt(learners, registry):
        click.echo(fault, err=True)
    if not any(registry.in_use(learner.model) for learner in learners):
        click.echo("no model of this house is in use: simple forecasts answer; pems train learns", err=True)
    return chain


def foresight(
    built: HouseFile, house: Path | None, scenario: Scenario, quality: ForecastQuality, seed: int = 1
) -> Foresight:
    """What is expected in a scenario, as well as `quality` says."""
    if quality is not ForecastQuality.LEARNED:
        return Outlook(scenario, quality, seed=seed)
    told = Outlook(scenario, ForecastQuality.REALISTIC, seed=seed)
    return AskedOutlook(scenario, own_forecasters(built, house), built.tariff, told)
