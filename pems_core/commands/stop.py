"""`pems stop`: the emergency stop."""

from pathlib import Path

import click

from .hands import Alone, ask, me
from .options import house_option


@click.command()
@house_option
@click.option("--reset", is_flag=True, help="End the stop: PEMS may command again.")
@click.option("--reason", default="", help="Why; others see it.")
def stop(house: Path, reset: bool, reason: str) -> None:
    """Give all devices back at once, and command nothing until a person says --reset, over restarts too."""
    payload = {"action": "reset" if reset else "stop", "by": me(), "reason": reason}
    click.echo(ask(house, "emergency/set", payload, lambda alone: _alone(alone, reset, reason)))


def _alone(alone: Alone, reset: bool, reason: str) -> str:
    if reset:
        return "reset" if alone.emergency.reset(me()) else "was not stopped"
    latch = alone.emergency.stop(me(), reason)
    return f"stopped by {latch.by}; {alone.give_back(alone.trusted, f'emergency stop by {latch.by}')}"
