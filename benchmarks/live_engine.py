"""The engine of a trial house as a process: `python -m benchmarks.live_engine TRIAL [--patient]`."""

import asyncio
import logging
import os
import sys
from datetime import timedelta

from pems_core.commanding import limits
from pems_core.runtime.engine import Engine
from pems_core.runtime.run import run_house

from .live_plant import Trial, blueprint

INVERTER = "inverter"
PATIENT_WRITES = 100_000
"""In a day, where each of many overrides in minutes is to be seen on the wire; then nothing dwells, either."""


def lift_limits(engine: Engine) -> None:
    """Let an engine write as often as it is asked to."""
    wear = engine.live.commanding.wear
    wear.limit(INVERTER, PATIENT_WRITES, PATIENT_WRITES)
    # Its transport would say again what its memory bears.
    wear.limit = lambda *_: None  # type: ignore[method-assign]
    limits.MODE_DWELL_BY_HAND = limits.SETPOINT_DWELL_BY_HAND = timedelta(0)


def main(text: str, options: list[str]) -> int:
    """Run until a signal; the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    def begun(engine: Engine) -> None:
        if "--patient" in options:
            lift_limits(engine)

    return asyncio.run(run_house(blueprint(Trial.from_text(text)), begun)).exit_code


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    # As `pems run`: a search that hangs keeps its thread.
    os._exit(code)
