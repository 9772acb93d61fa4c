"""Which ledger a command looks at."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from pems_core.clock import SystemClock
from pems_core.config import ConfigError, StateSection
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.place import LEDGER
from pems_core.site import HouseFile

from .inputs import default_house, house_from, moment
from .options import HOUSE_HELP

F = TypeVar("F", bound=Callable[..., Any])


def ledger_options(command: F) -> F:
    """`--house` and `--ledger`."""
    path = click.Path(path_type=Path, dir_okay=False)
    command = click.option("--ledger", type=path, help="The ledger. [that in the state folder of the house]")(command)
    return click.option("--house", type=path, help=HOUSE_HELP)(command)


def opened(house: Path | None, ledger: Path | None) -> tuple[HouseFile, Ledger]:
    """The house, and its ledger to look at.

    :raises ConfigError: if there is no such ledger.
    """
    built = house_from(house)
    beside = (house or default_house()).parent
    path = ledger or built.config[StateSection].path(beside) / LEDGER
    if not path.exists():
        raise ConfigError([f"--ledger: found no file {path}; allowed: a ledger that pems run or pems simulate wrote"])
    return built, Ledger(path, SystemClock())


def cycle_named(text: str, ledger: Ledger, house: HouseFile) -> int:
    """The cycle with a number, or the one whose plan was in force at a time."""
    return int(text) if text.isdecimal() else ledger.cycle_at(instant(text, "CYCLE", house))


def instant(text: str, option: str, house: HouseFile) -> datetime:
    """A time; one without a zone is the house's own."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return moment(text, option, house)
    if found.tzinfo is None and len(text) > len("2024-01-31"):
        return moment(found.replace(tzinfo=house.site.zone).isoformat(), option, house)
    return moment(text, option, house)
