"""`pems check`: can this house file be used?"""

import os
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pems_core.config import Config, load_config
from pems_core.plugins import declared_sections, load_plugins
from pems_core.protocols import Device
from pems_core.site import read_house

from .options import house_option


@click.command()
@house_option
@click.option("--defaults", is_flag=True, help="Show every key that the file leaves to its default.")
def check(house: Path, defaults: bool) -> None:
    """Check a house file and show what it describes."""
    plugins = load_plugins()
    config = load_config(house, declared_sections(plugins), os.environ)
    show(Console(), config, read_house(config, plugins).house.devices, defaults)


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
