"""Which slots bring a mode about, given those that are set: as few writes as can be (A.2, A.4, A.7)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from .slots import LAST_MINUTE, LONGEST, MIDNIGHT, MINUTE, Slot, first_start, slots_between

EXTENSION = timedelta(minutes=45)
"""A slot that is prolonged ends this much later than was said: who is prolonged once will be again, each prolongation
wears the memory, and who is not any more is told what comes next in time."""
OVERHANG = timedelta(hours=1)
"""A slot that ends this much later than was said is left as it is."""


def arrange(
    present: Sequence[Slot], now: datetime, valid_from: datetime, until: datetime, zone: ZoneInfo
) -> tuple[Slot, ...] | None:
    """The mode's slots as they should be, by number; None if no whole minute is left.

    One that is in force, or will be before a new one could be, is kept, with its start, and prolonged if it ends too
    early. If it would meet its own beginning a day later by that, a new one takes its place, a minute from now.

    :param present: the mode's slots as they are; those that are not enabled leave room.
    """
    running = next((slot for slot in present if slot.enabled and _in_force(slot, now, zone)), None)
    running = running or _about_to_begin(present, now, zone)
    if running is None or until > _latest(running, now, zone):
        return _numbered(slots_between(first_start(valid_from, now), until, zone), present)
    chain = _chain(running, present)
    ends = _end(chain, now, zone)
    if until - MINUTE <= ends <= until + OVERHANG:
        return tuple(slot if slot in chain else replace(slot, enabled=False) for slot in present)
    later = min(until + EXTENSION, _latest(running, now, zone)) if ends < until else until
    begin = now.replace(second=0, microsecond=0)
    wanted = [slot for slot in slots_between(begin, later, zone) if slot.enabled]
    if not wanted:
        return None
    wanted[0] = replace(wanted[0], start=running.start)
    return _numbered(wanted, present, running.number)


def _numbered(wanted: Sequence[Slot], present: Sequence[Slot], first: int = 1) -> tuple[Slot, ...] | None:
    """The enabled slots in the numbers from `first` on, and all others as they are, but not enabled."""
    enabled = [slot for slot in wanted if slot.enabled]
    if not enabled:
        return None
    numbers = [first, *(slot.number for slot in present if slot.number != first)]
    placed = {number: replace(slot, number=number) for number, slot in zip(numbers, enabled, strict=False)}
    return tuple(placed.get(slot.number, replace(slot, enabled=False)) for slot in present)


def _in_force(slot: Slot, now: datetime, zone: ZoneInfo) -> bool:
    return slot.start <= now.astimezone(zone).time() < _stop(slot)


def _about_to_begin(present: Sequence[Slot], now: datetime, zone: ZoneInfo) -> Slot | None:
    """An enabled slot that begins today before one that is sent now could: to write it anew would only put it off."""
    soon = first_start(now, now)
    if soon.astimezone(zone).date() != now.astimezone(zone).date():
        return None
    return next((slot for slot in present if slot.enabled and _in_force(slot, soon, zone)), None)


def _latest(running: Slot, now: datetime, zone: ZoneInfo) -> datetime:
    """The latest that a slot which began today may end, or go on over midnight until, and not meet its beginning."""
    return _at(now.astimezone(zone), running.start) + LONGEST


def _stop(slot: Slot) -> time:
    """The last minute of a day belongs to a slot that ends with it: the next begins at midnight."""
    return time.max if slot.stop == LAST_MINUTE else slot.stop


def _chain(running: Slot, present: Sequence[Slot]) -> list[Slot]:
    """The slot in force and, if it ends at midnight, the one that goes on there."""
    if running.stop != LAST_MINUTE:
        return [running]
    return [running, *(slot for slot in present if slot.enabled and slot.start == MIDNIGHT and slot != running)][:2]


def _end(chain: Sequence[Slot], now: datetime, zone: ZoneInfo) -> datetime:
    """When the chain ends, by the wall clock; a night on which that changes is put right by the next command."""
    today = now.astimezone(zone)
    if len(chain) == 1:
        stop = chain[0].stop
        day = today + timedelta(days=1) if stop == LAST_MINUTE else today
        return _at(day, MIDNIGHT if stop == LAST_MINUTE else stop)
    return _at(today + timedelta(days=1), chain[1].stop)


def _at(day: datetime, wall: time) -> datetime:
    return datetime.combine(day.date(), wall, day.tzinfo)
