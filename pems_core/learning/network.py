"""A thermal network of rooms as arrays, and what it does with heat: solved exactly, mode by mode."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SLOWEST_PER_H = -1e-9
"""A network that loses nothing has a mode that never decays; the formulas want one that hardly does."""


@dataclass(frozen=True)
class Network:
    """Rooms of two nodes each: air with furniture, and a mass (a heated slab, walls) that only the air touches.

    air_kwh_per_k * d(air)/dt = mass_to_air * (mass - air) + sum(surrounding * (surrounding_c - air))
                              + sum(link * (other air - air)) + sun + gain + into_air * heater
    mass_kwh_per_k * d(mass)/dt = mass_to_air * (air - mass) + (1 - into_air) * heater

    Every array has a row for each of N rooms. Each value is positive, or zero for what there is none of.
    """

    air_kwh_per_k: Array
    mass_kwh_per_k: Array
    mass_to_air_kw_per_k: Array
    surroundings_kw_per_k: Array
    """Shape (N, B): to each of B surroundings, the outside first."""
    links_kw_per_k: Array
    """Shape (N, N): between rooms; what stands above the diagonal counts."""
    sun_m2: Array
    """Shape (N, S): heat [kW] per kW/m2 of each of S irradiances."""
    gain_kw: Array
    """Mean heat of people and appliances."""
    into_air: Array
    """Share of the heater's heat that goes to the air; the rest goes to the mass."""

    @property
    def rooms(self) -> int:
        return len(self.air_kwh_per_k)

    @property
    def capacity_kwh_per_k(self) -> Array:
        """Shape (2N,): airs, then masses."""
        return np.concatenate([self.air_kwh_per_k, self.mass_kwh_per_k])

    @cached_property
    def conductance_kw_per_k(self) -> Array:
        """Heat into each node by the temperature of each node, shape (2N, 2N); the surroundings are at zero."""
        n = self.rooms
        links = np.triu(self.links_kw_per_k, 1)
        links = links + links.T
        matrix = np.zeros((2 * n, 2 * n))
        matrix[:n, :n] = links - np.diag(
            links.sum(axis=1) + self.surroundings_kw_per_k.sum(axis=1) + self.mass_to_air_kw_per_k
        )
        to_mass = np.diag(self.mass_to_air_kw_per_k)
        matrix[:n, n:] = matrix[n:, :n] = to_mass
        matrix[n:, n:] = -to_mass
        return matrix

    def settled(self, air_c: Array, air_heat_kw: Array) -> Array:
        """Masses that hold the air where it is, never colder than it; shape (N,).

        :param air_heat_kw: heat into the air from surroundings, sun and people.
        """
        n = self.rooms
        to_air = self.conductance_kw_per_k[:n, :n] @ air_c + self.mass_to_air_kw_per_k * air_c + air_heat_kw
        return np.asarray(air_c + np.maximum(0.0, -to_air) / self.mass_to_air_kw_per_k, dtype=np.float64)

    def course(self, heat_kw: Array, start_c: Array, step_h: float) -> tuple[Array, Array]:
        """Mean of each air over each step, shape (T, N), and all nodes at the end, shape (2N,).

        With C^1/2 as scale the network is symmetric: its modes are independent, and each is a filter of first order.

        :param heat_kw: into each node, constant over each step, shape (T, 2N).
        :param start_c: of each node, shape (2N,).
        """
        scale = 1 / np.sqrt(self.capacity_kwh_per_k)
        rate, modes = np.linalg.eigh(scale[:, None] * self.conductance_kw_per_k * scale)
        rate = np.minimum(rate, SLOWEST_PER_H)
        decay = np.exp(rate * step_h)
        held = np.expm1(rate * step_h) / rate
        share = held / step_h
        drive = heat_kw @ (scale[:, None] * modes)
        start = modes.T @ (start_c / scale)
        # It brings all statistics along: a command that identifies nothing need not wait for them.
        from scipy.signal import lfilter

        after = np.empty_like(drive)
        for k in range(len(rate)):
            after[:, k], _ = lfilter([held[k]], [1.0, -decay[k]], drive[:, k], zi=[decay[k] * start[k]])
        before = np.vstack([start, after[:-1]])
        mean = before * share + drive * ((share - 1) / rate)
        to_nodes = scale[:, None] * modes
        return np.asarray(mean @ to_nodes[: self.rooms].T), np.asarray(to_nodes @ after[-1])


KINDS = (
    "air_kwh_per_k",
    "mass_kwh_per_k",
    "mass_to_air_kw_per_k",
    "surroundings_kw_per_k",
    "links_kw_per_k",
    "sun_m2",
    "gain_kw",
    "into_air",
)


@dataclass(frozen=True, slots=True)
class Place:
    """One number of a network."""

    kind: str
    index: tuple[int, ...]

    @property
    def room(self) -> int:
        return self.index[0]


def places(network: Network) -> tuple[Place, ...]:
    """Every number of a network that is not zero; of a link the place above the diagonal."""
    found: list[Place] = []
    for kind in KINDS:
        values: Array = getattr(network, kind)
        there = np.argwhere(np.triu(values, 1) > 0 if kind == "links_kw_per_k" else values > 0)
        found += [Place(kind, tuple(int(i) for i in index)) for index in there]
    return tuple(found)


def value_at(network: Network, place: Place) -> float:
    values: Array = getattr(network, place.kind)
    return float(values[place.index])


def multiplied(network: Network, where: tuple[Place, ...], factors: Array) -> Network:
    """The network with the numbers at these places multiplied; a share stays at most 1."""
    changed: dict[str, Array] = {}
    for place, factor in zip(where, factors, strict=True):
        if place.kind not in changed:
            changed[place.kind] = np.array(getattr(network, place.kind), dtype=np.float64)
        changed[place.kind][place.index] *= factor
    if "into_air" in changed:
        changed["into_air"] = np.minimum(1.0, changed["into_air"])
    return replace(network, **changed)
