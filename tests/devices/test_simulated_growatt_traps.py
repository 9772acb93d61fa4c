"""The traps of protocols E.1 to E.4 on the simulated Growatt inverter: there when set, gone when cleared.

These check the simulator. What PEMS makes of each trap is tested where PEMS meets it.
"""

from datetime import UTC, datetime, timedelta

import pytest

from pems_core.simulation.devices.growatt_parameters import GrowattParameters
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.registers import ModbusException

from .growatt_units import ALL_DAY, NOON, Unit, word
from .test_simulated_growatt import BATTERY_FIRST, LOAD_FIRST, arm

PLAYED = pytest.mark.parametrize("played", [True, False], ids=["played", "cleared"])


def unit_with(
    trap: str,
    played: bool,
    family: Family = "sph",
    *,
    soc: float = 0.5,
    pv_kw: float = 0.0,
    base_load_kw: float = 0.5,
    start: datetime = NOON,
    parameters: GrowattParameters | None = None,
) -> Unit:
    """With the trap set, or set and cleared again."""
    unit = Unit(family, trap, soc=soc, pv_kw=pv_kw, base_load_kw=base_load_kw, start=start, parameters=parameters)
    if not played:
        unit.traps.clear(trap)
    return unit


def refusal(unit: Unit, address: int, *values: int) -> int | None:
    """The code of the exception, if the write is refused."""
    try:
        unit.write(address, *values)
    except ModbusException as refused:
        return refused.code
    return None


# E.1 Modbus


@pytest.mark.parametrize(("family", "address"), [("sph", 1044), ("tl_xh", 1071), ("tl_xh", 1091)])
@PLAYED
def test_1_a_write_is_acknowledged_without_effect(played: bool, family: Family, address: int) -> None:
    unit = unit_with("1", played, family)
    assert (refusal(unit, address, 20) is None) is played


@PLAYED
def test_1_any_register_can_be_deaf(played: bool) -> None:
    unit = unit_with("1", played, parameters=GrowattParameters(ignored_writes={1102}))
    unit.write(1100, word(10), word(20), 1)
    assert unit.holding(1100) == word(10)
    assert unit.holding(1102) == (0 if played else 1)


@PLAYED
def test_2_a_lone_slot_word_reverts_after_6_s(played: bool) -> None:
    unit = unit_with("2", played)
    unit.write_one(1101, ALL_DAY)
    unit.wait(seconds=5)
    assert unit.holding(1101) == ALL_DAY
    unit.wait(seconds=2)
    assert unit.holding(1101) == (0 if played else ALL_DAY)


@PLAYED
def test_2_the_cloud_takes_a_slot_back_and_the_battery_follows(played: bool) -> None:
    unit = unit_with("2", played)
    unit.charge_from_grid(40)
    unit.wait(seconds=20)
    assert list(unit.inverter.read("holding", 1100, 3)) == [0, ALL_DAY, 1]
    unit.wait(minutes=5)
    assert unit.holding(1102) == (0 if played else 1)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(0.0 if played else 2.0)


def test_2_writing_again_does_not_teach_the_cloud() -> None:
    unit = Unit("sph", "2")
    for _ in range(2):
        unit.write(1091, 80)
        unit.wait(seconds=20)
    unit.wait(minutes=2)
    assert unit.holding(1091) == 100


@pytest.mark.parametrize("ac_charge", [0, 1])
def test_2_a_slot_of_a_mod_reverts_unless_ac_charge_is_on(ac_charge: int) -> None:
    unit = Unit("tl_xh", "2", parameters=GrowattParameters(cloud_reverts_after_s=None))
    unit.write(3049, ac_charge)
    unit.write(3038, 40960, ALL_DAY)
    unit.wait(seconds=10)
    assert unit.holding(3038) == (40960 if ac_charge else 0)


@PLAYED
def test_3_a_write_is_readable_and_takes_effect_late(played: bool) -> None:
    unit = unit_with("3", played)
    unit.write(1100, 0, ALL_DAY, 1)
    unit.wait(seconds=3)
    assert unit.holding(1102) == (0 if played else 1)
    unit.wait(seconds=4)
    assert unit.holding(1102) == 1
    assert unit.input(118) == (LOAD_FIRST if played else BATTERY_FIRST)
    unit.wait(seconds=60)
    assert unit.input(118) == BATTERY_FIRST


