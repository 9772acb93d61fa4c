"""A battery with losses, limits and a temperature."""

from pems_core.domain import BatterySpec
from pems_core.domain.equipment import clip

from .clock import MINUTE_H

WARMING_H = 8.0
"""Time constant of the cells against the room they stand in."""


class BatteryTwin:
    """Energy in the cells [kWh]; powers are at the DC terminals [kW].

    energy' = energy + (charge * charge_efficiency - discharge / discharge_efficiency - standby) * minute
    """

    def __init__(self, spec: BatterySpec, soc: float, outdoor_c: float) -> None:
        self._spec = spec
        self.energy_kwh = soc * spec.capacity_kwh
        self.temperature_c = _surroundings_c(outdoor_c)

    @property
    def soc(self) -> float:
        return self.energy_kwh / self._spec.capacity_kwh

    @property
    def above_floor_kwh(self) -> float:
        """Negative below the floor."""
        return self.energy_kwh - self._spec.soc_min * self._spec.capacity_kwh

    def recalibrate(self, soc: float) -> None:
        """Hold this state of charge, 0..1, from now on, wherever the energy came from or went."""
        self.energy_kwh = soc * self._spec.capacity_kwh

    def can_charge_kw(self, stop_soc: float = 1.0) -> float:
        """Highest charge power in this minute that does not pass `stop_soc` or the ceiling."""
        room_kwh = min(stop_soc, self._spec.soc_max) * self._spec.capacity_kwh - self.energy_kwh
        if room_kwh <= 0.0:
            return 0.0
        limit_kw = self._spec.charge_limit_at(self.soc, self.temperature_c)
        return min(limit_kw, room_kwh / (self._spec.charge_efficiency * MINUTE_H))

    def can_discharge_kw(self, stop_soc: float = 0.0) -> float:
        """Highest discharge power in this minute that does not pass `stop_soc` or the floor."""
        left_kwh = self.energy_kwh - max(stop_soc, self._spec.soc_min) * self._spec.capacity_kwh
        if left_kwh <= 0.0:
            return 0.0
        limit_kw = self._spec.discharge_limit_at(self.soc, self.temperature_c)
        return min(limit_kw, left_kwh * self._spec.discharge_efficiency / MINUTE_H)

    def minute(
        self, charge_kw: float, discharge_kw: float, outdoor_c: float, *, loss: float = 0.0, standby_kw: float = 0.0
    ) -> None:
        """Let one minute pass; the powers keep what `can_charge_kw` and `can_discharge_kw` allow.

        :param loss: share lost each way beyond the efficiencies.
        :param standby_kw: drawn beyond the battery's own.
        """
        spec, kept = self._spec, 1.0 - loss
        stored_kw = charge_kw * spec.charge_efficiency * kept - discharge_kw / (spec.discharge_efficiency * kept)
        self.energy_kwh = max(0.0, self.energy_kwh + stored_kw * MINUTE_H)
        # Standby stops at the floor: there the electronics take their power from elsewhere.
        self.energy_kwh -= clip(self.above_floor_kwh, 0.0, (spec.standby_kw + standby_kw) * MINUTE_H)
        self.temperature_c += (_surroundings_c(outdoor_c) - self.temperature_c) * MINUTE_H / WARMING_H


def _surroundings_c(outdoor_c: float) -> float:
    """A utility room follows the weather a little."""
    return clip(18.0 + 0.25 * (outdoor_c - 5.0), 15.0, 25.0)
