"""Feeding into the grid when the price is right. Each reason begins with one of four names."""

from dataclasses import dataclass

from pems_core.domain import HybridInverterSpec, Reason

from .ahead import Ahead
from .operation import Operation

HIGH_FEED_IN_TARIFF = "high_feed_in_tariff"
NEGATIVE_PRICES = "negative_prices"
EXCESS_PV_PRODUCTION = "excess_pv_production"
MAXIMIZE_SELF_CONSUMPTION = "maximize_self_consumption"


@dataclass(frozen=True, slots=True)
class AlwaysExport:
    """The export switch stays on, whatever the price."""

    def switch(self, inverter: HybridInverterSpec, ahead: Ahead, operation: Operation) -> tuple[bool, Reason]:
        return True, Reason("feed-in is always on")


@dataclass(frozen=True, slots=True)
class ExportRule:
    """The export switch: off at a negative feed-in price, on otherwise."""

    def switch(self, inverter: HybridInverterSpec, ahead: Ahead, operation: Operation) -> tuple[bool, Reason]:
        """Whether to feed in during the first step ahead, and why.

        :param operation: how the battery is run in that step.
        """
        price = ahead.feed_in_price_per_kwh[0]
        above = inverter.export_above_price_per_kwh
        if price < 0:
            return False, Reason(f"{NEGATIVE_PRICES}: feed-in at {price:.2f} per kWh")
        if above is not None and price <= above:
            text = f"{MAXIMIZE_SELF_CONSUMPTION}: feed-in at {price:.2f} per kWh, more than {above:.2f} is asked for"
            return False, Reason(text)
        if operation.mode == "grid_first":
            return True, operation.reason
        surplus_kw = ahead.surplus_kw[0]
        if surplus_kw > 0:
            text = f"{EXCESS_PV_PRODUCTION}: about {surplus_kw:.1f} kW beyond the load, feed-in at {price:.2f} per kWh"
            return True, Reason(text)
        return True, Reason(f"{MAXIMIZE_SELF_CONSUMPTION}: no surplus expected")


def may_export(inverter: HybridInverterSpec, price_per_kwh: float) -> bool:
    above = inverter.export_above_price_per_kwh
    return price_per_kwh > 0 and (above is None or price_per_kwh > above)
