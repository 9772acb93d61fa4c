"""The inverter's own clock: it shows local time, more or less (protocols E.4)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .growatt_parameters import GrowattParameters
from .traps import Traps

HOUR_S = 3600.0
FIELDS = ("year", "month", "day", "hour", "minute", "second")
CLOCK, WEEKDAY = range(45, 51), 51
VPP_CLOCK = range(30104, 30110)
CENTURY = 2000


class GrowattClock:
    """Local time with an offset.

    It follows summer time as the time zone has it: an hour is missing in spring and doubled in autumn (trap 53).
    """

    def __init__(self, now: datetime, timezone: str, traps: Traps, parameters: GrowattParameters) -> None:
        self._zone = ZoneInfo(timezone)
        self._traps, self._parameters = traps, parameters
        self._seen = self._put_back = now
        self.offset_s = 0.0

    def local(self, instant: datetime) -> datetime:
        """What it shows, without a zone."""
        right = instant.astimezone(self._zone).replace(tzinfo=None)
        return right + timedelta(seconds=self.offset_s)

    def pass_until(self, instant: datetime) -> None:
        """Drift, and be put back by the datalogger, as the traps say."""
        passed_s = (instant - self._seen).total_seconds()
        self._seen = instant
        if "51" in self._traps:
            self.offset_s += self._parameters.drift_s_per_h * passed_s / HOUR_S
        if "52" in self._traps and (instant - self._put_back).total_seconds() >= self._parameters.put_back_every_s:
            self.offset_s, self._put_back = -self._parameters.put_back_s, instant

    def set(self, local: datetime, instant: datetime) -> None:
        """Show this from now on."""
        late_s = self._parameters.late_after_set_s if "51" in self._traps else 0.0
        self.offset_s += (local - self.local(instant)).total_seconds() - late_s


def clock_words(local: datetime, traps: Traps) -> dict[int, int]:
    """Registers 45-51 and 30104-30109; the year has two digits, the week begins on Sunday (but see trap 54)."""
    odd = "54" in traps
    year, *rest = (getattr(local, name) for name in FIELDS)
    words = dict(zip(CLOCK, (year if odd else year % 100, *rest), strict=True))
    words[WEEKDAY] = (local.isoweekday() + odd) % 7
    return words | dict(zip(VPP_CLOCK, (year % 100, *rest), strict=True))


def sets_clock(written: Mapping[int, int]) -> bool:
    return any(at in CLOCK or at in VPP_CLOCK for at in written)


def clock_after(local: datetime, written: Mapping[int, int]) -> datetime:
    """What the clock shows after a write to some of its registers.

    :raises ValueError: if there is no such time.
    """
    changes: dict[str, int] = {}
    for fields in (CLOCK, VPP_CLOCK):
        changes |= {name: written[at] for name, at in zip(FIELDS, fields, strict=True) if at in written}
    if changes.get("year", CENTURY) < 100:
        changes["year"] += CENTURY
    return local.replace(**changes)  # type: ignore[arg-type]
