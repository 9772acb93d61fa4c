"""The money in a reason is what it would cost not to do it, on houses small enough to be checked by hand."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from pems_growatt.inverter import HybridInverter
from pems_heating_loxone.rooms import HeatedRooms

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    ComfortBand,
    ComfortSchedule,
    Forecast,
    Forecasts,
    HeatingSpec,
    HeatingState,
    Horizon,
    HybridInverterSpec,
    InverterState,
    Override,
    Plan,
    Reason,
    RoomSpec,
    RoomState,
    SiteState,
    Value,
)
from pems_core.planning.decide import decisions
from pems_core.planning.explain import Asked, Words, alternatives, cost_of_alternative, explain, with_next_best
from pems_core.planning.explain.prices import FLOWING_KW
from pems_core.planning.explain.store import Option, make_up
from pems_core.planning.planner import PlanOptions, solve_house
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solve import SolveLimits
from pems_core.planning.solvers import Highs
from pems_core.protocols import Device
from pems_core.testing.small_house import GRID, PayTheBill

NIGHT = datetime(2025, 1, 14, 23, 0, tzinfo=UTC)
"""Midnight in Prague."""
CHEAP_THEN_DEAR = (0.20, 0.10, 0.11, 0.20, 0.40, 0.40, 0.40, 0.20)
BATTERY = BatterySpec(
    capacity_kwh=4.0,
    charge_limit_kw=5.0,
    discharge_limit_kw=5.0,
    charge_efficiency=0.9,
    discharge_efficiency=1.0,
    soc_min=0.0,
    wear_cost_per_kwh=0.02,
)
INVERTER = HybridInverterSpec(10.0, 1.0, 1.0, grid_charge_limit_kw=5.0, battery=BATTERY)


@dataclass
class SmallHouse:
    """Some devices over some hours."""

    devices: Sequence[Device]
    state: SiteState
    forecasts: Forecasts
    whole: bool = True
    """False: relays may be on for a share of each hour."""

    @property
    def house(self) -> PlannedHouse:
        return PlannedHouse(GRID, self.devices, PayTheBill(), PayTheBill())

    @property
    def options(self) -> PlanOptions:
        length = self.forecasts.horizon.end - self.forecasts.horizon.start
        return PlanOptions(limits=SolveLimits(5.0, 1e-6), length=length, near=length, binary=length * self.whole)

    def planned(self) -> Plan:
        return solve_house(self.house, self.state, self.forecasts, Highs(), self.options)

    def explained(self) -> Plan:
        return explain(self.planned(), self.devices, self.state, self.forecasts, "Europe/Prague", "EUR")

    def costs_more_with(self, device: str, control: str, value: Value, hours: tuple[int, int] = (0, 24)) -> float:
        pin = Override(device, control, value, at(hours[0]), at(hours[1]), "test")
        return cost_of_alternative(self.house, self.state, self.forecasts, self.planned(), [pin], Highs(), self.options)


def at(hour: float) -> datetime:
    return NIGHT + timedelta(hours=hour)


def expected(buy: Sequence[float], **series: float | Sequence[float]) -> Forecasts:
    """Hours with these import prices; a series given as a number stays there."""
    steps = len(buy)
    given: dict[str, float | Sequence[float]] = {
        "import_price_per_kwh": buy,
        "feed_in_price_per_kwh": 0.0,
        "base_load_kw": 0.0,
        "pv_kw": 0.0,
        "outdoor_temperature_c": 0.0,
        **series,
    }
    horizon = Horizon.uniform(NIGHT, timedelta(hours=1), steps)
    return Forecasts(
        horizon,
        {
            name: Forecast((values,) * steps if isinstance(values, int | float) else tuple(values), "test", NIGHT)
            for name, values in given.items()
        },
    )


def with_battery(forecasts: Forecasts, soc: float = 0.0, spec: HybridInverterSpec = INVERTER) -> SmallHouse:
    inverter = HybridInverter("inverter", spec)
    return SmallHouse([inverter], SiteState(NIGHT, {"inverter": InverterState(BatteryState(soc))}), forecasts)


def told(plan: Plan, name: str, beginning: str) -> Reason:
    """The first reason of that name that begins so."""
    found = [reason for reason in plan.reasons.get(name, ()) if reason.text.startswith(beginning)]
    assert found, {key: [reason.text for reason in reasons] for key, reasons in plan.reasons.items()}
    return found[0]


def test_grid_charging_names_the_hours_it_serves_and_what_it_saves() -> None:
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0))
    reason = told(house.explained(), "inverter", "grid charging")
    assert reason.text.startswith("grid charging 01:00–02:00 at 0.100: avoids 0.400 at ")
    assert reason.valid_from == at(1)
    # 4 kWh at 0.40, less 4 / 0.9 kWh at 0.10 and wear of 4 times 0.02.
    assert reason.saves == pytest.approx(1.60 - 0.4444 - 0.08, abs=0.001)
    assert reason.saves == pytest.approx(house.costs_more_with("inverter", "battery_charge_grid", False), abs=0.001)


def test_less_valuable_hours_are_the_ones_that_charging_serves() -> None:
    """The battery is half full: without charging it would still cover the dearer of the two hours."""
    prices = (0.20, 0.10, 0.20, 0.30, 0.60, 0.20)
    house = with_battery(expected(prices, base_load_kw=(0.0, 0.0, 0.0, 2.0, 2.0, 0.0)), soc=0.5)
    reason = told(house.explained(), "inverter", "grid charging")
    assert "avoids 0.300 at 03:00–04:00" in reason.text
    assert reason.saves == pytest.approx(house.costs_more_with("inverter", "battery_charge_grid", False), abs=0.001)


def test_charging_that_only_shifts_the_end_of_the_horizon_says_so() -> None:
    house = with_battery(expected((0.05, *(0.30,) * 7)))
    reason = told(house.explained(), "inverter", "grid charging")
    assert "keeps 4.0 kWh for later" in reason.text
    assert reason.saves == pytest.approx(house.costs_more_with("inverter", "battery_charge_grid", False), abs=0.001)


def test_standby_losses_lower_what_charging_saves() -> None:
    leaky = replace(INVERTER, battery=replace(BATTERY, standby_kw=0.05))
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0), spec=leaky)
    reason = told(house.explained(), "inverter", "grid charging")
    assert reason.saves is not None
    assert reason.saves < 1.06
    assert reason.saves == pytest.approx(house.costs_more_with("inverter", "battery_charge_grid", False), rel=0.02)


def test_next_best_start_of_grid_charging_costs_a_cent_a_kwh_more() -> None:
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0))
    plan, words = house.explained(), Words(house.forecasts.horizon, "Europe/Prague", "EUR")
    others = alternatives(Asked(house.house, house.state, house.forecasts, plan, Highs(), house.options), words)
    costs = {other.text: other.costs for other in others}["grid charging from 01:00: next best start 02:00"]
    assert costs == pytest.approx(4 / 0.9 * 0.01, abs=1e-4)
    reason = told(with_next_best(plan, others, words), "inverter", "grid charging")
    assert reason.text.endswith("; next best start 02:00 costs 0.04 EUR more")


def test_holding_is_worth_the_dear_hours_it_waits_for() -> None:
    prices = (0.20, 0.20, 0.20, 0.20, 0.40, 0.40, 0.40, 0.40)
    house = with_battery(expected(prices, base_load_kw=1.0), soc=1.0)
    reason = told(house.explained(), "inverter", "hold")
    assert reason.text.startswith("hold 00:00–04:00 at 0.200: avoids 0.400 at 04:00–08:00")
    assert reason.saves == pytest.approx(4 * (0.40 - 0.20), abs=0.001)


def test_feeding_in_from_the_battery_is_held_against_covering_the_house() -> None:
    buy, feed_in = (0.38, 0.38, 0.40, 0.40, 0.38, 0.38, 0.38), (0.0, 0.50, 0.0, 0.0, 0.0, 0.0, 0.0)
    load = (0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0)
    house = with_battery(expected(buy, base_load_kw=load, feed_in_price_per_kwh=feed_in), soc=1.0)
    reason = told(house.explained(), "inverter", "feeding in from the battery 01:00–02:00, 4.0 kWh at 0.500")
    assert "better than avoiding 0.400 at 02:00–04:00" in reason.text
    assert reason.saves == pytest.approx(4 * (0.50 - 0.40), abs=0.001)
    assert reason.saves == pytest.approx(house.costs_more_with("inverter", "grid_export", False), abs=0.001)


@pytest.mark.parametrize(("load_kw", "said"), [(0.98, "00:00–03:00: the battery has nothing"), (1.5, "covering")])
def test_flows_too_small_to_have_a_price_are_rest(load_kw: float, said: str) -> None:
    """Half of what flows is lost on the way: what is a flow at the battery may be none in the house."""
    lossy = replace(INVERTER, inverting_efficiency=0.5)
    load = (load_kw * FLOWING_KW, 0.0, 0.0)
    house = with_battery(expected((4.0, 0.1, 0.1), base_load_kw=load), soc=0.5, spec=lossy)
    assert told(house.explained(), "inverter", said).text.startswith(said)


def test_storing_pv_counts_what_feeding_it_in_would_have_earned() -> None:
    pv = (0.0, 2.0, 2.0, 0.0, 0.0, 0.0)
    load = (0.0, 0.0, 0.0, 2.0, 2.0, 0.0)
    house = with_battery(expected((0.30,) * 6, pv_kw=pv, base_load_kw=load, feed_in_price_per_kwh=0.05))
    reason = told(house.explained(), "inverter", "storing PV")
    # 4 kWh of PV give 3.6 kWh in the cells.
    assert reason.saves == pytest.approx(3.6 * (0.30 - 0.02) - 4 * 0.05, abs=0.001)


def test_holding_feeds_pv_in_while_it_earns_more_than_later() -> None:
    pv = (0.0, 2.0, 6.0, 0.0)
    house = with_battery(expected((0.30,) * 4, pv_kw=pv, feed_in_price_per_kwh=(0.0, 0.25, 0.05, 0.0)))
    reason = told(house.explained(), "inverter", "hold 01:00–02:00: feeding PV in at 0.250 instead of storing it")
    assert "storing less PV worth 0.050 at 02:00–03:00" in reason.text
    assert reason.saves == pytest.approx(2 * (0.25 - 0.05), abs=0.01)


def test_export_is_off_where_feed_in_costs_money() -> None:
    feed_in = (0.0, -0.05, 0.0)
    house = with_battery(expected((0.30,) * 3, pv_kw=(0.0, 3.0, 0.0), feed_in_price_per_kwh=feed_in), soc=1.0)
    reason = told(house.explained(), "inverter.grid_export", "export off 01:00–02:00: feed-in costs 0.050")
    assert reason.saves == pytest.approx(0.15, abs=0.001)


def heated(prices: Sequence[float], temperature_c: float = 21.0) -> SmallHouse:
    comfort = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 23.0)),), "Europe/Prague")
    room = RoomSpec("kitchen", 2.0, comfort, 1.0, 2.0, 1.0, 0.04)
    heating = HeatedRooms("heating", HeatingSpec((room,), 5.0, 50.0))
    now = HeatingState({"kitchen": RoomState(temperature_c, temperature_c + 0.8)})
    forecasts = expected(prices, outdoor_temperature_c=0.0)
    return SmallHouse([heating], SiteState(NIGHT, {"heating": now}), forecasts, whole=False)


PREHEAT = (0.10, 0.10, 0.40, 0.40, 0.40, 0.40, 0.40, 0.40, 0.15, 0.15, 0.15, 0.15)


def test_pre_heating_names_the_dear_hours_it_spares() -> None:
    house = heated(PREHEAT, temperature_c=20.5)
    reason = told(
        house.explained(), "heating.kitchen_relay", "pre-heating 00:00–02:00 at 0.100: avoids 0.400 at 02:00–08:00"
    )
    again = house.costs_more_with("heating", "kitchen_relay", False, hours=(0, 2))
    assert reason.saves == pytest.approx(again, rel=0.25)


def test_coasting_is_told_for_dear_hours() -> None:
    reason = told(heated(PREHEAT, temperature_c=20.2).explained(), "heating.kitchen_relay", "coasting")
    assert reason.saves is not None
    assert reason.saves > 0


def test_heating_at_the_edge_of_comfort_is_needed() -> None:
    reason = told(heated((0.40,) * 12, temperature_c=20.0).explained(), "heating.kitchen_relay", "heating")
    assert "needed for the comfort band, at least 20 °C" in reason.text


def test_heating_at_negative_prices_is_paid_for() -> None:
    reason = told(heated((-0.10, -0.10, *(0.20,) * 10)).explained(), "heating.kitchen_relay", "heating")
    assert "drawing is paid for" in reason.text


def test_missing_energy_is_made_up_in_time_and_as_cheaply_as_can_be() -> None:
    options = [Option(1, 1.0, 5.0, "early"), Option(2, 10.0, 2.0, "late"), Option(3, 10.0, 9.0, "end")]
    # After step 1 only one of two kWh may be missing, so one is made up early although it is dearer.
    found = make_up({0: 2.0}, (2.0, 1.0, 2.0, 0.0), options, (1.0,) * 4)
    assert found.cost == pytest.approx(5.0 + 2.0)
    assert [(taken.option.kind, taken.kwh) for taken in found.taken] == [("early", 1.0), ("late", 1.0)]


def test_energy_that_leaks_needs_less_to_be_made_up_later() -> None:
    found = make_up({0: 1.0}, (1.0, 1.0, 0.0), [Option(2, 10.0, 1.0, "end")], (1.0, 0.5, 0.5))
    assert found.cost == pytest.approx(0.25)


def test_decisions_merge_equal_steps_and_carry_their_reason() -> None:
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0))
    plan = house.explained()
    made = decisions(plan, house.devices)
    charging = next(d for d in made if d.control == "battery_charge_grid" and d.value is True)
    assert (charging.valid_from, charging.valid_until) == (at(1), at(2))
    assert charging.reason.text.startswith("grid charging 01:00–02:00")
    assert charging.source == "solver"
    for control in {decision.control for decision in made}:
        own = [decision for decision in made if decision.control == control]
        assert all(a.value != b.value or a.valid_until < b.valid_from for a, b in itertools.pairwise(own))
        assert all(a.valid_until <= b.valid_from for a, b in itertools.pairwise(own))


def test_decisions_end_with_the_plan() -> None:
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0))
    plan = replace(house.planned(), valid_until=at(2.5))
    made = decisions(plan, house.devices)
    assert max(decision.valid_until for decision in made) == at(2.5)


def test_a_device_that_could_not_be_read_is_left_out() -> None:
    house = with_battery(expected(CHEAP_THEN_DEAR, base_load_kw=2.0))
    absent = heated(PREHEAT).devices[0]
    plan = explain(house.planned(), [*house.devices, absent], house.state, house.forecasts)
    assert not any(name.startswith("heating") for name in plan.reasons)
    assert {decision.device for decision in decisions(plan, [*house.devices, absent])} == {"inverter"}


def test_room_is_kept_for_energy_that_is_paid_for() -> None:
    prices = (0.05, 0.05, 0.05, -1.0, -1.0, 0.3, 0.3, 0.3)
    sun = {"feed_in_price_per_kwh": (-0.5,) * 5 + (0.1,) * 3, "pv_kw": (3.0,) * 3 + (0.0,) * 5}
    house = with_battery(expected(prices, **sun), soc=0.2)
    reason = told(house.explained(), "inverter", "hold")
    assert "room is kept and PV curtailed instead of buying less at -1.00" in reason.text
    assert reason.saves is not None
    assert reason.saves > 1.0
