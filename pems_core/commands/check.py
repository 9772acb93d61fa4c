"""`pems check`: can this house file be used?"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table

from pems_core.clock import SystemClock
from pems_core.config import Config, ConfigError, LearningSection, SiteSection, load_config
from pems_core.learning.device_models import in_force
from pems_core.learning.equipping import device_models
from pems_core.learning.registry import ModelRegistry
from pems_core.plugins import declared_sections, load_plugins
from pems_core.protocols import Device
from pems_core.runtime.build import Blueprint
from pems_core.runtime.inspection import EngineRuns, Finding, Inspection, Verdict
from pems_core.runtime.rescue import READ, TOLD, Rescue

from .by_hand import GIVE_BACK_WITHIN_S, within
from .options import house_option

LISTEN_S = 90.0
PATIENCE_S = 240.0
"""A Miniserver tells what has not changed every five minutes."""


@click.command()
@house_option
@click.option("--defaults", is_flag=True, help="Show every key that the file leaves to its default.")
@click.option("--connect", is_flag=True, help="Listen to the house, and compare what it tells with physics.")
@click.option("--hours", type=click.FloatRange(0, 168), help="How long to listen. [90 s, longer if a device is silent]")
@click.option("--release", is_flag=True, help="With --connect: give every device back, and see that it works.")
def check(house: Path, defaults: bool, connect: bool, hours: float | None, release: bool) -> None:
    """Check a house file and show what it describes; with --connect check the house itself, without a write."""
    if not connect and (release or hours is not None):
        raise ConfigError(["--connect: missing; --hours and --release need it"])
    plugins = load_plugins()
    config = load_config(house, declared_sections(plugins), os.environ)
    blueprint = Blueprint(config, plugins, SystemClock(), house.parent)
    require_state_folder(blueprint.folder.path)
    addresses = len(blueprint.post)
    show(Console(), config, blueprint.house.house.devices, defaults)
    if addresses:
        click.echo(f"alerts go to {addresses} addresses")
    for line in planned_with(blueprint.models, config, blueprint.house.house.devices):
        click.echo(line)
    if connect:
        inspect(blueprint, hours, release)


def require_state_folder(path: Path) -> None:
    """Find out, without making it, whether PEMS may keep its state there.

    :raises ConfigError: if it may not.
    """
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError([f"state.folder: found {path}; allowed: a folder that PEMS may make and write in"])


def inspect(blueprint: Blueprint, hours: float | None, release: bool) -> None:
    """Listen, and print what was found.

    :raises EngineRuns: if the house is in an engine's hands.
    """
    folder = blueprint.folder
    if not blueprint.house.house.devices:
        click.echo("there is no device to listen to")
        return
    if folder.engine_lives:
        raise EngineRuns(f"{folder.path}: an engine runs this house; what it reads is on {blueprint.prefix}/state/#")
    length_s = LISTEN_S if hours is None else hours * 3600
    columns = (
        TextColumn("listening"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[heard]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("listening", total=1.0, heard="")
        patience_s = PATIENCE_S if hours is None else 0.0

        def waiting(share: float, heard: str) -> None:
            bars.update(task, completed=share, heard=heard)

        findings = list(asyncio.run(Inspection(blueprint, length_s, waiting, patience_s).run()))
    if release:
        findings += let_go(blueprint)
    table = Table("place", "what", "", Column("found", overflow="fold"), box=None)
    for finding in findings:
        table.add_row(finding.place, finding.what, finding.verdict, finding.detail)
    Console().print(table)
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise click.exceptions.Exit(1)


def let_go(blueprint: Blueprint) -> list[Finding]:
    """Give every device back, as the end of `pems run` does."""
    names = [device.name for device in blueprint.house.house.devices if device.controls()]
    rescue = Rescue(blueprint, names, "pems check --release", who="check")
    asyncio.run(within(rescue, GIVE_BACK_WITHIN_S))
    known = {name: rescue.done.get(name, "no answer") for name in names}
    return [
        Finding(name, "was let go", Verdict.FINE if how in (READ, TOLD) else Verdict.WRONG, how)
        for name, how in known.items()
    ]


def planned_with(registry: ModelRegistry, config: Config, devices: Sequence[Device]) -> list[str]:
    """Where the physical numbers of each device come from that can be identified; a line a device."""
    models = device_models(devices, config[SiteSection].timezone)
    if not config[LearningSection].identify:
        return [f"{model.device}: planned as in this file; [learning] identify is false" for model in models]
    said = []
    for one in in_force(models, registry):
        name, story = one.model.model, registry.story(one.model.model)
        why = one.fault or (story[-1].why if story else "nothing was identified yet")
        numbers = "as in this file" if one.version is None else f"with version {one.version.number} of {name}"
        said.append(f"{one.model.device}: planned {numbers}; {why}")
    return said


def show(console: Console, config: Config, devices: Sequence[Device], defaults: bool) -> None:
    """Print the files that were read, the devices with their controls, and what was left to defaults."""
    console.print(f"{' + '.join(map(str, config.files))}: fine")
    table = Table("device", "controls", box=None)
    for device in devices:
        table.add_row(device.name, ", ".join(control.name for control in device.controls()))
    console.print(table)
    console.print(f"{len(config.defaults)} keys have their default{'' if defaults else '; --defaults shows them'}")
    if defaults:
        for line in config.defaults:
            console.print(f"  {line}", markup=False, highlight=False)
