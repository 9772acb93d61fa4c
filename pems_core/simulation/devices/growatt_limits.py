"""How much the inverter may give and feed in, by its settings (protocols A.2, A.6, A.8)."""

from datetime import datetime

from .growatt_parameters import GrowattParameters
from .growatt_settings import NO_LIMIT
from .growatt_slots import Get
from .growatt_vpp import AUTHORITY, signed
from .traps import Traps


class Ramp:
    """A share of the rated power that follows its target at once, or at a slope (trap 29)."""

    def __init__(self, now: datetime, *, down_at_once: bool) -> None:
        self.share = 1.0
        self._at, self._down_at_once = now, down_at_once

    def follow(self, target: float, now: datetime, slope_per_s: float | None) -> float:
        """The share now.

        :param slope_per_s: None: at once.
        """
        passed_s, self._at = (now - self._at).total_seconds(), now
        if slope_per_s is None or (self._down_at_once and target < self.share):
            self.share = target
        else:
            most = slope_per_s * passed_s
            self.share += max(-most, min(most, target - self.share))
        return self.share


class GrowattLimits:
    """Export and output limits as shares of the rated power, 0..1."""

    def __init__(
        self,
        get: Get,
        traps: Traps,
        parameters: GrowattParameters,
        now: datetime,
        *,
        vpp: bool,
        fail_safe: int | None,
    ) -> None:
        """
        :param vpp: it has the registers of the VPP protocol.
        :param fail_safe: the register of what may be fed in without a meter; None: it has no registers 3, 122, 123.
        """
        self._get, self._traps, self._parameters, self._vpp = get, traps, parameters, vpp
        self._fail_safe = fail_safe
        self._export, self._output = Ramp(now, down_at_once=False), Ramp(now, down_at_once=True)
        self._meter_lost_at: datetime | None = None
        self._talked_at = now

    def talked(self, now: datetime) -> None:
        """Somebody has asked for something: the energy manager is there (30203)."""
        self._talked_at = now

    def export_share(self, metering: int, now: datetime) -> float:
        """
        :param metering: what the plant has: 1 meter, 3 CT. A limit set for another lets everything pass (trap 36b).
        """
        wanted = min(self._rtu_export(metering, now), self._vpp_export(now))
        return self._export.follow(wanted, now, self._slope)

    def output_share(self, now: datetime) -> float:
        percents = [100]
        if self._fail_safe is not None and self._get(3) != NO_LIMIT:
            percents.append(self._get(3))
        if self._vpp and self._get(AUTHORITY):
            percents += [self._get(30151), self._get(30154)]
        return self._output.follow(min(percents) / 100, now, self._slope)

    def failed(self, now: datetime) -> bool:
        """The meter has been lost for longer than the export limit waits (fault 311)."""
        if "37" not in self._traps or self._fail_safe is None or not self._get(122):
            self._meter_lost_at = None
            return False
        self._meter_lost_at = self._meter_lost_at or now
        return (now - self._meter_lost_at).total_seconds() >= self._get(307)

    @property
    def _slope(self) -> float | None:
        return self._parameters.slope_per_s if "29" in self._traps else None

    def _rtu_export(self, metering: int, now: datetime) -> float:
        if self._fail_safe is None:
            return 1.0
        if self.failed(now):
            return self._get(self._fail_safe) / 1000
        return max(0.0, signed(self._get(123)) / 1000) if self._get(122) == metering else 1.0

    def _vpp_export(self, now: datetime) -> float:
        if not self._vpp or not self._get(AUTHORITY):
            return 1.0
        silent_s = (now - self._talked_at).total_seconds()
        if self._get(30204) and silent_s > self._get(30203):
            return self._get(30202) / 100
        return max(0.0, signed(self._get(30201)) / 100) if self._get(30200) else 1.0
