"""The engine of a house as a process of its own, on a fast clock that it shares with the devices.

`python -m tests.pages.lone_core FOLDER START BEGAN SPEED`; signals reach it as they reach `pems run`.
"""

import asyncio
import logging
import os
import sys
from datetime import datetime
from pathlib import Path

from pems_core.clock import FastClock
from pems_core.commands.inputs import scenario_from
from pems_core.config import load_config
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Engine
from pems_core.runtime.run import run_house
from pems_core.simulation.live_trial import generated_outlook
from pems_core.site import read_house

DAYS = 4


def shared_clock(start: datetime, began: float, speed: float) -> FastClock:
    """A clock that all processes of this machine read alike.

    :param began: when it had `start` [s of the machine's monotonic clock].
    """
    clock = FastClock(start, speed)
    clock._began = began
    return clock


def blueprint(folder: Path, clock: FastClock) -> Blueprint:
    plugins = load_plugins()
    config = load_config(folder / "pems.toml", declared_sections(plugins), {})
    house = read_house(config, plugins)
    day = clock._start.astimezone(house.site.zone).date()
    scenario, _ = scenario_from(house, None, None, DAYS, 1, day)
    return Blueprint(config, plugins, clock, folder, [generated_outlook(scenario, 1)])


def _begun(engine: Engine) -> None:
    """Nobody here has a use for the engine itself."""


def main(folder: str, start: str, began: str, speed: str) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    clock = shared_clock(datetime.fromisoformat(start), float(began), float(speed))
    ended = asyncio.run(run_house(blueprint(Path(folder), clock), _begun))
    return ended.exit_code


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    # As `pems run`: a search that hangs keeps its thread.
    os._exit(code)
