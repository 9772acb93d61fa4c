"""What was last heard from the house: the process image of one cycle."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .errors import StaleReading
from .horizon import require_utc


class Quality(StrEnum):
    GOOD = "good"
    STALE = "stale"
    SUSPECT = "suspect"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point, with its age and quality."""

    value: float | str | bool
    unit: str
    measured_at: datetime
    received_at: datetime
    quality: Quality = Quality.GOOD


@dataclass(frozen=True)
class Readings:
    """The readings that one cycle works with; they cannot change during it and carry its `now`.

    Points are named `<device>/<point>`, for example `heating/kitchen_temperature_c`.
    """

    now: datetime
    points: Mapping[str, Reading]

    def __post_init__(self) -> None:
        require_utc(self.now, "now")

    def fresh(self, point: str, max_age: timedelta) -> Reading:
        """The reading of `point`, if it is good and no older than `max_age`.

        :raises StaleReading: if it is missing, suspect or too old.
        """
        reading = self.points.get(point)
        if reading is None:
            raise StaleReading(f"{point} was never read; a value not older than {max_age} is needed")
        if reading.quality is not Quality.GOOD:
            raise StaleReading(f"{point} is {reading.quality}; a good value is needed")
        age = self.now - reading.measured_at
        if age > max_age:
            raise StaleReading(f"{point} was last read {age} ago, {max_age} is allowed")
        return reading

    def number(self, point: str, max_age: timedelta, unit: str) -> float:
        """The fresh value of `point` in `unit`.

        :raises StaleReading: if it is not fresh, not a number, or in another unit.
        """
        reading = self.fresh(point, max_age)
        if isinstance(reading.value, bool) or not isinstance(reading.value, int | float):
            raise StaleReading(f"{point} is {reading.value!r}; a number is needed")
        if reading.value != reading.value or abs(reading.value) == float("inf"):
            raise StaleReading(f"{point} is {reading.value}; a finite number is needed")
        if reading.unit != unit:
            raise StaleReading(f"{point} is in {reading.unit!r}; {unit!r} is needed")
        return float(reading.value)
