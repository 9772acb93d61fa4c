"""The clock of a simulated house that waits for those who live by it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

TICK_S = 0.002


class PatientClock:
    """A fast clock that passes only while its event loop turns: a machine that is busy elsewhere is no outage.

    :param most_at_once_s: so much of the wall counts at most between two ticks; what is beyond slows the house down.
    """

    def __init__(self, start: datetime, speed: float, most_at_once_s: float = 0.02) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._speed = speed
        self._most_at_once_s = most_at_once_s
        self._slow = 0

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def elapsed_s(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        until_s = self._elapsed_s + seconds
        await asyncio.sleep(0)
        while (left_s := until_s - self._elapsed_s) > 0:  # noqa: ASYNC110 - time is no event
            await asyncio.sleep(max(TICK_S / 2, left_s / self._speed))

    @contextmanager
    def as_on_the_wall(self) -> Iterator[None]:
        """Meanwhile a second is a second: what is computed takes the house no longer than it would take a real one."""
        self._slow += 1
        try:
            yield
        finally:
            self._slow -= 1

    def in_its_time(self, work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The same work, for which the house waits no longer than a real one: a second or two for a plan."""

        async def done(*args: P.args, **named: P.kwargs) -> T:
            with self.as_on_the_wall():
                return await work(*args, **named)

        return done

    async def run(self) -> None:
        """Let time pass until cancelled."""
        with suppress(asyncio.CancelledError):
            last_s = monotonic()
            while True:
                await asyncio.sleep(TICK_S)
                now_s = monotonic()
                self._elapsed_s += min(now_s - last_s, self._most_at_once_s) * (1.0 if self._slow else self._speed)
                last_s = now_s
