"""The thermal equations of heated rooms, discretised; shared by the model, the execution model and the observer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp

import numpy as np
from scipy.linalg import expm

from pems_core.domain import HeatingSpec, RoomSpec

DISTURBANCE_MEMORY_H = 6.0
"""An unexplained heat flow seen now is expected to fade with this time constant."""


@dataclass(frozen=True, slots=True)
class RoomStep:
    """One room over one step: how air and slab follow from air, slab, air-side heat and heater power.

    air'  = air_air * air + air_slab * slab + air_gain * gain_kw + air_heat * heater_kw
    slab' = slab_air * air + slab_slab * slab + slab_gain * gain_kw + slab_heat * heater_kw
    """

    air_air: float
    air_slab: float
    air_gain: float
    air_heat: float
    slab_air: float
    slab_slab: float
    slab_gain: float
    slab_heat: float


@lru_cache(maxsize=4096)
def _room_step(
    air_kwh_per_k: float, slab_kwh_per_k: float, slab_to_air: float, air_loss: float, length_h: float
) -> RoomStep:
    """Zero-order hold over one step; neighbours and outside enter as heat from what they were at its start."""
    dynamics = np.zeros((4, 4))
    dynamics[0] = [-(slab_to_air + air_loss) / air_kwh_per_k, slab_to_air / air_kwh_per_k, 1 / air_kwh_per_k, 0]
    dynamics[1] = [slab_to_air / slab_kwh_per_k, -slab_to_air / slab_kwh_per_k, 0, 1 / slab_kwh_per_k]
    over = expm(dynamics * length_h)
    return RoomStep(*(float(x) for x in over[0]), *(float(x) for x in over[1]))


@dataclass(frozen=True)
class RoomNetwork:
    """The rooms of a house with their couplings, ready to be stepped."""

    spec: HeatingSpec
    neighbours: Mapping[str, Sequence[tuple[str, float]]]
    """Other rooms and the conductance to each [kW/K]."""

    @classmethod
    def of(cls, spec: HeatingSpec) -> "RoomNetwork":
        names = [room.name for room in spec.rooms]
        coupled = {
            name: tuple((other, g) for other in names if other != name and (g := spec.conductance(name, other)) > 0)
            for name in names
        }
        return cls(spec, coupled)

    def step(self, room: RoomSpec, length_h: float) -> RoomStep:
        loss = room.outside_kw_per_k + sum(g for _, g in self.neighbours[room.name])
        return _room_step(room.air_kwh_per_k, room.slab_kwh_per_k, room.slab_to_air_kw_per_k, loss, round(length_h, 9))

    def after(
        self,
        air_c: Mapping[str, float],
        slab_c: Mapping[str, float],
        heater_kw: Mapping[str, float],
        outside_gain_kw: Mapping[str, float],
        length_h: float,
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Air and slab temperatures [°C] of all rooms after one step.

        :param outside_gain_kw: heat into the air of each room from outside conductance times outdoor
            temperature, sun, people and disturbance; neighbours are added here.
        """
        air_after, slab_after = {}, {}
        for room in self.spec.rooms:
            name = room.name
            s = self.step(room, length_h)
            gain = outside_gain_kw[name] + sum(g * air_c[other] for other, g in self.neighbours[name])
            air, slab, heat = air_c[name], slab_c[name], heater_kw[name]
            air_after[name] = s.air_air * air + s.air_slab * slab + s.air_gain * gain + s.air_heat * heat
            slab_after[name] = s.slab_air * air + s.slab_slab * slab + s.slab_gain * gain + s.slab_heat * heat
        return air_after, slab_after


def outside_gain_kw(room: RoomSpec, outdoor_c: float, ghi_w_m2: float, disturbance_kw: float = 0.0) -> float:
    """Heat [kW] into the air that does not depend on any room: outside, sun, people, disturbance."""
    sun_kw = room.solar_m2 * ghi_w_m2 / 1000
    return room.outside_kw_per_k * outdoor_c + sun_kw + room.internal_gain_kw + disturbance_kw


def faded(disturbance_kw: float, lead_h: float) -> float:
    """What is left [kW] of a disturbance seen now after `lead_h` hours."""
    return disturbance_kw * exp(-max(0.0, lead_h) / DISTURBANCE_MEMORY_H)
