"""The clock of a simulated house in a test: as fast as asked, but never faster than those who live by it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

MOST_AT_ONCE_S = 0.02
"""So much of the wall counts at most between two ticks: a busy machine slows the house down, and skips nothing."""
TICK_S = 0.002


class GateClock:
    """A `FastClock` that passes only while its event loop turns: a machine that is busy elsewhere is no outage."""

    def __init__(self, start: datetime, speed: float) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._speed = speed

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
        while (left_s := until_s - self._elapsed_s) > 0:  # noqa: ASYNC110 (time is no event)
            await asyncio.sleep(max(TICK_S / 2, left_s / self._speed))

    async def run(self) -> None:
        """Let time pass until cancelled."""
        with suppress(asyncio.CancelledError):
            last_s = monotonic()
            while True:
                await asyncio.sleep(TICK_S)
                now_s = monotonic()
                self._elapsed_s += min(now_s - last_s, MOST_AT_ONCE_S) * self._speed
                last_s = now_s


class SkippingClock:
    """The time of the wall, in which a test can leave out a while in which nothing happens."""

    speed = 1.0

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._skipped_s)

    def elapsed_s(self) -> float:
        return monotonic() + self._skipped_s

    async def sleep(self, seconds: float) -> None:
        until_s = self.elapsed_s() + seconds
        while (left_s := until_s - self.elapsed_s()) > 0:  # noqa: ASYNC110 (time is no event)
            await asyncio.sleep(min(left_s, 0.1))

    def skip(self, time: timedelta) -> None:
        self._skipped_s += time.total_seconds()
