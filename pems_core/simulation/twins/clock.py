"""Minutes of simulated time on the wall clocks of the house."""

from datetime import datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

MINUTE = timedelta(minutes=1)
MINUTE_H = 1 / 60
DAY_S = 24 * 3600
BLOCK = 1440
"""Minutes for which wall-clock schedules are worked out at once."""

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def wall_seconds(start: datetime, timezone: str, minutes: int = BLOCK) -> Ints:
    """What a wall clock shows at each of `minutes` minutes from `start` [s since 1970-01-01 on that clock].

    Runs backwards by an hour when summer time ends, and skips one when it begins.
    """
    shown = pd.date_range(start, periods=minutes, freq=MINUTE).tz_convert(timezone).tz_localize(None)
    return shown.to_numpy().astype("datetime64[s]").astype(np.int64)


def seconds_of(clock: time) -> int:
    """Seconds from midnight."""
    return clock.hour * 3600 + clock.minute * 60 + clock.second
