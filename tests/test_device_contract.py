"""Every device that is shipped keeps the promises of all devices, and a device that breaks one is found out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import uuid4

import pytest
from pems_flexible_load.load import FlexibleLoad
from pems_growatt.inverter import HybridInverter
from pems_heating_loxone.rooms import HeatedRooms

from pems_core.devices import PvPlant
from pems_core.domain import (
    BatterySpec,
    ComfortBand,
    ComfortSchedule,
    Command,
    Control,
    ControlKind,
    Executed,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecasts,
    HeatingSpec,
    HybridInverterSpec,
    Plan,
    PvSpec,
    Readings,
    RoomSpec,
    SiteState,
    Step,
    Value,
)
from pems_core.planning.model import DispatchModel
from pems_core.testing import DEVICE_CONTRACT, ContractBroken, DeviceCase

Promise = Callable[[DeviceCase], None]

BATTERY = BatterySpec(capacity_kwh=10.0, charge_limit_kw=9.8, discharge_limit_kw=9.8)
INVERTER = HybridInverterSpec(ac_limit_kw=10.0, grid_charge_limit_kw=10.0, battery=BATTERY)
COMFORT = ComfortSchedule(
    ((time(6), ComfortBand(21.0, 20.0, 22.0)), (time(22), ComfortBand(19.0, 18.0, 20.0, occupied=False))),
    "Europe/Prague",
)
KITCHEN = RoomSpec("kitchen", 1.8, COMFORT, 0.5, 2.0, 0.1, 0.02, {"study": 0.02}, min_on=timedelta(minutes=5))
HEATING = HeatingSpec((KITCHEN, replace(KITCHEN, name="study", neighbours={})), 1.0, 10.0)
CAR = FlexibleLoadSpec(power_min_kw=1.4, power_max_kw=11.0, unserved_price_per_kwh=1.0, energy_kwh=8.0)
CAR_POINTS: Mapping[str, tuple[Value, str]] = {"car/energy_needed_kwh": (8.0, "kWh")}

SHIPPED = {
    "hybrid inverter": DeviceCase(
        HybridInverter("inverter", INVERTER, "Europe/Prague"), {"inverter/soc": (0.55, "share")}
    ),
    "full battery": DeviceCase(HybridInverter("inverter", INVERTER), {"inverter/soc": (1.0, "share")}),
    "battery below its floor": DeviceCase(HybridInverter("inverter", INVERTER), {"inverter/soc": (0.05, "share")}),
    "inverter without battery": DeviceCase(HybridInverter("inverter", HybridInverterSpec(ac_limit_kw=10.0)), {}),
    "heated rooms": DeviceCase(
        HeatedRooms("heating", HEATING),
        {"heating/kitchen_temperature_c": (20.4, "°C"), "heating/study_temperature_c": (5.0, "°C")},
    ),
    "car": DeviceCase(FlexibleLoad("car", CAR), CAR_POINTS),
    "boiler": DeviceCase(FlexibleLoad("car", replace(CAR, on_off=True, power_max_kw=2.0)), CAR_POINTS),
    "pv of its own": DeviceCase(PvPlant("pv", PvSpec()), {}),
}


@pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("case", SHIPPED.values(), ids=SHIPPED.keys())
def test_shipped_device(case: DeviceCase, promise: Promise) -> None:
    promise(case)


class Forgetful(FlexibleLoad):
    """Gives another state each time it is asked."""

    asked = 0

    def state(self, readings: Readings, before: object | None = None) -> FlexibleLoadState:
        self.asked += 1
        return FlexibleLoadState(float(self.asked))


class Trusting(FlexibleLoad):
    """Takes what it has not heard for zero."""

    def state(self, readings: Readings, before: object | None = None) -> FlexibleLoadState:
        return FlexibleLoadState(0.0)


class Vague(FlexibleLoad):
    """Does not say how much power is allowed."""

    def controls(self) -> Sequence[Control]:
        return [Control("power_kw", ControlKind.NUMBER)]


class Overflowing(FlexibleLoad):
    """Pours more into the house than house and grid can take."""

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        super().add_to_model(model, state, forecasts)
        model.add_source("car.to_house_kw", lambda _: 100.0)


class InWatts(FlexibleLoad):
    """Plans in kW and sets in W."""

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        return {"power_kw": 1000.0 + plan.dispatch[f"{self.name}.power_kw"][t]}


class Restless(FlexibleLoad):
    """Gives every command a new id."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        said = super().encode(settings, valid_from, valid_until, state)
        return [replace(command, id=str(uuid4())) for command in said]


class Everlasting(FlexibleLoad):
    """Forgets when its commands end."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        return super().encode(settings, valid_from, valid_until + timedelta(days=1), state)


class Obedient(FlexibleLoad):
    """Passes on whatever it is told."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        return super().encode({}, valid_from, valid_until, state)


class Possessive(FlexibleLoad):
    """Never lets go."""

    def release(self) -> Sequence[Command]:
        return []


class Generating(FlexibleLoad):
    """Has a sign error."""

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        done = super().execute(settings, state, step)
        return replace(done, flows={flow: -kw for flow, kw in done.flows.items()})


BROKEN: Mapping[str, type[FlexibleLoad]] = {
    "gives_its_state_from_fresh_readings": Forgetful,
    "refuses_readings_it_cannot_trust": Trusting,
    "has_a_catalogue_without_doubt": Vague,
    "can_be_planned_alone": Overflowing,
    "sets_only_what_its_catalogue_allows": InWatts,
    "has_commands_for_every_plan": Everlasting,
    "has_commands_for_extreme_settings": Restless,
    "refuses_settings_that_are_not_allowed": Obedient,
    "can_be_given_back": Possessive,
    "has_no_negative_flows": Generating,
}


@pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
def test_broken_promise_is_found(promise: Promise) -> None:
    with pytest.raises(ContractBroken, match=r"^car: found"):
        promise(DeviceCase(BROKEN[promise.__name__]("car", CAR), CAR_POINTS))
