"""`pems stop`: the emergency stop."""

from collections.abc import Mapping
from pathlib import Path

import click

from pems_core.domain import NotDelivered
from pems_core.runtime.build import Blueprint
from pems_core.runtime.rescue import Rescue, devices_told
from pems_core.runtime.state_folder import write_json

from .hands import Alone, ask, give_back, me
from .options import house_option
from .run import blueprint_of


@click.command()
@house_option
@click.option("--reset", is_flag=True, help="End the stop: PEMS may command again.")
@click.option("--reason", default="", help="Why; others see it.")
def stop(house: Path, reset: bool, reason: str) -> None:
    """Give all devices back at once, and command nothing until a person says --reset, over restarts too."""
    payload = {"action": "reset" if reset else "stop", "by": me(), "reason": reason}
    try:
        click.echo(ask(house, "emergency/set", payload, lambda alone: _alone(alone, reset, reason)))
    except NotDelivered as silence:
        if reset:
            raise
        click.echo(_beside(blueprint_of(house), payload, silence))


def _beside(blueprint: Blueprint, payload: Mapping[str, str], silence: NotDelivered) -> str:
    """Stop a house whose engine does not answer: its devices now, and the engine as soon as it looks again."""
    write_json(blueprint.folder.stop_asked, payload)
    devices = devices_told(blueprint)
    given = give_back(Rescue(blueprint, devices, f"emergency stop by {payload['by']}", who="command line"))
    return f"{silence}\nstopped beside it: {given}; it stays stopped when it goes on or is started again"


def _alone(alone: Alone, reset: bool, reason: str) -> str:
    if reset:
        return "reset" if alone.emergency.reset(me()) else "was not stopped"
    latch = alone.emergency.stop(me(), reason)
    return f"stopped by {latch.by}; {alone.give_back(alone.trusted, f'emergency stop by {latch.by}')}"
