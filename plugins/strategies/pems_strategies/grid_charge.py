"""Charging from the grid in the cheapest hours, and keeping what is stored for the dearest."""

import math
from dataclasses import dataclass

from pems_core.domain import Reason

from .operation import Operation, hold
from .storage import NOTHING_KWH, Storage


@dataclass(frozen=True, slots=True)
class GridChargeRule:
    """Fill the battery in the cheapest hours before a dear period, if the spread pays.

    An hour ahead is dear if its price exceeds

        price now / (efficiency in * efficiency out) + wear + least gain

    The battery is filled with what the house will want in the dear hours up to the next price as low as
    the present one, less what is stored and what the sun will bring. Charging waits as long as cheaper
    hours before the dear period suffice.
    """

    target_soc: float = 1.0
    """Never charged from the grid beyond this share."""
    least_gain_per_kwh: float = 0.0
    """What a delivered kWh must save beyond losses and wear [currency/kWh]."""

    def operate(self, storage: Storage) -> Operation | None:
        ahead = storage.ahead
        price = ahead.import_price_per_kwh[0]
        if not ahead.priced or not storage.may_charge_at(price) or storage.grid_charge_kw <= 0:
            return None
        cost = storage.delivered_price(price)
        dear = _next_dear_steps(storage, cost + self.least_gain_per_kwh)
        if not dear:
            return None
        wanted_kwh = self._wanted_kwh(storage, dear)
        if wanted_kwh <= NOTHING_KWH or _cheaper_kwh(storage, dear[0]) >= wanted_kwh:
            return None
        # Rounded up: a stop rounded down could lie below the present state and not charge at all.
        filled_soc = math.ceil(storage.soc_with(storage.stored_kwh + wanted_kwh) * 100 - 1e-6) / 100
        now_kwh = min(wanted_kwh, storage.grid_charge_kw * ahead.step_h[0] * storage.into * storage.out)
        avoided = sum(ahead.import_price_per_kwh[i] for i in dear) / len(dear)
        text = (
            f"cheapest hours before a dear period: {price:.2f} per kWh, {cost:.2f} after losses and wear, "
            f"avoids {avoided:.2f} from {_in_hours(ahead.starts_h[dear[0]])} on"
        )
        return Operation(
            "battery_first",
            Reason(text, saves=now_kwh * (avoided - cost)),
            charge_grid=True,
            charge_power_kw=storage.grid_charge_kw * storage.inverter.rectifying_efficiency,
            stop_soc=min(filled_soc, self.target_soc, storage.battery.soc_max),
        )

    def _wanted_kwh(self, storage: Storage, dear: list[int]) -> float:
        needed_kwh = sum(storage.open_kwh[i] for i in dear)
        sun_kwh = sum(storage.sun_kwh[1 : dear[-1]])
        # Nothing above the floor is stored below it, so the way up to the floor comes on top.
        room_kwh = max(0.0, min(self.target_soc, storage.battery.soc_max) - storage.soc)
        room_kwh *= storage.battery.capacity_kwh * storage.out
        return min(needed_kwh - storage.stored_kwh - sun_kwh, room_kwh)


@dataclass(frozen=True, slots=True)
class KeepForPeakRule:
    """Keep stored energy for dearer hours when it does not suffice for all of them.

    The hours that count are those up to the next chance to refill: grid energy that is cheaper after
    losses and wear than the present price, or enough sun to fill the battery.
    """

    worth_share: float = 0.05
    """An hour is dearer if its price exceeds the present one by this share."""

    def operate(self, storage: Storage) -> Operation | None:
        ahead = storage.ahead
        if not ahead.priced or ahead.surplus_kw[0] > 0:
            return None
        price = ahead.import_price_per_kwh[0]
        if price <= storage.wear_per_kwh and storage.wear_per_kwh > 0:
            return hold(storage, Reason(f"import at {price:.2f} per kWh costs less than the battery's wear"))
        refill = _next_refill(storage, price)
        at_least = price + self.worth_share * abs(price)
        dearer = [i for i in range(1, refill) if ahead.import_price_per_kwh[i] > at_least and storage.open_kwh[i] > 0]
        if not dearer:
            return None
        sun_kwh = sum(storage.sun_kwh[1 : dearer[-1]])
        if sum(storage.open_kwh[i] for i in dearer) < storage.stored_kwh + sun_kwh:
            return None
        best = max(ahead.import_price_per_kwh[i] for i in dearer)
        used_kwh = min(storage.open_kwh[0], storage.stored_kwh)
        text = f"kept for hours at up to {best:.2f} per kWh; import costs {price:.2f} now"
        return hold(storage, Reason(text, saves=used_kwh * (best - price)))


def _next_dear_steps(storage: Storage, above_per_kwh: float) -> list[int]:
    """Steps above a price, from the first one to the next price that is no higher than the present one."""
    prices = storage.ahead.import_price_per_kwh
    steps: list[int] = []
    for i in range(1, len(prices)):
        if prices[i] > above_per_kwh:
            steps.append(i)
        elif steps and prices[i] <= prices[0]:
            break
    return steps


def _cheaper_kwh(storage: Storage, until: int) -> float:
    """What could still be charged at lower prices than now before step `until`."""
    prices, step_h = storage.ahead.import_price_per_kwh, storage.ahead.step_h
    cheaper_h = sum(step_h[i] for i in range(1, until) if prices[i] < prices[0])
    return cheaper_h * storage.grid_charge_kw * storage.into * storage.out


def _next_refill(storage: Storage, price_per_kwh: float) -> int:
    """The first step ahead in which used energy is replaced for less than the present price."""
    sun_kwh, below = 0.0, storage.break_even_price(price_per_kwh)
    for i in range(1, storage.ahead.steps):
        price = storage.ahead.import_price_per_kwh[i]
        sun_kwh += storage.sun_kwh[i]
        if price < below and storage.may_charge_at(price):
            return i
        if sun_kwh > 0 and sun_kwh >= storage.room_kwh + storage.open_kwh[0]:
            return i
    return storage.ahead.steps


def _in_hours(hours: float) -> str:
    return f"{hours:.1f} h ahead"
