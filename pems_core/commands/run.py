"""`pems run`: run a house live."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from pems_core.clock import SystemClock
from pems_core.config import EMBEDDED, load_config
from pems_core.domain import CycleReport, Severity
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
            engine.finished = [*engine.finished, Guarded(house, engine).look]

    asyncio.run(_until_ended(blueprint, begun))


async def _until_ended(blueprint: Blueprint, begun: Callable[[Engine], object]) -> None:
    ended = await run_house(blueprint, begun)
    click.echo(f"ended: {ended.why}")
    for device, back in ended.released.items():
        click.echo(f"  {device}: {'given back' if back else 'NOT READ BACK; check it'}")
    sys.stdout.flush()
    # A search or a plugin that hangs keeps its thread, which nobody can end; everything that matters is done.
    os._exit(ended.exit_code)


class Guarded:
    """Starts the guard, and another one should it end before its engine."""

    def __init__(self, house: Path, engine: Engine) -> None:
        self._house = house
        self._engine = engine
        self._guard = start_guard(house, engine.folder, engine.session)

    async def look(self, report: CycleReport, reasons: Sequence[str]) -> None:
        """After each cycle: a house without a guard is told, and gets one."""
        code = self._guard.poll()
        if code is None:
            self._engine.live.alerts.end("guard")
            return
        text = f"the guard ended with {code}; another one was started, see {self._engine.folder.guard_log}"
        self._engine.live.alerts.begin("guard", text, Severity.CRITICAL)
        self._guard = start_guard(self._house, self._engine.folder, self._engine.session)


def blueprint_of(house: Path, *, dry_run: bool = False) -> Blueprint:
    """What an engine of a house file is built from.

    :raises ConfigError: with every fault of the file.
    """
    plugins = load_plugins()
    config = load_config(house, declared_sections(plugins), os.environ)
    return Blueprint(config, plugins, SystemClock(), house.parent, dry_run=dry_run, plans_apart=True)
