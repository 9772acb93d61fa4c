from datetime import UTC, datetime

import pytest

from pems_core.simulation.devices.small_live_house import small_live_house

from .clocks import HandClock

MORNING = datetime(2026, 1, 15, 10, 0, 30, tzinfo=UTC)


def test_the_battery_charges_as_its_inverter_tells_it() -> None:
    clock = HandClock(MORNING)
    house = small_live_house(clock, soc=0.5)
    house.command("inverter", {"mode": "battery_first", "battery_charge_grid": True, "charge_power_kw": 2.0})
    clock.pass_by(hours=1, minutes=1)
    assert house.powers_kw["battery_terminal_charge_kw"] == pytest.approx(2.0)
    assert house.truth()["inverter/soc"] == pytest.approx(0.5 + 2.0 * 0.96 / 10, abs=0.001)


def test_without_a_command_the_battery_feeds_the_house() -> None:
    clock = HandClock(MORNING)
    house = small_live_house(clock, base_load_kw=1.5, rooms=())
    clock.pass_by(minutes=5)
    assert house.powers_kw["grid_import_kw"] == pytest.approx(0.0)
    assert house.powers_kw["battery_discharge_kw"] == pytest.approx(1.5)


def test_a_device_acts_at_the_start_of_each_minute_however_rarely_somebody_looks() -> None:
    clock = HandClock(MORNING)
    house = small_live_house(clock)
    seen: list[datetime] = []
    house.each_minute(seen.append)
    clock.pass_by(minutes=3)
    house.catch_up()
    assert [at.minute for at in seen] == [0, 1, 2]


def test_what_a_device_says_within_a_minute_moves_the_house_from_then_on() -> None:
    clock = HandClock(MORNING)
    house = small_live_house(clock, base_load_kw=1.0, rooms=())

    def hold_after_ten_minutes(now: datetime) -> None:
        if now.minute == 10:
            house.command("inverter", {"mode": "battery_first", "charge_power_kw": 0.0})

    house.each_minute(hold_after_ten_minutes)
    clock.pass_by(hours=1)
    house.catch_up()
    used_kwh = (0.5 - float(house.truth()["inverter/soc"])) * 10
    assert used_kwh == pytest.approx(1.0 / 0.97 / 0.96 * 11 / 60, rel=0.1)
