"""Bears engines: `python -m benchmarks.live_nursery TRIAL` forks one for each line on its input, and tells its number.

What takes long to load is loaded once, so that an engine lives within moments, as often as it is killed.
"""

import asyncio
import os
import signal
import sys

import pems_core.planning.solvers.highs
import pems_core.transport.modbus
import pems_core.transport.mqtt  # noqa: F401
from pems_core.runtime.run import run_house

from .live_engine import lift_limits
from .live_plant import Trial, blueprint


def main(text: str) -> None:
    made = blueprint(Trial.from_text(text))
    # Nobody waits for those that were killed.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(asyncio.run(run_house(made, lift_limits)).exit_code)
        print(child, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
