"""What an identified network foresees from what was measured until now."""

import numpy as np

from .identify import Identified, Measured, Stretch
from .network import Array

LOOK_BACK_H = 240.0
"""The model runs free for so long before now; by then it has forgotten how it was started."""


def outlook(found: Identified, past: Measured, ahead: Measured) -> Array:
    """Air of each room over the steps ahead, whose heat and weather are known, shape (T, N) [°C].

    What the model got wrong at the last measurement fades with the memory that was learned of its errors:

        air[t+k] = simulated[t+k] - memory^k * (simulated[t] - measured[t])

    :param past: ends where `ahead` begins; what it measured of the rooms is looked at, what `ahead` did is not.
    :raises ValueError: if the past ends in a gap.
    """
    back = round(LOOK_BACK_H / past.step_h)
    last = [rows for rows in past.stretches() if rows.stop == len(past.air_c)]
    if not last:
        raise ValueError("the past has no stretch of heat, surroundings and sun that reaches until now; it needs one")
    past = past.cut(slice(max(last[0].start, len(past.air_c) - back), len(past.air_c)))
    nodes = 2 * found.network.rooms
    simulated = Stretch.of(past.followed_by(ahead)).simulated_c(found.network, found.daily, np.zeros(nodes))
    now = len(past.air_c)
    error = np.nan_to_num(simulated[now - 1] - past.air_c.iloc[-1].to_numpy(np.float64))
    leads = np.arange(1, len(ahead.air_c) + 1)
    return np.asarray(simulated[now:] - error * found.memory ** leads[:, None], dtype=np.float64)
