"""The time of a running house, which may pass faster than that of the wall."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Protocol

from .domain import require_utc


class Clock(Protocol):
    """What the runtime, the transports and the simulated devices live by."""

    @property
    def speed(self) -> float:
        """Seconds of this clock in one second of the wall."""

    def now(self) -> datetime:
        """The time, in UTC."""

    def elapsed_s(self) -> float:
        """Seconds of this clock since some instant; never goes back, whatever becomes of the time of day."""

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of this clock. What waits for the network waits for seconds of the wall instead."""


class SystemClock:
    """The time of the wall."""

    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FastClock:
    """A time that starts when it is made and passes `speed` times as fast as the wall's."""

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed is {speed:g}; greater than 0 is allowed")
        self._start = require_utc(start, "start")
        self._began = monotonic()
        self._speed = speed

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.elapsed_s())

    def elapsed_s(self) -> float:
        return (monotonic() - self._began) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._speed)
