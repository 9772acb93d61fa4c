"""What becomes of a write that was acknowledged: the traps of its memory (protocols E.1, E.2)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from .growatt_agenda import Agenda
from .growatt_parameters import GrowattParameters
from .growatt_slots import Get
from .traps import Traps


class WriteMemory:
    """Puts written values, at once or late, for good or for a while, or not at all."""

    def __init__(
        self,
        get: Get,
        put: Callable[[Mapping[int, int]], None],
        agenda: Agenda,
        traps: Traps,
        parameters: GrowattParameters,
    ) -> None:
        """
        :param put: sets holding registers, and has the inverter act on them.
        """
        self._get, self._put, self._agenda, self._traps, self._parameters = get, put, agenda, traps, parameters
        self._before: dict[int, tuple[datetime, int]] = {}
        """What a register held before its last write, and when that was."""
        self._known: dict[int, int] = {}
        """What the cloud knows of registers that it has yet to put back."""

    def write(self, values: Mapping[int, int], kept: frozenset[int], siblings: range, *, loose: bool) -> None:
        """Take an acknowledged write.

        :param kept: registers that acknowledge and do not change (traps 1 and 35).
        :param siblings: the registers of the slot that the values belong to; empty if to none.
        :param loose: words of a slot that were not written as the firmware wants it, see `WriteRules.is_loose`.
        """
        fresh = {at: value for at, value in values.items() if at not in kept}
        if "34" in self._traps:
            fresh = {**self._old_siblings(siblings, values), **fresh}
        for at in fresh:
            self._before[at] = self._agenda.now, self._get(at)
        delay_s = self._parameters.readable_after_s if "3" in self._traps else 0.0
        if delay_s:
            self._agenda.after(delay_s, lambda: self._put(fresh))
        else:
            self._put(fresh)
        revert_s = self._reverts_after_s(loose=loose)
        if revert_s is not None:
            for at in fresh:
                self._known.setdefault(at, self._before[at][1])
            self._agenda.after(delay_s + revert_s, lambda: self._revert(frozenset(fresh)))

    def as_racing(self, address: int, words: Sequence[int]) -> list[int]:
        """A read that began before a write finished has the old values, once (trap 4)."""
        if "4" not in self._traps:
            return list(words)
        return [self._raced(at, word) for at, word in enumerate(words, address)]

    def _revert(self, addresses: frozenset[int]) -> None:
        """Bring back what was there before the first of several writes, unless the trap is gone by now."""
        known = {at: self._known.pop(at) for at in addresses if at in self._known}
        if "2" in self._traps:
            self._put(known)

    def _raced(self, at: int, word: int) -> int:
        if at not in self._before:
            return word
        since, old = self._before.pop(at)
        return old if (self._agenda.now - since).total_seconds() <= self._parameters.race_s else word

    def _reverts_after_s(self, *, loose: bool) -> float | None:
        if "2" not in self._traps:
            return None
        if loose and self._parameters.loose_words_revert_after_s is not None:
            return self._parameters.loose_words_revert_after_s
        return self._parameters.cloud_reverts_after_s

    def _old_siblings(self, siblings: range, values: Mapping[int, int]) -> dict[int, int]:
        """Words beside the written ones, from a cache that is older than the last write."""
        found = {}
        for at in siblings:
            since, old = self._before.get(at, (None, 0))
            recent = since is not None and (self._agenda.now - since).total_seconds() <= self._parameters.sibling_s
            if recent and at not in values:
                found[at] = old
        return found
