"""What the guard lets through, changes, refuses or takes back, in words that a person can act on."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pems_core.clock import FastClock
from pems_core.commanding import Action, Store, StoredWearBook, Verdict
from pems_core.commanding.wish import Applied
from pems_core.config import StagesSection
from pems_core.devices.by_hand import BY_HAND
from pems_core.domain import HeatingState, Readings, RoomState, Value, WornOut

from .plain import MINUTE, PlainInverter, battery_at, heating, inverter, room, rooms_at
from .recorder import House

CHARGE: dict[str, Value] = {"mode": "battery_first", "charge_power_kw": 2.5, "stop_soc": 0.8}
SELL: dict[str, Value] = {"mode": "grid_first", "discharge_power_kw": 2.0, "stop_soc": 0.3}
SELF_USE: dict[str, Value] = {"mode": "load_first"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, speed=1.0)


def judged(
    house: House,
    device: str,
    settings: dict[str, Value],
    told: dict[str, Value] | None = None,
    ago_min: float = 60.0,
    by_hand: frozenset[str] = frozenset(),
) -> Verdict:
    """The guard's verdict, when the device was told something some minutes ago."""
    in_force = {name: Applied(value, house.now - ago_min * MINUTE) for name, value in (told or {}).items()}
    known = {one.name: one for one in house.devices}
    return house.guard.judge(known[device], settings, house.state, house.now, in_force, by_hand)


def test_lets_a_good_wish_through_as_it_is(house: House) -> None:
    verdict = judged(house, "inverter", CHARGE)
    assert (verdict.action, dict(verdict.settings), verdict.refusals) == (Action.SEND, CHARGE, ())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mode": "off"}, "inverter/mode: found mode is 'off'; allowed: load_first, battery_first, grid_first"),
        ({"charge_power_kw": 9.0}, "at most 5 is allowed"),
        ({"charge_power_kw": float("nan")}, "a number in kW is needed"),
        ({"mood": 1.0}, "inverter/mood: found mood = 1.0; allowed: controls mode, "),
    ],
)
def test_what_the_catalogue_does_not_allow_goes_to_the_devices_default(
    house: House, settings: dict[str, Value], told: str
) -> None:
    verdict = judged(house, "inverter", settings)
    assert verdict.action is Action.SEND
    assert not verdict.settings
    assert told in verdict.why


def test_a_mode_stays_a_quarter_of_an_hour_with_all_that_runs_it(house: House) -> None:
    verdict = judged(house, "inverter", SELL, told=CHARGE, ago_min=14)
    assert dict(verdict.settings) == CHARGE
    assert verdict.again_at is not None
    assert verdict.again_at - house.now < timedelta(minutes=1)
    assert dict(judged(house, "inverter", SELL, told=CHARGE, ago_min=16).settings) == SELL


def test_grid_charging_stays_a_quarter_of_an_hour_as_a_mode_does(house: House) -> None:
    without_grid = CHARGE | {"battery_charge_grid": False}
    from_grid = CHARGE | {"battery_charge_grid": True}
    assert judged(house, "inverter", from_grid, told=without_grid, ago_min=14).settings["battery_charge_grid"] is False
    assert judged(house, "inverter", from_grid, told=without_grid, ago_min=16).settings["battery_charge_grid"] is True


BY_BATTERY_MODE = frozenset({"battery_mode"})


def offering(house: House) -> None:
    """The inverter has the controls that only people set."""
    next(one for one in house.devices if isinstance(one, PlainInverter)).offers = BY_HAND


def test_a_battery_mode_is_judged_as_the_mode_that_it_means(house: House) -> None:
    """`backup` charges: what forbids that forbids it too, whatever mode the plan had."""
    offering(house)
    told: dict[str, Value] = SELF_USE | {"battery_mode": "backup"}
    verdict = judged(house, "inverter", told, by_hand=BY_BATTERY_MODE)
    assert dict(verdict.settings) == {"mode": "battery_first", "battery_charge_grid": False, "stop_soc": 1.0}
    house.states["inverter"] = battery_at(0.5, temperature_c=1.0)
    verdict = judged(house, "inverter", told, by_hand=BY_BATTERY_MODE)
    assert "inverter/mode: found charging at 1 °C; allowed: from 3 °C" in verdict.why
    assert "mode" not in verdict.settings


