"""What it costs and yields to move energy through a battery."""

from dataclasses import dataclass
from functools import cached_property

from pems_core.domain import BatterySpec, HybridInverterSpec

from .ahead import Ahead

NOTHING_KWH = 0.05
"""Energies below this are not worth a change of mode."""


@dataclass(frozen=True)
class Storage:
    """A battery behind its inverter, in one step, seen from the house.

    All energies are as delivered to the house: what is in the cells, less the losses on the way out.
    """

    inverter: HybridInverterSpec
    battery: BatterySpec
    soc: float
    temperature_c: float | None
    ahead: Ahead

    @cached_property
    def into(self) -> float:
        """Share of AC energy that reaches the cells."""
        return self.inverter.rectifying_efficiency * self.battery.charge_efficiency

    @cached_property
    def out(self) -> float:
        """Share of the energy in the cells that reaches the house."""
        return self.battery.discharge_efficiency * self.inverter.inverting_efficiency

    @cached_property
    def wear_per_kwh(self) -> float:
        """Wear for each kWh delivered [currency/kWh]."""
        return self.battery.wear_cost_per_kwh / self.inverter.inverting_efficiency

    @property
    def stored_kwh(self) -> float:
        """What it can deliver now, down to its floor."""
        return max(0.0, self.soc - self.battery.soc_min) * self.battery.capacity_kwh * self.out

    @property
    def room_kwh(self) -> float:
        """What it could deliver more if it were full."""
        return max(0.0, self.battery.soc_max - max(self.soc, 0.0)) * self.battery.capacity_kwh * self.out

    @cached_property
    def grid_charge_kw(self) -> float:
        """AC power drawn when charging from the grid."""
        at_terminals = self.battery.charge_limit_at(self.soc, self.temperature_c)
        ac_kw = at_terminals / self.inverter.rectifying_efficiency
        return max(0.0, min(ac_kw, self.inverter.grid_charge_limit_kw, self.inverter.ac_limit_kw))

    @cached_property
    def discharge_kw(self) -> float:
        """Highest AC power out of the battery."""
        at_terminals = self.battery.discharge_limit_at(max(self.soc, self.battery.soc_min), self.temperature_c)
        return max(0.0, min(at_terminals * self.inverter.inverting_efficiency, self.inverter.ac_limit_kw))

    def delivered_price(self, bought_at_per_kwh: float) -> float:
        """What a delivered kWh costs that is bought, stored and taken out [currency/kWh].

        price / (efficiency in * efficiency out) + wear
        """
        return bought_at_per_kwh / (self.into * self.out) + self.wear_per_kwh

    def break_even_price(self, delivered_per_kwh: float) -> float:
        """The price to buy at for a delivered kWh to cost so much: `delivered_price` the other way round."""
        return (delivered_per_kwh - self.wear_per_kwh) * self.into * self.out

    def may_charge_at(self, import_price_per_kwh: float) -> bool:
        limit = self.inverter.grid_charge_below_price_per_kwh
        return self.inverter.grid_charge_limit_kw > 0 and (limit is None or import_price_per_kwh < limit)

    def soc_with(self, delivered_kwh: float) -> float:
        """State of charge that holds this much energy above the floor."""
        share = delivered_kwh / (self.battery.capacity_kwh * self.out) if self.battery.capacity_kwh > 0 else 0.0
        return min(self.battery.soc_max, self.battery.soc_min + share)

    @cached_property
    def open_kwh(self) -> tuple[float, ...]:
        """What PV leaves open in each step and the battery could cover."""
        limit_kw = self.discharge_kw
        return tuple(
            min(-surplus, limit_kw) * h if surplus < 0 else 0.0
            for surplus, h in zip(self.ahead.surplus_kw, self.ahead.step_h, strict=True)
        )

    @cached_property
    def sun_kwh(self) -> tuple[float, ...]:
        """What the surplus of each step would add to what the battery can deliver."""
        # PV reaches the cells on the DC side; its AC equivalent has one inverting loss less to lose.
        gain = self.battery.charge_efficiency / self.inverter.inverting_efficiency * self.out
        limit_kw = self.battery.charge_limit_kw * self.inverter.inverting_efficiency
        return tuple(
            min(surplus, limit_kw) * h * gain if surplus > 0 else 0.0
            for surplus, h in zip(self.ahead.surplus_kw, self.ahead.step_h, strict=True)
        )
