"""The battery's own management: what it says, allows and demands (protocols E.3)."""

from collections import deque
from datetime import datetime, timedelta

from pems_core.domain import BatterySpec
from pems_core.domain.equipment import clip

from .growatt_parameters import GrowattParameters
from .traps import Traps

MINUTE = timedelta(minutes=1)
ALMOST = 1e-6
"""Of a state of charge: rounding does not leave a full battery a hair below full."""


class GrowattBms:
    """Goes by the true state of the battery, as it is told."""

    def __init__(self, spec: BatterySpec, traps: Traps, parameters: GrowattParameters) -> None:
        self._spec, self._traps, self._parameters = spec, traps, parameters
        self._seen: deque[tuple[datetime, float]] = deque(maxlen=240)
        self._frozen_soc = 0.0
        self.true_soc, self._true_c = 0.0, 20.0

    def see(self, now: datetime, soc: float, temperature_c: float) -> None:
        self.true_soc, self._true_c = soc, temperature_c
        if not self._seen or now - self._seen[-1][0] >= MINUTE:
            self._seen.append((now, soc))
        if not self.lost:
            self._frozen_soc = soc

    @property
    def lost(self) -> bool:
        """The inverter does not hear the battery."""
        return "47" in self._traps

    @property
    def cold(self) -> bool:
        return "41" in self._traps

    @property
    def temperature_c(self) -> float:
        return self._parameters.cold_c if self.cold else self._true_c

    @property
    def soc(self) -> int:
        """[%], whole."""
        soc = self._lagging_soc()
        if self.lost:
            soc = 0.0 if self._parameters.lost_bms_soc == "zero" else self._frozen_soc
        percent = int(soc * 100 + ALMOST)
        return min(percent, self._parameters.stuck_soc) if "44" in self._traps else percent

    @property
    def own_soc(self) -> int:
        """What the battery itself says; not always what the inverter makes of it (trap 44) [%]."""
        return min(100, self.soc + 3) if "44" in self._traps else self.soc

    @property
    def charge_limit_kw(self) -> float:
        """What it allows now; 0: charging is forbidden."""
        spec = self._spec
        if self.cold or self.lost or self.true_soc >= spec.soc_max - ALMOST:
            return 0.0
        limit_kw = spec.charge_limit_at(self.true_soc, self._true_c) * self._share
        if "43" in self._traps:
            full, none = self._parameters.taper
            limit_kw *= clip((none - self.true_soc) / (none - full), 0.0, 1.0)
        return limit_kw

    @property
    def discharge_limit_kw(self) -> float:
        spec = self._spec
        if self.lost or self.true_soc <= spec.soc_min + ALMOST:
            return 0.0
        return spec.discharge_limit_at(self.true_soc, self._true_c) * self._share

    @property
    def forced_charge_kw(self) -> float:
        """What it takes from PV and grid by itself (trap 46)."""
        wanted = "46" in self._traps and self.true_soc < self._parameters.forced_below_soc
        return self._parameters.forced_charge_kw if wanted else 0.0

    @property
    def _share(self) -> float:
        return self._parameters.limited_share if "42" in self._traps else 1.0

    def _lagging_soc(self) -> float:
        if "45" not in self._traps or not self._seen:
            return self.true_soc
        now = self._seen[-1][0]
        old = [soc for at, soc in self._seen if (now - at).total_seconds() >= self._parameters.soc_lag_s]
        return old[-1] if old else self._seen[0][1]
