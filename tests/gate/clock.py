"""The clock of a house on real processes, in a test."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic


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
