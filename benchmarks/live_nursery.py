"""Bears engines: `python -m benchmarks.live_nursery TRIAL` forks one for each line on its input, and tells its number.

What takes long to load is loaded once, so that an engine lives within moments, as often as it is killed.
"""

import asyncio
import logging
import os
import signal
import sys
from typing import NoReturn

import pems_core.planning.solvers.highs
import pems_core.transport.modbus
import pems_core.transport.mqtt  # noqa: F401
from pems_core.runtime.build import Blueprint
from pems_core.runtime.run import run_house

from .live_engine import lift_limits
from .live_plant import Trial, blueprint

log = logging.getLogger(__name__)


def main(text: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")
    made = blueprint(Trial.from_text(text))
    # Nobody waits for those that were killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _live(made)
        print(child, flush=True)


def _live(made: Blueprint) -> NoReturn:
    """Run an engine, and write down why it ended if nobody killed it."""
    code = 1
    try:
        ended = asyncio.run(run_house(made, lift_limits))
        log.error("the engine ended: %s", ended)
        code = ended.exit_code
    except BaseException:
        log.exception("the engine ended")
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
