"""What `pems check --connect` makes of readings that cannot be true together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pems_core.domain import HeatingSpec, Reading, Readings
from pems_core.runtime.inspection import Verdict, balance, charge_moves_soc, rooms
from pems_core.simulation.devices.small_live_house import room

NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SUNNY = {"pv_kw": 5.0, "import_kw": 0.0, "export_kw": 3.0, "charge_kw": 1.5, "discharge_kw": 0.0, "load_kw": 0.5}


def seen(*samples: dict[str, float]) -> Sequence[Readings]:
    """One sample a minute."""
    found = []
    for k, values in enumerate(samples):
        at = NOW + k * MINUTE
        units = {"soc": "share"}
        points = {f"inverter/{n}": Reading(v, units.get(n, "kW"), at, at) for n, v in values.items()}
        found.append(Readings(at, points))
    return found


def charging(soc_from: float, soc_to: float) -> Sequence[Readings]:
    """An hour of charging with 2 kW, during which the state of charge goes from one to the other."""
    socs = [soc_from + k / 60 * (soc_to - soc_from) for k in range(61)]
    return seen(*({"charge_kw": 2.0, "discharge_kw": 0.0, "soc": soc} for soc in socs))


def test_powers_that_balance_are_fine() -> None:
    assert balance("inverter", seen(SUNNY)).verdict is Verdict.FINE


def test_says_that_import_and_export_are_exchanged() -> None:
    finding = balance("inverter", seen(SUNNY | {"import_kw": 3.0, "export_kw": 0.0}))
    assert finding.verdict is Verdict.WRONG
    assert "import and export exchanged" in finding.detail


def test_says_that_charge_and_discharge_are_exchanged() -> None:
    finding = balance("inverter", seen(SUNNY | {"charge_kw": 0.0, "discharge_kw": 1.5}))
    assert "charge and discharge exchanged" in finding.detail


def test_says_which_power_may_be_in_watts() -> None:
    finding = balance("inverter", seen(SUNNY | {"pv_kw": 5000.0}))
    assert "pv_kw may be in another unit" in finding.detail


def test_cannot_tell_without_a_reading() -> None:
    assert balance("inverter", seen({"pv_kw": 1.0})).verdict is Verdict.UNKNOWN


def test_the_state_of_charge_follows_what_is_charged() -> None:
    assert charge_moves_soc("inverter", 10.0, charging(0.4, 0.58)).verdict is Verdict.FINE


def test_a_state_of_charge_that_falls_while_charging_means_exchanged_signs() -> None:
    finding = charge_moves_soc("inverter", 10.0, charging(0.58, 0.4))
    assert finding.verdict is Verdict.WRONG
    assert "exchanged" in finding.detail


def test_a_state_of_charge_that_rises_too_little_means_another_capacity() -> None:
    finding = charge_moves_soc("inverter", 10.0, charging(0.4, 0.45))
    assert "battery_kwh or a unit is wrong" in finding.detail


def test_little_energy_says_nothing() -> None:
    assert charge_moves_soc("inverter", 100.0, charging(0.4, 0.5)).verdict is Verdict.UNKNOWN


def test_a_room_temperature_in_tenths_is_wrong() -> None:
    at = {"heating/kitchen_temperature_c": Reading(215.0, "°C", NOW, NOW)}
    spec = HeatingSpec((room("kitchen"), room("bathroom")), 1.0, 10.0)
    kitchen, bathroom = rooms("heating", spec, Readings(NOW, at))
    assert kitchen.verdict is Verdict.WRONG
    assert bathroom.verdict is Verdict.UNKNOWN
