"""`pems plugins`: what is installed, and what it gives."""

import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pems_core.config import load_config
from pems_core.plugins import Discovery, Given, PluginError, declared_sections, find_plugins, given


@click.command()
@click.option(
    "--house", type=click.Path(path_type=Path, dir_okay=False), help="Show what each plugin gives to this house."
)
def plugins(house: Path | None) -> None:
    """List the plugins: version, hooks, section, what they give, and what is wrong with them."""
    discovery = find_plugins()
    gifts = _gifts(discovery, house) if house else None
    Console().print(table_of(discovery, gifts))
    faults = [f"{plugin.name}: {plugin.fault}" for plugin in discovery.found if plugin.fault]
    if faults:
        raise PluginError(faults)


def table_of(discovery: Discovery, gifts: dict[str, Given] | None) -> Table:
    """One row for each plugin: its hooks, or what it gives to a house."""
    table = Table()
    for title in ("plugin", "distribution", "section", "hooks" if gifts is None else "gives"):
        table.add_column(title, overflow="fold")
    for plugin in discovery.found:
        if plugin.fault:
            last = "[red]cannot be used[/red]"
        elif gifts is None:
            last = "\n".join(plugin.hooks)
        else:
            last = _in_words(gifts[plugin.name])
        table.add_row(plugin.name, f"{plugin.distribution} {plugin.version}", plugin.section, last)
    return table


def _gifts(discovery: Discovery, house: Path) -> dict[str, Given]:
    config = load_config(house, declared_sections(discovery.manager), os.environ)
    return given(discovery.manager, config)


def _in_words(gifts: Given) -> str:
    kinds = (("devices", gifts.devices), ("forecasters", gifts.forecasters), ("strategies", gifts.strategies))
    return "\n".join(f"{kind}: {', '.join(names)}" for kind, names in kinds if names)
