"""The heat of the simulated house."""

from dataclasses import replace
from datetime import time

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from pems_core.domain import ComfortBand, ComfortSchedule, HeatingSpec, RoomSpec
from pems_core.simulation.twins.clock import Array
from pems_core.simulation.twins.rooms import ThermalTwin, seeded_thermal_error, with_thermal_error

ALWAYS = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "UTC")
KITCHEN = RoomSpec("kitchen", 1.8, ALWAYS, 0.5, 1.5, 0.15, 0.03, {"hall": 0.04})
HALL = RoomSpec("hall", 1.2, ALWAYS, 0.3, 1.0, 0.1, 0.02)
HOUSE = HeatingSpec((KITCHEN, HALL), 1.0, 5.0)
OUTSIDE = np.array([0.03, 0.02])


def at_rest(outdoor_c: float) -> ThermalTwin:
    return ThermalTwin(HOUSE, np.array([21.0, 19.0]), OUTSIDE * outdoor_c)


def test_slabs_start_where_they_hold_the_rooms() -> None:
    thermal = at_rest(outdoor_c=0.0)
    heater_kw = np.array([0.15, 0.1]) * (thermal.slab_c - thermal.air_c)
    thermal.gain(np.zeros(2))
    for _ in range(24 * 60):
        thermal.minute(heater_kw)
    assert thermal.air_c == pytest.approx([21.0, 19.0], abs=1e-6)


def test_the_heaters_that_hold_a_house_replace_its_losses() -> None:
    thermal = at_rest(outdoor_c=0.0)
    heater_kw = np.array([0.15, 0.1]) * (thermal.slab_c - thermal.air_c)
    assert heater_kw.sum() == pytest.approx(0.03 * 21.0 + 0.02 * 19.0)


def test_a_room_that_needs_no_heat_starts_with_a_slab_as_warm_as_its_air() -> None:
    thermal = at_rest(outdoor_c=30.0)
    assert thermal.slab_c == pytest.approx(thermal.air_c)


def test_six_hours_of_heating_agree_with_the_differential_equation() -> None:
    thermal = at_rest(outdoor_c=-5.0)
    start = np.concatenate([thermal.air_c, thermal.slab_c])
    thermal.gain(OUTSIDE * -5.0)
    for _ in range(6 * 60):
        thermal.minute(np.array([1.8, 0.0]))

    def change(_: float, x: Array) -> list[float]:
        kitchen, hall, kitchen_slab, hall_slab = x
        between = 0.04 * (hall - kitchen)
        return [
            (0.15 * (kitchen_slab - kitchen) + 0.03 * (-5.0 - kitchen) + between) / 0.5,
            (0.1 * (hall_slab - hall) + 0.02 * (-5.0 - hall) - between) / 0.3,
            (1.8 - 0.15 * (kitchen_slab - kitchen)) / 1.5,
            -0.1 * (hall_slab - hall) / 1.0,
        ]

    exact = solve_ivp(change, (0.0, 6.0), start, rtol=1e-9, atol=1e-9).y[:, -1]
    assert np.concatenate([thermal.air_c, thermal.slab_c]) == pytest.approx(exact, abs=1e-6)


def test_seeded_errors_are_within_their_spread_and_repeat() -> None:
    factors = seeded_thermal_error(HOUSE, seed=3)
    assert factors == seeded_thermal_error(HOUSE, seed=3)
    assert factors != seeded_thermal_error(HOUSE, seed=4)
    assert all(0.7 <= factor <= 1.3 for factor in factors.values())


def test_an_error_changes_one_room_or_all() -> None:
    true = with_thermal_error(HOUSE, {"hall.outside_kw_per_k": 2.0, "air_kwh_per_k": 0.5})
    assert true.rooms == (
        replace(KITCHEN, air_kwh_per_k=0.25),
        replace(HALL, air_kwh_per_k=0.15, outside_kw_per_k=0.04),
    )


def test_all_faults_of_an_error_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"'attic\.outside_kw_per_k'(.|\n)*'hall\.solar_m2'\] is -1"):
        with_thermal_error(HOUSE, {"attic.outside_kw_per_k": 1.1, "hall.solar_m2": -1.0})
