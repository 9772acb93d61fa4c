"""Remote power control of the VPP protocol (protocols A.6)."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from .growatt_agenda import Agenda
from .growatt_orders import DEVICE_FLOOR, STANDBY, Order, with_load_first_floor
from .growatt_parameters import GrowattParameters
from .growatt_slots import MODES, Get
from .traps import Traps

AUTHORITY, ENABLE, DURATION, POWER, AC_CHARGE = 30100, 30407, 30408, 30409, 30410
SLOT_COUNT, FIRST_SLOT, ACTUAL, MODE_OUTSIDE, CLEAR_SLOTS = 30411, 30412, 30474, 30476, 30477
CHARGE_STOP, DISCHARGE_STOP, LOAD_FIRST_STOP = 30404, 30405, 30406
CONTROLS = (ENABLE, DURATION, POWER)
SLOTS = range(FIRST_SLOT, 30472)


def signed(word: int) -> int:
    return word - 0x10000 if word >= 0x8000 else word


class VppControl:
    """Follows writes to 30407-30409, and gives the order that comes out while 30100 is 1."""

    def __init__(
        self, get: Get, put: Callable[[int, int], None], agenda: Agenda, traps: Traps, parameters: GrowattParameters
    ) -> None:
        """
        :param put: sets a holding register from inside.
        """
        self._get, self._put, self._agenda, self._traps, self._parameters = get, put, agenda, traps, parameters
        self._power = 0
        self._arming = 0
        """Counts armings, so that the timer of an earlier one ends nothing."""
        self._last: int | None = None
        """The power of the last arming."""
        self._repeated = self._dud = False

    def written(self, addresses: Collection[int]) -> None:
        """Take note of a write that has been made."""
        if any(at in SLOTS for at in addresses) and self._get(CLEAR_SLOTS):
            for at in [*SLOTS, SLOT_COUNT, CLEAR_SLOTS]:
                if at not in addresses:
                    self._put(at, 0)
        if ENABLE in addresses:
            self._arm()
        elif POWER in addresses and self._get(ENABLE):
            self._change_power()

    def reset(self) -> None:
        """As after a power-off: remote control is gone."""
        self._arming += 1
        self._power, self._last, self._dud = 0, None, False
        self._mirror()

    def order(self, local: datetime) -> Order:
        """What it does while it has the authority."""
        if self._get(ENABLE):
            return self._at_power(0 if self._dud else self._power)
        slot_power = self._slot_power(local)
        if slot_power is not None:
            return self._at_power(slot_power)
        if "22" in self._traps:
            return STANDBY
        mode = MODES[self._get(MODE_OUTSIDE)]
        order = self._with_stops(Order(mode, grid_charge=bool(self._get(AC_CHARGE))))
        return with_load_first_floor(order, max(DEVICE_FLOOR, self._get(LOAD_FIRST_STOP)))

    def _arm(self) -> None:
        self._arming += 1
        if not self._get(ENABLE):
            self._last, self._dud = None, False
            self._mirror()
            return
        self._power = signed(self._get(POWER))
        self._notice_repetition()
        self._last = signed(self._get(POWER))
        self._mirror()
        self._start_timer()

    def _change_power(self) -> None:
        """A power that comes after 30407 runs at once, or a cycle late with trap 23."""
        power, arming = signed(self._get(POWER)), self._arming
        if "23" not in self._traps:
            self._power = power
            self._mirror()
            return

        def run_it() -> None:
            if arming == self._arming:
                self._power = power
                self._mirror()

        self._agenda.after(self._parameters.old_power_s, run_it)

    def _notice_repetition(self) -> None:
        """Trap 26: the same command again delivers 0 W, once."""
        again = self._last == signed(self._get(POWER))
        self._dud = "26" in self._traps and again and not self._repeated
        self._repeated = self._dud

    def _start_timer(self) -> None:
        duration_s, arming = self._get(DURATION) * 60.0, self._arming
        if not duration_s:
            return
        if "24" in self._traps:
            if duration_s > self._parameters.short_timer_s:
                return
            duration_s += self._parameters.timer_late_s

        def end() -> None:
            if arming == self._arming:
                self._put(ENABLE, 0)
                self._mirror()

        self._agenda.after(duration_s, end)

    def _mirror(self) -> None:
        """30474 shows the set-point in force; with trap 27 the last one stays."""
        running = bool(self._get(ENABLE))
        if running or "27" not in self._traps:
            self._put(ACTUAL, self._power if running else 0)

    def _slot_power(self, local: datetime) -> int | None:
        minute = local.hour * 60 + local.minute
        for slot in range(self._get(SLOT_COUNT)):
            at = FIRST_SLOT + 3 * slot
            if self._get(at) <= minute < self._get(at + 1):
                return signed(self._get(at + 2))
        return None

    def _at_power(self, percent: int) -> Order:
        """Above 0 it acts as battery-first, otherwise as grid-first."""
        if percent > 0:
            # The power is a target, not a cap: on some units it is imported even with AC charge off (trap 25).
            from_grid = bool(self._get(AC_CHARGE)) or "25" in self._traps
            return self._with_stops(Order("battery_first", charge_rate=percent / 100, grid_charge=from_grid))
        return self._with_stops(Order("grid_first", discharge_rate=-percent / 100))

    def _with_stops(self, order: Order) -> Order:
        return replace(order, charge_stop=self._get(CHARGE_STOP), discharge_stop=self._get(DISCHARGE_STOP))
