"""A pool pump behind a Shelly plug. The physics and the equations are PEMS's; here stands what is the brand's own."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import Field

from pems_core.config import Config, Number, Section, SiteSection
from pems_core.devices import FlexibleLoadDevice
from pems_core.devices.commands import Validity, mqtt_command, require_allowed
from pems_core.domain import Command, FlexibleLoadSpec, SiteState, Value
from pems_core.hookspecs import hookimpl
from pems_pool_pump.plug import ShellyPlug


class PoolPumpSection(Section):
    """[pool_pump]"""

    power_kw: Number = Field(examples=[0.8], gt=0, description="drawn while it runs [kW]")
    hours_per_day: Number = Field(examples=[5.0], gt=0, le=24, description="it is to run for so long each day [h]")
    skipped_price_per_kwh: Number = Field(
        examples=[1.0], gt=0, description="what a kWh that it did not run is worth [currency/kWh]"
    )

    def spec(self, timezone: str) -> FlexibleLoadSpec:
        return FlexibleLoadSpec(
            power_min_kw=self.power_kw,
            power_max_kw=self.power_kw,
            on_off=True,
            energy_kwh=self.power_kw * self.hours_per_day,
            unserved_price_per_kwh=self.skipped_price_per_kwh,
            timezone=timezone,
        )


class PoolPump(FlexibleLoadDevice):
    """Switches the plug off when the pump shall rest. On, the clock in the pump decides, as it does without PEMS."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        require_allowed(self.name, self.controls(), settings)
        runs = float(settings.get("power_kw", self.spec.power_max_kw)) > self.spec.power_max_kw / 2
        rests_for_s = (valid_until - valid_from).total_seconds()
        # An "off" flips back by itself at the end of its time, should nobody be there to say so (`toggle_after`).
        words = {"id": 0, "on": True} if runs else {"id": 0, "on": False, "toggle_after": rests_for_s}
        return [self._switch(words, Validity(valid_from, valid_until))]

    def release(self) -> Sequence[Command]:
        return [self._switch({"id": 0, "on": True}, Validity.release())]

    def _switch(self, words: Mapping[str, object], validity: Validity) -> Command:
        call = {"id": 1, "src": "pems", "method": "Switch.Set", "params": words}
        return mqtt_command(self.name, "power_kw", f"{self.name}/rpc", json.dumps(call), validity)


@hookimpl
def declare_config() -> tuple[str, type[Section]]:
    return "pool_pump", PoolPumpSection


@hookimpl
def create_devices(config: Config) -> list[PoolPump]:
    settings = config.get(PoolPumpSection)
    return [PoolPump("pool_pump", settings.spec(config[SiteSection].timezone))] if settings else []


@hookimpl
def create_transports(config: Config) -> list[ShellyPlug]:
    return [ShellyPlug(pump.name, pump.spec) for pump in create_devices(config)]
