"""What stored energy is worth at the end of a run, alike for every run that is compared."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.domain import QUARTER, Horizon, HybridInverterSpec
from pems_core.planning.parts.terminal import heat_kwh_value, stored_kwh_value
from pems_core.planning.site import PlannedHouse

from .house import StoredEnergy
from .outlook import Outlook
from .scenario import Scenario

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Valuation:
    """Worth of a kWh in the cells and of a kWh of heat in the rooms [currency/kWh]."""

    battery_per_kwh: float
    heat_per_kwh: float

    @classmethod
    def at(cls, end: datetime, house: PlannedHouse, scenario: Scenario) -> "Valuation":
        """From the prices of the last day before `end`, by the rule that plans use for their own end."""
        horizon = Horizon.uniform(end - DAY, QUARTER, DAY // QUARTER)
        prices = Outlook(scenario, "perfect").forecasts(end - DAY, horizon)
        batteries = [
            stored_kwh_value(prices, spec, spec.battery)
            for device in house.devices
            if isinstance(spec := device.equipment, HybridInverterSpec) and spec.battery is not None
        ]
        return cls(max(batteries, default=0.0), heat_kwh_value(prices))

    def change(self, before: StoredEnergy, after: StoredEnergy) -> float:
        """Worth of what was stored meanwhile [currency]; negative if the house was emptied."""
        return self.battery_per_kwh * (after.battery_kwh - before.battery_kwh) + self.heat_per_kwh * (
            after.useful_heat_kwh - before.useful_heat_kwh
        )
