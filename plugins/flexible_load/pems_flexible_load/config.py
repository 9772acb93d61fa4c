"""The [[flexible_load]] sections."""

from collections.abc import Iterable
from datetime import time
from typing import ClassVar

from pydantic import Field

from pems_core.config import MOST_KW, Fault, Number, Section, WallClock
from pems_core.domain import FlexibleLoadSpec


class FlexibleLoadSection(Section):
    """One load that needs some energy by some time, such as a car or a boiler."""

    repeated: ClassVar[bool] = True

    name: str = Field(
        examples=["load"], pattern=r"^[a-z][a-z0-9_]*$", description="small letters, digits and _, such as car"
    )
    power_min_kw: Number = Field(0.0, ge=0, description="lowest power while it runs [kW]")
    power_max_kw: Number = Field(examples=[MOST_KW], gt=0, le=MOST_KW, description="highest power [kW]")
    on_off: bool = Field(False, strict=True, description="true: runs at power_max_kw or not at all")
    energy_kwh: Number = Field(examples=[1.0], ge=0, description="needed each day [kWh]")
    available_from: WallClock = Field(time(0), description='local time from which it may run, "HH:MM"')
    ready_by: WallClock = Field(
        time(0), description='local time by which it is served, "HH:MM"; equal to available_from: all day'
    )
    unserved_price_per_kwh: Number = Field(
        examples=[1.0], gt=0, description="what a kWh missing at ready_by is worth [currency/kWh]"
    )

    def faults(self) -> Iterable[Fault]:
        if self.power_min_kw > self.power_max_kw:
            allowed = f"at most power_max_kw = {self.power_max_kw:g}"
            yield Fault(("power_min_kw",), f"found {self.power_min_kw:g}; allowed: {allowed}")

    def spec(self, timezone: str) -> FlexibleLoadSpec:
        """The load in physical terms.

        :param timezone: the zone of its local times.
        """
        return FlexibleLoadSpec(
            power_min_kw=self.power_min_kw,
            power_max_kw=self.power_max_kw,
            on_off=self.on_off,
            unserved_price_per_kwh=self.unserved_price_per_kwh,
            energy_kwh=self.energy_kwh,
            available_from=self.available_from,
            ready_by=self.ready_by,
            timezone=timezone,
        )