@PLAYED
def test_4_the_first_read_after_a_write_has_the_old_value(played: bool) -> None:
    unit = unit_with("4", played)
    unit.write(1091, 80)
    assert unit.holding(1091) == (100 if played else 80)
    assert unit.holding(1091) == 80


@PLAYED
def test_5_a_lone_end_word_gets_an_exception_of_code_0(played: bool) -> None:
    unit = unit_with("5", played, "tl_xh")
    assert refusal(unit, 3039, ALL_DAY) == (0 if played else None)
    assert refusal(unit, 3038, 40960, ALL_DAY) is None


@PLAYED
def test_6_more_than_64_registers_are_too_many(played: bool) -> None:
    unit = unit_with("6", played)
    assert len(unit.inverter.read("input", 1000, 64)) == 64
    if played:
        with pytest.raises(ModbusException):
            unit.inverter.read("input", 1000, 65)
    else:
        assert len(unit.inverter.read("input", 1000, 125)) == 125


@pytest.mark.parametrize(("family", "address"), [("sph", 120), ("sph", 1120), ("tl_xh", 3120), ("vpp", 31095)])
def test_6_no_read_crosses_a_group(family: Family, address: int) -> None:
    with pytest.raises(ModbusException) as refused:
        Unit(family).inverter.read("input", address, 10)
    assert refused.value.code == 2


@pytest.mark.parametrize(("hour_utc", "answers"), [(20.9, True), (21.1, False), (29.9, False), (30.1, True)], ids=str)
def test_16_it_sleeps_from_22_until_sunrise(hour_utc: float, answers: bool) -> None:
    unit = Unit("sph", "16")
    unit.wait(hours=hour_utc - 11)
    assert unit.inverter.answers is answers
    unit.traps.clear("16")
    assert unit.inverter.answers


@PLAYED
def test_16_the_counters_of_the_day_are_yesterdays_at_wake_up(played: bool) -> None:
    unit = unit_with("16", played, base_load_kw=1.0)
    unit.wait(hours=19.2)
    assert unit.input32(1060) == pytest.approx(192 if played else 71, abs=2)
    unit.wait(minutes=40)
    assert unit.input32(1060) < 100


@PLAYED
def test_17_it_reboots_a_minute_after_a_write(played: bool) -> None:
    unit = unit_with("17", played, "vpp")
    arm(unit, 40)
    unit.wait(seconds=90)
    assert unit.holding(30407) == (0 if played else 1)
    assert (unit.input(31000) == 0) is played


def test_17_a_reboot_loses_what_is_volatile_and_keeps_the_slots() -> None:
    unit = Unit("sph", pv_kw=1.0)
    unit.write(3, 50)
    unit.charge_from_grid(40)
    unit.inverter.reboot()
    assert unit.holding(3) == 255
    assert unit.holding(1102) == 1
    unit.wait(seconds=110)
    assert unit.input(0) == 0
    assert unit.kw["battery_charge_kw"] == 0
    unit.wait(minutes=4)
    assert unit.input(0) == 5
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0)


def test_17_register_3_survives_a_reboot_when_register_2_says_so() -> None:
    unit = Unit("sph")
    unit.write(2, 1, 50)
    unit.inverter.reboot()
    assert unit.holding(3) == 50


def test_18_the_same_address_means_different_things_in_the_two_spaces() -> None:
    unit = Unit("sph")
    assert unit.holding(1090) == 100
    assert unit.input(1090) > 100


@PLAYED
def test_19_the_words_of_a_power_are_of_different_seconds(played: bool) -> None:
    unit = unit_with("19", played, pv_kw=6.5536 * 0.97)
    unit.wait(minutes=2)
    together = {unit.input32(1) for _ in range(4)}
    assert all(abs(tenths - 65536) <= 51 for tenths in together)
    torn = {unit.input(1) << 16 | unit.input(2) for _ in range(4)}
    assert any(abs(tenths - 65536) > 1000 for tenths in torn) is played


@PLAYED
def test_20_a_power_of_nothing_is_half_a_watt_below_zero(played: bool) -> None:
    unit = unit_with("20", played, "tl_xh")
    unit.wait(minutes=2)
    assert unit.input32(3043) == (4294967291 if played else 0)


# E.2 Growatt's meanings


