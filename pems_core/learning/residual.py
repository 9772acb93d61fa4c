"""What a network gets wrong in ways that come again: a home where windows are opened and people set thermostats.

The change of a room from now on is a sum of what moves it, with weights for each hour ahead (ridge regression):

    air[t+k] - air[t] = sum(w[k, i] * mean(heat, from l(i) to l(i+1) hours before t+k))        the heat that it gets
                      + the same for each of its surroundings, and for the sun
                      + sum of what was of these around t, and is between t and t+k             where it starts from
                      + sum(w[k, i] * (mean(air, of the last hours) - air[t])) + w[k] * air[t]  how it came there
                      + waves of the local day                                                  what people do
                      + w[k] * (setpoint[t+k] - air[t])         thermostats, where their setpoints are known ahead

This sum knows no physics, and so nothing of heat that no history has seen: what moves a room is taken within the bounds
of what was learned from, and the network keeps the share of each room with which both together were best on the last
days, which neither had seen. That may be all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd

from pems_core.forecasting.running import Indices, Running

from .identify import Identified, Measured, identify
from .network import Array, Network
from .outlook import outlook

AHEAD_H = 24
LAGS_H = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 36)
"""Means of what moves a room are taken between these times before the moment that is foreseen."""
AIR_BEFORE_H = (1, 2, 3)
AIR_MEANS_H = (6, 12, 24, 72)
INPUT_MEANS_H = (1, 6, 24)
"""Over which it is told how a room came to where it is."""
CHECKED = 0.25
"""Share of the history, its last part, on which it is seen whether weights win."""
CHECKED_EVERY_H = 12
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the weights in what is foreseen of a room; the rest is the network's."""
RIDGE = 0.03
"""Of the variance of what moves the room."""
LEAST_DAYS = 10
"""To learn from, before the checked ones."""


@dataclass(frozen=True)
class Ridge:
    """A weighted sum of what moves a room, of each in shares of its spread and within the bounds that it had."""

    centre: Array
    spread: Array
    low: Array
    high: Array
    weights: Array
    level_k: float

    @classmethod
    def of(cls, moves: Array, changes_k: Array) -> Self:
        """The weights that are best on rows of which all is known."""
        x, y = moves, changes_k
        centre, spread, level = x.mean(axis=0), x.std(axis=0) + 1e-9, float(y.mean())
        z = (x - centre) / spread
        weights = np.linalg.solve(z.T @ z + RIDGE * len(y) * np.eye(z.shape[1]), z.T @ (y - level))
        return cls(centre, spread, x.min(axis=0), x.max(axis=0), weights, level)

    def change_k(self, moves: Array) -> Array:
        within = np.clip(moves, self.low, self.high)
        return np.asarray(self.level_k + (within - self.centre) / self.spread @ self.weights, dtype=np.float64)


@dataclass(frozen=True)
class RoomWeights:
    """Weights of a room for each hour ahead, and their share in what is foreseen of it."""

    hours: tuple[Ridge, ...]
    share: float


@dataclass(frozen=True)
class Residual:
    """What was learned of rooms beside their network.

    :param by_room: None for a room where the network alone is better.
    """

    by_room: tuple[RoomWeights | None, ...]

    @property
    def rooms(self) -> tuple[bool, ...]:
        """By room: whether it is corrected."""
        return tuple(learned is not None for learned in self.by_room)


def learn_residual(prior: Network, measured: Measured, setpoints: Sequence[pd.DataFrame] = ()) -> Residual:
    """Learn weights from a history, where they foresee its last part better than a network that has not seen it.

    :param setpoints: of thermostats, as `measured.air_c`; known ahead.
    :raises ValueError: if the history has too few days.
    """
    moved = _Moved.of(measured, setpoints)
    count, day = len(measured.air_c), AHEAD_H * moved.per_h
    end = count - int(CHECKED * count)
    if end < LEAST_DAYS * day:
        raise ValueError(f"found {end // day} days to learn from; at least {LEAST_DAYS} are needed")
    early = [_hours(moved, room, end) for room in range(prior.rooms)]
    shares = _best_shares(identify(prior, measured.cut(slice(0, end))), early, measured, moved, end)
    late = [_hours(moved, room, count) if share else None for room, share in enumerate(shares)]
    return Residual(
        tuple(None if hours is None else RoomWeights(hours, share) for hours, share in zip(late, shares, strict=True))
    )


def _best_shares(
    network: Identified, early: Sequence[tuple[Ridge, ...] | None], measured: Measured, moved: "_Moved", first: int
) -> list[float]:
    """By room: the share of the weights that was best on the days from a step on; none without a day to compare."""
    day = AHEAD_H * moved.per_h
    errors: dict[float, list[Array]] = {share: [] for share in SHARES}
    for start in range(first, len(measured.air_c) - day + 1, CHECKED_EVERY_H * moved.per_h):
        if not _reaches(measured, start):
            continue
        past, ahead = measured.cut(slice(0, start)), measured.cut(slice(start, start + day))
        simulated, truth = outlook(network, past, ahead), ahead.air_c.to_numpy(np.float64)
        for share, found in errors.items():
            tried = [None if hours is None else RoomWeights(hours, share) for hours in early]
            found.append(np.abs(_corrected(simulated, moved, tried, start) - truth))
    return [
        0.0 if hours is None else min(SHARES, key=lambda share: _mean(errors[share], room))
        for room, hours in enumerate(early)
    ]


