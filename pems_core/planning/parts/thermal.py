"""The thermal equations of heated rooms, discretised; shared by the model, the execution model and the observer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, expm1, hypot, sqrt

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
    """Zero-order hold over one step; neighbours and outside enter as heat from what they were at its start.

    The exponential of the two nodes' dynamics and its integral by Sylvester's formula: both eigenvalues are real. A
    library's general one takes ten times as long, and a running house looks at all rooms every few seconds.
    """
    air_air, air_slab = -(slab_to_air + air_loss) / air_kwh_per_k, slab_to_air / air_kwh_per_k
    slab_air, slab_slab = slab_to_air / slab_kwh_per_k, -slab_to_air / slab_kwh_per_k
    spread = hypot((air_air - slab_slab) / 2, sqrt(air_slab * slab_air))
    fast = (air_air + slab_slab) / 2 - spread
    slow = slab_to_air * air_loss / (air_kwh_per_k * slab_kwh_per_k) / fast
    slow_left, fast_left = exp(slow * length_h), exp(fast * length_h)
    slow_h, fast_h = _integral_h(slow, length_h), _integral_h(fast, length_h)
    over = slow - fast

    def combined(of_slow: float, of_fast: float, air: float, slab: float) -> tuple[float, float, float, float]:
        """Air by air and by slab, slab by air and by slab."""
        cross = (of_slow - of_fast) / over
        return (
            (of_slow * (air - fast) - of_fast * (air - slow)) / over,
            cross * air_slab,
            cross * slab_air,
            (of_slow * (slab - fast) - of_fast * (slab - slow)) / over,
        )

    left = combined(slow_left, fast_left, air_air, slab_slab)
    gained = combined(slow_h, fast_h, air_air, slab_slab)
    return RoomStep(
        left[0],
        left[1],
        gained[0] / air_kwh_per_k,
        gained[1] / slab_kwh_per_k,
        left[2],
        left[3],
        gained[2] / air_kwh_per_k,
        gained[3] / slab_kwh_per_k,
    )


def _integral_h(rate_per_h: float, length_h: float) -> float:
    """Of exp(rate t) over a step [h]."""
    return expm1(rate_per_h * length_h) / rate_per_h if rate_per_h else length_h


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
