"""Identified rooms are planned with only where they win, on days that they were not learned from.

The numbers of the house file and the identified ones are put into what planning and state estimation use: the
observer follows the house through its history, and from every noon and midnight of the checked days the rooms are
stepped through 24 h whose heating and weather are known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, BadSeries, HeatingSpec, HeatingState, RoomSpec, RoomState, Step
from pems_core.planning.parts.room_execution import execute_rooms, observe_room, settled_slab_c
from pems_core.planning.parts.thermal import RoomNetwork

from .evidence import LEAST_GAIN, Compared, compared
from .identify import Measured
from .network import Array
from .rooms import LearnedRooms, learn_rooms

CHECKED_DAYS = 7
"""The last days, which are not learned from."""
FOLLOWED_DAYS = 5
"""Before the checked days the observer follows the house for so long, to know its slabs."""
AHEAD_H = 24.0
STARTS_H = 12


@dataclass(frozen=True)
class GuardedRooms:
    """What rooms are planned with, and why."""

    spec: HeatingSpec
    learned: LearnedRooms
    used: tuple[str, ...]
    """Rooms with identified numbers; none: nothing was won."""
    kept: Mapping[str, str]
    """By room: why it keeps, wholly or in part, what the house file says."""
    house: Compared
    """Of `spec` against the house file, mean of all rooms [K]."""
    rooms: Mapping[str, Compared]
    """Of each room as identified against the house file [K]."""


def guarded_rooms(configured: HeatingSpec, measured: Measured, checked_days: int = CHECKED_DAYS) -> GuardedRooms:
    """Identify rooms from all but the last days, and take on these what is better than the house file.

    :raises BadSeries: if the history is too short.
    """
    rows = round(checked_days * 24 / measured.step_h)
    count = len(measured.air_c)
    if count <= rows:
        raise BadSeries([f"history: found {count} steps; {rows} are only for checking, and more are needed"])
    learned = learn_rooms(configured, measured.cut(slice(0, count - rows)))
    as_configured = foreseen_errors(configured, measured, checked_days)
    as_learned = foreseen_errors(learned.spec, measured, checked_days)
    names = [room.name for room in configured.rooms]
    rooms = {name: compared(as_learned[name].tolist(), as_configured[name].tolist()) for name in names}
    winners = tuple(name for name in names if rooms[name].gain >= LEAST_GAIN)
    spec = merged(configured, learned.spec, winners)
    errors = as_learned if len(winners) == len(names) else foreseen_errors(spec, measured, checked_days)
    house = compared(errors.mean(axis=1).tolist(), as_configured.mean(axis=1).tolist())
    kept = dict(learned.kept)
    for name in names:
        if name not in winners:
            kept[name] = f"it foresees no better with other numbers: {rooms[name]}"
    if not house.wins:
        return GuardedRooms(configured, learned, (), kept, house, rooms)
    return GuardedRooms(spec, learned, winners, kept, house, rooms)


def merged(configured: HeatingSpec, learned: HeatingSpec, rooms: tuple[str, ...]) -> HeatingSpec:
    """The house file with the numbers of some rooms as they were learned; between two rooms if both are."""

    names = [room.name for room in configured.rooms]

    def links(name: str) -> Mapping[str, float]:
        found = {}
        for other in names:
            source = learned if name in rooms and other in rooms else configured
            flow = source.conductance(name, other) if names.index(other) > names.index(name) else 0.0
            if flow > 0:
                found[other] = flow
        return found

    def one(room: RoomSpec) -> RoomSpec:
        return replace(learned.by_name[room.name] if room.name in rooms else room, neighbours=links(room.name))

    return replace(configured, rooms=tuple(one(room) for room in configured.rooms))


def foreseen_errors(spec: HeatingSpec, measured: Measured, days: int = CHECKED_DAYS) -> pd.DataFrame:
    """Mean absolute error over 24 h, heating and weather known: a row a checked day, a column a room [K]."""
    step_h = measured.step_h
    follow = measured.cut(slice(max(0, len(measured.air_c) - round((days + FOLLOWED_DAYS) * 24 / step_h)), None))
    house = _House.of(spec, follow)
    ahead, between = round(AHEAD_H / step_h), round(STARTS_H / step_h)
    first = len(house.air_c) - round(days * 24 / step_h)
    by_day: dict[object, list[Array]] = {}
    state: HeatingState | None = None
    for row in range(len(house.air_c)):
        if state is not None and row >= first and (row - first) % between == 0 and row + ahead <= len(house.air_c):
            wrong = house.foreseen(state, row, ahead) - house.air_c[row : row + ahead]
            day = pd.DatetimeIndex(follow.air_c.index)[row].tz_convert(measured.timezone).date()
            by_day.setdefault(day, []).append(np.abs(wrong))
        state = house.followed(state, row)
    names = [room.name for room in spec.rooms]
    rows = {day: np.nanmean(np.concatenate(errors), axis=0) for day, errors in by_day.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


@dataclass(frozen=True)
class _House:
    """A history, and rooms that are stepped through it as plans do."""

    network: RoomNetwork
    air_c: Array
    duty: Array
    outdoor_c: Array
    ghi_w_m2: Array
    start: pd.DatetimeIndex
    step_h: float

    @classmethod
    def of(cls, spec: HeatingSpec, measured: Measured) -> "_House":
        powers = np.array([room.relay_kw for room in spec.rooms])
        return cls(
            RoomNetwork.of(spec),
            measured.air_c.to_numpy(np.float64),
            measured.heater_kw.to_numpy(np.float64) / powers,
            measured.surroundings_c.to_numpy(np.float64)[:, 0],
            1000 * measured.sun_kw_m2.to_numpy(np.float64)[:, 0],
            pd.DatetimeIndex(measured.air_c.index),
            measured.step_h,
        )

    @property
    def rooms(self) -> tuple[RoomSpec, ...]:
        return self.network.spec.rooms

    def foreseen(self, state: HeatingState, row: int, steps: int) -> Array:
        """Mean of each room over each step; NaN from where heating or weather is not known."""
        found = np.full((steps, len(self.rooms)), np.nan)
        for k in range(steps):
            if not self._known(row + k):
                break
            after = self._after(state, row + k)
            found[k] = [(state.rooms[r.name].temperature_c + after.rooms[r.name].temperature_c) / 2 for r in self.rooms]
            state = after
        return found

    def followed(self, state: HeatingState | None, row: int) -> HeatingState | None:
        """The state at the end of a step as the observer has it; None after what is not known."""
        if not self._known(row):
            return None
        # Readings are of an instant, means of a step: between two steps it was as warm as their mean.
        now_c = self.air_c[row : row + 2].mean(axis=0)
        if state is None:
            return None if np.isnan(now_c).any() else self._settled(now_c, row)
        predicted = self._after(state, row)
        rooms = {
            room.name: predicted.rooms[room.name]
            if np.isnan(now_c[i])
            else observe_room(room, predicted.rooms[room.name], float(now_c[i]), self.step_h)
            for i, room in enumerate(self.rooms)
        }
        return HeatingState(rooms)

    def _settled(self, air_c: Array, row: int) -> HeatingState:
        outdoor_c = float(self.outdoor_c[row])
        return HeatingState(
            {
                room.name: RoomState(float(c), settled_slab_c(room, float(c), outdoor_c))
                for room, c in zip(self.rooms, air_c, strict=True)
            }
        )

    def _after(self, state: HeatingState, row: int) -> HeatingState:
        settings = {f"{room.name}_relay": float(self.duty[row, i]) for i, room in enumerate(self.rooms)}
        inputs = {"outdoor_temperature_c": float(self.outdoor_c[row]), "ghi_w_m2": float(self.ghi_w_m2[row])}
        step = Step(self.start[row].to_pydatetime(), timedelta(hours=self.step_h) / HOUR, inputs)
        after = execute_rooms(self.network, settings, state, step).state
        assert isinstance(after, HeatingState)
        return after

    def _known(self, row: int) -> bool:
        return bool(
            np.isfinite(self.duty[row]).all() and np.isfinite(self.outdoor_c[row]) and np.isfinite(self.ghi_w_m2[row])
        )