def test_a_battery_mode_keeps_the_dwell_of_modes_set_by_hand(house: House) -> None:
    offering(house)
    backup: dict[str, Value] = SELL | {"battery_mode": "backup"}
    verdict = judged(house, "inverter", backup, told=SELF_USE, ago_min=4, by_hand=BY_BATTERY_MODE)
    assert verdict.settings["mode"] == "load_first"
    verdict = judged(house, "inverter", backup, told=SELF_USE, ago_min=6, by_hand=BY_BATTERY_MODE)
    assert verdict.settings["mode"] == "battery_first"


def test_a_battery_mode_that_leaves_it_to_the_plan_takes_nothing_from_its_dwell(house: House) -> None:
    offering(house)
    planned: dict[str, Value] = SELL | {"battery_mode": "time_of_use"}
    verdict = judged(house, "inverter", planned, told=SELF_USE, ago_min=6, by_hand=BY_BATTERY_MODE)
    assert verdict.settings["mode"] == "load_first"


def test_a_mode_set_by_hand_changes_after_five_minutes(house: House) -> None:
    by_hand = frozenset({"mode"})
    assert judged(house, "inverter", SELL, CHARGE, 4, by_hand).settings["mode"] == "battery_first"
    assert judged(house, "inverter", SELL, CHARGE, 6, by_hand).settings["mode"] == "grid_first"


def test_a_small_change_of_power_is_not_worth_a_write(house: House) -> None:
    wished = CHARGE | {"charge_power_kw": 2.7, "stop_soc": 0.81}
    verdict = judged(house, "inverter", wished, told=CHARGE)
    assert dict(verdict.settings) == CHARGE
    assert not verdict.refusals
    assert judged(house, "inverter", CHARGE | {"charge_power_kw": 2.75}, CHARGE).settings["charge_power_kw"] == 2.75
    assert judged(house, "inverter", CHARGE | {"charge_power_kw": 5.0}, CHARGE).settings["charge_power_kw"] == 5.0


def test_a_power_changes_only_each_quarter_of_an_hour(house: House) -> None:
    wished = CHARGE | {"charge_power_kw": 4.0}
    assert judged(house, "inverter", wished, CHARGE, 10).settings["charge_power_kw"] == 2.5
    assert judged(house, "inverter", wished, CHARGE, 16).settings["charge_power_kw"] == 4.0


@pytest.mark.parametrize("soc", [0.10, 0.15, 0.2])
def test_an_empty_battery_is_not_discharged(house: House, soc: float) -> None:
    house.states["inverter"] = battery_at(soc)
    verdict = judged(house, "inverter", SELL)
    assert "mode" not in verdict.settings
    assert "stop_soc" not in verdict.settings
    assert "above 20%" in verdict.why


def test_an_empty_battery_is_discharged_again_only_two_percent_above_its_floor(house: House) -> None:
    house.states["inverter"] = battery_at(0.21)
    assert "mode" in judged(house, "inverter", SELL).settings
    house.states["inverter"] = battery_at(0.20)
    assert "mode" not in judged(house, "inverter", SELL).settings
    house.states["inverter"] = battery_at(0.21)
    assert "mode" not in judged(house, "inverter", SELL).settings
    house.states["inverter"] = battery_at(0.23)
    assert "mode" in judged(house, "inverter", SELL).settings


def test_discharging_stops_at_the_reserve_whatever_was_wished(house: House) -> None:
    verdict = judged(house, "inverter", SELL | {"stop_soc": 0.05})
    assert verdict.settings["stop_soc"] == 0.2
    assert "at least 0.2" in verdict.why