@PLAYED
def test_21_battery_first_charges_from_the_grid_with_ac_charge_off(played: bool) -> None:
    unit = unit_with("21", played)
    unit.write(1100, 0, ALL_DAY, 1)
    unit.wait(minutes=4)
    assert (unit.kw["battery_charge_kw"] > 0) is played


@PLAYED
def test_22_authority_without_remote_control_is_standby(played: bool) -> None:
    unit = unit_with("22", played, "vpp")
    unit.write(30100, 1)
    unit.wait(minutes=4)
    assert unit.kw["battery_discharge_kw"] == pytest.approx(0.0 if played else 0.5)
    unit.write(30100, 0)
    unit.wait(minutes=4)
    assert unit.kw["battery_discharge_kw"] == pytest.approx(0.5)


@PLAYED
def test_23_a_power_that_comes_after_its_enable_runs_a_cycle_late(played: bool) -> None:
    unit = unit_with("23", played, "vpp")
    unit.write(30100, 1)
    unit.write(30409, -40)
    unit.write(30407, 1)
    unit.write(30409, -80)
    assert unit.inverter.order.discharge_rate == (0.4 if played else 0.8)
    unit.wait(seconds=61)
    assert unit.inverter.order.discharge_rate == 0.8


@pytest.mark.parametrize(("minutes", "after_s", "running"), [(2, 124, True), (2, 129, False), (5, 390, True)])
def test_24_the_timer_lies(minutes: int, after_s: float, running: bool) -> None:
    unit = Unit("vpp", "24")
    arm(unit, 40, minutes)
    unit.wait(seconds=after_s)
    assert bool(unit.holding(30407)) is running


@PLAYED
def test_25_the_power_is_a_target_and_imported_with_ac_charge_off(played: bool) -> None:
    unit = unit_with("25", played, "vpp")
    arm(unit, 40, ac_charge=0)
    unit.wait(minutes=4)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0 if played else 0.0)


@PLAYED
def test_26_the_same_command_again_delivers_nothing_once(played: bool) -> None:
    unit = unit_with("26", played, "vpp")
    arm(unit, 40)
    arm(unit, 40)
    unit.wait(minutes=4)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(0.0 if played else 2.0)
    unit.write(30407, 0)
    unit.write(30407, 1)
    unit.wait(minutes=4)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0)


@PLAYED
def test_27_30474_shows_the_last_set_point_after_release(played: bool) -> None:
    unit = unit_with("27", played, "vpp")
    arm(unit, 40)
    unit.write(30407, 0)
    assert unit.holding(30474) == (40 if played else 0)


@PLAYED
def test_28_giving_up_the_authority_clears_the_export_limit_for_seconds(played: bool) -> None:
    unit = Unit({"sph", "vpp"}, *(["28"] if played else []))
    unit.write(30100, 1)
    unit.write(30100, 0)
    assert unit.holding(122) == (0 if played else 3)
    unit.wait(seconds=11)
    assert unit.holding(122) == 3


