"""The inverter's own clock: it shows local time, more or less (protocols E.4)."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .growatt_parameters import GrowattParameters
from .traps import Traps

HOUR_S = 3600.0


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
