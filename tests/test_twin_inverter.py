"""What the inverter does by itself in each mode."""

from dataclasses import replace

import pytest

from pems_core.domain import BatterySpec, HybridInverterSpec
from pems_core.simulation.twins.battery import BatteryTwin
from pems_core.simulation.twins.inverter import InverterFlow, InverterSettings, InverterTwin

LOSSLESS = BatterySpec(10.0, 4.0, 4.0, charge_efficiency=1.0, discharge_efficiency=1.0, soc_min=0.2)
SPEC = HybridInverterSpec(
    ac_limit_kw=8.0,
    inverting_efficiency=1.0,
    rectifying_efficiency=1.0,
    grid_charge_limit_kw=5.0,
    battery=LOSSLESS,
)
EXPORT_LIMIT_KW = 6.0
AT_REST = InverterFlow(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LOAD_FIRST = InverterSettings()
NO_EXPORT = InverterSettings(grid_export=False)
CHARGE = InverterSettings("battery_first", charge_power_kw=3.0)
GRID_CHARGE = replace(CHARGE, battery_charge_grid=True)
HOLD = replace(CHARGE, stop_soc=0.5)
DISCHARGE = InverterSettings("grid_first", discharge_power_kw=3.0)


def twin(settings: InverterSettings, soc: float, spec: HybridInverterSpec = SPEC) -> InverterTwin:
    """An inverter on which the settings have taken effect."""
    inverter = InverterTwin(spec, soc, outdoor_c=10.0)
    inverter.command(settings)
    inverter.minute(AT_REST, outdoor_c=10.0)
    return inverter


@pytest.mark.parametrize(
    ("settings", "soc", "load_kw", "pv_kw", "to_house", "from_house", "charge", "discharge", "curtailed"),
    [
        pytest.param(LOAD_FIRST, 0.5, 3, 1, 3, 0, 0, 2, 0, id="load_first covers a deficit"),
        pytest.param(LOAD_FIRST, 0.5, 7, 1, 5, 0, 0, 4, 0, id="load_first leaves to the grid what is beyond the limit"),
        pytest.param(LOAD_FIRST, 0.2, 3, 1, 1, 0, 0, 0, 0, id="load_first rests at the floor"),
        pytest.param(LOAD_FIRST, 0.5, 1, 4, 1, 0, 3, 0, 0, id="load_first stores all surplus"),
        pytest.param(LOAD_FIRST, 0.5, 1, 7, 3, 0, 4, 0, 0, id="load_first feeds in what does not fit"),
        pytest.param(LOAD_FIRST, 1.0, 1, 4, 4, 0, 0, 0, 0, id="load_first feeds in when full"),
        pytest.param(NO_EXPORT, 1.0, 1, 4, 1, 0, 0, 0, 3, id="load_first curtails when full without export"),
        pytest.param(NO_EXPORT, 0.5, 1, 7, 1, 0, 4, 0, 2, id="load_first stores before it curtails"),
        pytest.param(LOAD_FIRST, 1.0, 1, 9, 7, 0, 0, 0, 2, id="the export limit curtails"),
        pytest.param(LOAD_FIRST, 1.0, 5, 9, 8, 0, 0, 0, 1, id="the AC limit curtails"),
        pytest.param(LOAD_FIRST, 0.5, -2, 0, 0, 0, 0, 0, 0, id="load_first takes nothing from the AC side"),
        pytest.param(
            replace(LOAD_FIRST, stop_soc=0.9, discharge_power_kw=0.0, charge_power_kw=0.0),
            *(0.5, 3, 1, 3, 0, 0, 2, 0),
            id="rates and stop_soc have no say in load_first",
        ),
        pytest.param(CHARGE, 0.5, 1, 2, 0, 0, 2, 0, 0, id="battery_first charges before the house"),
        pytest.param(CHARGE, 0.5, 1, 5, 2, 0, 3, 0, 0, id="battery_first gives the rest of PV to house and grid"),
        pytest.param(CHARGE, 0.5, 3, 0, 0, 0, 0, 0, 0, id="battery_first never discharges"),
        pytest.param(GRID_CHARGE, 0.5, 1, 0, 0, 3, 3, 0, 0, id="battery_first charges from the grid"),
        pytest.param(GRID_CHARGE, 0.5, 1, 2, 0, 1, 3, 0, 0, id="battery_first takes PV before the grid"),
        pytest.param(GRID_CHARGE, 1.0, 1, 2, 2, 0, 0, 0, 0, id="battery_first rests when full"),
        pytest.param(HOLD, 0.5, 3, 1, 1, 0, 0, 0, 0, id="hold rests in a deficit"),
        pytest.param(HOLD, 0.5, 1, 4, 4, 0, 0, 0, 0, id="hold cannot bank PV"),
        pytest.param(HOLD, 0.8, 3, 0, 0, 0, 0, 0, 0, id="battery_first rests above its stop"),
        pytest.param(replace(CHARGE, grid_export=False), 0.5, 1, 5, 1, 0, 3, 0, 1, id="battery_first without export"),
        pytest.param(DISCHARGE, 0.5, 1, 0, 3, 0, 0, 3, 0, id="grid_first feeds in what the house leaves"),
        pytest.param(DISCHARGE, 0.5, 1, 2, 5, 0, 0, 3, 0, id="grid_first feeds in PV and battery"),
        pytest.param(DISCHARGE, 0.5, 1, 5, 7, 0, 0, 2, 0, id="grid_first discharges less at the export limit"),
        pytest.param(DISCHARGE, 0.5, 1, 9, 7, 0, 0, 0, 2, id="grid_first curtails PV beyond the export limit"),
        pytest.param(replace(DISCHARGE, stop_soc=0.5), 0.5, 1, 4, 4, 0, 0, 0, 0, id="grid_first rests at its stop"),
        pytest.param(DISCHARGE, 0.2, 3, 1, 1, 0, 0, 0, 0, id="grid_first rests at the floor"),
        pytest.param(replace(DISCHARGE, stop_soc=0.1), 0.2, 3, 1, 1, 0, 0, 0, 0, id="grid_first keeps the floor"),
        pytest.param(replace(DISCHARGE, grid_export=False), 0.5, 1, 0, 1, 0, 0, 1, 0, id="grid_first without export"),
        pytest.param(replace(DISCHARGE, grid_export=False), 0.5, 1, 2, 1, 0, 0, 0, 1, id="grid_first only curtails"),
    ],
)
def test_mode(
    settings: InverterSettings,
    soc: float,
    load_kw: float,
    pv_kw: float,
    to_house: float,
    from_house: float,
    charge: float,
    discharge: float,
    curtailed: float,
) -> None:
    flow = twin(settings, soc).dispatch(load_kw, pv_kw, EXPORT_LIMIT_KW, grid_charge_room_kw=20.0)
    expected = InverterFlow(to_house, from_house, pv_kw - curtailed, curtailed, charge, discharge)
    assert flow == pytest.approx(expected)


def test_new_settings_take_effect_with_the_next_minute() -> None:
    inverter = twin(LOAD_FIRST, 0.5)
    inverter.command(GRID_CHARGE)
    before = inverter.dispatch(2.0, 0.0, EXPORT_LIMIT_KW, 20.0)
    inverter.minute(before, outdoor_c=10.0)
    after = inverter.dispatch(2.0, 0.0, EXPORT_LIMIT_KW, 20.0)
    assert (before.discharge_kw, before.charge_kw) == (2.0, 0.0)
    assert (after.discharge_kw, after.charge_kw) == (0.0, 3.0)


def test_grid_charging_leaves_room_below_the_import_limit() -> None:
    assert twin(GRID_CHARGE, 0.5).dispatch(4.0, 0.0, EXPORT_LIMIT_KW, 1.5).from_house_kw == 1.5


def test_grid_charging_keeps_its_own_limit() -> None:
    inverter = twin(GRID_CHARGE, 0.5, replace(SPEC, grid_charge_limit_kw=2.0))
    assert inverter.dispatch(0.0, 0.0, EXPORT_LIMIT_KW, 20.0).charge_kw == 2.0


def test_rates_come_in_the_steps_of_the_inverter() -> None:
    inverter = twin(replace(GRID_CHARGE, charge_power_kw=1.15), 0.5, replace(SPEC, power_rate_step=0.1))
    assert inverter.dispatch(0.0, 0.0, EXPORT_LIMIT_KW, 20.0).charge_kw == pytest.approx(1.2)


def test_charging_ends_exactly_at_the_stop() -> None:
    inverter = twin(replace(GRID_CHARGE, stop_soc=0.55), 0.5)
    for _ in range(30):
        inverter.minute(inverter.dispatch(0.0, 0.0, EXPORT_LIMIT_KW, 20.0), outdoor_c=10.0)
    assert inverter.battery is not None
    assert inverter.battery.soc == pytest.approx(0.55, abs=1e-9)


@pytest.mark.parametrize("settings", [LOAD_FIRST, GRID_CHARGE, DISCHARGE], ids=lambda s: str(s.mode))
@pytest.mark.parametrize(("load_kw", "pv_kw"), [(3.0, 0.0), (3.0, 1.0), (1.0, 6.0), (0.0, 12.0)])
def test_nothing_is_lost_on_the_dc_bus_but_in_conversion(
    settings: InverterSettings, load_kw: float, pv_kw: float
) -> None:
    spec = replace(SPEC, inverting_efficiency=0.9, rectifying_efficiency=0.8)
    flow = twin(settings, 0.5, spec).dispatch(load_kw, pv_kw, EXPORT_LIMIT_KW, 20.0)
    gained_kw = flow.pv_kw / 0.9 + flow.discharge_kw + 0.8 * flow.from_house_kw
    assert gained_kw == pytest.approx(flow.charge_kw + flow.to_house_kw / 0.9)
    assert flow.pv_kw + flow.curtailed_kw == pytest.approx(pv_kw)


def test_an_inverter_without_battery_only_feeds_pv() -> None:
    flow = twin(GRID_CHARGE, 0.5, replace(SPEC, battery=None)).dispatch(1.0, 4.0, EXPORT_LIMIT_KW, 20.0)
    assert flow == InverterFlow(4.0, 0.0, 4.0, 0.0, 0.0, 0.0)


def test_a_round_trip_costs_both_efficiencies() -> None:
    battery = BatteryTwin(replace(LOSSLESS, charge_efficiency=0.9, discharge_efficiency=0.8), 0.5, 10.0)
    for _ in range(60):
        battery.minute(2.0, 0.0, 10.0)
    assert battery.energy_kwh == pytest.approx(5.0 + 2.0 * 0.9)
    for _ in range(60):
        battery.minute(0.0, 2.0 * 0.9 * 0.8, 10.0)
    assert battery.energy_kwh == pytest.approx(5.0)


def test_standby_drains_the_battery_to_its_floor_and_no_further() -> None:
    battery = BatteryTwin(replace(LOSSLESS, standby_kw=0.06), 0.21, 10.0)
    battery.minute(0.0, 0.0, 10.0)
    assert battery.energy_kwh == pytest.approx(2.1 - 0.001)
    for _ in range(600):
        battery.minute(0.0, 0.0, 10.0)
    assert battery.energy_kwh == pytest.approx(2.0)


def test_a_battery_below_its_floor_charges_but_does_not_discharge() -> None:
    battery = BatteryTwin(LOSSLESS, 0.1, 10.0)
    assert battery.can_discharge_kw() == 0.0
    assert battery.can_charge_kw() == 4.0


def test_charge_power_tapers_towards_full() -> None:
    battery = BatteryTwin(replace(LOSSLESS, charge_taper=((0.8, 1.0), (1.0, 0.2))), 0.9, 10.0)
    assert battery.can_charge_kw() == pytest.approx(4.0 * 0.6)


def test_a_cold_battery_gives_less() -> None:
    cold = replace(LOSSLESS, temperature_derating=((0.0, 0.0), (30.0, 1.0)))
    in_frost, in_summer = BatteryTwin(cold, 0.5, -20.0), BatteryTwin(cold, 0.5, 30.0)
    assert in_frost.can_discharge_kw() == pytest.approx(4.0 * 15 / 30)
    assert in_summer.can_discharge_kw() > in_frost.can_discharge_kw()