@pytest.mark.parametrize(
    ("battery", "settings", "allowed"),
    [
        ({"charge_limit_kw": 0.0}, CHARGE, False),
        ({"charge_limit_kw": 1.0}, CHARGE, True),
        ({"discharge_limit_kw": 0.0}, SELL, False),
        ({"temperature_c": 2.9}, CHARGE, False),
        ({"temperature_c": 3.0}, CHARGE, True),
        ({"temperature_c": 2.0}, CHARGE | {"stop_soc": 0.5}, True),
        ({"temperature_c": 2.0}, CHARGE | {"charge_power_kw": 0.0}, True),
        ({"temperature_c": -18.0}, SELL, False),
    ],
)
def test_what_the_battery_forbids_is_not_commanded(
    house: House, battery: dict[str, float], settings: dict[str, Value], allowed: bool
) -> None:
    house.states["inverter"] = battery_at(0.5, **battery)
    verdict = judged(house, "inverter", settings)
    assert ("mode" in verdict.settings) is allowed
    assert bool(verdict.refusals) is not allowed


def test_safety_does_not_wait_for_the_dwell_of_a_mode(house: House) -> None:
    house.states["inverter"] = battery_at(0.15)
    assert "mode" not in judged(house, "inverter", SELL, told=SELL, ago_min=1).settings


def timed_house(tmp_path: Path, relay_on: bool, ago_min: float) -> House:
    """A kitchen whose relay stays on for 10 and off for 20 minutes, and last switched some minutes ago."""
    kitchen = room("kitchen", min_on=10 * MINUTE, min_off=20 * MINUTE)
    house = House(tmp_path, speed=1.0, devices=[inverter(), heating(kitchen)])
    since = house.now - ago_min * MINUTE
    house.states["heating"] = HeatingState({"kitchen": RoomState(20.0, 22.0, relay_on=relay_on, relay_since=since)})
    return house


@pytest.mark.parametrize(
    ("relay_on", "ago_min", "wished", "allowed"),
    [(True, 9, False, True), (True, 11, False, False), (False, 19, True, False), (False, 21, True, True)],
)
def test_a_relay_keeps_its_minimum_times(
    tmp_path: Path, relay_on: bool, ago_min: float, wished: bool, allowed: bool
) -> None:
    house = timed_house(tmp_path, relay_on, ago_min)
    assert judged(house, "heating", {"kitchen_relay": wished}).settings["kitchen_relay"] is allowed


def test_a_relay_that_was_told_a_moment_ago_keeps_its_minimum_time_before_it_is_seen(tmp_path: Path) -> None:
    house = timed_house(tmp_path, relay_on=False, ago_min=60)
    told: dict[str, Value] = {"kitchen_relay": True}
    assert judged(house, "heating", {"kitchen_relay": False}, told, 1).settings["kitchen_relay"] is True


def test_a_relay_starts_six_times_an_hour_at_most(house: House) -> None:
    heated = house.devices[1]
    for _ in range(6):
        assert judged(house, "heating", {"kitchen_relay": True}).settings["kitchen_relay"] is True
        house.guard.applied(heated, {}, {"kitchen_relay": True})
    verdict = judged(house, "heating", {"kitchen_relay": True, "study_relay": True})
    assert verdict.settings == {"kitchen_relay": False, "study_relay": True}
    assert "6 starts in the last hour" in verdict.why


def test_a_setpoint_changes_seldom_and_little(house: House) -> None:
    wished: dict[str, Value] = {"kitchen_setpoint_c": 23.0}
    told: dict[str, Value] = {"kitchen_setpoint_c": 20.0}
    assert judged(house, "heating", wished, told, 9).settings["kitchen_setpoint_c"] == 20.0
    assert judged(house, "heating", wished, told, 11).settings["kitchen_setpoint_c"] == 21.0
    by_hand = frozenset({"kitchen_setpoint_c"})
    assert judged(house, "heating", wished, told, 2, by_hand).settings["kitchen_setpoint_c"] == 23.0


