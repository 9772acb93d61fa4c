"""Times and prices as a person reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pems_core.domain import Horizon

MOST_WINDOWS = 2
"""Further windows are told as "and later"."""


@dataclass(frozen=True)
class Words:
    """Writes spans of a horizon in local time, and money in a currency."""

    horizon: Horizon
    timezone: str
    currency: str

    def span(self, first: int, last: int) -> str:
        """The local time from the start of one step to the end of another; the weekday if it is not the first day.

        >>> from datetime import UTC, datetime, timedelta
        >>> night = Horizon.uniform(datetime(2025, 1, 1, 22, tzinfo=UTC), timedelta(hours=1), 8)
        >>> Words(night, "Europe/Prague", "EUR").span(0, 0), Words(night, "Europe/Prague", "EUR").span(2, 4)
        ('23:00–00:00', 'Thu 01:00–04:00')
        """
        zone = ZoneInfo(self.timezone)
        begin, end = (at.astimezone(zone) for at in (self.horizon.starts[first], self.horizon.ends[last]))
        today = self.horizon.start.astimezone(zone).date()
        day = "" if begin.date() == today else f"{begin:%a} "
        # On the day on which the clocks change, only the zone's name tells which hour is meant.
        zoned = f" {begin:%Z}" if begin.utcoffset() != self.horizon.start.astimezone(zone).utcoffset() else ""
        return f"{day}{begin:%H:%M}–{end:%H:%M}{zoned}"

    def spans(self, steps: Iterable[int]) -> str:
        """The windows that some steps form, the first two of them."""
        windows = runs(sorted(set(steps)))
        text = " and ".join(self.span(first, last) for first, last in windows[:MOST_WINDOWS])
        return f"{text} and later" if len(windows) > MOST_WINDOWS else text

    def clock(self, t: int) -> str:
        """The local time at which a step starts, with the weekday if it is not the first day."""
        return self.span(t, t).partition("–")[0]

    def money(self, amount: float) -> str:
        return f"{round(amount, 2) + 0.0:.2f} {self.currency}"


def price(per_kwh: float) -> str:
    """
    >>> price(0.0912), price(4.321), price(-0.0004)
    ('0.091', '4.32', '0.000')
    """
    digits = 3 if abs(per_kwh) < 1 else 2
    return f"{round(per_kwh, digits) + 0.0:.{digits}f}"


def runs(steps: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive steps.

    >>> runs([1, 2, 3, 7])
    [(1, 3), (7, 7)]
    """
    found: list[tuple[int, int]] = []
    for t in steps:
        if found and found[-1][1] == t - 1:
            found[-1] = (found[-1][0], t)
        else:
            found.append((t, t))
    return found
