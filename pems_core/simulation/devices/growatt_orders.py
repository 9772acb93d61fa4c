"""What the stored settings have the inverter do at a moment: the logic of its firmware."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

import numpy as np

from .growatt_parameters import GrowattParameters
from .growatt_slots import (
    LOAD_TRIPLES,
    MODES,
    TRIPLES,
    Get,
    Mode,
    Slot,
    minute_of,
    pairs,
    switched_on,
    triples,
    without_ignored,
)
from .traps import Traps

DEVICE_FLOOR = 10
"""No firmware discharges deeper [%]."""


@dataclass(frozen=True, slots=True)
class Order:
    """A mode and what goes with it; powers are shares of what the battery's converter is rated for."""

    mode: Mode = "load_first"
    charge_rate: float = 1.0
    discharge_rate: float = 1.0
    charge_stop: int = 100
    """Battery-first [%]."""
    discharge_stop: int = DEVICE_FLOOR
    """Grid-first [%]."""
    floor: int = DEVICE_FLOOR
    """Of all modes [%]."""
    grid_charge: bool = False
    charge_to_floor: bool = False
    """Charge, from the grid too, while the battery is below the floor."""


STANDBY = Order("battery_first", charge_rate=0.0)
"""The battery rests, the house lives from PV and grid (trap 22)."""


class SlotBook:
    """Which mode the slots ask for."""

    def __init__(self, traps: Traps, random: np.random.Generator) -> None:
        self._traps, self._random = traps, random
        self._ignored_until: dict[int, datetime] = {}
        self._undecided: tuple[datetime, Mode] | None = None

    def written(self, words: Mapping[int, int], local: datetime) -> None:
        """Take note of slots that are switched on; one whose start is not ahead waits for tomorrow (trap 55)."""
        tomorrow = datetime.combine(local.date() + timedelta(days=1), time())
        for at in switched_on(words):
            self._ignored_until.pop(at, None)
            if "55" in self._traps and minute_of(words[at]) <= local.hour * 60 + local.minute:
                self._ignored_until[at] = tomorrow

    def mode(self, slots: Iterable[Slot], local: datetime) -> Mode:
        valid = without_ignored(slots) if "31" in self._traps else slots
        minute = local.hour * 60 + local.minute
        asked = {slot.mode for slot in valid if slot.holds(minute) and not self._waits(slot, local)}
        if len(asked) > 1 and "32" in self._traps:
            return self._any_mode(local)
        return next((mode for mode in ("battery_first", "grid_first") if mode in asked), MODES[0])

    def _waits(self, slot: Slot, local: datetime) -> bool:
        return slot.address in self._ignored_until and local < self._ignored_until[slot.address]

    def _any_mode(self, local: datetime) -> Mode:
        """Two modes at once are undefined: another one each minute, perhaps (trap 32)."""
        minute = local.replace(second=0, microsecond=0)
        if self._undecided is None or self._undecided[0] != minute:
            self._undecided = minute, MODES[int(self._random.integers(len(MODES)))]
        return self._undecided[1]


def sph_order(get: Get, book: SlotBook, local: datetime, *, load_slots: bool) -> Order:
    """SPH and SPA (protocols A.2, A.3)."""
    kinds = {**TRIPLES, **(LOAD_TRIPLES if load_slots else {})}
    return Order(
        mode=book.mode(triples(get, kinds), local),
        charge_rate=get(1090) / 100,
        discharge_rate=get(1070) / 100,
        charge_stop=get(1091),
        discharge_stop=get(1071),
        floor=DEVICE_FLOOR,
        grid_charge=bool(get(1092)),
    )


def with_load_first_floor(order: Order, floor: int) -> Order:
    """A floor that holds in load-first only, as register 608."""
    return replace(order, floor=floor) if order.mode == "load_first" else order


def tl_xh_order(get: Get, book: SlotBook, local: datetime) -> Order:
    """MIN, MOD and MID TL-XH (protocols A.4)."""
    return Order(
        mode=book.mode(pairs(get), local),
        charge_rate=min(100, get(3047)) / 100,
        discharge_rate=min(100, get(3036)) / 100,
        # The lower of the two wins when the grid charges (#372).
        charge_stop=min(get(3048), get(3312)) if get(3049) else get(3048),
        discharge_stop=get(3037),
        floor=max(get(3067), get(3310)),
        grid_charge=bool(get(3049)),
        charge_to_floor=True,
    )


def as_trapped(order: Order, traps: Traps, parameters: GrowattParameters) -> Order:
    """The order with what the firmware makes of it besides."""
    if "21" in traps and order.mode == "battery_first" and order.charge_rate > 0:
        order = replace(order, grid_charge=True)
    if "30" in traps:
        stop = min(order.charge_stop, parameters.hidden_stop_soc) if order.grid_charge else order.charge_stop
        floor = max(order.floor, parameters.hidden_floor_soc)
        order = replace(order, charge_stop=stop, floor=floor)
    return order
