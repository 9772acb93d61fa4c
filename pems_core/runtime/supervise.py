"""Keeps tasks going: what crashes is told and started anew, and the rest goes on."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from pems_core.clock import Clock

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
STEADY_AFTER_S = 60.0
"""Whoever has run so long is well, and if it crashes after that, starts again with the first wait [s of the clock]."""


async def keep_going(
    run: Callable[[], Coroutine[None, None, None]],
    clock: Clock,
    crashed: Callable[[str], None],
    steady: Callable[[], None],
) -> None:
    """Run something until cancelled; after a crash again, later each time.

    :param crashed: told what happened.
    :param steady: told when it has run for a while.
    """
    wait_s = FIRST_WAIT_S
    while True:
        began_s = clock.elapsed_s()
        try:
            await _run(run(), clock, steady)
            crashed("it ended by itself")
        except Exception as error:
            # Whatever a plugin's own code raises stays its own fault.
            log.exception("a task crashed")
            crashed(f"{type(error).__name__}: {error}")
        if clock.elapsed_s() - began_s > STEADY_AFTER_S:
            wait_s = FIRST_WAIT_S
        await clock.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)


async def _run(work: Coroutine[None, None, None], clock: Clock, steady: Callable[[], None]) -> None:
    """Await the work, and tell when it has lasted for a while."""
    running = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(STEADY_AFTER_S))
    try:
        await asyncio.wait({running, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            steady()
        await running
    finally:
        timer.cancel()
        running.cancel()
