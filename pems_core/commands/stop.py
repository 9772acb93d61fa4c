"""`pems stop`: the emergency stop."""

from pathlib import Path

import click

from pems_core.domain import NotDelivered

from .asking import ask, me
from .options import house_option


@click.command()
@house_option
@click.option("--reset", is_flag=True, help="End the stop: PEMS may command again.")
@click.option("--reason", default="", help="Why; others see it.")
def stop(house: Path, reset: bool, reason: str) -> None:
    """Give all devices back at once, and command nothing until a person says --reset, over restarts too."""
    payload = {"action": "reset" if reset else "stop", "by": me(), "reason": reason}
    try:
        said = ask(house, "emergency/set", payload)
    except NotDelivered as silence:
        if reset:
            raise
        from . import by_hand

        by_hand.stop_beside(house, payload, silence).tell()
        return
    if said is not None:
        click.echo(said)
        return
    from . import by_hand

    (by_hand.reset(house) if reset else by_hand.stop(house, reason)).tell()
