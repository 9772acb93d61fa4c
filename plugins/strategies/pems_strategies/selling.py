"""When the battery sells to the grid, and when it waits so that PV can be sold."""

import math
from dataclasses import dataclass

from pems_core.domain import Reason

from .export import HIGH_FEED_IN_TARIFF, may_export
from .operation import Operation, hold
from .storage import NOTHING_KWH, Storage


@dataclass(frozen=True, slots=True)
class SellRule:
    """Discharge into the grid what the house will not want before the battery is refilled for less.

    Selling a kWh now and refilling it later pays if

        feed-in price now > price of the refill / (efficiency in * efficiency out) + wear + least gain

    where the refill is grid energy at its import price or surplus PV at the feed-in price it would earn.
    """

    least_gain_per_kwh: float = 0.0
    """What a sold kWh must earn beyond losses and wear [currency/kWh]."""

    def operate(self, storage: Storage) -> Operation | None:
        ahead = storage.ahead
        price = ahead.feed_in_price_per_kwh[0]
        if not ahead.priced or not may_export(storage.inverter, price) or storage.stored_kwh <= NOTHING_KWH:
            return None
        refill_kwh = self._refill(storage, price - self.least_gain_per_kwh)
        first = next((i for i, kwh in enumerate(refill_kwh) if kwh > 0), None)
        if first is None or storage.discharge_kw <= 0:
            return None
        wanted_kwh = sum(storage.open_kwh[:first])
        spare_kwh = min(storage.stored_kwh - wanted_kwh, sum(refill_kwh) - storage.room_kwh - wanted_kwh)
        if spare_kwh <= NOTHING_KWH or self._better_kwh(storage, first) >= spare_kwh:
            return None
        keep_soc = storage.soc_with(storage.stored_kwh - spare_kwh)
        text = (
            f"{HIGH_FEED_IN_TARIFF}: feed-in at {price:.2f} per kWh for {spare_kwh:.1f} kWh "
            f"that the house will not want before the next refill"
        )
        return Operation(
            "grid_first",
            Reason(text, saves=self._earning(storage, price, first, spare_kwh)),
            discharge_power_kw=storage.discharge_kw / storage.inverter.inverting_efficiency,
            stop_soc=min(storage.battery.soc_max, math.ceil(keep_soc * 100 - 1e-6) / 100),
        )

    @staticmethod
    def _refill(storage: Storage, below_per_kwh: float) -> list[float]:
        """What could be put back in each step ahead for less than a price, as the house would get it."""
        ahead = storage.ahead
        grid_kw = storage.grid_charge_kw * storage.into * storage.out
        price = storage.break_even_price(below_per_kwh)
        refill = [0.0]
        for i in range(1, ahead.steps):
            import_price = ahead.import_price_per_kwh[i]
            from_sun = storage.sun_kwh[i] if max(0.0, ahead.feed_in_price_per_kwh[i]) < price else 0.0
            buys = import_price < price and storage.may_charge_at(import_price)
            refill.append(max(from_sun, grid_kw * ahead.step_h[i]) if buys else from_sun)
        return refill

    @staticmethod
    def _better_kwh(storage: Storage, until: int) -> float:
        """What could be sold at higher prices than now before the refill begins."""
        prices, step_h = storage.ahead.feed_in_price_per_kwh, storage.ahead.step_h
        return storage.discharge_kw * sum(step_h[i] for i in range(1, until) if prices[i] > prices[0])

    @staticmethod
    def _earning(storage: Storage, price_per_kwh: float, refill: int, spare_kwh: float) -> float:
        ahead = storage.ahead
        again = min(ahead.import_price_per_kwh[refill], max(0.0, ahead.feed_in_price_per_kwh[refill]))
        now_kwh = min(spare_kwh, storage.discharge_kw * ahead.step_h[0])
        return now_kwh * (price_per_kwh - storage.delivered_price(again))


@dataclass(frozen=True, slots=True)
class StoreLaterRule:
    """Feed in surplus PV now when more than enough surplus comes at lower feed-in prices.

    The battery rests meanwhile and is filled when feed-in earns least.
    """

    reserve: float = 1.5
    """Surplus still to come at lower prices, as a multiple of the room in the battery."""
    look_ahead_h: float = 8.0

    def operate(self, storage: Storage) -> Operation | None:
        ahead = storage.ahead
        price = ahead.feed_in_price_per_kwh[0]
        if not ahead.priced or ahead.surplus_kw[0] <= 0 or not may_export(storage.inverter, price):
            return None
        room_kwh = storage.room_kwh
        cheaper = [
            i
            for i in range(1, ahead.steps)
            if ahead.starts_h[i] < self.look_ahead_h and ahead.feed_in_price_per_kwh[i] < price
        ]
        later_kwh = sum(storage.sun_kwh[i] for i in cheaper)
        if room_kwh <= NOTHING_KWH or later_kwh < self.reserve * room_kwh:
            return None
        later = min(ahead.feed_in_price_per_kwh[i] for i in cheaper)
        now_kwh = min(room_kwh, ahead.surplus_kw[0] * ahead.step_h[0])
        text = (
            f"{HIGH_FEED_IN_TARIFF}: surplus PV earns {price:.2f} per kWh now; "
            f"the battery fills when it earns as little as {later:.2f}"
        )
        return hold(storage, Reason(text, saves=now_kwh * (price - max(0.0, later))))
