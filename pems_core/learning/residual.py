"""What a network gets wrong in ways that come again: a home where windows are opened and people set thermostats.

The change of a room from now on is a sum of what moves it, with weights for each hour ahead (ridge regression):

    air[t+k] - air[t] = w1[k] * (simulated[t+k] - air[t])            the network
                      + w2[k] * (usual[hour of t+k] - usual[hour of t])  the daily course of the last weeks
                      + w3[k] * (mean of the last day - air[t])      going back to what is usual
                      + w4[k] * (setpoint[t+k] - air[t])             thermostats, where their setpoints are known ahead

The weights are learned from days that the network has not seen, and used only in rooms where they win on later ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .identify import Identified, Measured, identify
from .network import Array, Network
from .outlook import outlook

AHEAD_H = 24
SEEN = 0.6
"""Share of the history from which the network is identified that the weights are learned with."""
CHECKED = 0.25
"""Share of the days of the rest on which it is seen whether weights win."""
EVERY_H = 3.0
RIDGE = 0.05
"""Of the variance of what moves the room."""
LEAST_STARTS = 20


@dataclass(frozen=True)
class Residual:
    """Weights by room, hour ahead and what moves it; the daily course of each room."""

    weights: Array
    """Shape (N, 24, F); NaN in rooms where the network alone is better."""
    usual_c: Array
    """Shape (N, steps a day)."""

    @property
    def rooms(self) -> tuple[bool, ...]:
        """By room: whether it is corrected."""
        return tuple(bool(np.isfinite(weights).all()) for weights in self.weights)


def learn_residual(prior: Network, measured: Measured, setpoints: Sequence[pd.DataFrame] = ()) -> Residual:
    """Learn weights from the later part of a history, with a network that has seen the earlier part only.

    :param setpoints: of thermostats, as `measured.air_c`; known ahead.
    :raises ValueError: if the history has too few days.
    """
    per_h, count = _per_h(measured), len(measured.air_c)
    begin = int(SEEN * count)
    found = identify(prior, measured.cut(slice(0, begin)))
    usual = _usual(measured)
    day = AHEAD_H * per_h
    starts = [s for s in range(begin, count - day, max(1, round(EVERY_H * per_h))) if _reaches(measured, s)]
    if len(starts) < LEAST_STARTS:
        raise ValueError(f"found {len(starts)} days to learn from; at least {LEAST_STARTS} are needed")
    moves, changes = [], []
    air = measured.air_c.to_numpy(np.float64)
    for start in starts:
        past, ahead = measured.cut(slice(0, start)), measured.cut(slice(start, start + day))
        simulated = outlook(found, past, ahead)
        moves.append(_moves(simulated, past, ahead, usual, [s.iloc[start : start + day] for s in setpoints]))
        changes.append(air[start : start + day] - air[start - 1])
    x, y = np.array(moves), np.array(changes)
    # A day between both: forecasts reach a day ahead.
    checked = max(1, int(CHECKED * len(starts)))
    learned = slice(0, max(1, len(starts) - checked - round(AHEAD_H / EVERY_H)))
    rooms = [
        _weights(x[:, :, i], y[:, :, i], per_h)
        if _wins(x[:, :, i], y[:, :, i], per_h, learned, checked)
        else np.full((AHEAD_H, x.shape[-1]), np.nan)
        for i in range(prior.rooms)
    ]
    return Residual(np.array(rooms), usual)


def corrected_outlook(
    found: Identified, residual: Residual, past: Measured, ahead: Measured, setpoints: Sequence[pd.DataFrame] = ()
) -> Array:
    """As `outlook`, with what the network gets wrong again and again put right; shape (T, N) [°C].

    :param setpoints: over the steps ahead.
    """
    simulated = outlook(found, past, ahead)
    x = _moves(simulated, past, ahead, residual.usual_c, setpoints)
    now = past.air_c.iloc[-1].to_numpy(np.float64)
    hour = np.minimum(np.arange(len(simulated)) // _per_h(ahead), AHEAD_H - 1)
    result = simulated.copy()
    for i, corrected in enumerate(residual.rooms):
        if corrected and np.isfinite(now[i]):
            result[:, i] = now[i] + (x[:, i] * residual.weights[i][hour]).sum(axis=1)
    return np.asarray(result, dtype=np.float64)


def _moves(simulated: Array, past: Measured, ahead: Measured, usual: Array, setpoints: Sequence[pd.DataFrame]) -> Array:
    """What moves each room, shape (T, N, F) [K]."""
    air = past.air_c.to_numpy(np.float64)
    now, day = air[-1], air[-AHEAD_H * _per_h(past) :]
    here, there = _slots(past)[-1], _slots(ahead)
    known = np.isfinite(day)
    mean = np.where(known, day, 0.0).sum(axis=0) / np.maximum(1, known.sum(axis=0))
    columns = [
        simulated - now,
        (usual[:, there] - usual[:, [here]]).T,
        np.broadcast_to(mean - now, simulated.shape),
        *(setpoint.to_numpy(np.float64) - now for setpoint in setpoints),
    ]
    return np.stack(columns, axis=-1)


def _weights(x: Array, y: Array, per_h: int) -> Array:
    """One ridge regression for each hour ahead, shape (24, F)."""
    found = []
    for hour in range(AHEAD_H):
        steps = slice(hour * per_h, (hour + 1) * per_h)
        rows, changes = x[:, steps].reshape(-1, x.shape[-1]), y[:, steps].ravel()
        known = np.isfinite(rows).all(axis=1) & np.isfinite(changes)
        rows, changes = rows[known], changes[known]
        penalty = RIDGE * len(changes) * float(np.var(rows)) + 1e-9 if len(changes) else 1.0
        found.append(np.linalg.solve(rows.T @ rows + penalty * np.eye(x.shape[-1]), rows.T @ changes))
    return np.array(found)


def _wins(x: Array, y: Array, per_h: int, learned: slice, checked: int) -> bool:
    weights = np.repeat(_weights(x[learned], y[learned], per_h), per_h, axis=0)
    error = np.nanmean(np.abs((x[-checked:] * weights).sum(axis=-1) - y[-checked:]))
    # The network's own answer is the first of what moves the room.
    return bool(error < np.nanmean(np.abs(x[-checked:, :, 0] - y[-checked:])))


def _usual(measured: Measured) -> Array:
    """Mean of each room by time of day, shape (N, steps a day)."""
    by_slot = measured.air_c.groupby(_slots(measured)).mean()
    whole = by_slot.reindex(range(AHEAD_H * _per_h(measured))).interpolate(limit_direction="both")
    return np.asarray(whole.to_numpy(np.float64).T)


def _slots(measured: Measured) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Which step of the local day each row is."""
    local = pd.DatetimeIndex(measured.air_c.index).tz_convert(measured.timezone)
    per_h = _per_h(measured)
    return np.asarray(local.hour * per_h + local.minute * per_h // 60, dtype=np.int64)


def _per_h(measured: Measured) -> int:
    return round(1 / measured.step_h)


def _reaches(measured: Measured, start: int) -> bool:
    """Whether what was measured reaches up to a start without a gap."""
    return any(rows.start < start - 1 and rows.stop >= start for rows in measured.stretches())
