"""What befalls the simulated house besides commands."""

from datetime import UTC, datetime, timedelta

import pytest

from pems_core.simulation.devices.small_live_house import small_live_house
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.twins.conditions import Conditions

from .devices.clocks import HandClock

MORNING = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
FIVE_MINUTES = timedelta(minutes=5)


def house_under(
    conditions: Conditions, *, soc: float = 0.5, pv_kw: float = 0.0, load_kw: float = 1.0
) -> SimulatedHouse:
    """Five minutes later."""
    house = small_live_house(HandClock(MORNING), soc=soc, pv_kw=pv_kw, base_load_kw=load_kw, rooms=()).house
    house.befall(conditions)
    house.advance(MORNING + FIVE_MINUTES)
    return house


@pytest.mark.parametrize(
    ("conditions", "flow", "kw"),
    [
        pytest.param(Conditions(discharge_limit_kw=0.4), "battery_terminal_discharge_kw", 0.4, id="weak battery"),
        pytest.param(Conditions(output_limit_kw=0.6), "grid_import_kw", 0.4, id="limited output"),
        pytest.param(Conditions(floor_soc=0.6), "grid_import_kw", 1.0, id="raised floor"),
        pytest.param(Conditions(forced_charge_kw=2.0), "battery_terminal_charge_kw", 2.0, id="forced charge"),
        pytest.param(Conditions(running=False), "grid_import_kw", 1.0, id="inverter off"),
    ],
)
def test_conditions_limit_what_the_battery_does_for_the_house(conditions: Conditions, flow: str, kw: float) -> None:
    assert house_under(conditions).powers_kw[flow] == pytest.approx(kw)


@pytest.mark.parametrize(
    ("conditions", "flow", "kw"),
    [
        pytest.param(Conditions(), "grid_export_kw", 3.0, id="a good day"),
        pytest.param(Conditions(export_limit_kw=1.5), "grid_export_kw", 1.5, id="limited export"),
        pytest.param(Conditions(pv_share=0.5), "pv_kw", 2.0, id="derated PV"),
        pytest.param(Conditions(running=False), "pv_curtailed_kw", 4.0, id="inverter off"),
        pytest.param(Conditions(grid_present=False), "grid_export_kw", 0.0, id="outage"),
    ],
)
def test_conditions_limit_what_becomes_of_pv_when_the_battery_is_full(
    conditions: Conditions, flow: str, kw: float
) -> None:
    assert house_under(conditions, soc=1.0, pv_kw=4.0).powers_kw[flow] == pytest.approx(kw)


def test_in_an_outage_the_house_gets_what_the_inverter_gives() -> None:
    powers_kw = house_under(Conditions(grid_present=False), load_kw=8.0).powers_kw
    assert powers_kw["grid_import_kw"] == pytest.approx(0.0)
    assert powers_kw["base_load_kw"] == pytest.approx(5.0 * 0.97)
    assert powers_kw["unserved_kw"] == pytest.approx(8.0 - 5.0 * 0.97)


def test_a_standby_draw_empties_a_battery_at_rest() -> None:
    house = house_under(Conditions(standby_kw=0.06, discharge_limit_kw=0.0))
    assert house.truth()["inverter/soc"] == pytest.approx(0.5 - 0.06 * 5 / 60 / 10)


def test_losses_cost_more_energy_for_the_same_power() -> None:
    used = {loss: 0.5 - float(house_under(Conditions(battery_loss=loss)).truth()["inverter/soc"]) for loss in (0, 0.1)}
    assert used[0.1] == pytest.approx(used[0] / 0.9)


def test_a_recalibrated_battery_goes_on_from_its_new_state_of_charge() -> None:
    house = house_under(Conditions())
    house.recalibrate(0.35)
    assert house.truth()["inverter/soc"] == pytest.approx(0.35)
