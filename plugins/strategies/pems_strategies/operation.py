"""How an inverter runs its battery for one step, and the rules that need no prices."""

import math
from dataclasses import dataclass
from typing import Protocol

from pems_core.domain import Reason

from .storage import Storage


@dataclass(frozen=True, slots=True)
class Operation:
    """A mode with the settings that belong to it; one rule decides all of them together."""

    mode: str
    reason: Reason
    charge_grid: bool = False
    charge_power_kw: float | None = None
    discharge_power_kw: float | None = None
    stop_soc: float | None = None


class BatteryRule(Protocol):
    """A rule that may have a say in how a battery is run in the first step ahead."""

    def operate(self, storage: Storage) -> Operation | None:
        """What to do, or None to leave it to the next rule."""


def hold(storage: Storage, reason: Reason) -> Operation:
    """Let the battery rest: battery_first, stopping at the present state of charge.

    Below its floor a battery stops at the floor, so that PV may lift it there.
    """
    # Rounded down: a stop above the present state would charge.
    present = math.floor(storage.soc * 100 + 1e-6) / 100
    stop_soc = max(storage.battery.soc_min, min(storage.battery.soc_max, present))
    return Operation("battery_first", reason, charge_power_kw=0.0, stop_soc=stop_soc)


@dataclass(frozen=True, slots=True)
class AtRest:
    """The battery does nothing: what the house would be without it."""

    def operate(self, storage: Storage) -> Operation:
        return hold(storage, Reason("battery at rest"))


@dataclass(frozen=True, slots=True)
class SelfUse:
    """PV feeds the house, then the battery, then the grid; the battery covers what is open."""

    def operate(self, storage: Storage) -> Operation:
        return Operation("load_first", Reason("the battery stores surplus PV and covers the house"))
