"""What flowed, minute by minute, gathered into intervals."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from .twins.clock import MINUTE, Array


class FlowLog:
    """Means of flows, sums of costs and levels at the end of each whole interval, labelled by its start in UTC."""

    def __init__(self, start: datetime, interval: timedelta, flows: Sequence[str], levels: Sequence[str]) -> None:
        if interval < MINUTE or interval % MINUTE:
            raise ValueError(f"the interval of flows is {interval}; whole minutes are allowed")
        self._start, self._interval = start, interval
        self._flow_names, self._level_names = tuple(flows), tuple(levels)
        self._minutes: Array = np.zeros((interval // MINUTE, len(self._flow_names)))
        self._filled = 0
        self._modes_now: list[str] = []
        self._flows: list[Array] = []
        self._levels: list[Array] = []
        self._costs: list[float] = []
        self._modes: list[str] = []
        self._cost = 0.0

    def minute(self, flows: Sequence[float], cost: float, mode: str) -> bool:
        """Add one minute; True if it completes an interval, so that `close` must follow."""
        self._minutes[self._filled] = flows
        self._filled += 1
        self._cost += cost
        self._modes_now.append(mode)
        return self._filled == len(self._minutes)

    def close(self, levels: Array) -> None:
        """End the running interval with the levels that hold now."""
        self._flows.append(self._minutes.mean(axis=0))
        self._levels.append(levels)
        self._costs.append(self._cost)
        # A change of mode takes effect a minute late, so the first minute does not stand for the interval.
        self._modes.append(max(self._modes_now, key=self._modes_now.count))
        self._filled, self._cost = 0, 0.0
        self._modes_now.clear()

    def frame(self) -> pd.DataFrame:
        """All whole intervals: the flows, then the levels, `mode` and `cost`."""
        index = pd.date_range(self._start, periods=len(self._modes), freq=self._interval, name="utc_start")
        flows = np.array(self._flows).reshape(len(index), len(self._flow_names))
        levels = np.array(self._levels).reshape(len(index), len(self._level_names))
        table = pd.DataFrame(np.hstack([flows, levels]), index, [*self._flow_names, *self._level_names])
        return table.assign(mode=pd.Series(self._modes, index, dtype=object), cost=self._costs)
