"""What several commands start from: a house file and the series it lives on."""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from pathlib import Path

import pems_core
from pems_core.config import ConfigError, PvSection, load_config
from pems_core.domain import PvArray
from pems_core.plugins import declared_sections, load_plugins
from pems_core.simulation.recorded_sets import data_folder
from pems_core.simulation.recordings import WEEKS, recorded_house
from pems_core.simulation.scenario import Scenario, read_scenario
from pems_core.site import HouseFile, read_house

OWN_HOUSE = Path("pems.toml")
EXAMPLE = "pems.example.toml"
GENERATED_START = date(2025, 1, 14)


def house_from(path: Path | None) -> HouseFile:
    """The house of a file; without one `pems.toml` of this folder, else the example house.

    :raises ConfigError: with every fault of the file.
    """
    plugins = load_plugins()
    config = load_config(path or default_house(), declared_sections(plugins), os.environ)
    return read_house(config, plugins)


def default_house() -> Path:
    """`pems.toml` of this folder, else the example house that PEMS brings along."""
    return OWN_HOUSE if OWN_HOUSE.exists() else example_house()


def example_house() -> Path:
    """The example house that PEMS brings along."""
    package = Path(pems_core.__file__).parent
    # Beside the package in a checkout, inside it when installed.
    return next((p for folder in (package, package.parent) if (p := folder / EXAMPLE).exists()), OWN_HOUSE)


def scenario_from(
    house: HouseFile, path: Path | None, recording: str | None, days: float, seed: int, begin: date = GENERATED_START
) -> tuple[Scenario, datetime]:
    """The series to live on, and where a simulation of them starts if nobody says.

    A file, a recorded week under PEMS_DATA, or else series that are generated for the house.

    :param begin: local day at which generated series begin.
    :raises BadSeries: with every fault of the series.
    :raises ConfigError: if both a file and a recording are asked for, or the recording is unknown.
    """
    if path is not None and recording is not None:
        raise ConfigError(["--scenario and --recording: found both; allowed: one of them"])
    if path is not None:
        scenario = read_scenario(path, house.tariff)
        return scenario, first_midnight(scenario, house)
    arrays = [section.array() for section in house.config.all(PvSection)]
    whole_days = ceil(days)
    if recording is not None:
        return _recorded(house, recording, whole_days, arrays)
    # It brings scipy along: who only reads a house file need not wait for that.
    from pems_core.simulation.generate import generated_days

    scenario = generated_days(
        begin,
        whole_days,
        seed=seed,
        tariff=house.tariff,
        arrays=arrays,
        latitude=house.site.latitude,
        longitude=house.site.longitude,
        timezone=house.site.timezone,
        price_rate=house.eur_rate,
    )
    return scenario, local_midnight(begin, house)


def _recorded(house: HouseFile, recording: str, days: int, arrays: Sequence[PvArray]) -> tuple[Scenario, datetime]:
    if recording not in WEEKS:
        raise ConfigError([f"--recording: found {recording!r}; allowed: {', '.join(WEEKS)}"])
    begin = WEEKS[recording].start
    scenario = recorded_house(
        begin,
        days,
        data_folder(os.environ),
        tariff=house.tariff,
        arrays=arrays,
        timezone=house.site.timezone,
        eur_rate=house.eur_rate,
        name=f"recorded {recording} week",
    )
    return scenario, local_midnight(begin, house)


def moment(text: str, option: str, house: HouseFile) -> datetime:
    """A local day, or an instant; one without a zone is in UTC.

    :raises ConfigError: if it is neither, with the option that it was given for.
    """
    try:
        if len(text) == len("2024-01-31"):
            return local_midnight(date.fromisoformat(text), house)
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        allowed = "a day such as 2024-01-15 or a time such as 2024-01-15T06:00Z"
        raise ConfigError([f"{option}: found {text!r}; allowed: {allowed}"]) from None


def local_midnight(day: date, house: HouseFile) -> datetime:
    return datetime.combine(day, time(0), house.site.zone).astimezone(UTC)


def first_midnight(scenario: Scenario, house: HouseFile) -> datetime:
    """The first local midnight with a day of history before it; the very start if there is none."""
    local = (scenario.start + timedelta(days=1)).astimezone(house.site.zone)
    midnight = datetime.combine(local.date(), time(0), house.site.zone)
    if midnight < local:
        midnight = datetime.combine(local.date() + timedelta(days=1), time(0), house.site.zone)
    found = midnight.astimezone(UTC)
    return found if found < scenario.end - timedelta(hours=1) else scenario.start
