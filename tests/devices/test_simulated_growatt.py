"""What a simulated Growatt inverter does with what is written to it (protocols A.2-A.6)."""

import pytest

from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.registers import ModbusException

from .growatt_units import ALL_DAY, Unit, word

LOAD_FIRST, BATTERY_FIRST, GRID_FIRST = range(3)


@pytest.mark.parametrize(
    ("family", "pv", "charge", "export", "load", "soc"),
    [
        ("sph", 1, 1011, 1029, 1037, 1014),
        ("tl_xh", 3001, 3180, 3043, 3045, 3171),
    ],
)
def test_surplus_of_pv_shows_in_the_registers(
    family: Family, pv: int, charge: int, export: int, load: int, soc: int
) -> None:
    unit = Unit(family, pv_kw=3.88, base_load_kw=0.97, soc=0.5)
    unit.wait(minutes=2)
    assert unit.input32(pv) == pytest.approx(40000, abs=1)
    assert unit.input32(load) == 9700
    assert unit.input32(charge) == pytest.approx(30000, abs=1)
    assert unit.input32(export) == 0
    assert unit.input(soc) == 50


def test_a_vpp_unit_shows_flows_with_signs() -> None:
    unit = Unit("vpp", base_load_kw=6.0)
    unit.wait(minutes=2)
    assert unit.signed32(31200) == -50000
    assert unit.signed32(31112) == pytest.approx(60000 - 48500, abs=1)
    assert unit.signed32(31100) == pytest.approx(48500, abs=1)
    assert unit.signed32(31058) == 0


def test_an_ac_coupled_unit_answers_at_2000_and_not_at_0() -> None:
    unit = Unit("spa")
    assert unit.input(2000) == 6
    with pytest.raises(ModbusException) as refused:
        unit.input(0)
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("family", "address", "value"),
    [("sph", 43, 3502), ("spa", 43, 3735), ("tl_xh", 43, 5400), ("vpp", 30000, 5100), ("sph", 88, 207)],
)
def test_identity(family: Family, address: int, value: int) -> None:
    assert Unit(family).holding(address) == value


@pytest.mark.parametrize(
    ("family", "address"), [("sph", 30000), ("vpp", 43), ("tl_xh", 1090), ("sph", 3038), ("spa", 1200)]
)
def test_addresses_of_other_families_are_undefined(family: Family, address: int) -> None:
    with pytest.raises(ModbusException) as refused:
        Unit(family).holding(address)
    assert refused.value.code == 2


@pytest.mark.parametrize(
    ("family", "address", "values", "code"),
    [
        pytest.param("sph", 1091, (120,), 3, id="stop above 100 %"),
        pytest.param("sph", 1071, (5,), 3, id="stop below the firmware's floor"),
        pytest.param("sph", 1100, (word(24), ALL_DAY, 1), 3, id="hour 24"),
        pytest.param("sph", 1100, (word(23, 60), ALL_DAY, 1), 3, id="minute 60"),
        pytest.param("sph", 43, (1,), 1, id="identity is read-only"),
        pytest.param("sph", 1044, (1,), 1, id="priority is read-only"),
        pytest.param("sph", 1200, (1,), 2, id="beyond the groups"),
        pytest.param("sph", 1072, (1,), 2, id="a gap"),
        pytest.param("sph", 46, (13,), 3, id="month 13"),
        pytest.param("sph", 45, (26, 2, 30), 3, id="30 February"),
        pytest.param("sph", 123, (1001,), 3, id="more than all export"),
        pytest.param("tl_xh", 1092, (1,), 2, id="SPH settings on a MOD"),
        pytest.param("tl_xh", 3048, (5,), 3, id="charge stop below 11 %"),
        pytest.param("vpp", 30409, (-101,), 3, id="below -100 %"),
        pytest.param("vpp", 30408, (1441,), 3, id="more than a day"),
    ],
)
def test_wrong_writes_are_refused_and_change_nothing(
    family: Family, address: int, values: tuple[int, ...], code: int
) -> None:
    unit = Unit(family)
    with pytest.raises(ModbusException) as refused:
        unit.write(address, *values)
    assert refused.value.code == code
    assert not unit.inverter.writes