def test_a_room_that_somebody_holds_is_left_to_them(house: House) -> None:
    house.states["heating"] = rooms_at(kitchen=RoomState(20.0, 22.0, held_by="window"))
    wished: dict[str, Value] = {"kitchen_relay": True, "kitchen_setpoint_c": 21.0, "study_relay": True}
    verdict = judged(house, "heating", wished)
    assert verdict.settings == {"study_relay": True}
    assert "held by window" in verdict.why


def test_each_day_that_uses_up_its_writes_holds_the_device(house: House) -> None:
    tomorrow = house.now + timedelta(days=1)
    for day in (house.now, tomorrow):
        house.guard.worn_out("inverter", "register 1100 was written 18 times today", day)
        known = {one.name: one for one in house.devices}
        state = replace(house.state, now=day)
        house.guard.saw(state, Readings(day, {}))
        verdict = house.guard.judge(known["inverter"], CHARGE, state, day, {})
        assert (verdict.action, "the day's writes used up" in verdict.why) == (Action.RELEASE, True)


def test_a_device_that_is_only_observed_is_told_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, stages=StagesSection())
    assert judged(house, "inverter", CHARGE).action is Action.RELEASE


def test_what_a_person_sets_stands_above_the_stage(tmp_path: Path) -> None:
    house = House(tmp_path, stages=StagesSection())
    verdict = judged(house, "inverter", SELL | {"grid_export": False}, by_hand=frozenset({"grid_export"}))
    assert (verdict.action, dict(verdict.settings)) == (Action.SEND, {"grid_export": False})


def test_a_device_of_limited_trust_is_told_only_what_its_list_allows(tmp_path: Path) -> None:
    section = StagesSection.model_validate({"inverter": "limited", "allow": {"inverter": ["grid_export"]}})
    house = House(tmp_path, stages=section)
    verdict = judged(house, "inverter", CHARGE | {"grid_export": False})
    assert verdict.settings == {"grid_export": False}
    assert "in stage limited only grid_export" in verdict.why


def test_a_mode_without_the_powers_of_the_plan_is_not_told(tmp_path: Path) -> None:
    section = StagesSection.model_validate({"inverter": "limited", "allow": {"inverter": ["mode", "grid_export"]}})
    house = House(tmp_path, stages=section)
    # Alone it would charge from the grid at the inverter's full rate, up to the top.
    verdict = judged(house, "inverter", CHARGE | {"grid_export": False})
    assert verdict.settings == {"grid_export": False}
    assert "without charge_power_kw, stop_soc" in verdict.why


def test_a_mode_that_a_person_sets_is_run_with_the_powers_of_the_plan_around_it(tmp_path: Path) -> None:
    house = House(tmp_path, stages=StagesSection())
    verdict = judged(house, "inverter", CHARGE | {"grid_export": False}, by_hand=frozenset({"mode"}))
    assert verdict.settings == CHARGE


def test_promotion_by_a_person_outlives_a_restart_until_the_house_file_changes(tmp_path: Path) -> None:
    house = House(tmp_path, stages=StagesSection())
    house.trust.promote("inverter", "control", "Ann")
    assert judged(house, "inverter", CHARGE).action is Action.SEND
    house.store.close()
    again = House(tmp_path, stages=StagesSection())
    assert again.trust.of("inverter") == "control"
    assert again.trust.of("heating") == "observe"
    again.store.close()
    lowered = House(tmp_path, stages=StagesSection.model_validate({"inverter": "limited"}))
    assert lowered.trust.of("inverter") == "limited"


def test_the_emergency_stop_takes_everything_back_until_a_person_resets_it(house: House) -> None:
    house.emergency.stop("Ann", "smoke")
    assert judged(house, "inverter", CHARGE).action is Action.RELEASE
    house.emergency.reset("Ann")
    assert judged(house, "inverter", CHARGE).action is Action.SEND


def test_a_device_without_fresh_state_is_taken_back(tmp_path: Path) -> None:
    house = House(tmp_path, speed=1.0)
    house.saw()
    later = house.now + 9 * MINUTE
    known = house.devices[0]
    assert house.guard.judge(known, CHARGE, house.state, later, {}).action is Action.SEND
    later = house.now + 11 * MINUTE
    verdict = house.guard.judge(known, CHARGE, house.state, later, {})
    assert verdict.action is Action.RELEASE
    assert "no state for" in verdict.why


