"""A small house that runs in a simulation and is written down, for tests of the ledger and what is made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pems_core.clock import FastClock
from pems_core.commands.inputs import GENERATED_START, house_from, scenario_from
from pems_core.learning.equipping import equip
from pems_core.recording.ledger.ledger import Ledger
from pems_core.reporting.result import Report
from pems_core.simulation.experiment import Experiment
from pems_core.simulation.outlook import ForecastQuality
from pems_core.simulation.scenario import Scenario
from pems_core.site import HouseFile
from tests.test_closed_loop import BATTERY, HOUSE, PV, ROOMS

SMALL_HOUSE = HOUSE + BATTERY + PV + ROOMS


@dataclass(frozen=True)
class Written:
    """A run, and the ledger that it left."""

    house: HouseFile
    house_file: Path
    scenario: Scenario
    start: datetime
    end: datetime
    path: Path
    report: Report

    def ledger(self) -> Ledger:
        """For who looks."""
        return Ledger(self.path, FastClock(self.end))


def written(
    folder: Path,
    days: float,
    strategy: str | None = None,
    every: timedelta = timedelta(hours=1),
    forecast: ForecastQuality = ForecastQuality.REALISTIC,
    house: str = SMALL_HOUSE,
    baselines: tuple[str, ...] = (),
    seed: int = 1,
    begin: date = GENERATED_START,
    identified: Mapping[str, Mapping[str, Any]] | None = None,
) -> Written:
    """Let the small house live some days from midnight on.

    :param identified: by device: numbers that it has in place of those of its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pems.toml"
    file.write_text(house, encoding="utf-8")
    built = house_from(file)
    equip(built.house.devices, identified or {})
    scenario, start = scenario_from(built, None, None, days, seed, begin)
    path = folder / "ledger.sqlite3"
    experiment = Experiment(
        built,
        scenario,
        start,
        days,
        forecast=forecast,
        strategy=strategy,
        every=every,
        baselines=baselines,
        with_bound=False,
        ledger=path,
        identified=identified or {},
    )
    return Written(built, file, scenario, start, experiment.end, path, experiment.run())
