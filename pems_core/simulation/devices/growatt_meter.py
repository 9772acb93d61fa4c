"""What the inverter counts: energies since it was made, and those of its day."""

from collections.abc import Mapping
from datetime import date, datetime

from .growatt_parameters import GrowattParameters
from .traps import Traps

MINUTE_H = 1 / 60
COUNTED = ("pv", "ac", "import", "export", "charge", "discharge", "load", "ac_charge")
BEGUN_KWH = 1000.0
"""What each total shows when the simulation begins: an inverter is seldom new."""


class GrowattMeter:
    """Totals and daily energies by flow [kWh]. The day begins at midnight of the inverter's clock (but see trap 40)."""

    def __init__(self, traps: Traps, parameters: GrowattParameters) -> None:
        self._traps, self._parameters = traps, parameters
        self._total_kwh = dict.fromkeys(COUNTED, BEGUN_KWH)
        self._today_kwh = dict.fromkeys(COUNTED, 0.0)
        self._day: date | None = None

    def minute(self, local: datetime, powers_kw: Mapping[str, float]) -> None:
        """Count the minute that ends now."""
        for name in COUNTED:
            self._total_kwh[name] += powers_kw[name] * MINUTE_H
            self._today_kwh[name] += powers_kw[name] * MINUTE_H
        if self._day is None or (self._day != local.date() and self._new_day(local)):
            self._day = local.date()
            self._today_kwh = dict.fromkeys(COUNTED, 0.0)

    def total_kwh(self, name: str, local: datetime) -> float:
        """With trap 40 it jumps back by 0.1 kWh for the first minute of each hour."""
        back = "40" in self._traps and local.minute == 0
        return self._total_kwh[name] - (0.1 if back else 0.0)

    def today_kwh(self, name: str) -> float:
        return self._today_kwh[name]

    def _new_day(self, local: datetime) -> bool:
        """At sunrise with trap 40; some time after it when the inverter slept (trap 16)."""
        sunrise = datetime.combine(local.date(), self._parameters.silent_until)
        after_s = (local - sunrise).total_seconds()
        if "16" in self._traps:
            return after_s >= self._parameters.counters_old_for_s
        return "40" not in self._traps or after_s >= 0
