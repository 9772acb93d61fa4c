"""`pems demo`: three winter days of the example house in closed loop, no configuration needed."""

import os
from datetime import timedelta
from pathlib import Path

import click

from pems_core.simulation.experiment import Experiment
from pems_core.simulation.outlook import ForecastQuality
from pems_core.simulation.recorded_sets import VARIABLE

from .inputs import house_from, scenario_from
from .options import SEED, require_writable
from .simulate import hand_over, run_with_progress

DAYS = 3.0
HOURLY = timedelta(hours=1)


@click.command()
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=Path("out/demo.html"))
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Write the overview as PNG.")
@click.option("--seed", type=SEED, default=1, show_default=True)
def demo(report: Path, picture: Path | None, seed: int) -> None:
    """Three winter days of the example house, planned every hour, against its baselines.

    The days are generated and say so; with PEMS_DATA set they are recorded ones.
    """
    require_writable(report=report, picture=picture)
    house = house_from(None)
    recording = "winter" if os.environ.get(VARIABLE) else None
    scenario, start = scenario_from(house, None, recording, DAYS, seed)
    experiment = Experiment(
        house=house,
        scenario=scenario,
        start=start,
        days=DAYS,
        forecast=ForecastQuality.REALISTIC,
        every=HOURLY,
        seed=seed,
        command="pems demo",
    )
    hand_over(run_with_progress(experiment), report, None, picture)
