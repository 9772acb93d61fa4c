"""The heat of a house: two nodes a room, coupled with each other and the outside."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.linalg import expm

from pems_core.domain import HeatingSpec, RoomSpec

from .clock import MINUTE_H, Array

UNCERTAIN = (
    "air_kwh_per_k",
    "slab_kwh_per_k",
    "slab_to_air_kw_per_k",
    "outside_kw_per_k",
    "neighbours",
    "solar_m2",
    "internal_gain_kw",
)
"""What nobody knows exactly of a room; the power of its heater is known."""


class ThermalTwin:
    """Air and slab temperatures of all rooms.

    With N rooms, x = [air, slab] of shape (2N,) and q the heat put into each node [kW],

        C dx/dt = G x + q

    is solved exactly over each minute for q constant in it. Heat to outside is `outside * outdoor` in q.
    """

    def __init__(self, spec: HeatingSpec, air_c: Array, gain_kw: Array) -> None:
        """Start at rest: slabs as warm as they must be to hold `air_c` with `gain_kw` from outside, sun and people.

        :param air_c: shape (N,).
        :param gain_kw: shape (N,), including `outside_kw_per_k * outdoor`.
        """
        rooms = spec.rooms
        count = len(rooms)
        self.capacity_kwh_per_k: Array = np.array([r.air_kwh_per_k for r in rooms] + [r.slab_kwh_per_k for r in rooms])
        self.outside_kw_per_k: Array = np.array([r.outside_kw_per_k for r in rooms])
        conductance = _conductance(spec)
        dynamics = conductance / self.capacity_kwh_per_k[:, None]
        held = np.zeros((4 * count, 4 * count))
        held[: 2 * count, : 2 * count] = dynamics
        held[: 2 * count, 2 * count :] = np.diag(1 / self.capacity_kwh_per_k)
        self._over_minute: Array = np.ascontiguousarray(np.asarray(expm(held * MINUTE_H))[: 2 * count])
        # One buffer [x, q], so that a minute is a single product.
        self._buffer: Array = np.zeros(4 * count)
        self._count = count
        slab_to_air = np.array([r.slab_to_air_kw_per_k for r in rooms])
        # What neighbours, outside, sun and people leave to the heater; the slab's own term is taken out again.
        needed_kw = -(conductance[:count, :count] @ air_c + slab_to_air * air_c + gain_kw)
        self._buffer[:count] = air_c
        self._buffer[count : 2 * count] = air_c + np.maximum(0.0, needed_kw) / slab_to_air

    @property
    def air_c(self) -> Array:
        """Shape (N,); a view that changes with time."""
        return self._buffer[: self._count]

    @property
    def slab_c(self) -> Array:
        """Shape (N,); a view that changes with time."""
        return self._buffer[self._count : 2 * self._count]

    @property
    def heat_kwh(self) -> float:
        """Heat in air and slabs, relative to 0 °C."""
        return float(self.capacity_kwh_per_k @ self._buffer[: 2 * self._count])

    def heat_up_to_kwh(self, air_c: Array, slab_c: Array) -> float:
        """Heat in air and slabs, relative to 0 °C, that is not above these temperatures, shape (N,) each."""
        return float(self.capacity_kwh_per_k @ np.minimum(self._buffer[: 2 * self._count], np.append(air_c, slab_c)))

    def gain(self, kw: Array) -> None:
        """Heat into the air that holds from now on, shape (N,), including `outside_kw_per_k * outdoor`."""
        self._buffer[2 * self._count : 3 * self._count] = kw

    def minute(self, heater_kw: Array) -> None:
        """One minute with these heaters in the slabs, shape (N,)."""
        self._buffer[3 * self._count :] = heater_kw
        self._buffer[: 2 * self._count] = self._over_minute @ self._buffer


def _conductance(spec: HeatingSpec) -> Array:
    """Heat into each node by temperature of each node [kW/K], shape (2N, 2N); the outside is at zero."""
    count = len(spec.rooms)
    matrix = np.zeros((2 * count, 2 * count))
    for i, room in enumerate(spec.rooms):
        slab = count + i
        matrix[i, slab] = matrix[slab, i] = room.slab_to_air_kw_per_k
        matrix[i, i] = -room.slab_to_air_kw_per_k - room.outside_kw_per_k
        matrix[slab, slab] = -room.slab_to_air_kw_per_k
    for i, room in enumerate(spec.rooms):
        for j, other in enumerate(spec.rooms):
            if i != j:
                flow = spec.conductance(room.name, other.name)
                matrix[i, j] += flow
                matrix[i, i] -= flow
    return matrix


def seeded_thermal_error(spec: HeatingSpec, seed: int, spread: float = 0.3) -> dict[str, float]:
    """Factors `<room>.<parameter>` between 1 - spread and 1 + spread for everything in `UNCERTAIN`."""
    rng = np.random.default_rng(seed)
    names = [f"{room.name}.{parameter}" for room in spec.rooms for parameter in UNCERTAIN]
    return dict(zip(names, (float(x) for x in rng.uniform(1 - spread, 1 + spread, len(names))), strict=True))


def with_thermal_error(spec: HeatingSpec, factors: Mapping[str, float]) -> HeatingSpec:
    """The house as it really is, if its parameters differ from the specification by `factors`.

    :param factors: by `<parameter>` for all rooms or `<room>.<parameter>`; both multiply.
    :raises ValueError: if a factor names no parameter, or is not positive; all faults at once.
    """
    allowed = {*UNCERTAIN, *(f"{room.name}.{parameter}" for room in spec.rooms for parameter in UNCERTAIN)}
    faults = [
        f"thermal_error[{name!r}] is {factor}; a positive factor of <room>.<parameter> is allowed, "
        f"parameters: {', '.join(UNCERTAIN)}"
        for name, factor in factors.items()
        if name not in allowed or not factor > 0
    ]
    if faults:
        raise ValueError("\n".join(faults))
    return replace(spec, rooms=tuple(_room_with_error(room, factors) for room in spec.rooms))


def _room_with_error(room: RoomSpec, factors: Mapping[str, float]) -> RoomSpec:
    def factor(parameter: str) -> float:
        return factors.get(parameter, 1.0) * factors.get(f"{room.name}.{parameter}", 1.0)

    return replace(
        room,
        air_kwh_per_k=room.air_kwh_per_k * factor("air_kwh_per_k"),
        slab_kwh_per_k=room.slab_kwh_per_k * factor("slab_kwh_per_k"),
        slab_to_air_kw_per_k=room.slab_to_air_kw_per_k * factor("slab_to_air_kw_per_k"),
        outside_kw_per_k=room.outside_kw_per_k * factor("outside_kw_per_k"),
        neighbours={name: flow * factor("neighbours") for name, flow in room.neighbours.items()},
        solar_m2=room.solar_m2 * factor("solar_m2"),
        internal_gain_kw=room.internal_gain_kw * factor("internal_gain_kw"),
    )
