"""`pems stage`: how far a device is trusted to PEMS."""

from pathlib import Path

import click

from pems_core.config import Stage, StagesSection

from .asking import ask, me
from .options import house_option


@click.command()
@house_option
@click.argument("device", required=False)
@click.argument("stage", required=False, type=click.Choice(["observe", "limited", "control"]))
def stage(house: Path, device: str | None, stage: Stage | None) -> None:
    """Show how far each device is trusted and what speaks for more, or trust DEVICE so far.

    observe: recommend only; limited: the controls of the allow-list; control: all.
    """
    if device is None or stage is None:
        show(house)
        return
    said = ask(house, "stage/set", {"device": device, "stage": stage, "by": me()})
    if said is not None:
        click.echo(said)
        return
    from . import by_hand

    by_hand.trust(house, device, stage).tell()


def show(house: Path) -> None:
    """The stage of each device, and what became of its commands."""
    from rich.console import Console
    from rich.table import Table

    from pems_core.commanding.stages import Stages
    from pems_core.commanding.store import Store

    from .by_hand import commanded
    from .run import blueprint_of

    blueprint = blueprint_of(house)
    table = Table("device", "stage", "since", "commands by what became of them", box=None)
    with Store(blueprint.folder.make().path, blueprint.clock, writing=False) as store:
        stages = Stages(blueprint.config[StagesSection], store, blueprint.clock)
        for name in commanded(blueprint):
            evidence = stages.evidence(name)
            local = None if evidence.since is None else evidence.since.astimezone(blueprint.house.site.zone)
            since = "house file" if local is None else f"{local:%Y-%m-%d %H:%M}"
            counts = ", ".join(f"{count} {what}" for what, count in sorted(evidence.by_stage.items()))
            table.add_row(name, stages.of(name), since, counts or "none yet")
    Console().print(table)
