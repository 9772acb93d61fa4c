"""Modes by time slots, as SPH, SPA and TL-XH take them (A.2 and A.4 write rules, D.3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from .probe import Unit
from .schedule import arrange
from .shares import LOWEST_SOC
from .slots import NUMBERS, Slot
from .tell_common import CannotTell, CannotTellNow
from .words import Word
from .writes import Settings, Write, word, write

SETTLE_S = 2.0
"""After a change to grid first the inverter is left alone that long (A.2)."""
HOLD_WITHIN = 5
"""A stop SOC at most this far below the present one holds as well, and saves a write [%]."""
MODE_BITS: Mapping[str, int] = {"load_first": 0, "battery_first": 1, "grid_first": 2}
ENABLE = 1 << 15
SLOTS_OF_SPH = (1, 2, 3)
SLOTS_OF_TL_XH = range(1, 10)
OFF_PAIR = (8192, 5947)
"""What a TL-XH slot says when it is not used: battery first until 23:59, not enabled (A.4)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and in what state a word is put into registers."""

    now: datetime
    valid_from: datetime
    zone: ZoneInfo
    soc_percent: int | None
    """State of charge as last read."""


class SlotForm(Protocol):
    """How a family writes its slots."""

    def present(self, settings: Settings, mode: str) -> Sequence[Slot]:
        """The slots that this mode has or may take."""

    def off(self, settings: Settings, mode: str | None) -> Sequence[Write]:
        """What ends the enabled slots that are not this mode's; all of them without a mode."""

    def write(self, mode: str, slot: Slot) -> Write: ...


