"""Whether a room's temperature can be believed (trap 91)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LOWEST_C, HIGHEST_C = -20.0, 50.0
"""Outside this no room is (protocols D.4); -127 and 85 are what a lost one-wire sensor says."""
JUMP_K = 4.0
JUMP_WITHIN = timedelta(minutes=10)
"""No room changes by so much so fast; a second value beside the first confirms that this one did."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Why a temperature is not believed; empty if it is."""

    doubt: str = ""
    stuck: bool = False


class TemperatureSensor:
    """Follows one sensor."""

    def __init__(self, stuck_after: timedelta) -> None:
        self._stuck_after = stuck_after
        self._last: tuple[float, datetime] | None = None
        """The last value that was possible, believed or not, and when it was measured."""
        self._unchanged_since: datetime | None = None

    def judge(self, celsius: float, at: datetime) -> Judged:
        """Take the next value."""
        if not LOWEST_C <= celsius <= HIGHEST_C:
            return Judged(f"{celsius:g} °C is no room temperature; {LOWEST_C:g} to {HIGHEST_C:g} is possible")
        before, self._last = self._last, (celsius, at)
        if before is None or celsius != before[0]:
            self._unchanged_since = at
        if before is not None and self._jumped(before, celsius, at):
            return Judged(f"{before[0]:g} to {celsius:g} °C in {(at - before[1]).total_seconds():.0f} s")
        return self._stuck(at)

    def _stuck(self, at: datetime) -> Judged:
        if self._unchanged_since is None or self._last is None or at - self._unchanged_since < self._stuck_after:
            return Judged()
        hours = self._stuck_after.total_seconds() / 3600
        return Judged(f"{self._last[0]:g} °C, unchanged for more than {hours:g} h", stuck=True)

    @staticmethod
    def _jumped(before: tuple[float, datetime], celsius: float, at: datetime) -> bool:
        return abs(celsius - before[0]) > JUMP_K and at - before[1] < JUMP_WITHIN
