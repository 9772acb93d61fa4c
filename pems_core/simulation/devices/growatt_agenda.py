"""What a device will do by itself at some instant."""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush


class Agenda:
    """Acts that fall due as time passes, in their order."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._acts: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._acts, (self.now + timedelta(seconds=seconds), self._count, act))

    def pass_until(self, instant: datetime) -> None:
        """Do what is due by then; an instant before the last one changes nothing."""
        while self._acts and self._acts[0][0] <= instant:
            due, _, act = heappop(self._acts)
            self.now = max(self.now, due)
            act()
        self.now = max(self.now, instant)
