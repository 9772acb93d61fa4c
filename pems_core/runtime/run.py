"""Runs a house as a process: signals, the guard beside it, the store, and the exit code."""

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pems_core.commanding.store import Store

from .build import Blueprint
from .engine import Ended, Engine
from .memory import settle_in
from .state_folder import StateFolder

log = logging.getLogger(__name__)

HAND_OVER_S = 0.0005
"""A plan is built in a thread beside the loop, which waits so long for it after each call of the system; Python's own
5 ms add up to tenths of a second between an override and the wire."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def run_house(blueprint: Blueprint, begun: Callable[[Engine], object]) -> Ended:
    """Run until a signal, `Engine.end` or a failure; by then the devices have been given back.

    :param begun: told the engine before it runs.
    :raises StoreInUse: if another engine runs this house.
    """
    settle_in()
    sys.setswitchinterval(HAND_OVER_S)
    with Store(blueprint.folder.make().path, blueprint.clock) as store:
        engine = blueprint.engine(store)
        begun(engine)
        with _signals(engine):
            try:
                return await engine.run()
            finally:
                engine.live.site.planner.close()


@contextmanager
def _signals(engine: Engine) -> Iterator[None]:
    """Let signals end the engine in good order."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, engine.end, f"signal {number.name}")
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)


def start_guard(house: Path, folder: StateFolder, session: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start the guard in a session of its own: it outlives the engine, whatever ends that."""
    run = [sys.executable, "-m", "pems_core.cli", "guard", "--house", str(house), "--session", session, *options]
    with folder.guard_log.open("ab") as output:
        return subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
