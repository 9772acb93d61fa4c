"""`pems run`: run a house live."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from pems_core.clock import SystemClock
from pems_core.config import EMBEDDED, load_config
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Engine
from pems_core.runtime.run import run_house, start_guard

from .options import house_option


@click.command()
@house_option
@click.option("--guard/--no-guard", default=True, show_default=True, help="Start the guard, which outlives a crash.")
@click.option("--dry-run", is_flag=True, help="Listen to the devices, and tell them nothing, whatever their stage.")
@click.option("--verbose", is_flag=True, help="Log what is going on.")
def run(house: Path, guard: bool, dry_run: bool, verbose: bool) -> None:
    """Run a house live, until Ctrl-C or SIGTERM; then give its devices back.

    How far each device is trusted stands in [stages], and `pems stage` changes it.
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    blueprint = blueprint_of(house, dry_run=dry_run)
    if not blueprint.transports():
        click.echo("no plugin reaches a device of this house: it is only planned", err=True)

    def begun(engine: Engine) -> None:
        click.echo(f"{blueprint.house.site.name}: running; state in {blueprint.folder.path}")
        section = blueprint.mqtt_section
        if guard and not dry_run and (section is None or section.url != EMBEDDED):
            start_guard(house, blueprint.folder, engine.session)

    ended = asyncio.run(run_house(blueprint, begun))
    click.echo(f"ended: {ended.why}")
    for device, back in ended.released.items():
        click.echo(f"  {device}: {'given back' if back else 'NOT READ BACK; check it'}")
    sys.stdout.flush()
    # A search that hangs keeps its thread, which nobody can end; everything that matters is done.
    os._exit(ended.exit_code)


def blueprint_of(house: Path, *, dry_run: bool = False) -> Blueprint:
    """What an engine of a house file is built from.

    :raises ConfigError: with every fault of the file.
    """
    plugins = load_plugins()
    config = load_config(house, declared_sections(plugins), os.environ)
    return Blueprint(config, plugins, SystemClock(), house.parent, dry_run=dry_run)
