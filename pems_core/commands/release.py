"""`pems release`: give devices back."""

from pathlib import Path

import click

from .hands import Alone, ask, commanded, known_device, me
from .options import house_option
from .run import blueprint_of


@click.command()
@house_option
@click.argument("device", required=False)
def release(house: Path, device: str | None) -> None:
    """Give DEVICE, or all devices, back to their own control and only observe them; `pems stage` takes them again."""
    blueprint, failed = blueprint_of(house), False
    for name in [known_device(blueprint, device)] if device else commanded(blueprint):
        payload = {"device": name, "stage": "observe", "by": me(), "reason": "pems release"}
        said = ask(house, "stage/set", payload, lambda alone, name=name: observe_only(alone, name))  # type: ignore[misc]
        click.echo(said)
        failed = failed or "not delivered" in said
    if failed:
        raise click.exceptions.Exit(1)


def observe_only(alone: Alone, device: str) -> str:
    """Take the trust from a device whose engine does not run, and give it back."""
    alone.trust(device, "observe")
    return f"{device} is in stage observe; {alone.give_back([device], f'{me()}: stage observe')}"
