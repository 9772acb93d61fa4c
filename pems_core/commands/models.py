"""`pems models`: what was learned, and which version is in use."""

from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from pems_core.learning.monitor import LEADS_H
from pems_core.learning.registry import ModelRegistry, NoSuchModel, Stage, Version
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
    """Show every version of every model and its stage, and how models were found to do last."""
    blueprint = blueprint_of(house)
    registry, console = blueprint.models, Console()
    table = Table("model", "version", "made", "learned from", "until", "its error", "stage", box=None)
    for model in registry.models():
        for version in registry.versions(model):
            times = (version.made_at, version.learned_from, version.learned_until)
            days = [_local(at, blueprint) for at in times]
            error = "; ".join(f"{name} {value:.3g}" for name, value in version.metrics.items() if " " not in name)
            table.add_row(model, str(version.number), *days, error, stage_of(registry, version))
    console.print(table if table.row_count else "nothing was learned yet; pems train learns")
    errors = Table("model", "judged", "who", *LEADS_H, title="mean absolute errors by how far ahead", box=None)
    for model in registry.models():
        health = registry.health(model)
        for who, by_lead in (health.errors if health is not None else {}).items():
            found = [f"{by_lead[lead]:.3g}" if lead in by_lead else "" for lead in LEADS_H]
            errors.add_row(model, _local(health.at, blueprint) if health is not None else "", who, *found)
        if health is not None and health.fault:
            console.print(f"{model}: {health.fault}", markup=False)
    if errors.row_count:
        console.print(errors)


def stage_of(registry: ModelRegistry, version: Version) -> str:
    """How far a version is trusted now; empty if it is only kept."""
    present, tried = registry.in_use(version.model), registry.tried(version.model)
    if present is not None and present.number == version.number:
        return str(Stage.IN_USE)
    return str(tried.stage) if tried is not None and tried.version.number == version.number else ""


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
    """Tell the story of MODEL: which version came to which stage and when, who decided it, and why."""
    blueprint = blueprint_of(house)
    registry = blueprint.models
    _known(registry, model)
    table = Table("since", "version", "stage", "by", Column("why", overflow="fold"), box=None)
    for use in registry.story(model):
        table.add_row(_local(use.at, blueprint), str(use.number or "none"), str(use.stage), use.by, use.why)
    Console().print(table)
    present = registry.in_use(model)
    if present is not None:
        for line in registry.content(present).get("kept", ()):
            click.echo(f"as in the house file: {line}")


def _known(registry: ModelRegistry, model: str) -> list[Version]:
    versions = list(registry.versions(model))
    if not versions and not registry.story(model):
        allowed = ", ".join(registry.models()) or "none; pems train learns"
        raise NoSuchModel(f"model: found {model!r}; there are: {allowed}")
    return versions


def _local(at: datetime, blueprint: Blueprint) -> str:
    return f"{at.astimezone(blueprint.house.site.zone):%Y-%m-%d %H:%M}"
