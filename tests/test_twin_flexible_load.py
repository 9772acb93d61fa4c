"""A car that wants to be full in the morning."""

from datetime import UTC, datetime, time, timedelta

import pytest

from pems_core.domain import FlexibleLoadSpec
from pems_core.simulation.twins.flexible_load import FlexibleLoadTwin

CAR = FlexibleLoadSpec(1.4, 6.0, energy_kwh=12.0, available_from=time(18), ready_by=time(7), timezone="Europe/Prague")
NOON = datetime(2025, 1, 10, 11, tzinfo=UTC)


def energy_kwh(load: FlexibleLoadTwin, start: datetime, hours: float) -> float:
    """What it draws in the hours from `start`."""
    total = 0.0
    for minute in range(round(hours * 60)):
        total += load.switch(start + timedelta(minutes=minute)) / 60
        load.finish()
    return total


def test_by_itself_it_charges_as_soon_as_it_is_plugged_in() -> None:
    car = FlexibleLoadTwin(CAR, NOON)
    assert energy_kwh(car, NOON, 6) == 0.0
    assert energy_kwh(car, NOON + timedelta(hours=6), 1) == pytest.approx(6.0)
    assert energy_kwh(car, NOON + timedelta(hours=7), 11) == pytest.approx(6.0)
    assert car.needed_kwh == pytest.approx(0.0)


def test_it_follows_a_commanded_power() -> None:
    car = FlexibleLoadTwin(CAR, NOON)
    car.command(2.0)
    assert energy_kwh(car, NOON, 8) == pytest.approx(4.0)


@pytest.mark.parametrize(("command_kw", "power_kw"), [(1.0, 0.0), (1.4, 1.4), (9.0, 6.0)])
def test_it_keeps_its_range_of_power(command_kw: float, power_kw: float) -> None:
    evening = NOON + timedelta(hours=8)
    car = FlexibleLoadTwin(CAR, evening)
    car.command(command_kw)
    assert car.switch(evening) == pytest.approx(power_kw)


def test_what_is_missing_at_the_deadline_is_counted_and_the_next_day_begins() -> None:
    car = FlexibleLoadTwin(CAR, NOON)
    car.command(0.0)
    energy_kwh(car, NOON, 19)
    assert car.unserved_kwh == 0.0
    energy_kwh(car, NOON + timedelta(hours=19), 1)
    assert car.unserved_kwh == pytest.approx(12.0)
    assert car.needed_kwh == pytest.approx(12.0)


def test_each_day_counts_once_when_the_clock_is_set_back() -> None:
    # On 26 October 2025 the hour from 2 to 3 comes twice in Prague; the boiler must be hot by half past two.
    boiler = FlexibleLoadSpec(0.0, 2.0, energy_kwh=4.0, ready_by=time(2, 30), timezone="Europe/Prague")
    start = datetime(2025, 10, 25, 12, tzinfo=UTC)
    twin = FlexibleLoadTwin(boiler, start)
    twin.command(0.0)
    energy_kwh(twin, start, 24)
    assert twin.unserved_kwh == pytest.approx(4.0)


def test_shedding_below_its_least_power_switches_it_off() -> None:
    evening = NOON + timedelta(hours=8)
    car = FlexibleLoadTwin(CAR, evening)
    car.switch(evening)
    assert car.shed(3.0) == pytest.approx(3.0)
    assert car.shed(2.0) == pytest.approx(3.0)
    assert car.power_kw == 0.0
