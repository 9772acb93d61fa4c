"""What an aim adds to the plan's objective: the bill, and prices for what else a household minds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from pems_core.domain import Forecasts, SiteState
from pems_core.planning.model import DispatchModel

PEAK = "peak"
UNFORESEEN_KW = 3.0
"""Kept free below the peak so far: a plan that goes right up to it lifts it a little more each hour. A month of quarter
hours was at most 2.2 kW above what was foreseen; the rest is for relays."""
RELAYS_KW = 1.0
"""Of that, for relays, which only come whole."""
PerStepPrice = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Prices:
    """What a household would pay beyond its bill; all zero is the bill alone."""

    import_premium_per_kwh: PerStepPrice
    """On each kWh imported [currency/kWh], one value per step."""
    export_premium_per_kwh: PerStepPrice
    """On each kWh fed in."""
    peak_price_per_kw: float = 0.0
    """On each kW by which the billing period's import peak rises [currency/kW]."""
    comfort_factor: float = 1.0
    """Times the price of discomfort."""


def no_premium(forecasts: Forecasts) -> PerStepPrice:
    return (0.0,) * forecasts.horizon.steps


@dataclass(frozen=True)
class Objective(ABC):
    """An aim: the bill of the horizon plus prices of its own.

    bill    = sum((import_price[t] * import[t] - feed_in_price[t] * export[t]) * step[t])
    premium = sum((import_premium[t] * import[t] + export_premium[t] * export[t]) * step[t])
    peak    = (capacity_charge + peak_price) * rise,  rise >= import[t] - max(0, peak_so_far - unforeseen),  rise >= 0

    Steps of the next billing period have a rise of their own, above nothing.
    """

    name: str
    capacity_charge_per_kw: float
    """Of the tariff, per kW of the billing period's highest import mean [currency/kW]; part of the bill."""

    @abstractmethod
    def prices(self, forecasts: Forecasts) -> Prices:
        """The prices of this aim.

        :raises MissingForecast: if a series that it needs is forecast by nobody.
        """

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        prices = self.prices(forecasts)
        steps, step_h = model.pyomo.steps, model.horizon.step_h
        buy, sell = forecasts["import_price_per_kwh"], forecasts["feed_in_price_per_kwh"]
        bill = sum(step_h[t] * (buy[t] * model.import_kw(t) - sell[t] * model.export_kw(t)) for t in steps)
        # Named for the aim, so that several aims in one plan keep costs of their own.
        model.add_cost(f"{self.name}.bill", bill, kind="bill")
        imported, exported = prices.import_premium_per_kwh, prices.export_premium_per_kwh
        if any(imported) or any(exported):
            premium = sum(
                step_h[t] * (imported[t] * model.import_kw(t) + exported[t] * model.export_kw(t)) for t in steps
            )
            model.add_cost(f"{self.name}.premium", premium, kind="strategy")
        if self.capacity_charge_per_kw > 0:
            rise_kw = peak_rise(model, state)
            model.add_cost(f"{self.name}.capacity", self.capacity_charge_per_kw * rise_kw, kind="bill")
        if prices.peak_price_per_kw > 0:
            model.add_cost(f"{self.name}.peak", prices.peak_price_per_kw * peak_rise(model, state), kind="strategy")
        if prices.comfort_factor != 1.0:
            model.weigh("comfort", prices.comfort_factor)
        stored = stored_energy_factor(forecasts, prices)
        if stored != 1.0:
            model.weigh("terminal", stored)


def peak_rise(model: DispatchModel, state: SiteState) -> Any:
    """How far the plan lifts the import peaks of the billing periods that it touches [kW]; what was reached is sunk.

    One part for all aims of a model.
    """
    peak = model.pyomo.component(PEAK)
    return sum((_add_peaks(model, state) if peak is None else peak).rise_kw.values())


def _add_peaks(model: DispatchModel, state: SiteState) -> Any:
    """rise[p] >= import[t] - free[p] for each step t of period p: the running one, and the next if it begins."""
    until = state.peak.until
    period = [int(until is not None and start >= until) for start in model.horizon.starts]
    free_kw = (max(0.0, state.peak.so_far_kw - UNFORESEEN_KW), 0.0)

    peak = model.part(PEAK)
    peak.rise_kw = pyo.Var(sorted(set(period)), bounds=(0, None))
    peak.highest_import = pyo.Constraint(
        model.pyomo.steps, rule=lambda b, t: model.import_kw(t) - b.rise_kw[period[t]] <= free_kw[period[t]]
    )
    model.add_import_ceiling(lambda t, value: free_kw[period[t]] + RELAYS_KW + value(peak.rise_kw[period[t]]))
    return peak


def stored_energy_factor(forecasts: Forecasts, prices: Prices) -> float:
    """How much more stored energy is worth to this aim than its price: what it saves includes the premium.

    Without it, a plan would empty the battery at the end of each horizon to save premiums.
    """
    step_h = forecasts.horizon.step_h
    bought = sum(price * h for price, h in zip(forecasts["import_price_per_kwh"], step_h, strict=True))
    premium = sum(price * h for price, h in zip(prices.import_premium_per_kwh, step_h, strict=True))
    return 1.0 + premium / bought if bought > 0 else 1.0
