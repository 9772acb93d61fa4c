"""A clock that a test moves by hand."""

from datetime import datetime, timedelta


class HandClock:
    """Stands still until the test moves it; sleeping on it moves it too."""

    speed = 1.0

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def elapsed_s(self) -> float:
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        self.pass_by(seconds=seconds)

    def pass_by(self, *, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0) -> None:
        self._elapsed_s += hours * 3600 + minutes * 60 + seconds
