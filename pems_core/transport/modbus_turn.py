"""Whose request is next on a Modbus bus: what a command needs goes before what is only looked at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pems_core.clock import Clock

from .modbus_pace import Pace
from .urgency import in_command


class Turn:
    """One request at a time, each after the rest that the bus needs, in the order of asking, commands first."""

    def __init__(self, clock: Clock, pace: Pace) -> None:
        self._clock = clock
        self._pace = pace
        self._bus = asyncio.Lock()
        self._next_look = asyncio.Lock()
        """Held by the one that is next of those that are no command's. It does not hold the bus while that rests: a
        command that comes then needs less of a rest, and must not wait for the other's."""
        self._commands_waiting = 0

    @asynccontextmanager
    async def taken(self, *, rested: bool = True) -> AsyncIterator[None]:
        """From when it is one's turn and the bus has rested, to the end.

        :param rested: False for what asks nothing.
        """
        if not rested:
            await self._bus.acquire()
        elif in_command():
            await self._acquire_for_command()
        else:
            await self._acquire_after_commands()
        try:
            yield
        finally:
            self._bus.release()

    async def _acquire_for_command(self) -> None:
        self._commands_waiting += 1
        try:
            await self._bus.acquire()
        finally:
            self._commands_waiting -= 1
        try:
            # A sleep may end a little early: the clock and the event loop's timer are not the same.
            while (left_s := self._pace.left_s(command=True)) > 0:
                await self._clock.sleep(left_s)
        except BaseException:
            self._bus.release()
            raise

    async def _acquire_after_commands(self) -> None:
        async with self._next_look:
            while True:
                await self._bus.acquire()
                left_s = self._pace.left_s(command=False)
                if left_s <= 0 and not self._commands_waiting:
                    return
                self._bus.release()
                await self._clock.sleep(max(0.0, left_s))