@PLAYED
def test_29_a_new_export_limit_takes_minutes(played: bool) -> None:
    unit = unit_with("29", played, soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    unit.write(123, 0)
    unit.wait(minutes=5)
    assert (unit.kw["grid_export_kw"] > 0) is played
    unit.wait(minutes=4)
    assert unit.kw["grid_export_kw"] == pytest.approx(0.0)


@PLAYED
def test_29_active_power_falls_at_once_and_rises_slowly(played: bool) -> None:
    unit = unit_with("29", played, soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    unit.write(3, 0)
    unit.wait(minutes=3)
    assert unit.kw["pv_kw"] == 0
    unit.write(3, 100)
    unit.wait(minutes=3)
    assert unit.kw["pv_kw"] == pytest.approx(3.2 if played else 6.0, abs=1.7 if played else 0.01)


@PLAYED
def test_30_a_hidden_cap_ends_charging_from_the_grid(played: bool) -> None:
    unit = unit_with("30", played, soc=0.78)
    unit.charge_from_grid(100, stop=90)
    unit.wait(hours=1)
    assert unit.soc == pytest.approx(0.80 if played else 0.90, abs=0.005)


@PLAYED
def test_30_a_hidden_floor_refuses_lower_stops(played: bool) -> None:
    unit = unit_with("30", played, "tl_xh")
    assert refusal(unit, 3067, 12) == (3 if played else None)


@PLAYED
def test_31_a_slot_over_midnight_is_ignored(played: bool) -> None:
    unit = unit_with("31", played)
    unit.write(1100, word(11), word(3), 1)
    assert unit.input(118) == (LOAD_FIRST if played else BATTERY_FIRST)


@PLAYED
def test_31_the_later_of_two_overlapping_slots_is_ignored(played: bool) -> None:
    unit = unit_with("31", played)
    unit.write(1100, word(10), word(11), 1)
    unit.write(1103, word(10, 30), word(20), 1)
    assert unit.input(118) == (LOAD_FIRST if played else BATTERY_FIRST)


@PLAYED
def test_32_slots_of_both_modes_at_once_give_any_mode(played: bool) -> None:
    unit = unit_with("32", played)
    unit.write(1080, 0, ALL_DAY, 1)
    unit.write(1100, 0, ALL_DAY, 1)
    seen = set()
    for _ in range(20):
        seen.add(unit.input(118))
        unit.wait(minutes=1)
    assert (len(seen) > 1) is played


@PLAYED
def test_33_the_priority_register_toggles_slots(played: bool) -> None:
    unit = unit_with("33", played)
    assert refusal(unit, 1044, 1) == (None if played else 1)
    assert unit.holding(1102) == (1 if played else 0)


@PLAYED
def test_34_a_quick_second_write_brings_back_old_siblings(played: bool) -> None:
    unit = unit_with("34", played)
    unit.write(1100, word(10), word(20), 0)
    unit.write(1102, 1)
    assert unit.holding(1100) == (0 if played else word(10))
    unit.wait(seconds=5)
    unit.write(1100, word(10), word(20), 0)
    unit.wait(seconds=5)
    unit.write(1102, 1)
    assert unit.holding(1100) == word(10)


@PLAYED
def test_35_a_worn_register_sticks(played: bool) -> None:
    unit = unit_with("35", played)
    for count in range(51):
        unit.write(1091, 20 + count)
    assert unit.holding(1091) == (69 if played else 70)
    assert unit.inverter.writes[1091] == 51


def test_35_a_volatile_register_never_wears() -> None:
    unit = Unit("vpp", "35")
    for count in range(60):
        unit.write(30409, count)
    assert unit.holding(30409) == 59


def test_36_writes_of_an_unchanged_value_are_counted_too() -> None:
    unit = Unit("sph")
    for _ in range(3):
        unit.write(1090, 100, 100)
    assert (unit.inverter.writes[1090], unit.inverter.writes[1091], unit.inverter.writes[1092]) == (3, 3, 0)


@pytest.mark.parametrize(("mode", "export_kw"), [(3, 0.0), (1, 5.0)])
def test_36b_an_export_limit_for_another_metering_device_limits_nothing(mode: int, export_kw: float) -> None:
    unit = Unit("sph", soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    unit.write(122, mode, 0)
    unit.wait(minutes=3)
    assert unit.kw["grid_export_kw"] == pytest.approx(export_kw)


@PLAYED
def test_37_without_a_meter_the_grid_reads_zero(played: bool) -> None:
    unit = unit_with("37", played, base_load_kw=6.0)
    unit.wait(minutes=3)
    assert (unit.input32(1021) == 0) is played
    assert (unit.input32(1037) == 0) is played
    assert unit.input32(1009) == 50000
    assert unit.input(112) == (401 if played else 0)


@PLAYED
def test_37_a_lost_meter_ends_in_the_export_fail_safe(played: bool) -> None:
    unit = unit_with("37", played, soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    unit.wait(minutes=4)
    assert unit.input(105) == (311 if played else 0)
    assert unit.kw["grid_export_kw"] == pytest.approx(0.0 if played else 5.0)


@PLAYED
def test_38_import_and_export_are_swapped(played: bool) -> None:
    unit = unit_with("38", played, base_load_kw=6.0)
    unit.wait(minutes=3)
    grid = {"import": unit.input32(1021), "export": unit.input32(1029)}
    assert grid["export" if played else "import"] == pytest.approx(11500, abs=1)
    assert grid["import" if played else "export"] == 0


@PLAYED
def test_39_temperature_and_voltage_have_other_scales(played: bool) -> None:
    celsius = 16.75
    sph, tl_xh = unit_with("39", played), unit_with("39", played, "tl_xh")
    assert sph.input(1040) == round(celsius * (1 if played else 10))
    assert tl_xh.input(3169) == (4000 if played else 40000)


def test_39_a_high_voltage_wraps_in_16_bits() -> None:
    assert Unit("tl_xh", battery_v=700.0).input(3169) == 70000 - 65536


@PLAYED
def test_40_the_day_begins_at_sunrise(played: bool) -> None:
    unit = unit_with("40", played, base_load_kw=1.0)
    unit.wait(hours=17)
    assert unit.input32(1060) == pytest.approx(170 if played else 50, abs=2)
    unit.wait(hours=3)
    assert unit.input32(1060) == pytest.approx(10 if played else 80, abs=2)


@PLAYED
def test_40_a_total_jumps_back(played: bool) -> None:
    unit = unit_with("40", played, base_load_kw=0.5)
    unit.wait(minutes=59, seconds=30)
    before = unit.input32(1062)
    unit.wait(seconds=30)
    assert (unit.input32(1062) < before) is played


def test_40_the_energy_produced_contains_what_the_battery_gave() -> None:
    unit = Unit("sph", base_load_kw=1.0)
    unit.wait(hours=2)
    assert unit.input32(53) == pytest.approx(20, abs=1)
    assert unit.input32(59) == 0


# E.3 Battery


@PLAYED
def test_41_a_cold_battery_takes_no_charge(played: bool) -> None:
    unit = unit_with("41", played, "tl_xh", pv_kw=3.0)
    unit.wait(minutes=3)
    assert unit.kw["battery_charge_kw"] == pytest.approx(0.0 if played else 2.5)
    assert (unit.input(3165), unit.input(3211) & 1, unit.input(3187) & 1) == ((7, 1, 0) if played else (0, 0, 1))
    assert unit.input(3218) == (10 if played else 168)
    assert unit.input(3219) == 0 if played else unit.input(3219) > 0


@PLAYED
def test_42_the_battery_allows_a_fifth(played: bool) -> None:
    unit = unit_with("42", played, "vpp", pv_kw=6.0)
    unit.wait(minutes=3)
    assert unit.input32(31210) == (10000 if played else 50000)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(1.0 if played else 5.0)


@PLAYED
def test_43_charging_tapers_off_towards_full(played: bool) -> None:
    unit = unit_with("43", played, soc=0.955, pv_kw=8.0)
    unit.wait(minutes=2)
    assert (unit.kw["battery_terminal_charge_kw"] < 3.0) is played


def test_44_the_soc_jumps() -> None:
    unit = Unit("sph", soc=0.5)
    unit.inverter.set_soc(0.35)
    assert unit.input(1014) == 35
    unit.wait(minutes=2)
    assert unit.soc == pytest.approx(0.35, abs=0.005)


@PLAYED
def test_44_the_soc_is_stuck_and_two_registers_disagree(played: bool) -> None:
    unit = unit_with("44", played, soc=0.97)
    assert (unit.input(1014), unit.input(1086)) == ((92, 95) if played else (97, 97))


@PLAYED
def test_45_the_soc_lags_behind_the_energy(played: bool) -> None:
    unit = unit_with("45", played, pv_kw=6.0)
    unit.wait(minutes=8)
    assert (int(unit.soc * 100) - unit.input(1014) >= 3) is played


@PLAYED
def test_46_the_battery_demands_a_charge(played: bool) -> None:
    unit = unit_with("46", played, "tl_xh", soc=0.11)
    unit.wait(minutes=3)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(0.5 if played else 0.0)
    assert bool(unit.input(3211) & 0b10) is played


@PLAYED
def test_47_the_battery_is_not_heard(played: bool) -> None:
    unit = unit_with("47", played)
    unit.wait(minutes=3)
    assert unit.input(1014) == (0 if played else 49)
    assert unit.input(112) == (217 if played else 0)
    assert unit.kw["battery_discharge_kw"] == pytest.approx(0.0 if played else 0.5)


def test_47_the_soc_may_freeze_instead() -> None:
    unit = Unit("sph", "47", parameters=GrowattParameters(lost_bms_soc="frozen"))
    unit.traps.clear("47")
    unit.wait(minutes=1)
    frozen = unit.input(1014)
    unit.traps.set("47")
    unit.wait(hours=2)
    assert unit.input(1014) == frozen


@PLAYED
def test_48_the_battery_loses_more_and_draws_at_rest(played: bool) -> None:
    unit = unit_with("48", played, soc=0.5)
    unit.write(1100, 0, ALL_DAY, 1)
    unit.wait(hours=5)
    assert unit.soc < 0.475 if played else unit.soc > 0.49


@PLAYED
def test_49_in_an_outage_the_house_lives_off_the_battery_and_commands_wait(played: bool) -> None:
    unit = unit_with("49", played)
    unit.charge_from_grid(40)
    unit.wait(minutes=4)
    assert unit.input(1000) == (8 if played else 6)
    assert unit.input(38) == (0 if played else 2300)
    assert unit.input(105) == (302 if played else 0)
    assert unit.kw["battery_discharge_kw"] == pytest.approx(0.5 if played else 0.0)
    unit.traps.clear("49")
    assert unit.input(1000) == (0 if played else 6)
    unit.wait(minutes=4)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0)


@PLAYED
def test_50_the_inverter_derates_pv(played: bool) -> None:
    unit = unit_with("50", played, "tl_xh", pv_kw=5.0)
    unit.wait(minutes=2)
    assert unit.kw["pv_kw"] == pytest.approx(3.0 if played else 5.0)
    assert bool(unit.input(3086)) is played


# E.4 Time


def offset_s(unit: Unit) -> float:
    """The inverter's clock against local winter time."""
    right = (unit.clock.now() + timedelta(hours=1)).replace(tzinfo=None)
    return (unit.inverter.local_time - right).total_seconds()


@PLAYED
def test_51_the_clock_drifts_and_is_late_when_set(played: bool) -> None:
    unit = unit_with("51", played)
    unit.wait(hours=10)
    assert offset_s(unit) == pytest.approx(20.0 if played else 0.0, abs=0.2)
    unit.write(45, 26, 1, 15, 22, 0, 10)
    assert offset_s(unit) == pytest.approx(-1.4 if played else 0.0, abs=0.01)


@PLAYED
def test_52_the_datalogger_puts_the_clock_back_again_and_again(played: bool) -> None:
    unit = unit_with("52", played)
    for _ in range(2):
        unit.wait(minutes=31)
        assert offset_s(unit) == pytest.approx(-3600 if played else 0)
        local = unit.clock.now() + timedelta(hours=1)
        unit.write(48, local.hour, local.minute, local.second)
        assert offset_s(unit) == pytest.approx(0)


def test_53_a_slot_in_the_missing_hour_never_starts() -> None:
    unit = Unit("sph", start=datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
    unit.write(1100, word(2, 10), word(2, 50), 1)
    seen = set()
    for _ in range(12):
        unit.wait(minutes=10)
        seen.add(unit.input(118))
    assert seen == {LOAD_FIRST}


def test_53_a_slot_in_the_doubled_hour_comes_twice() -> None:
    unit = Unit("sph", start=datetime(2026, 10, 24, 23, 30, tzinfo=UTC))
    unit.write(1100, word(2, 10), word(2, 30), 1)
    seen = []
    for _ in range(15):
        unit.wait(minutes=10)
        seen.append(unit.input(118))
    assert seen.count(BATTERY_FIRST) == 4


@PLAYED
def test_54_the_year_has_four_digits_and_the_weekday_is_wrong(played: bool) -> None:
    unit = unit_with("54", played)
    thursday = 4
    assert unit.holding(45) == (2026 if played else 26)
    assert unit.holding(51) == (thursday + 1 if played else thursday)
    unit.write(45, 2026, 1, 16)
    assert unit.inverter.local_time.day == 16


@pytest.mark.parametrize("family", ["sph", "tl_xh"])
@PLAYED
def test_55_a_slot_that_should_have_begun_waits_for_tomorrow(played: bool, family: Family) -> None:
    unit = unit_with("55", played, family)
    shown = 118
    if family == "sph":
        unit.write(1100, word(12), word(20), 1)
    else:
        unit.write(3038, 40960 + word(12), word(20))
    assert unit.input(shown) == (LOAD_FIRST if played else BATTERY_FIRST)
    unit.wait(hours=24)
    assert unit.input(shown) == BATTERY_FIRST


def test_55_a_slot_that_begins_in_the_next_minute_begins() -> None:
    unit = Unit("sph", "55")
    unit.write(1100, word(12, 1), word(20), 1)
    unit.wait(minutes=1)
    assert unit.input(118) == BATTERY_FIRST