def test_a_device_of_which_nothing_is_known_now_is_told_nothing_new(house: House) -> None:
    del house.states["inverter"]
    verdict = judged(house, "inverter", CHARGE)
    assert verdict.action is Action.NOTHING
    assert "no state" in verdict.why


def test_heating_is_not_taken_back_because_the_inverter_is_silent(tmp_path: Path) -> None:
    house = House(tmp_path, speed=3000.0)
    del house.states["inverter"]
    while house.now < house.start + 15 * MINUTE:
        house.saw()
    assert judged(house, "heating", {"kitchen_relay": True}).action is Action.SEND
    assert judged(house, "inverter", CHARGE).action is Action.RELEASE


@pytest.mark.parametrize(
    ("lacks", "wished", "left", "told"),
    [
        ("grid_export", SELF_USE | {"grid_export": False}, SELF_USE, "inverter/grid_export"),
        ("grid_export", SELF_USE | {"grid_export": True}, SELF_USE, ""),
        ("battery_charge_grid", CHARGE | {"battery_charge_grid": True}, CHARGE, "inverter/battery_charge_grid"),
        ("battery_charge_grid", CHARGE | {"battery_charge_grid": False}, CHARGE, ""),
        ("grid_first", SELL, {}, "inverter/mode: found grid_first"),
        ("grid_first", CHARGE, CHARGE, ""),
        ("hold", CHARGE | {"charge_power_kw": 0.0}, {}, "inverter/mode: found hold"),
        ("hold", CHARGE, CHARGE, ""),
    ],
)
def test_a_unit_is_not_told_what_it_was_found_not_to_have(
    house: House, lacks: str, wished: dict[str, Value], left: dict[str, Value], told: str
) -> None:
    house.states["inverter"] = replace(battery_at(0.5), lacks=frozenset({lacks}))
    verdict = judged(house, "inverter", wished)
    assert (verdict.action, dict(verdict.settings)) == (Action.SEND, left)
    assert verdict.why.startswith(told)
    assert bool(verdict.refusals) == bool(told)


def test_two_changes_by_others_in_an_hour_are_a_foreign_controller_for_a_day(tmp_path: Path) -> None:
    house = House(tmp_path, speed=1.0)
    now = house.now
    assert not house.guard.foreign.reverted("inverter", now - 70 * MINUTE)
    assert not house.guard.foreign.reverted("inverter", now - 5 * MINUTE)
    assert house.guard.foreign.reverted("inverter", now)
    assert judged(house, "inverter", CHARGE).action is Action.NOTHING
    until = (now + timedelta(hours=24)).isoformat()
    assert f"PEMS yields until {until} or `pems stage inverter control`" in house.alerts("inverter")
    assert judged(house, "heating", {"kitchen_relay": True}).action is Action.SEND
    house.guard.foreign.reset("inverter")
    assert judged(house, "inverter", CHARGE).action is Action.SEND
    house.guard.foreign.reverted("inverter", now)
    assert not house.guard.foreign.reverted("heating", now)


def test_a_foreign_controller_is_remembered_over_a_restart_and_forgotten_after_a_day(tmp_path: Path) -> None:
    house = House(tmp_path, speed=1.0)
    house.guard.foreign.reverted("inverter", house.now)
    house.guard.foreign.reverted("inverter", house.now)
    house.store.close()
    again = House(tmp_path, speed=1.0)
    assert judged(again, "inverter", CHARGE).action is Action.NOTHING
    again.store.close()
    tomorrow = House(tmp_path, speed=1.0, start=house.start + timedelta(hours=25))
    assert judged(tomorrow, "inverter", CHARGE).action is Action.SEND


