"""Modes by remote power control, as the VPP protocol has it (A.6 "Field behaviour", D.3).

The power register is a target that the unit imports for, not a cap, and the unit's own timer is no promise: it is
told anew in time, and PEMS ends it itself.
"""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from .probe import WIT, Unit
from .tell_common import CannotTell
from .tell_slots import Moment
from .words import Word
from .writes import Settings, Write, word, write

MOST_MINUTES = 1440
ARM_S = 1.0
"""Between taking authority and using it."""
WIT_ENDS_S = 35.0
"""A WIT whose authority is given back needs this long before remote control is switched off."""
HOLD_PERCENT = 1
"""Acts as battery first: the battery is not discharged."""


class VppFamily:
    """Puts the words for the battery into the registers of remote power control."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def writes(self, said: Word, settings: Settings, at: Moment) -> list[Write]:
        """The writes that bring a word about, in their order.

        :raises CannotTell: if it cannot be brought about.
        """
        if said.name == "charge" and said.from_grid:
            return self._arm(said.rate or 100, said, settings, at, "charge_stop_soc")
        if said.name == "discharge":
            return self._arm(-(said.rate or 100), said, settings, at, "discharge_stop_soc")
        if said.name == "hold":
            return self._arm(HOLD_PERCENT, said, settings, at)
        # Charging without the grid is what the unit does by itself: a target power would be imported (#373).
        return self.disarm(settings)

    def disarm(self, settings: Settings) -> list[Write]:
        """Give the unit back to itself. It always ends with authority given back: with authority and without remote
        control the battery is suspended and the house runs from the grid."""
        table = self._unit.table
        if word(settings, "authority") == 0 and word(settings, "remote_enable") == 0:
            return []
        off = [write(table, "remote_enable", 0), write(table, "remote_power", 0)]
        own_charge = [write(table, "ac_charge", 0)] if "ac_charge" in settings else []
        if self._unit.dtc in WIT:
            return [*own_charge, write(table, "authority", 0, settle_s=WIT_ENDS_S), *off]
        return [*off, *own_charge, write(table, "authority", 0)]

    def _arm(self, percent: int, said: Word, settings: Settings, at: Moment, stop: str = "") -> list[Write]:
        table = self._unit.table
        if said.until is None:
            raise CannotTell(f"{said.name} has no end; remote control without one would go on for ever")
        writes = []
        # It is switched off with authority, and not before: each change wears the memory.
        if said.from_grid and "ac_charge" in settings:
            writes.append(write(table, "ac_charge", 1))
        if stop and stop in settings and said.stop_soc is not None:
            writes.append(write(table, stop, max(10, said.stop_soc)))
        return [
            write(table, "authority", 1, settle_s=ARM_S),
            *writes,
            # In this order: the last commits, and one before it would run the old power for a cycle (trap 23).
            write(table, "remote_power", percent, always=True),
            write(table, "remote_minutes", _minutes(at.now, said.until), always=True),
            write(table, "remote_enable", 1, always=True),
        ]


def _minutes(now: datetime, until: datetime) -> int:
    return max(1, min(MOST_MINUTES, ceil((until - now).total_seconds() / 60)))


def vpp_settings() -> Sequence[str]:
    return (
        *("authority", "remote_enable", "remote_minutes", "remote_power", "ac_charge"),
        *("charge_stop_soc", "discharge_stop_soc", "export_limit_mode", "export_limit"),
    )
