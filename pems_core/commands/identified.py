"""A house with the numbers that were identified of its devices, as `pems run` plans with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pems_core.config import LearningSection
from pems_core.learning.device_models import in_force
from pems_core.learning.equipping import device_models, equip, identified_numbers
from pems_core.site import HouseFile

from .own_forecasts import registry_of


def equip_as_run(built: HouseFile, house: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """Give devices the numbers that are in force in the house's state folder, and tell which.

    :returns: these numbers, by device.
    """
    if not built.config[LearningSection].identify:
        return {}
    models = device_models(built.house.devices, built.site.timezone)
    found = in_force(models, registry_of(built, house))
    numbers = {one.model.device: identified_numbers(one.equipment) for one in found if one.equipment is not None}
    equip(built.house.devices, numbers)
    for one in found:
        if one.fault:
            click.echo(f"{one.model.device} is taken as the house file has it: {one.fault}", err=True)
    used = ", ".join(f"{one.model.model} version {one.version.number}" for one in found if one.version is not None)
    if used:
        click.echo(f"with what was identified, as pems run plans: {used}; --as-in-file does without", err=True)
    return numbers
