"""Time slots of the inverter: daily, on its own clock (protocols A.2, A.4)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Mode = Literal["load_first", "battery_first", "grid_first"]
MODES: tuple[Mode, ...] = ("load_first", "battery_first", "grid_first")
"""In the order of the codes of registers 118, 1044, 3144 and of the slots of TL-XH."""
Get = Callable[[int], int]
"""The value of a holding register."""

LAST_MINUTE = 23 * 60 + 59
DAY = 24 * 60
ENABLE = 1 << 15
TRIPLES: dict[int, Mode] = {
    **dict.fromkeys((1080, 1083, 1086), MODES[2]),
    **dict.fromkeys((1100, 1103, 1106), MODES[1]),
}
LOAD_TRIPLES: dict[int, Mode] = dict.fromkeys((1110, 1113, 1116), MODES[0])
"""SPA only (protocols A.3)."""
PAIRS = (3038, 3040, 3042, 3044, 3050, 3052, 3054, 3056, 3058)


@dataclass(frozen=True, slots=True)
class Slot:
    """Minutes of the day; a stop at 23:59 means the end of the day."""

    address: int
    begin: int
    end: int
    mode: Mode

    @property
    def crosses_midnight(self) -> bool:
        return self.end < self.begin

    def holds(self, minute: int) -> bool:
        if self.crosses_midnight:
            return minute >= self.begin or minute < self.end
        return self.begin <= minute < self.end

    def overlaps(self, other: "Slot") -> bool:
        return any(self.holds(minute) for minute in range(DAY) if other.holds(minute))


def minute_of(word: int) -> int:
    """Hour in bits 8-12, minute in bits 0-7."""
    return (word >> 8 & 0x1F) * 60 + (word & 0xFF)


def is_time(word: int) -> bool:
    return word >> 8 & 0x1F < 24 and word & 0xFF < 60


def end_of(word: int) -> int:
    minute = minute_of(word)
    return DAY if minute == LAST_MINUTE else minute


def triples(get: Get, kinds: dict[int, Mode]) -> Iterator[Slot]:
    """The enabled slots of SPH and SPA: start, stop, enable."""
    for address, mode in kinds.items():
        if get(address + 2):
            yield Slot(address, minute_of(get(address)), end_of(get(address + 1)), mode)


def pairs(get: Get) -> Iterator[Slot]:
    """The enabled slots of TL-XH: start with mode and enable, stop."""
    for address in PAIRS:
        start = get(address)
        mode = start >> 13 & 0b11
        if start & ENABLE and mode < len(MODES):
            yield Slot(address, minute_of(start), end_of(get(address + 1)), MODES[mode])


def switched_on(words: Mapping[int, int]) -> list[int]:
    """The addresses of slots whose start is written together with their enable."""
    by_pair = [at for at in PAIRS if words.get(at, 0) & ENABLE]
    return by_pair + [at for at in (*TRIPLES, *LOAD_TRIPLES) if at in words and words.get(at + 2)]


def without_ignored(slots: Iterable[Slot]) -> list[Slot]:
    """What is left without those over midnight, and those that overlap an earlier one of their mode (trap 31)."""
    kept: list[Slot] = []
    for slot in slots:
        if not slot.crosses_midnight and not any(slot.mode == other.mode and slot.overlaps(other) for other in kept):
            kept.append(slot)
    return kept