def test_a_unit_that_is_unwell_is_left_alone_until_five_minutes_after(tmp_path: Path) -> None:
    """The grid was lost; after its return the unit needs some minutes."""
    house = House(tmp_path, speed=3000.0)
    house.saw({"inverter/status": ("off_grid", "")})
    assert judged(house, "inverter", CHARGE).action is Action.NOTHING
    well_at = house.now + 6 * MINUTE
    house.saw({"inverter/status": ("normal", "")})
    assert judged(house, "inverter", CHARGE).action is Action.NOTHING
    while house.now < well_at:
        house.saw({"inverter/status": ("normal", "")})
    assert judged(house, "inverter", CHARGE).action is Action.SEND


def test_a_unit_that_was_not_heard_of_is_commanded_as_soon_as_it_is_well_again(tmp_path: Path) -> None:
    """Its gateway hung for minutes, or it slept at night; the grid was there all the time."""
    house = House(tmp_path, speed=1.0)
    house.saw({"inverter/status": ("off", "")})
    assert judged(house, "inverter", CHARGE).action is Action.NOTHING
    house.saw({"inverter/status": ("normal", "")})
    assert judged(house, "inverter", CHARGE).action is Action.SEND


class TestWear:
    """Writes to memory that wears out."""

    def test_counts_and_refuses_at_the_hard_limit_before_anything_is_counted(self, house: House) -> None:
        book = StoredWearBook(house.store, house.clock, per_day_target=2, per_day_hard=3)
        for _ in range(3):
            book.spend("inverter", ["holding/1090", "holding/1091"])
        with pytest.raises(WornOut, match="holding/1090"):
            book.spend("inverter", ["holding/1092", "holding/1090"])
        assert book.writes_today("inverter") == {"holding/1090": 3, "holding/1091": 3}
        book.spend("inverter", ["holding/1090"], releases=True)
        assert book.writes_today("inverter")["holding/1090"] == 4
        book.spend("heating", ["holding/1090"])

    def test_a_device_bears_what_its_transport_says_and_another_what_is_usual(self, house: House) -> None:
        book = StoredWearBook(house.store, house.clock, per_day_target=1, per_day_hard=1)
        book.limit("inverter", 1, 2)
        for _ in range(2):
            book.spend("inverter", ["holding/1090"])
        assert "1 a day are planned for" in book.alerts[0].text
        with pytest.raises(WornOut, match="at most 2 writes a day"):
            book.spend("inverter", ["holding/1090"])
        book.spend("heating", ["holding/1090"])
        with pytest.raises(WornOut, match="at most 1 writes a day"):
            book.spend("heating", ["holding/1090"])

    def test_remembers_over_a_restart_what_was_done(self, tmp_path: Path) -> None:
        clock = FastClock(House.start, 1.0)
        with Store(tmp_path, clock) as store:
            book = StoredWearBook(store, clock)
            assert book.last_done("inverter", "clock set") is None
            book.note_done("inverter", "clock set", House.start)
        with Store(tmp_path, clock) as store:
            book = StoredWearBook(store, clock)
            assert book.last_done("inverter", "clock set") == House.start
            assert book.last_done("inverter", "reserve set") is None

    def test_tells_at_the_target(self, house: House) -> None:
        book = StoredWearBook(house.store, house.clock, per_day_target=2, per_day_hard=9)
        for expected in (0, 0, 1):
            book.spend("inverter", ["holding/1090"])
            assert len(book.alerts) == expected
        assert "written 3 times today" in book.alerts[0].text

    def test_allows_writes_again_the_next_day_and_counts_over_restarts(self, tmp_path: Path) -> None:
        for _ in range(2):
            clock = FastClock(House.start, 1.0)
            with Store(tmp_path, clock) as store:
                StoredWearBook(store, clock, 1, 2).spend("inverter", ["holding/1"])
        today, tomorrow = FastClock(House.start, 1.0), FastClock(House.start + timedelta(days=1), 1.0)
        with Store(tmp_path, today) as store, pytest.raises(WornOut):
            StoredWearBook(store, today, 1, 2).spend("inverter", ["holding/1"])
        with Store(tmp_path, tomorrow) as store:
            StoredWearBook(store, tomorrow, 1, 2).spend("inverter", ["holding/1"])
