"""`pems override`: set a control by hand."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pems_core.clock import SystemClock
from pems_core.domain import ConfigError, Override, Value

from .asking import ask, me
from .options import house_option

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@click.group()
def override() -> None:
    """Set a control by hand for some time, whatever the plan says."""


@override.command("set")
@house_option
@click.argument("device")
@click.argument("control")
@click.argument("value")
@click.option("--for", "length", default="1h", show_default=True, help="How long, such as 30min, 2h or 1d.")
@click.option("--until", help="Until when instead, such as 2025-01-15T18:00+01:00.")
@click.option("--reason", default="", help="Why; others see it.")
def set_(house: Path, device: str, control: str, value: str, length: str, until: str | None, reason: str) -> None:
    """Set CONTROL of DEVICE to VALUE: true, false, a number or a word."""
    now = SystemClock().now()
    end = moment(until) if until else now + duration(length)
    # A length counts on the engine's clock, which in a trial is not that of the wall.
    when = {"until": end.isoformat()} if until else {"for_minutes": duration(length) / timedelta(minutes=1)}
    chosen = {"device": device, "control": control, "value": value_of(value)}
    said = ask(house, "override/set", {**chosen, **when, "by": me(), "reason": reason})
    if said is None:
        from . import by_hand

        said = by_hand.override(house, Override(device, control, value_of(value), now, end, me(), reason))
    click.echo(said)


@override.command("clear")
@house_option
@click.argument("device", required=False, default="")
@click.argument("control", required=False, default="")
def clear(house: Path, device: str, control: str) -> None:
    """End the override of CONTROL of DEVICE; without CONTROL all of DEVICE, without DEVICE all."""
    said = ask(house, "override/clear", {"device": device, "control": control, "by": me()})
    if said is None:
        from . import by_hand

        said = by_hand.clear(house, device, control)
    click.echo(said)


@override.command("list")
@house_option
def list_(house: Path) -> None:
    """Show the overrides in force, and what they cost against the plan."""
    from rich.console import Console
    from rich.table import Table

    from pems_core.commanding.overrides import Overrides
    from pems_core.commanding.store import Store

    from .run import blueprint_of

    blueprint = blueprint_of(house)
    site = blueprint.house.site
    table = Table("device", "control", "value", "until", "by", "reason", f"costs [{site.currency}]", box=None)
    with Store(blueprint.folder.make().path, blueprint.clock, writing=False) as store:
        overrides = Overrides(store, blueprint.house.house.devices, blueprint.clock)
        # An engine ends them itself, by its own clock, which in a trial is not that of the wall.
        for active in overrides.kept if blueprint.folder.engine_lives else overrides.active:
            chosen = active.override
            costs = "" if active.costs is None else f"{active.costs:+.2f}"
            table.add_row(
                *(chosen.device, chosen.control, str(chosen.value), chosen.ends(site.zone)),
                *(chosen.by, chosen.reason, costs),
            )
    Console().print(table)


def value_of(text: str) -> Value:
    """A switch, a number, or a word.

    >>> value_of("true"), value_of("2.5"), value_of("load_first")
    (True, 2.5, 'load_first')
    """
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, bool) else float(found) if isinstance(found, int | float) else text


def duration(text: str) -> timedelta:
    """A length of time.

    >>> duration("90min")
    datetime.timedelta(seconds=5400)
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ConfigError([f"--for: found {text!r}; allowed: 30min, 2h, 1d"])
    return float(found[1]) * _UNITS[found[2]]


def moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ConfigError([f"--until: found {text!r}; allowed: a time with its zone, such as 2025-01-15T18:00+01:00"])
    return found.astimezone(UTC)
