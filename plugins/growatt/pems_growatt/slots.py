"""Time slots on the inverter's own clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from pems_core.domain import floor_time

MINUTE = timedelta(minutes=1)
LEAD = MINUTE
"""A slot whose start has passed when it arrives is ignored until tomorrow."""
LONGEST = timedelta(hours=22)
"""Slots come again every day: a longer one could meet its own beginning on a day of 23 hours."""
NUMBERS = (1, 2)
"""Slots that PEMS uses, in each mode: two, because a slot must not cross midnight."""
MIDNIGHT = time(0)
LAST_MINUTE = time(23, 59)


@dataclass(frozen=True, slots=True)
class Slot:
    """One of a mode's slots, in local time of day."""

    number: int
    start: time = MIDNIGHT
    stop: time = MIDNIGHT
    enabled: bool = False


def no_slots() -> tuple[Slot, ...]:
    """All slots of a mode disabled; without length they overlap with none."""
    return tuple(Slot(number) for number in NUMBERS)


def first_start(valid_from: datetime, now: datetime) -> datetime:
    """The first whole minute at which a slot that is sent `now` can start."""
    return _ceil_minute(max(valid_from, now + LEAD))


def slots_between(start: datetime, until: datetime, zone: ZoneInfo) -> tuple[Slot, ...]:
    """A mode's slots, of which those enabled cover `start` to `until`; none if no whole minute is left.

    Where the clock goes back, a slot that ends in the doubled hour is in force in it twice, and one that would
    end before it begins ends at the change; the next cycle corrects both.

    :param start: a whole minute.

    >>> from datetime import UTC
    >>> evening = datetime(2025, 1, 10, 22, 30, tzinfo=UTC)
    >>> for slot in slots_between(evening, evening + timedelta(hours=1), ZoneInfo("Europe/Prague")):
    ...     print(slot.number, slot.start, slot.stop, slot.enabled)
    1 23:30:00 23:59:00 True
    2 00:00:00 00:30:00 True
    """
    stop = _ceil_minute(min(until, start + LONGEST))
    if stop <= start:
        return ()
    begins, ends = _wall(start, zone), _wall(stop, zone)
    if ends <= begins:
        ends = _last_minute_before_change(start, zone)
    periods = _within_days(begins, ends)
    used = tuple(Slot(number, *period, enabled=True) for number, period in zip(NUMBERS, periods, strict=False))
    return used + no_slots()[len(used) :]


def _within_days(begins: datetime, ends: datetime) -> Iterator[tuple[time, time]]:
    """A period on the wall clock, split at midnight."""
    if begins.date() == ends.date():
        yield begins.time(), ends.time()
        return
    if begins.time() < LAST_MINUTE:
        yield begins.time(), LAST_MINUTE
    if ends.time() > MIDNIGHT:
        yield MIDNIGHT, ends.time()


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def _last_minute_before_change(start: datetime, zone: ZoneInfo) -> datetime:
    """The latest that the wall clock shows before it is put back."""
    minutes = (start + n * MINUTE for n in count())
    return next(_wall(at, zone) for at in minutes if _wall(at + MINUTE, zone) < _wall(at, zone))


def _ceil_minute(instant: datetime) -> datetime:
    floored = floor_time(instant, MINUTE)
    return floored if floored == instant else floored + MINUTE
