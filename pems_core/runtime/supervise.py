"""Keeps tasks going: what crashes is told and started anew, and the rest goes on."""

import logging
from collections.abc import Awaitable, Callable

from pems_core.clock import Clock

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
WELL_AFTER_S = 300.0
"""Whoever ran so long before it crashed starts again with the first wait."""


async def keep_going(
    run: Callable[[], Awaitable[None]], clock: Clock, crashed: Callable[[str], None], started: Callable[[], None]
) -> None:
    """Run something until cancelled; after a crash again, later each time.

    :param crashed: told what happened.
    :param started: told when it runs again.
    """
    wait_s = FIRST_WAIT_S
    while True:
        began_s = clock.elapsed_s()
        started()
        try:
            await run()
            crashed("it ended by itself")
        except Exception as error:
            # Whatever a plugin's own code raises stays its own fault.
            log.exception("a task crashed")
            crashed(f"{type(error).__name__}: {error}")
        if clock.elapsed_s() - began_s > WELL_AFTER_S:
            wait_s = FIRST_WAIT_S
        await clock.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
