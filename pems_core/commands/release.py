"""`pems release`: give devices back."""

from collections.abc import Sequence
from pathlib import Path

import click

from .asking import ask, me, state_folder
from .options import house_option


@click.command()
@house_option
@click.argument("device", required=False)
def release(house: Path, device: str | None) -> None:
    """Give DEVICE, or all devices, back to their own control and only observe them; `pems stage` takes them again."""
    failed = False
    for name in [device] if device else _devices(house):
        said = ask(house, "stage/set", {"device": name, "stage": "observe", "by": me(), "reason": "pems release"})
        if said is None:
            from . import by_hand

            done = by_hand.trust(house, name, "observe")
            said, failed = done.said, failed or not done.given_back
        click.echo(said)
    if failed:
        raise click.exceptions.Exit(1)


def _devices(house: Path) -> Sequence[str]:
    folder = state_folder(house)
    if folder.engine_lives and folder.devices:
        return folder.devices
    from .by_hand import commanded
    from .run import blueprint_of

    return commanded(blueprint_of(house))
