"""Whose request is next on a Modbus bus: what a command needs goes before what is only looked at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from .urgency import in_command


class Turn:
    """One request at a time, in the order of asking, commands first."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._commands_waiting = 0

    @asynccontextmanager
    async def taken(self, ready: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """From when it is one's turn and the bus is ready, to the end.

        :param ready: waits until the bus may be asked.
        """
        if in_command():
            await self._acquire_for_command()
        else:
            await self._acquire_after_commands(ready)
        try:
            await ready()
            yield
        finally:
            self._lock.release()

    async def _acquire_for_command(self) -> None:
        self._commands_waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._commands_waiting -= 1

    async def _acquire_after_commands(self, ready: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._lock.acquire()
            try:
                # A command that came while the bus rested takes this turn; nothing was asked yet.
                await ready()
            except BaseException:
                self._lock.release()
                raise
            if not self._commands_waiting:
                return
            self._lock.release()
            await asyncio.sleep(0)