def test_charging_from_the_grid_at_40_percent_moves_the_soc() -> None:
    unit = Unit("sph", soc=0.5)
    unit.charge_from_grid(40)
    unit.wait(hours=1)
    assert unit.input32(1011) == 20000
    assert unit.input(118) == BATTERY_FIRST
    assert unit.input(1014) == pytest.approx(50 + 100 * 2.0 * 0.96 / 10, abs=2)


def test_without_ac_charge_the_battery_waits_for_pv() -> None:
    unit = Unit("sph")
    unit.write(1100, 0, ALL_DAY, 1)
    unit.wait(minutes=5)
    assert unit.kw["battery_charge_kw"] == 0
    assert unit.kw["grid_import_kw"] == pytest.approx(0.5)


def test_charging_ends_at_the_stop_soc() -> None:
    unit = Unit("sph", soc=0.5)
    unit.charge_from_grid(100, stop=55)
    unit.wait(hours=2)
    assert unit.soc == pytest.approx(0.55, abs=0.002)


def test_a_slot_ends_by_itself() -> None:
    unit = Unit("sph")
    unit.write(1090, 40, 100, 1)
    unit.write(1100, word(12, 0), word(12, 30), 1)
    unit.wait(minutes=20)
    assert unit.input(118) == BATTERY_FIRST
    unit.wait(minutes=20)
    assert unit.input(118) == LOAD_FIRST
    assert unit.kw["battery_discharge_kw"] == pytest.approx(0.5)


def test_a_slot_comes_again_every_day_though_nobody_talks() -> None:
    unit = Unit("sph", soc=0.2)
    unit.write(1090, 40, 100, 1)
    unit.write(1100, word(14), word(15), 1)
    unit.wait(hours=26.5)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0)


def test_grid_first_discharges_to_its_stop_and_then_rests() -> None:
    unit = Unit("sph", soc=0.5, pv_kw=0.0)
    unit.write(1070, 50, 45)
    unit.write(1080, 0, ALL_DAY, 1)
    unit.wait(minutes=5)
    assert unit.kw["battery_terminal_discharge_kw"] == pytest.approx(2.5)
    assert unit.kw["grid_export_kw"] > 1.5
    unit.wait(hours=1)
    assert unit.soc == pytest.approx(0.45, abs=0.002)
    assert unit.kw["grid_import_kw"] == pytest.approx(0.5)


def test_the_floor_of_load_first_is_register_608() -> None:
    unit = Unit("sph", soc=0.5)
    unit.write(608, 49)
    unit.wait(hours=2)
    assert unit.soc == pytest.approx(0.49, abs=0.002)


@pytest.mark.parametrize(
    ("start", "stop", "ac_charge", "flow", "kw"),
    [
        pytest.param(8192, 5947, 0, "battery_terminal_discharge_kw", 0.5 / 0.97, id="normal"),
        pytest.param(40960, 5947, 0, "grid_import_kw", 0.5, id="hold"),
        pytest.param(40960, 5947, 1, "battery_terminal_charge_kw", 2.0, id="charge"),
        pytest.param(49152, 5947, 0, "battery_terminal_discharge_kw", 3.0, id="discharge"),
    ],
)
def test_slot_pairs_of_a_tl_xh(start: int, stop: int, ac_charge: int, flow: str, kw: float) -> None:
    unit = Unit("tl_xh")
    unit.write(3036, 60)
    unit.write(3047, 40, 100, ac_charge)
    unit.write(3038, start, stop)
    unit.wait(minutes=4)
    assert unit.kw[flow] == pytest.approx(kw)


def test_the_lower_of_two_charge_stops_wins_on_a_tl_xh() -> None:
    unit = Unit("tl_xh", soc=0.5)
    unit.write(3312, 53)
    unit.write(3047, 100, 90, 1)
    unit.write(3038, 40960, 5947)
    unit.wait(hours=1)
    assert unit.soc == pytest.approx(0.53, abs=0.002)


def test_a_tl_xh_charges_up_to_a_floor_that_was_raised() -> None:
    unit = Unit("tl_xh", soc=0.5)
    unit.write(3067, 55)
    unit.wait(minutes=1)
    assert unit.kw["battery_charge_kw"] == 0
    unit.wait(hours=1)
    assert unit.soc == pytest.approx(0.55, abs=0.011)