def corrected_outlook(
    found: Identified, residual: Residual, past: Measured, ahead: Measured, setpoints: Sequence[pd.DataFrame] = ()
) -> Array:
    """As `outlook`, with what the network gets wrong again and again put right; shape (T, N) [°C].

    :param setpoints: over the steps ahead.
    """
    simulated = outlook(found, past, ahead)
    unknown = pd.DataFrame(np.nan, past.air_c.index, past.air_c.columns)
    moved = _Moved.of(past.followed_by(ahead), [pd.concat([unknown, setpoint]) for setpoint in setpoints])
    return _corrected(simulated, moved, residual.by_room, len(past.air_c))


@dataclass(frozen=True)
class _Moved:
    """Rooms and what moves them, step by step."""

    air_c: tuple[Running, ...]
    heat_kw: tuple[Running, ...]
    around: tuple[Running, ...]
    """Surroundings and sun."""
    daily: Array
    setpoints_c: tuple[Array, ...]
    per_h: int

    @classmethod
    def of(cls, measured: Measured, setpoints: Sequence[pd.DataFrame]) -> Self:
        def columns(frame: pd.DataFrame) -> tuple[Running, ...]:
            return tuple(Running.of(column) for column in frame.to_numpy(np.float64).T)

        return cls(
            columns(measured.air_c),
            columns(measured.heater_kw),
            (*columns(measured.surroundings_c), *columns(measured.sun_kw_m2)),
            measured.daily(),
            tuple(setpoint.to_numpy(np.float64) for setpoint in setpoints),
            round(1 / measured.step_h),
        )

    def air_at(self, room: int, at: Indices) -> Array:
        return self.air_c[room].mean(at, at + 1)

    def moves(self, room: int, start: Indices, at: Indices) -> Array:
        """What moves a room from the last step before `start` to each step: a row a pair. Its air after is not used."""
        air, hour, now = self.air_c[room], self.per_h, self.air_at(room, start - 1)
        columns = [
            now,
            *(self.air_at(room, start - 1 - h * hour) - now for h in AIR_BEFORE_H),
            *(air.mean_before(start, h * hour) - now for h in AIR_MEANS_H),
            self.air_at(room, at - AHEAD_H * hour) - now,
        ]
        for moving in (self.heat_kw[room], *self.around):
            columns += [moving.mean(at + 1 - old * hour, at + 1 - young * hour) for young, old in pairwise(LAGS_H)]
            columns += [moving.mean_before(start, h * hour) for h in INPUT_MEANS_H]
            columns.append(moving.mean(start, at + 1))
        columns += [*self.daily[at].T, *(setpoint[at, room] - now for setpoint in self.setpoints_c)]
        return np.stack(columns, axis=1)


def _hours(moved: _Moved, room: int, end: int) -> tuple[Ridge, ...] | None:
    """Weights for each hour ahead, from all days before a step; None if of too few of them all is known."""
    per_h = moved.per_h
    found = []
    for hour in range(AHEAD_H):
        # What is foreseen of the last start must have happened, too.
        starts = np.arange(LAGS_H[-1] * per_h, end - AHEAD_H * per_h, per_h)
        start, step = (grid.ravel() for grid in np.meshgrid(starts, np.arange(per_h), indexing="ij"))
        at = start + hour * per_h + step
        moves, changes = moved.moves(room, start, at), moved.air_at(room, at) - moved.air_at(room, start - 1)
        known = np.isfinite(moves).all(axis=1) & np.isfinite(changes)
        if known.sum() < 0.5 * LEAST_DAYS * AHEAD_H * per_h:
            return None
        found.append(Ridge.of(moves[known], changes[known]))
    return tuple(found)


def _corrected(simulated: Array, moved: _Moved, by_room: Sequence[RoomWeights | None], start: int) -> Array:
    """What weights make of the rooms that have some; beyond their hours they say what they said last."""
    steps = min(len(simulated), AHEAD_H * moved.per_h)
    at = np.arange(start, start + steps)
    result = simulated.copy()
    for room, learned in enumerate(by_room):
        if learned is None:
            continue
        moves = moved.moves(room, np.full(steps, start), at)
        if not np.isfinite(moves).all():
            continue
        parts = np.array_split(moves, range(moved.per_h, steps, moved.per_h))
        changes = np.concatenate([ridge.change_k(rows) for ridge, rows in zip(learned.hours, parts, strict=False)])
        other = learned.share * (moved.air_at(room, np.array([start - 1])) + changes - simulated[:steps, room])
        result[:steps, room] += other
        result[steps:, room] += other[-1]
    return np.asarray(result, dtype=np.float64)


def _mean(errors: Sequence[Array], room: int) -> float:
    found = np.array([error[:, room] for error in errors])
    return float(np.nanmean(found)) if np.isfinite(found).any() else np.inf


def _reaches(measured: Measured, start: int) -> bool:
    """Whether what was measured reaches up to a start without a gap."""
    return any(rows.start < start - 1 and rows.stop >= start for rows in measured.stretches())
