"""Which ledger a command looks at."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from pems_core.clock import SystemClock
from pems_core.config import ConfigError, StateSection
from pems_core.domain import HOUR
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.place import LEDGER
from pems_core.site import HouseFile

from .inputs import default_house, house_from, moment
from .options import HOUSE_HELP

TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
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
    return int(text) if text.isdecimal() else ledger.cycle_at(instant(text, "CYCLE", house, ledger))


def instant(text: str, option: str, house: HouseFile, ledger: Ledger | None = None) -> datetime:
    """A time; one without a zone is the house's own, and one without a day the last that the ledger knows."""
    if ledger is not None and (clock := TIME_OF_DAY.fullmatch(text)):
        return _last(time(int(clock[1]), int(clock[2])), ledger, house).astimezone(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return moment(text, option, house)
    if found.tzinfo is None and len(text) > len("2024-01-31"):
        return moment(found.replace(tzinfo=house.site.zone).isoformat(), option, house)
    return moment(text, option, house)


def _last(clock: time, ledger: Ledger, house: HouseFile) -> datetime:
    """When it was last this time of day in a house, as far as the ledger knows."""
    newest = ledger.newest_at().astimezone(house.site.zone)
    found = datetime.combine(newest.date(), clock, house.site.zone)
    # The newest plan is in force for a while yet.
    return found if found < newest + HOUR else found - timedelta(days=1)
