"""Whether the powers that an inverter reports can be true together (protocols D.2).

    pv + import + discharge = charge + export + load

A lost meter reads zero for ever (trap 37), one that is clamped on the wrong way takes import for export (trap 38):
each number is possible, but together they are not.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import fmean

from pems_core.domain import Quality, Reading

SOURCES = ("pv_kw", "import_kw", "discharge_kw")
SINKS = ("charge_kw", "export_kw", "load_kw")
POWERS = (*SOURCES, *SINKS)

WINDOW = timedelta(minutes=1)
LEAST_SPAN = timedelta(seconds=20)
"""Of the samples in the window: the powers are not read at one instant, so what is seen once proves nothing."""
LEAST_KW = 0.3
SHARE = 0.1
"""How far sources and sinks may differ: this much, or this share of the larger, whichever is more."""


class PowerBalance:
    """The balance of one inverter over the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, float, float]] = deque()
        self._broken = ""

    def fault(self, now: datetime, powers: Mapping[str, Reading]) -> str:
        """How the powers miss the balance; empty if they keep it, or if that cannot be told.

        :param powers: by flow [kW].
        """
        self._add(now, powers)
        while self._samples and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        if not self._samples:
            self._broken = ""
        elif self._samples[-1][0] - self._samples[0][0] >= LEAST_SPAN:
            self._broken = self._miss()
        return self._broken

    def _add(self, now: datetime, powers: Mapping[str, Reading]) -> None:
        if not all(flow in powers and _is_power(powers[flow]) for flow in POWERS):
            return
        oldest = min(powers[flow].measured_at for flow in POWERS)
        newest = max(powers[flow].measured_at for flow in POWERS)
        if now - oldest > WINDOW or (self._samples and newest <= self._samples[-1][0]):
            return
        supplied, drawn = (sum(float(powers[flow].value) for flow in side) for side in (SOURCES, SINKS))
        self._samples.append((newest, supplied, drawn))

    def _miss(self) -> str:
        supplied = fmean(sample[1] for sample in self._samples)
        drawn = fmean(sample[2] for sample in self._samples)
        allowed = max(LEAST_KW, SHARE * max(supplied, drawn))
        if abs(supplied - drawn) <= allowed:
            return ""
        return (
            f"pv, import and discharge are {supplied:.2f} kW, charge, export and load {drawn:.2f} kW in the mean of a "
            f"minute; a difference of {allowed:.2f} kW is allowed: is a meter lost or clamped on the wrong way?"
        )


def _is_power(reading: Reading) -> bool:
    number = isinstance(reading.value, int | float) and not isinstance(reading.value, bool)
    return reading.quality is Quality.GOOD and reading.unit == "kW" and number
