"""The time grid of a plan."""

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)


def require_utc(instant: datetime, what: str) -> datetime:
    """Return `instant`; refuse it if it is naive or in another zone than UTC.

    >>> require_utc(datetime(2025, 1, 1), "start")
    Traceback (most recent call last):
    ValueError: start is 2025-01-01T00:00:00, which has no time zone; times are aware and in UTC
    """
    if instant.tzinfo is None:
        raise ValueError(f"{what} is {instant.isoformat()}, which has no time zone; times are aware and in UTC")
    if instant.utcoffset() != timedelta(0):
        raise ValueError(f"{what} is {instant.isoformat()}; times are aware and in UTC")
    return instant


def floor_time(instant: datetime, grid: timedelta) -> datetime:
    """The last multiple of `grid` since midnight UTC that is not after `instant`."""
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (instant - midnight) // grid * grid


@dataclass(frozen=True)
class Horizon:
    """`start` and the lengths of consecutive steps, which may lengthen with distance.

    Series over a horizon have one value per step and are labelled by the start of the step.
    """

    start: datetime
    lengths: tuple[timedelta, ...]

    def __post_init__(self) -> None:
        require_utc(self.start, "the start of a horizon")
        if not self.lengths:
            raise ValueError("a horizon needs at least one step, found none")
        for t, length in enumerate(self.lengths):
            if length <= timedelta(0):
                raise ValueError(f"step {t} of the horizon lasts {length}; a step lasts more than zero")

    @classmethod
    def uniform(cls, start: datetime, step: timedelta, steps: int) -> "Horizon":
        return cls(start, (step,) * steps)

    @classmethod
    def lengthening(
        cls,
        now: datetime,
        length: timedelta = timedelta(hours=48),
        near: timedelta = timedelta(hours=12),
        near_step: timedelta = QUARTER,
        far_step: timedelta = HOUR,
    ) -> "Horizon":
        """The rest of the running `near_step`, then near steps, then far steps on their own grid.

        >>> from datetime import UTC
        >>> h = Horizon.lengthening(datetime(2025, 1, 1, 10, 5, tzinfo=UTC), timedelta(hours=4), timedelta(hours=1))
        >>> [int(s.total_seconds() / 60) for s in h.lengths]
        [10, 15, 15, 15, 60, 60, 60, 60]
        """
        require_utc(now, "now")
        edges = [now]
        near_until, end = now + near, now + length
        edge = floor_time(now, near_step) + near_step
        while edge < end:
            edges.append(edge)
            on_far_grid = edge == floor_time(edge, far_step)
            edge += far_step if on_far_grid and edge + near_step > near_until else near_step
        # The last step ends on the grid, at or just after the length that was asked for.
        edges.append(edge)
        return cls(now, tuple(b - a for a, b in itertools.pairwise(edges)))

    @property
    def steps(self) -> int:
        return len(self.lengths)

    @cached_property
    def step_h(self) -> tuple[float, ...]:
        """Length of each step [h]."""
        return tuple(length / HOUR for length in self.lengths)

    @cached_property
    def starts(self) -> tuple[datetime, ...]:
        starts = [self.start]
        for length in self.lengths[:-1]:
            starts.append(starts[-1] + length)
        return tuple(starts)

    @cached_property
    def ends(self) -> tuple[datetime, ...]:
        return tuple(s + length for s, length in zip(self.starts, self.lengths, strict=True))

    @property
    def end(self) -> datetime:
        return self.ends[-1]

    def steps_before(self, instant: datetime) -> int:
        """How many steps start before `instant`."""
        return sum(start < instant for start in self.starts)

    def step_at(self, instant: datetime) -> int:
        """The step that an instant lies in; the first or last one if it lies outside.

        >>> from datetime import UTC
        >>> h = Horizon.uniform(datetime(2025, 1, 1, tzinfo=UTC), HOUR, 3)
        >>> [h.step_at(h.start + minutes * timedelta(minutes=1)) for minutes in (0, 59, 60, 500)]
        [0, 0, 1, 2]
        """
        return max(0, bisect_right(self.starts, instant) - 1)

    def mean_onto(self, values: Sequence[float], labels: Sequence[datetime], step: timedelta) -> tuple[float, ...]:
        """Bring a regular series of interval means onto this horizon, weighting by overlap.

        The last value is held beyond the end of the series.

        :param labels: start of each interval, ascending, `step` apart.
        """
        if not values:
            raise ValueError("the series has no values; at least one is needed")
        first, count = labels[0], len(values)
        result = []
        for start, end in zip(self.starts, self.ends, strict=True):
            total, weight = 0.0, 0.0
            at = start
            while at < end:
                index = (at - first) // step
                until = min(end, first + (index + 1) * step)
                share = (until - at) / HOUR
                total += values[min(max(index, 0), count - 1)] * share
                weight += share
                at = until
            result.append(total / weight)
        return tuple(result)