def arm(unit: Unit, percent: int, minutes: int = 0, *, ac_charge: int = 1) -> None:
    """In the right order: authority, power, duration, enable."""
    unit.write(30100, 1)
    unit.write(30410, ac_charge)
    unit.write(30409, percent)
    unit.write(30408, minutes)
    unit.write(30407, 1)


@pytest.mark.parametrize(
    ("percent", "flow", "kw"),
    [
        pytest.param(40, "battery_terminal_charge_kw", 2.0, id="charge"),
        pytest.param(-60, "battery_terminal_discharge_kw", 3.0, id="discharge"),
        pytest.param(0, "grid_import_kw", 0.5, id="grid-first hold"),
    ],
)
def test_remote_power_of_a_vpp_unit(percent: int, flow: str, kw: float) -> None:
    unit = Unit("vpp")
    arm(unit, percent)
    unit.wait(minutes=4)
    assert unit.kw[flow] == pytest.approx(kw)


def test_one_percent_holds_and_lets_pv_charge_a_little() -> None:
    unit = Unit("vpp", base_load_kw=2.0)
    arm(unit, 1, ac_charge=0)
    unit.wait(minutes=4)
    assert unit.kw["battery_discharge_kw"] == 0
    assert unit.kw["grid_import_kw"] == pytest.approx(2.0)


def test_remote_control_without_authority_is_acknowledged_and_inert() -> None:
    unit = Unit("vpp")
    unit.write(30409, 40)
    unit.write(30407, 1)
    unit.wait(minutes=4)
    assert unit.holding(30407) == 1
    assert unit.kw["battery_charge_kw"] == 0


def test_remote_control_ends_after_its_duration() -> None:
    unit = Unit("vpp")
    arm(unit, 40, minutes=5)
    unit.wait(minutes=4)
    assert unit.holding(30474) == 40
    unit.wait(minutes=4)
    assert (unit.holding(30407), unit.holding(30474)) == (0, 0)
    assert unit.kw["battery_charge_kw"] == 0


def test_a_renewed_duration_counts_from_the_renewal() -> None:
    unit = Unit("vpp")
    arm(unit, 40, minutes=5)
    unit.wait(minutes=4)
    unit.write(30407, 1)
    unit.wait(minutes=4)
    assert unit.holding(30407) == 1


def test_slots_of_a_vpp_unit() -> None:
    unit = Unit("vpp")
    unit.write(30100, 1)
    unit.write(30410, 1)
    unit.write(30412, 12 * 60, 13 * 60, 40)
    unit.write(30411, 1)
    unit.wait(minutes=4)
    assert unit.kw["battery_terminal_charge_kw"] == pytest.approx(2.0)
    unit.wait(hours=1)
    assert unit.kw["battery_charge_kw"] == 0


