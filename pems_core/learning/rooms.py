"""Heated rooms as their history shows them, in the terms in which plans are made."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pems_core.domain import BadSeries, HeatingSpec, RoomSpec

from .identify import Identified, Measured, identify, step_of_h
from .network import Network, Place, places

OUTDOOR, GHI = "site/outdoor_temperature_c", "site/ghi_w_m2"
SHORT_GAP_H = 2.0
"""Weather that is missing for so long is drawn straight through."""
LEAST_HEATED = 0.02
MOST_HEATED = 0.98
"""A relay that is on for less or more of the time tells nothing of its slab."""
LEAST_DAYS = 7.0
LEARNED = 0.7
"""A room is learned if its heat loss is known better than before by this factor."""
SLAB_KINDS = ("mass_kwh_per_k", "mass_to_air_kw_per_k")


@dataclass(frozen=True, slots=True)
class Learned:
    """One number of a room, and what it was in the house file."""

    room: str
    parameter: str
    """As in `RoomSpec`; a conductance to a neighbour is `neighbours.<room>`."""
    value: float
    low: float
    high: float
    """The true value lies between low and high with a probability of 80 %."""
    prior: float

    def __str__(self) -> str:
        change = self.value / self.prior - 1
        return (
            f"{self.room}.{self.parameter}: {self.value:.3g} ({self.low:.3g} to {self.high:.3g}), "
            f"{change:+.0%} against the house file"
        )


@dataclass(frozen=True)
class LearnedRooms:
    """Rooms as identified, how sure each number is, and which rooms keep what the house file says."""

    spec: HeatingSpec
    numbers: tuple[Learned, ...]
    kept: Mapping[str, str]
    """By room: why it keeps its numbers."""
    days: float
    error_k: Mapping[str, float]
    """By room: what the model gets wrong from one step to the next, as a standard deviation."""

    def of(self, room: str, parameter: str) -> Learned:
        return next(n for n in self.numbers if (n.room, n.parameter) == (room, parameter))


def network_of(spec: HeatingSpec) -> Network:
    """The rooms of a plan as a network: heaters in the slabs, one outside, sun by global irradiance."""
    rooms = spec.rooms
    links = np.array([[0.0 if a is b else spec.conductance(a.name, b.name) for b in rooms] for a in rooms])

    def column(parameter: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([getattr(room, parameter) for room in rooms], dtype=np.float64)

    return Network(
        air_kwh_per_k=column("air_kwh_per_k"),
        mass_kwh_per_k=column("slab_kwh_per_k"),
        mass_to_air_kw_per_k=column("slab_to_air_kw_per_k"),
        surroundings_kw_per_k=column("outside_kw_per_k")[:, None],
        links_kw_per_k=links.reshape(len(rooms), len(rooms)),
        sun_m2=column("solar_m2")[:, None],
        gain_kw=column("internal_gain_kw"),
        into_air=np.zeros(len(rooms)),
    )


def measured_rooms(telemetry: pd.DataFrame, heating: str, spec: HeatingSpec, timezone: str) -> Measured:
    """What the ledger has of a heating system.

    Uses `<heating>/<room>_temperature_c`, `<heating>/<room>_relay` (the share of time it was on) and the weather at the
    house, `site/outdoor_temperature_c` and `site/ghi_w_m2`.

    :raises BadSeries: with one line for each series that is not there.
    """
    names = [room.name for room in spec.rooms]
    air = {name: f"{heating}/{name}_temperature_c" for name in names}
    relay = {name: f"{heating}/{name}_relay" for name in names}
    wanted = [*air.values(), *relay.values(), OUTDOOR, GHI]
    missing = [series for series in wanted if series not in telemetry or telemetry[series].isna().all()]
    if missing:
        raise BadSeries([f"telemetry.{series}: found no value; needed to identify {heating}" for series in missing])
    frame = telemetry[wanted].astype(np.float64)
    step_h = step_of_h(pd.DatetimeIndex(frame.index))
    whole = pd.date_range(frame.index[0], frame.index[-1], freq=pd.Timedelta(hours=step_h))
    frame = frame.reindex(whole)
    weather = frame[[OUTDOOR, GHI]].interpolate(limit=int(SHORT_GAP_H / step_h), limit_area="inside")
    powers = pd.Series({room.name: room.relay_kw for room in spec.rooms})
    return Measured(
        air_c=frame[list(air.values())].set_axis(names, axis=1),
        heater_kw=frame[list(relay.values())].set_axis(names, axis=1) * powers,
        surroundings_c=weather[[OUTDOOR]],
        sun_kw_m2=weather[[GHI]] / 1000,
        timezone=timezone,
    )


def learn_rooms(spec: HeatingSpec, measured: Measured) -> LearnedRooms:
    """Identify all rooms together, with the house file as prior.

    A room whose heater tells too little keeps the slab of the house file; one whose heat loss is hardly better known
    than before says so. Both stand in `kept`.

    :raises BadSeries: if the history is too short.
    """
    days = len(measured.air_c) * measured.step_h / 24
    if days < LEAST_DAYS:
        raise BadSeries([f"history: found {days:.1f} days; at least {LEAST_DAYS:g} are needed to identify rooms"])
    prior = network_of(spec)
    kept = _idle(spec, measured)
    names = [room.name for room in spec.rooms]
    fixed = frozenset(p for p in places(prior) if p.kind in SLAB_KINDS and names[p.room] in kept)
    try:
        found = identify(prior, measured, fixed)
    except ValueError as short:
        raise BadSeries([str(short)]) from short
    numbers = tuple(_number(names, place, found, prior) for place in found.where)
    for i, place in enumerate(found.where):
        if place.kind == "surroundings_kw_per_k" and found.sd[i] > LEARNED * found.spread[i]:
            sure = f"its heat loss is known to {found.sd[i]:.0%}, {found.spread[i]:.0%} before"
            kept.setdefault(names[place.room], f"too little happened in it: {sure}")
    error_k = dict(zip(names, (float(s) for s in found.sigma_k), strict=True))
    return LearnedRooms(_spec(spec, found.network), numbers, kept, days, error_k)


def _idle(spec: HeatingSpec, measured: Measured) -> dict[str, str]:
    found = {}
    for room in spec.rooms:
        share = float((measured.heater_kw[room.name] / room.relay_kw).mean())
        if not LEAST_HEATED <= share <= MOST_HEATED:
            found[room.name] = f"its relay was on for {share:.1%} of the time, which tells nothing of its slab"
    return found


PARAMETER = {
    "air_kwh_per_k": "air_kwh_per_k",
    "mass_kwh_per_k": "slab_kwh_per_k",
    "mass_to_air_kw_per_k": "slab_to_air_kw_per_k",
    "surroundings_kw_per_k": "outside_kw_per_k",
    "sun_m2": "solar_m2",
    "gain_kw": "internal_gain_kw",
}
"""The names of plans for those of a network."""


def _number(names: list[str], place: Place, found: Identified, prior: Network) -> Learned:
    low, high = found.interval(place)
    kind = place.kind
    parameter = f"neighbours.{names[place.index[1]]}" if kind == "links_kw_per_k" else PARAMETER[kind]
    value, before = (float(getattr(network, kind)[place.index]) for network in (found.network, prior))
    return Learned(names[place.room], parameter, value, low, high, before)


def _spec(spec: HeatingSpec, network: Network) -> HeatingSpec:
    names = [room.name for room in spec.rooms]

    def learned(i: int, room: RoomSpec) -> RoomSpec:
        links = network.links_kw_per_k[i]
        return replace(
            room,
            air_kwh_per_k=float(network.air_kwh_per_k[i]),
            slab_kwh_per_k=float(network.mass_kwh_per_k[i]),
            slab_to_air_kw_per_k=float(network.mass_to_air_kw_per_k[i]),
            outside_kw_per_k=float(network.surroundings_kw_per_k[i, 0]),
            neighbours={names[j]: float(links[j]) for j in range(i + 1, len(names)) if links[j] > 0},
            solar_m2=float(network.sun_m2[i, 0]),
            internal_gain_kw=float(network.gain_kw[i]),
        )

    return replace(spec, rooms=tuple(learned(i, room) for i, room in enumerate(spec.rooms)))
