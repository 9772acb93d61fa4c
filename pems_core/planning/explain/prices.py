"""What energy is worth at the house bus in each step of a plan."""

from dataclasses import dataclass
from functools import cached_property

from pems_core.domain import Forecasts, Plan

FLOWING_KW = 0.05
"""Flows below this are not spoken of."""


@dataclass(frozen=True)
class Prices:
    """Prices of a plan [currency/kWh], one per step."""

    plan: Plan
    forecasts: Forecasts

    @property
    def bought_at(self) -> tuple[float, ...]:
        return self.forecasts["import_price_per_kwh"]

    @property
    def sold_at(self) -> tuple[float, ...]:
        return self.forecasts["feed_in_price_per_kwh"]

    @cached_property
    def of_more_import(self) -> tuple[float, ...]:
        """Cost of drawing more than planned: the import price, or more where a limit or a peak binds."""
        marginal = self.plan.marginal_value_per_kwh
        return tuple(map(max, self.bought_at, marginal)) if marginal else self.bought_at

    @cached_property
    def of_heat(self) -> tuple[float, ...]:
        """Cost of one more kWh for a small load: the marginal value, or what a plan without one pays or forgoes."""
        if self.plan.marginal_value_per_kwh:
            return self.plan.marginal_value_per_kwh
        exported = self.plan.dispatch["grid.export_kw"]
        return tuple(
            sold if kw > FLOWING_KW else bought
            for kw, sold, bought in zip(exported, self.sold_at, self.bought_at, strict=True)
        )