@pytest.mark.parametrize(
    ("family", "writes", "export_kw"),
    [
        pytest.param("sph", [], 5.0, id="no limit"),
        pytest.param("sph", [(123, 0)], 0.0, id="zero export"),
        pytest.param("sph", [(123, 200)], 2.0, id="20 %"),
        pytest.param("sph", [(122, 0), (123, 0)], 5.0, id="switched off"),
        pytest.param("sph", [(122, 1), (123, 0)], 5.0, id="for a meter that this plant has not"),
        pytest.param("tl_xh", [(123, 200)], 2.0, id="TL-XH"),
        pytest.param("vpp", [(30100, 1), (30200, 1), (30201, 20)], 2.0, id="VPP"),
        pytest.param("sph", [(3, 30)], 2.0, id="active power 30 %"),
    ],
)
def test_limits_of_export_and_output(family: Family, writes: list[tuple[int, int]], export_kw: float) -> None:
    unit = Unit(family, soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    for address, value in writes:
        unit.write(address, value)
    unit.wait(minutes=4)
    assert unit.kw["grid_export_kw"] == pytest.approx(export_kw)


@pytest.mark.parametrize("family", ["sph", "tl_xh"])
def test_without_a_meter_the_fail_safe_says_what_may_be_fed_in(family: Family) -> None:
    unit = Unit(family, "37", soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    unit.write(3000 if family == "tl_xh" else 304, 100)
    unit.wait(minutes=4)
    assert unit.kw["grid_export_kw"] == pytest.approx(1.0)


def test_a_vpp_unit_limits_export_when_its_energy_manager_falls_silent() -> None:
    unit = Unit("vpp", soc=1.0, pv_kw=6.0, base_load_kw=1.0)
    for address, value in ((30100, 1), (30202, 10), (30203, 120), (30204, 1)):
        unit.write(address, value)
    unit.wait(minutes=6)
    assert unit.kw["grid_export_kw"] == pytest.approx(1.0)
    unit.input(31000)
    unit.wait(minutes=2)
    assert unit.kw["grid_export_kw"] == pytest.approx(5.0)


def test_a_vpp_unit_has_a_mode_outside_its_slots() -> None:
    unit = Unit("vpp")
    unit.write(30100, 1)
    unit.write(30476, BATTERY_FIRST)
    assert unit.input(31002) == BATTERY_FIRST


def test_a_vpp_unit_clears_all_slots_at_the_next_slot_when_told_so() -> None:
    unit = Unit("vpp")
    unit.write(30412, 0, 600, 50)
    unit.write(30411, 1)
    unit.write(30477, 1)
    unit.write(30415, 0, 600, 20)
    assert list(unit.inverter.read("holding", 30411, 7)) == [0, 0, 0, 0, 0, 600, 20]


def test_the_cut_offs_of_a_vpp_unit() -> None:
    unit = Unit({"sph", "vpp"}, soc=0.5)
    unit.write(30100, 1)
    unit.write(30406, 49)
    unit.wait(hours=2)
    assert unit.soc == pytest.approx(0.49, abs=0.002)
    unit.write(30404, 52)
    arm(unit, 100)
    unit.wait(hours=1)
    assert unit.soc == pytest.approx(0.52, abs=0.002)


def test_an_ac_coupled_unit_has_slots_of_an_sph_and_load_first_besides() -> None:
    unit = Unit("spa")
    unit.write(1110, 0, ALL_DAY, 1)
    assert unit.input(2118) == LOAD_FIRST
    unit.charge_from_grid(40)
    unit.wait(minutes=4)
    assert unit.input(2118) == BATTERY_FIRST
    assert unit.input32(2116) == pytest.approx(20000 / 0.97, abs=2)


def test_switching_the_battery_converter_off_leaves_pv_to_the_house() -> None:
    unit = Unit("sph", pv_kw=2.0)
    unit.write(0, 2)
    unit.wait(minutes=3)
    assert unit.kw["battery_charge_kw"] == 0
    assert unit.kw["grid_export_kw"] == pytest.approx(1.5)


def test_energies_count_up_and_the_day_begins_at_midnight() -> None:
    unit = Unit("sph", pv_kw=0.97, base_load_kw=0.97)
    unit.wait(hours=11)
    assert unit.input32(1060) == pytest.approx(9.7 * 11, abs=1)
    assert unit.input32(91) == pytest.approx(10000 + 10 * 11, abs=1)
    unit.wait(hours=2)
    assert unit.input32(1060) == pytest.approx(9.7, abs=1)
    assert unit.input32(1062) == pytest.approx(10000 + 9.7 * 13, abs=1)


def test_the_clock_shows_local_time_and_can_be_set() -> None:
    unit = Unit("sph")
    assert list(unit.inverter.read("holding", 45, 6)) == [26, 1, 15, 12, 0, 10]
    unit.write(45, 26, 1, 15, 14, 30, 0)
    unit.wait(minutes=1)
    assert list(unit.inverter.read("holding", 45, 6)) == [26, 1, 15, 14, 31, 0]


def test_slots_go_by_the_inverters_own_clock() -> None:
    unit = Unit("sph")
    unit.write(1100, word(14), word(15), 1)
    unit.write(48, 14, 10, 0)
    unit.wait(minutes=2)
    assert unit.input(118) == BATTERY_FIRST


def test_an_inverter_that_is_switched_off_does_nothing() -> None:
    unit = Unit("sph", pv_kw=2.0)
    unit.write(0, 0)
    unit.wait(minutes=3)
    assert unit.input(1000) == 0
    assert unit.input32(1) == 0
    assert unit.kw["grid_import_kw"] == pytest.approx(0.5)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: sph, spa, tl_xh, vpp"):
        Unit("mic")  # type: ignore[arg-type]
