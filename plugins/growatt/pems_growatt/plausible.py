"""Which values of a poll are believed, after those before it (protocols D.2 "Plausibility filter").

What no house can have, and powers that do not balance, are the process image's to find.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.domain import Quality, Value

OVER_RATING = 1.3
LEAST_JUMP = 0.02
OVER_ENERGY = 1.5
"""A state of charge may move by 2 %, or by one and a half times what the powers explain."""
BELIEVED_AFTER = 3
"""Polls after which a jump is taken for what it is: batteries recalibrate by up to 20 % (E.3)."""
COUNTER_NOISE_KWH = 0.25
"""Totals jump back by 0.1 kWh on some firmware (E.2)."""
FREQUENCY_HZ = (45.0, 65.0)


@dataclass(frozen=True, slots=True)
class Ratings:
    """The highest powers that the plant can have [kW]."""

    pv_kw: float
    battery_kw: float
    grid_kw: float
    battery_kwh: float = 0.0

    def of(self, state: str) -> float | None:
        """The rating that limits a power; None for what is no power."""
        return {
            "pv_kw": self.pv_kw,
            "charge_kw": self.battery_kw,
            "discharge_kw": self.battery_kw,
            "import_kw": self.grid_kw,
            "export_kw": self.grid_kw,
            "load_kw": self.grid_kw + self.pv_kw + self.battery_kw,
        }.get(state)


@dataclass
class _Jump:
    value: float
    seen: int = 1


@dataclass
class Plausibility:
    """Compares each poll with what was believed before."""

    ratings: Ratings
    _believed: dict[str, float] = field(default_factory=dict)
    _jumps: dict[str, _Jump] = field(default_factory=dict)
    _soc_at: datetime | None = None

    def judge(self, found: Mapping[str, Value], now: datetime) -> Mapping[str, Quality]:
        """The quality of each state of a poll."""
        return {state: self._quality(state, value, found, now) for state, value in found.items()}

    def looks_like_another_unit(self, found: Mapping[str, Value]) -> bool:
        """A frequency that no grid has: the registers are not those that were asked for."""
        frequency_hz = found.get("frequency_hz", 0.0)
        lowest, highest = FREQUENCY_HZ
        return bool(frequency_hz) and not lowest <= float(frequency_hz) <= highest

    def _quality(self, state: str, value: Value, found: Mapping[str, Value], now: datetime) -> Quality:
        if isinstance(value, bool | str):
            return Quality.GOOD
        rating_kw = self.ratings.of(state)
        if rating_kw is not None and not 0.0 <= value <= OVER_RATING * rating_kw:
            return Quality.SUSPECT
        if state == "soc":
            return self._soc(value, found, now)
        if state.endswith("_kwh"):
            return self._total(state, value)
        return Quality.GOOD

    def _soc(self, soc: float, found: Mapping[str, Value], now: datetime) -> Quality:
        if not 0.0 <= soc <= 1.0:
            return Quality.SUSPECT
        since_s = (now - self._soc_at).total_seconds() if self._soc_at else 0.0
        power_kw = max(float(found.get(flow, 0.0)) for flow in ("charge_kw", "discharge_kw"))
        capacity_kwh = self.ratings.battery_kwh
        explained = OVER_ENERGY * power_kw * since_s / 3600 / capacity_kwh if capacity_kwh else 1.0
        before = self._believed.get("soc", soc)
        if abs(soc - before) <= max(LEAST_JUMP, explained) + 1e-9 or self._persists("soc", soc, LEAST_JUMP):
            self._believe("soc", soc)
            self._soc_at = now
            return Quality.GOOD
        return Quality.SUSPECT

    def _total(self, state: str, total_kwh: float) -> Quality:
        before = self._believed.get(state, total_kwh)
        if total_kwh >= before or (
            before - total_kwh > COUNTER_NOISE_KWH and self._persists(state, total_kwh, COUNTER_NOISE_KWH)
        ):
            self._believe(state, total_kwh)
            return Quality.GOOD
        return Quality.SUSPECT

    def _persists(self, state: str, value: float, noise: float) -> bool:
        """A value that is away from what was believed, and stays there."""
        jump = self._jumps.get(state)
        if jump is None or abs(value - jump.value) > noise + 1e-9:
            self._jumps[state] = _Jump(value)
            return False
        jump.value, jump.seen = value, jump.seen + 1
        return jump.seen >= BELIEVED_AFTER

    def _believe(self, state: str, value: float) -> None:
        self._believed[state] = value
        self._jumps.pop(state, None)
