"""`pems models`: what was learned, and which version is in use."""

from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pems_core.learning.registry import ModelRegistry, NoSuchModel, Version
from pems_core.runtime.build import Blueprint

from .asking import me
from .options import house_option
from .run import blueprint_of


@click.group()
def models() -> None:
    """Show what was learned and which version is in use, and choose another."""


@models.command("list")
@house_option
def list_(house: Path) -> None:
    """Show every version of every model; the one in use is marked."""
    blueprint = blueprint_of(house)
    table = Table("model", "version", "made", "learned from", "until", "its error", "", box=None)
    for model in blueprint.models.models():
        present = blueprint.models.in_use(model)
        for version in blueprint.models.versions(model):
            times = (version.made_at, version.learned_from, version.learned_until)
            days = [_local(at, blueprint) for at in times]
            error = "; ".join(f"{name} {value:.3g}" for name, value in version.metrics.items() if " " not in name)
            mark = "in use" if present is not None and present.number == version.number else ""
            table.add_row(model, str(version.number), *days, error, mark)
    Console().print(table if table.row_count else "nothing was learned yet; pems train learns")


@models.command()
@house_option
@click.argument("model")
def compare(house: Path, model: str) -> None:
    """Compare the errors of all versions of MODEL, each on the days before it was made."""
    registry = blueprint_of(house).models
    versions = _known(registry, model)
    names = sorted({name for version in versions for name in version.metrics})
    table = Table("error", *(f"version {version.number}" for version in versions), box=None)
    for name in names:
        table.add_row(name, *(f"{v.metrics[name]:.3g}" if name in v.metrics else "" for v in versions))
    Console().print(table)


@models.command()
@house_option
@click.argument("model")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why; `pems models why` shows it.")
def promote(house: Path, model: str, number: int, reason: str) -> None:
    """Take version NUMBER of MODEL into use."""
    blueprint = blueprint_of(house)
    blueprint.models.use(model, number, blueprint.clock.now(), me(), reason or "promoted")
    click.echo(f"{model}: version {number} is in use")


@models.command()
@house_option
@click.argument("model")
@click.option("--reason", default="", help="Why; `pems models why` shows it.")
def rollback(house: Path, model: str, reason: str) -> None:
    """Go back to the version of MODEL that was in use before; without one the simple forecast answers."""
    blueprint = blueprint_of(house)
    back = blueprint.models.roll_back(model, blueprint.clock.now(), me(), reason or "rolled back")
    click.echo(f"{model}: {'no version' if back is None else f'version {back.number}'} is in use")


@models.command()
@house_option
@click.argument("model")
def why(house: Path, model: str) -> None:
    """Show since when which version of MODEL was in use, who decided it, and why."""
    blueprint = blueprint_of(house)
    _known(blueprint.models, model)
    table = Table("since", "version", "by", "why", box=None)
    for use in blueprint.models.uses(model):
        table.add_row(_local(use.at, blueprint), str(use.number or "none"), use.by, use.why)
    Console().print(table)


def _known(registry: ModelRegistry, model: str) -> list[Version]:
    versions = list(registry.versions(model))
    if not versions:
        allowed = ", ".join(registry.models()) or "none; pems train learns"
        raise NoSuchModel(f"model: found {model!r}; there are: {allowed}")
    return versions


def _local(at: datetime, blueprint: Blueprint) -> str:
    return f"{at.astimezone(blueprint.house.site.zone):%Y-%m-%d %H:%M}"