class Triples:
    """SPH and SPA: start, stop and enable, three slots for each mode. They go in one request: a lone time word is
    acknowledged and reverts after 6 s (#333)."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def present(self, settings: Settings, mode: str) -> Sequence[Slot]:
        return [
            Slot(number, from_word(start), from_word(stop), enable == 1)
            for number in SLOTS_OF_SPH
            for start, stop, enable in [self._words(settings, mode, number)]
        ]

    def _words(self, settings: Settings, mode: str, number: int) -> tuple[int, int, int]:
        words = [settings[f"{mode}_slot{number}_{part}"][0] for part in ("start", "stop", "enable")]
        return words[0], words[1], words[2]

    def off(self, settings: Settings, mode: str | None) -> Sequence[Write]:
        return [
            self.write(other, replace(slot, enabled=False))
            for other in ("grid_first", "battery_first")
            if other != mode
            for slot in self.present(settings, other)
            if slot.enabled
        ]

    def write(self, mode: str, slot: Slot) -> Write:
        settle_s = SETTLE_S if mode == "grid_first" and slot.enabled else 0.0
        words = (to_word(slot.start), to_word(slot.stop), int(slot.enabled))
        return write(self._unit.table, f"{mode}_slot{slot.number}_start", *words, settle_s=settle_s)


class Pairs:
    """TL-XH: two words a slot, in one request: a lone end word is refused (evcc #23300). Nine slots for all modes, of
    which the mode stands in the slot; PEMS uses the first two."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def present(self, settings: Settings, mode: str) -> Sequence[Slot]:
        return [
            replace(slot, enabled=slot.enabled and bits == MODE_BITS[mode])
            for slot, bits in self._all(settings)
            if slot.number in NUMBERS
        ]

    def off(self, settings: Settings, mode: str | None) -> Sequence[Write]:
        return [
            self.write("load_first", replace(slot, enabled=False))
            for slot, bits in self._all(settings)
            if slot.enabled and (mode is None or bits != MODE_BITS[mode] or slot.number not in NUMBERS)
        ]

    def _all(self, settings: Settings) -> Iterator[tuple[Slot, int]]:
        for number in SLOTS_OF_TL_XH:
            said = settings.get(f"slot{number}")
            if said:
                start, stop = said
                yield Slot(number, from_pair(start), from_pair(stop), bool(start & ENABLE)), start >> 13 & 0b11

    def write(self, mode: str, slot: Slot) -> Write:
        if not slot.enabled:
            return write(self._unit.table, f"slot{slot.number}", *OFF_PAIR)
        start = ENABLE | MODE_BITS[mode] << 13 | to_word(slot.start)
        settle_s = SETTLE_S if mode == "grid_first" else 0.0
        return write(self._unit.table, f"slot{slot.number}", start, to_word(slot.stop), settle_s=settle_s)


class SlotFamily:
    """Puts the words for the battery into slots, rates and stops."""

    def __init__(self, unit: Unit, form: SlotForm) -> None:
        self._unit, self._form = unit, form

    def writes(self, said: Word, settings: Settings, at: Moment) -> list[Write]:
        """The writes that bring a word about, in their order: other modes' slots off, what the mode needs, its slots.

        :raises CannotTell: if it cannot be brought about.
        """
        if said.name == "charge":
            wanted = self._charge(said, settings, at)
        elif said.name == "discharge":
            wanted = self._discharge(said, settings, at)
        elif said.name == "hold":
            wanted = self._hold(said, settings, at)
        else:
            wanted = [*self._form.off(settings, None), *self._ac_charge(settings, on=False)]
        # A slot that changes its mode needs not be ended first.
        last = {each.address: each for each in wanted}
        return [each for each in wanted if each is last[each.address]]

    def _charge(self, said: Word, settings: Settings, at: Moment) -> list[Write]:
        stop_soc = 100 if said.stop_soc is None else said.stop_soc
        cap = word(settings, "grid_charge_stop_soc")
        return [
            *self._form.off(settings, "battery_first"),
            # The lower of the two stops wins (#372).
            *(self._set(settings, "grid_charge_stop_soc", stop_soc) if cap is not None and cap < stop_soc else ()),
            *self._set(settings, "charge_stop_soc", stop_soc),
            *self._set(settings, "charge_rate", said.rate),
            *self._ac_charge(settings, on=said.from_grid),
            *self._slots("battery_first", said, settings, at),
        ]

    def _discharge(self, said: Word, settings: Settings, at: Moment) -> list[Write]:
        return [
            *self._form.off(settings, "grid_first"),
            *self._ac_charge(settings, on=False),
            *self._set(settings, "discharge_stop_soc", said.stop_soc),
            *self._set(settings, "discharge_rate", said.rate),
            *self._slots("grid_first", said, settings, at),
        ]

    def _hold(self, said: Word, settings: Settings, at: Moment) -> list[Write]:
        """Battery first with the stop SOC at the present one: some firmware would charge from the grid up to a higher
        one, whatever AC charge says (A.2)."""
        return [
            *self._form.off(settings, "battery_first"),
            *self._ac_charge(settings, on=False),
            *self._set(settings, "charge_stop_soc", _pinned(said, settings, at)),
            *self._slots("battery_first", said, settings, at),
        ]

    def _slots(self, mode: str, said: Word, settings: Settings, at: Moment) -> Sequence[Write]:
        if said.until is None:
            raise CannotTell(f"{said.name} has no end; a slot without one would act every day")
        present = self._form.present(settings, mode)
        wanted = arrange(present, at.now, at.valid_from, said.until, at.zone)
        if wanted is None:
            raise CannotTellNow("no whole minute is left; a slot starts a minute from now at the earliest")
        before = {slot.number: slot for slot in present}
        changed = [slot for slot in wanted if slot != before[slot.number]]
        # What ends goes before what begins: slots that overlap are ignored without a word (trap 31).
        return [self._form.write(mode, slot) for slot in sorted(changed, key=lambda slot: slot.enabled)]

    def _ac_charge(self, settings: Settings, *, on: bool) -> Sequence[Write]:
        return self._set(settings, "ac_charge", int(on or self._unit.ac_charge_stays_on))

    def _set(self, settings: Settings, name: str, value: int | None) -> Sequence[Write]:
        """A setting that the unit has, and that is asked for."""
        return [write(self._unit.table, name, value)] if value is not None and name in settings else []


def _pinned(said: Word, settings: Settings, at: Moment) -> int:
    wanted = said.stop_soc if at.soc_percent is None else min(at.soc_percent, said.stop_soc or 100)
    if wanted is None:
        raise CannotTellNow("the state of charge is not known, at which to hold")
    now = word(settings, "charge_stop_soc")
    holds = now is not None and max(LOWEST_SOC, wanted - HOLD_WITHIN) <= now <= wanted
    return now if now is not None and holds else max(LOWEST_SOC, wanted)


def from_word(value: int) -> time:
    """A time of day from hour and minute in one word; midnight from what is none.

    >>> from_word(5947), to_word(time(23, 59))
    (datetime.time(23, 59), 5947)
    """
    hour, minute = value >> 8, value & 0xFF
    return time(hour, minute) if hour < 24 and minute < 60 else time(0)


def from_pair(value: int) -> time:
    return from_word((value >> 8 & 0x1F) << 8 | value & 0xFF)


def to_word(wall: time) -> int:
    return wall.hour << 8 | wall.minute
