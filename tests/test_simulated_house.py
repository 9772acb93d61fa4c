"""The simulated house as a whole: its books, its own control and its limits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import (
    BadSeries,
    BatterySpec,
    ComfortBand,
    ComfortSchedule,
    Decision,
    Equipment,
    FlexibleLoadSpec,
    GridSpec,
    HeatingSpec,
    HybridInverterSpec,
    PvSpec,
    RoomSpec,
    Value,
)
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.scenario import Scenario

START = datetime(2025, 1, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
COMFORT = ComfortSchedule(
    ((time(6), ComfortBand(21.0, 20.0, 22.0)), (time(22), ComfortBand(20.0, 19.0, 21.0))), "Europe/Prague"
)
STEADY = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "Europe/Prague")
KITCHEN = RoomSpec("kitchen", 1.8, COMFORT, 1.5, 2.0, 0.25, 0.03, {"hall": 0.02}, solar_m2=0.5, internal_gain_kw=0.1)
HALL = RoomSpec("hall", 1.2, COMFORT, 1.0, 1.5, 0.18, 0.02)
HEATING = HeatingSpec((KITCHEN, HALL), 1.0, 5.0)
STEADY_HEATING = HeatingSpec((replace(KITCHEN, comfort=STEADY), replace(HALL, comfort=STEADY)), 1.0, 5.0)
BATTERY = BatterySpec(10.0, 5.0, 5.0, soc_min=0.2, standby_kw=0.03)
INVERTER = HybridInverterSpec(ac_limit_kw=8.0, grid_charge_limit_kw=4.0, battery=BATTERY)
CAR = FlexibleLoadSpec(1.4, 4.0, energy_kwh=6.0, available_from=time(18), ready_by=time(7), timezone="Europe/Prague")
GRID = GridSpec(import_limit_kw=17.0, export_limit_kw=10.0)
FULL: Mapping[str, Equipment] = {"inverter": INVERTER, "heating": HEATING, "car": CAR}


def weather(days: int = 4, start: datetime = START, **constant: float) -> Scenario:
    """Winter days with a little sun; a series given as a number stays there."""
    index = pd.date_range(start, periods=96 * days, freq="15min", tz="UTC", name="utc_start")
    hour = np.arange(len(index)) / 4 % 24
    sun = np.maximum(0.0, np.sin((hour - 8) / 8 * np.pi)) * (hour < 16)
    series: dict[str, object] = {
        "import_price_per_kwh": 0.25 + 0.1 * np.sin(hour / 24 * 2 * np.pi),
        "feed_in_price_per_kwh": 0.08,
        "pv_kw": 7.0 * sun,
        "base_load_kw": 0.3 + 0.5 * (hour > 17),
        "outdoor_temperature_c": 1.0 + 3.0 * sun,
        "ghi_w_m2": 300.0 * sun,
    }
    return Scenario("winter", pd.DataFrame(series | constant, index), timedelta(minutes=15), "made for this test")


def house(
    equipment: Mapping[str, Equipment] = FULL,
    scenario: Scenario | None = None,
    grid: GridSpec = GRID,
    start: datetime = START,
    seed: int = 0,
    soc: float = 0.5,
    interval: timedelta = timedelta(minutes=15),
) -> SimulatedHouse:
    """A house without sensor noise."""
    chosen = scenario or weather()
    return SimulatedHouse(equipment, grid, chosen, start, seed=seed, noise=False, soc=soc, interval=interval)


def told(home: SimulatedHouse, device: str, hold: timedelta = DAY, **controls: Value) -> None:
    """Tell a device what holds from now on."""
    until = home.now + hold
    home.apply([Decision(device, control, value, "", home.now, until) for control, value in controls.items()])


def room_c(home: SimulatedHouse, room: str) -> float:
    value = home.readings().points[f"heating/{room}_temperature_c"].value
    assert isinstance(value, float)
    return value


def imbalance_kw(flows: pd.DataFrame) -> float:
    sources = flows.grid_import_kw + flows.pv_kw + flows.battery_discharge_kw
    sinks = flows.grid_export_kw + flows.battery_charge_kw + flows.base_load_kw
    return float((sources - sinks - flows.heating_kw - flows.flexible_load_kw).abs().max())


@pytest.mark.parametrize(
    "equipment",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"heating": HEATING}, id="rooms"),
        pytest.param({"inverter": INVERTER}, id="battery and PV"),
        pytest.param({"inverter": replace(INVERTER, battery=None)}, id="PV behind the inverter"),
        pytest.param({"inverter": replace(INVERTER, pv_share=0.0)}, id="battery"),
        pytest.param({"pv": PvSpec()}, id="PV"),
        pytest.param({"inverter": replace(INVERTER, pv_share=0.5), "pv": PvSpec(0.5)}, id="two PV fields"),
        pytest.param({"car": CAR}, id="car"),
        pytest.param(FULL, id="all"),
    ],
)
def test_power_balances_in_any_house(equipment: Mapping[str, Equipment]) -> None:
    home = house(equipment)
    home.advance(START + 2 * DAY)
    flows = home.flows()
    assert len(flows) == 192
    assert imbalance_kw(flows) < 1e-9
    assert (flows.filter(like="_kw") >= 0).all(axis=None)
    home.readings()


def test_power_balances_in_every_mode() -> None:
    home = house()
    for step, mode in enumerate(["load_first", "battery_first", "grid_first"] * 8):
        told(home, "inverter", mode=mode, battery_charge_grid=step % 2 == 0, grid_export=step % 5 > 0)
        home.advance(home.now + HOUR)
    assert imbalance_kw(home.flows()) < 1e-9


def test_the_battery_keeps_its_books() -> None:
    home = house(soc=0.6)
    before_kwh = home.stored_energy().battery_kwh
    told(home, "inverter", mode="battery_first", battery_charge_grid=True, charge_power_kw=2.0, hold=HOUR)
    home.advance(START + DAY)
    flows = home.flows()
    charged, discharged = flows.battery_terminal_charge_kw / 4, flows.battery_terminal_discharge_kw / 4
    change_kwh = home.stored_energy().battery_kwh - before_kwh
    standby_kwh = (charged * 0.96 - discharged / 0.96).sum() - change_kwh
    assert charged.sum() > 2.0
    assert discharged.sum() > 2.0
    # Nothing is drawn on standby while the battery lies at its floor.
    assert 0.03 * ((flows.soc > 0.2001).sum() / 4 - 1) <= standby_kwh <= 0.03 * 24


def test_the_ac_side_pays_for_conversion() -> None:
    home = house(scenario=weather(pv_kw=0.0, base_load_kw=2.0), equipment={"inverter": INVERTER})
    home.advance(START + HOUR)
    flows = home.flows()
    assert flows.battery_discharge_kw.tolist() == pytest.approx([2.0] * 4)
    assert flows.battery_terminal_discharge_kw.tolist() == pytest.approx([2.0 / 0.97] * 4)


def test_heat_put_in_is_stored_or_lost() -> None:
    scenario = weather(ghi_w_m2=0.0, outdoor_temperature_c=-4.0)
    rooms = HeatingSpec((replace(KITCHEN, internal_gain_kw=0.0), HALL), 1.0, 5.0)
    home = house({"heating": rooms}, scenario, interval=timedelta(minutes=1))
    before_kwh = home.stored_energy().heat_kwh
    home.advance(START + DAY)
    flows = home.flows()
    heated_kwh = flows.heating_kw.sum() / 60
    lost_kwh = (0.03 * (flows.kitchen_c + 4.0) + 0.02 * (flows.hall_c + 4.0)).sum() / 60
    assert heated_kwh > 20.0
    assert home.stored_energy().heat_kwh - before_kwh == pytest.approx(heated_kwh - lost_kwh, abs=0.02)


def test_people_and_sun_heat_the_rooms() -> None:
    # The lone room has no heater on: what it gains over a day is the mean of people and sun.
    lone = replace(KITCHEN, relay_kw=0.0, outside_kw_per_k=0.0, neighbours={})
    scenario = weather(ghi_w_m2=200.0)
    home = house({"heating": HeatingSpec((lone,), 1.0, 5.0)}, scenario)
    before_kwh = home.stored_energy().heat_kwh
    home.advance(START + DAY)
    gained_kwh = home.stored_energy().heat_kwh - before_kwh
    assert gained_kwh == pytest.approx(24 * (0.1 + 0.5 * 0.2), rel=1e-3)


def test_the_thermostat_holds_the_band() -> None:
    home = house({"heating": STEADY_HEATING})
    home.advance(START + 3 * DAY)
    comfort = home.comfort()
    assert {room.occupied_minutes for room in comfort.values()} == {3 * 1440}
    assert [room.outside_minutes for room in comfort.values()] == [0, 0]
    assert home.flows().heating_kw.max() > 0


def test_the_thermostat_switches_at_its_hysteresis() -> None:
    home = house({"heating": STEADY_HEATING}, interval=timedelta(minutes=1))
    told(home, "heating", hall_relay=False)
    home.advance(START + DAY)
    flows = home.flows()
    on = flows.heating_kw > 0
    switched_on, switched_off = on & ~on.shift(fill_value=False), ~on & on.shift(fill_value=False)
    # Temperatures are those at the end of the minute, in which the slab has already gone on.
    assert flows.kitchen_c[switched_on].tolist() == pytest.approx([20.7] * int(switched_on.sum()), abs=0.02)
    assert flows.kitchen_c[switched_off].tolist() == pytest.approx([21.3] * int(switched_off.sum()), abs=0.02)
    assert switched_on.sum() >= 2


def test_a_cold_room_is_uncomfortable() -> None:
    home = house({"heating": STEADY_HEATING})
    told(home, "heating", hall_relay=False)
    home.advance(START + DAY)
    assert home.comfort()["hall"].outside_minutes > 300
    assert home.comfort()["hall"].outside_kh > 3.0
    assert home.comfort()["kitchen"].outside_minutes == 0


def test_a_relay_command_rules_over_the_thermostat() -> None:
    home = house()
    told(home, "heating", hold=6 * HOUR, kitchen_relay=True, kitchen_setpoint_c=5.0)
    home.advance(START + 6 * HOUR)
    heat_kwh = home.readings().number("heating/kitchen_heat_kwh", HOUR, "kWh")
    assert heat_kwh == pytest.approx(6 * 1.8)


def test_the_thermostat_follows_a_commanded_setpoint() -> None:
    home = house()
    told(home, "heating", hold=2 * DAY, kitchen_setpoint_c=24.0)
    home.advance(START + 2 * DAY)
    assert room_c(home, "kitchen") == pytest.approx(24.0, abs=1.0)


def test_an_expired_command_gives_the_house_back_to_itself() -> None:
    home = house()
    told(home, "heating", hold=4 * HOUR, kitchen_relay=True)
    told(home, "inverter", hold=4 * HOUR, mode="battery_first", grid_export=False)
    home.advance(START + 4 * HOUR)
    assert room_c(home, "kitchen") > 20.3
    assert home.readings().points["heating/kitchen_relay"].value is True
    assert home.readings().points["inverter/mode"].value == "battery_first"
    home.advance(START + 4 * HOUR + timedelta(minutes=1))
    points = home.readings().points
    assert points["heating/kitchen_relay"].value is False
    assert points["inverter/mode"].value == "load_first"
    assert points["inverter/grid_export"].value is True


def test_a_later_command_replaces_an_earlier_one_and_leaves_the_others() -> None:
    home = house()
    told(home, "inverter", mode="battery_first", grid_export=False)
    home.advance(START + HOUR)
    told(home, "inverter", mode="grid_first")
    home.advance(START + 2 * HOUR)
    points = home.readings().points
    assert (points["inverter/mode"].value, points["inverter/grid_export"].value) == ("grid_first", False)


def test_decisions_in_a_row_take_turns() -> None:
    home = house()
    home.apply(
        [
            Decision("inverter", "mode", "grid_first", "", START, START + HOUR),
            Decision("inverter", "mode", "battery_first", "", START + HOUR, START + 2 * HOUR),
        ]
    )
    home.advance(START + 3 * HOUR)
    modes = home.flows()["mode"].tolist()
    assert modes == ["grid_first"] * 4 + ["battery_first"] * 4 + ["load_first"] * 4


def test_a_relay_keeps_its_minimum_times_whatever_it_is_told() -> None:
    slow = replace(KITCHEN, min_on=timedelta(minutes=20), min_off=timedelta(minutes=30))
    home = house({"heating": HeatingSpec((slow, HALL), 1.0, 5.0)}, interval=timedelta(minutes=1))
    told(home, "heating", hall_relay=False)
    for minute in range(120):
        told(home, "heating", kitchen_relay=minute % 2 == 0)
        home.advance(home.now + timedelta(minutes=1))
    on = home.flows().heating_kw > 0
    lengths = on.groupby((on != on.shift()).cumsum()).agg(["first", "size"]).iloc[:-1]
    assert lengths.loc[lengths["first"], "size"].min() >= 20
    assert lengths.loc[~lengths["first"], "size"].min() >= 30


def test_heating_gives_way_at_the_import_limit_before_other_loads() -> None:
    tight = GridSpec(import_limit_kw=2.5, export_limit_kw=0.0)
    evening = START + 18 * HOUR
    scenario = weather(base_load_kw=0.5)
    home = house({"heating": HEATING, "car": CAR}, scenario, tight, start=evening)
    told(home, "heating", kitchen_relay=True, hall_relay=True)
    told(home, "car", power_kw=1.8)
    home.advance(evening + HOUR)
    flows = home.flows()
    assert flows.grid_import_kw.max() <= 2.5 + 1e-9
    assert flows.heating_kw.max() == 0.0
    assert flows.car_kw.tolist() == pytest.approx([1.8] * 4)
    assert flows.unserved_kw.tolist() == pytest.approx([3.0] * 4)


def test_the_last_listed_room_gives_way_first() -> None:
    home = house({"heating": HEATING}, weather(base_load_kw=0.5), GridSpec(2.5, 0.0))
    told(home, "heating", kitchen_relay=True, hall_relay=True)
    home.advance(START + HOUR)
    assert home.flows().heating_kw.tolist() == pytest.approx([1.8] * 4)
    assert home.readings().number("heating/hall_heat_kwh", HOUR, "kWh") == 0.0


def test_the_base_load_is_never_cut() -> None:
    home = house({}, weather(base_load_kw=3.0), GridSpec(2.0, 0.0))
    home.advance(START + HOUR)
    assert home.flows().grid_import_kw.tolist() == pytest.approx([3.0] * 4)
    assert home.flows().import_excess_kw.tolist() == pytest.approx([1.0] * 4)


def test_grid_charging_waits_for_heaters_at_the_import_limit() -> None:
    home = house({"heating": HEATING, "inverter": INVERTER}, weather(base_load_kw=0.5), GridSpec(5.0, 0.0))
    told(home, "heating", kitchen_relay=True, hall_relay=True)
    told(home, "inverter", mode="battery_first", battery_charge_grid=True)
    home.advance(START + HOUR)
    flows = home.flows()
    assert flows.grid_import_kw.max() <= 5.0 + 1e-9
    assert flows.battery_charge_kw.iloc[1:].tolist() == pytest.approx([1.5] * 3)
    assert flows.unserved_kw.max() == 0.0


def test_what_heaters_give_up_does_not_go_into_the_battery() -> None:
    home = house({"heating": HEATING, "inverter": INVERTER}, weather(base_load_kw=0.5, pv_kw=0.0), GridSpec(2.5, 0.0))
    told(home, "heating", kitchen_relay=True, hall_relay=True)
    told(home, "inverter", mode="battery_first", battery_charge_grid=True)
    home.advance(START + HOUR)
    flows = home.flows().iloc[1:]
    assert flows.unserved_kw.tolist() == pytest.approx([1.2] * 3)
    assert flows.battery_charge_kw.max() == 0.0


@pytest.mark.parametrize("equipment", [{"pv": PvSpec()}, {"inverter": replace(INVERTER, battery=None)}])
def test_pv_is_curtailed_at_the_export_limit(equipment: Mapping[str, Equipment]) -> None:
    home = house(equipment, weather(pv_kw=6.0, base_load_kw=1.0), GridSpec(17.0, 3.0))
    home.advance(START + HOUR)
    flows = home.flows()
    assert flows.grid_export_kw.tolist() == pytest.approx([3.0] * 4)
    assert flows.pv_curtailed_kw.tolist() == pytest.approx([2.0] * 4)


def test_pv_that_cannot_be_curtailed_is_fed_in() -> None:
    home = house({"pv": PvSpec(curtailable=False)}, weather(pv_kw=6.0, base_load_kw=1.0), GridSpec(17.0, 3.0))
    home.advance(START + HOUR)
    assert home.flows().grid_export_kw.tolist() == pytest.approx([5.0] * 4)


def test_the_bill_is_import_less_feed_in() -> None:
    home = house()
    home.advance(START + DAY)
    flows, prices = home.flows(), weather().frame.iloc[:96]
    bill = flows.grid_import_kw * prices.import_price_per_kwh - flows.grid_export_kw * prices.feed_in_price_per_kwh
    assert flows.cost.tolist() == pytest.approx((bill / 4).tolist())


def test_site_readings_are_means_since_the_last_look() -> None:
    home = house({}, weather(base_load_kw=0.7))
    home.advance(START + HOUR)
    home.readings()
    home.advance(START + 2 * HOUR)
    readings = home.readings()
    assert readings.number("site/import_kw", HOUR, "kW") == pytest.approx(0.7)
    assert readings.number("site/load_kw", HOUR, "kW") == pytest.approx(0.7)


def test_every_point_has_the_name_and_unit_of_the_architecture() -> None:
    units = {point: reading.unit for point, reading in house().readings().points.items()}
    assert units == {
        "site/outdoor_temperature_c": "°C",
        "site/ghi_w_m2": "W/m2",
        "site/import_kw": "kW",
        "site/export_kw": "kW",
        "site/pv_kw": "kW",
        "site/load_kw": "kW",
        "inverter/soc": "share",
        "inverter/battery_temperature_c": "°C",
        "inverter/mode": "",
        "inverter/grid_export": "",
        "heating/kitchen_temperature_c": "°C",
        "heating/kitchen_relay": "",
        "heating/kitchen_heat_kwh": "kWh",
        "heating/hall_temperature_c": "°C",
        "heating/hall_relay": "",
        "heating/hall_heat_kwh": "kWh",
        "car/energy_needed_kwh": "kWh",
    }


def noisy(seed: int) -> list[tuple[str, object]]:
    home = SimulatedHouse(FULL, GRID, weather(), START, seed=seed)
    home.advance(START + 6 * HOUR)
    return [(point, reading.value) for point, reading in home.readings().points.items()]


def test_the_same_seed_gives_the_same_readings() -> None:
    assert noisy(1) == noisy(1)
    assert noisy(1) != noisy(2)


def test_instruments_round() -> None:
    home = SimulatedHouse(FULL, GRID, weather(), START, soc=0.5678)
    values = {point: reading.value for point, reading in home.readings().points.items()}
    assert values["inverter/soc"] == 0.57
    kitchen_c = values["heating/kitchen_temperature_c"]
    assert isinstance(kitchen_c, float)
    assert kitchen_c * 10 == pytest.approx(round(kitchen_c * 10))
    assert kitchen_c == pytest.approx(20.0, abs=0.4)


def test_noise_does_not_change_what_happens() -> None:
    quiet, loud = house(), SimulatedHouse(FULL, GRID, weather(), START, noise=True)
    for home in (quiet, loud):
        home.readings()
        home.advance(START + DAY)
    pd.testing.assert_frame_equal(quiet.flows(), loud.flows())


def test_a_copy_lives_on_by_itself() -> None:
    home = house()
    home.advance(START + 7 * HOUR)
    twin = home.copy()
    told(home, "inverter", mode="grid_first")
    home.advance(START + DAY)
    assert twin.now == START + 7 * HOUR
    twin.advance(START + DAY)
    untouched = house()
    untouched.advance(START + DAY)
    pd.testing.assert_frame_equal(twin.flows(), untouched.flows())
    assert not home.flows().equals(twin.flows())


@pytest.mark.parametrize("day", [datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)])
def test_days_on_which_the_clock_changes_have_24_hours_in_utc(day: datetime) -> None:
    home = house(scenario=weather(start=day), start=day)
    home.advance(day + DAY)
    flows = home.flows()
    assert list(flows.index) == list(pd.date_range(day, periods=96, freq="15min", tz="UTC"))
    assert imbalance_kw(flows) < 1e-9


def test_the_schedule_follows_the_wall_clock_when_summer_time_begins() -> None:
    # On 30 March the day period begins at 6:00 in Prague, which is 4:00 UTC and was 5:00 the day before.
    begin = datetime(2025, 3, 29, tzinfo=UTC)
    steady = replace(KITCHEN, relay_kw=6.0, neighbours={}, internal_gain_kw=0.0, solar_m2=0.0)
    scenario = weather(start=begin, outdoor_temperature_c=5.0)
    for day, hour in ((0, 5), (1, 4)):
        home = house({"heating": HeatingSpec((steady,), 1.0, 5.0)}, scenario, start=begin + day * DAY + 2 * HOUR)
        home.advance(begin + day * DAY + (hour + 1) * HOUR)
        heating_kw = home.flows().heating_kw
        assert heating_kw[begin + day * DAY + hour * HOUR] == pytest.approx(6.0)
        assert heating_kw[begin + day * DAY + (hour - 1) * HOUR] < 6.0


def test_a_planner_with_wrong_parameters_meets_another_house() -> None:
    leaky = SimulatedHouse(FULL, GRID, weather(), START, thermal_error={"outside_kw_per_k": 1.3})
    true = house()
    for home in (leaky, true):
        home.advance(START + 4 * DAY)
    assert leaky.flows().heating_kw.sum() > 1.2 * true.flows().heating_kw.sum()


def test_all_faults_of_decisions_are_told_at_once_and_nothing_is_done() -> None:
    home = house()
    until = START + HOUR
    decisions = [
        Decision("inverter", "mode", "grid_first", "", START, until),
        Decision("inverter", "mode", "hold", "", START, until),
        Decision("heating", "attic_relay", True, "", START, until),
        Decision("pool", "power_kw", 1.0, "kW", START, until),
    ]
    with pytest.raises(ValueError, match=r"mode is 'hold'(.|\n)*'attic_relay'(.|\n)*'pool'"):
        home.apply(decisions)
    home.advance(until)
    assert set(home.flows()["mode"]) == {"load_first"}


def test_time_beyond_the_scenario_is_refused() -> None:
    home = house(scenario=weather(days=1))
    with pytest.raises(BadSeries, match="2025-01-16"):
        home.advance(START + DAY + timedelta(minutes=1))


def test_a_start_outside_the_scenario_is_refused() -> None:
    with pytest.raises(BadSeries, match="2025-01-14"):
        house(start=START - DAY)


def test_impossible_houses_are_refused() -> None:
    twice: Mapping[str, Equipment] = {"a": INVERTER, "b": INVERTER}
    with pytest.raises(ValueError, match=r"a, b; at most one hybrid inverter(.|\n)*pv_share(.|\n)*soc is 1\.5"):
        house(twice, soc=1.5)
