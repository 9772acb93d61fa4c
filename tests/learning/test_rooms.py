"""Rooms teach what they are: a house that is another than its file is found, with how sure that is."""

from dataclasses import replace
from datetime import date, time

import numpy as np
import pandas as pd
import pytest

from benchmarks.lived_in import lived_in
from pems_core.domain import BadSeries, ComfortBand, ComfortSchedule, HeatingSpec, RoomSpec
from pems_core.learning.identify import identify
from pems_core.learning.network import places
from pems_core.learning.outlook import outlook
from pems_core.learning.rooms import LearnedRooms, learn_rooms, measured_rooms, network_of
from pems_core.simulation.twins.rooms import ThermalTwin, with_thermal_error

PRAGUE = "Europe/Prague"
COMFORT = ComfortSchedule(((time(6), ComfortBand(21.5, 20.5, 22.5)), (time(22), ComfortBand(19.5, 18.5, 20.5))), PRAGUE)
SPEC = HeatingSpec(
    rooms=(
        RoomSpec("living_room", 4.8, COMFORT, 4.8, 1.9, 0.53, 0.08, {"kitchen": 0.15, "store": 0.03}, 1.2, 0.1),
        RoomSpec("kitchen", 1.8, COMFORT, 1.8, 0.7, 0.2, 0.03, {"store": 0.02}, 0.5, 0.1),
        RoomSpec("store", 0.5, COMFORT, 0.5, 0.2, 0.05, 0.004),
    ),
    discomfort_price_per_kh=0.1,
    steep_discomfort_price_per_kh=1.0,
)
WRONG = {
    "living_room.outside_kw_per_k": 1.3,
    "living_room.slab_kwh_per_k": 0.75,
    "kitchen.outside_kw_per_k": 0.7,
    "kitchen.air_kwh_per_k": 1.25,
    "kitchen.slab_to_air_kw_per_k": 1.3,
    "living_room.solar_m2": 0.7,
}
REALLY = with_thermal_error(SPEC, WRONG)


@pytest.fixture(scope="module")
def telemetry() -> pd.DataFrame:
    return lived_in(REALLY, date(2025, 1, 10), 14, seed=3)


@pytest.fixture(scope="module")
def learned(telemetry: pd.DataFrame) -> LearnedRooms:
    return learn_rooms(SPEC, measured_rooms(telemetry, "heating", SPEC, PRAGUE))


def test_a_network_does_what_the_twin_of_a_house_does() -> None:
    network = network_of(SPEC)
    air = np.array([21.0, 20.0, 18.0])
    outside = network.surroundings_kw_per_k[:, 0] * -3.0
    twin = ThermalTwin(SPEC, air, outside)
    twin.gain(outside)
    start = np.concatenate([twin.air_c, twin.slab_c])
    heater = np.array([2.0, 0.5, 0.1])
    mean, end = network.course(np.tile(np.concatenate([outside, heater]), (8, 1)), start, 0.25)
    seen = []
    for _ in range(120):
        twin.minute(heater)
        seen.append(twin.air_c.copy())
    np.testing.assert_allclose(end, np.concatenate([twin.air_c, twin.slab_c]), atol=1e-9)
    np.testing.assert_allclose(mean[-1], np.mean(seen[-15:], axis=0), atol=0.02)


def test_finds_a_house_that_is_another_than_its_file(learned: LearnedRooms) -> None:
    for room in REALLY.rooms[:2]:
        found = learned.spec.by_name[room.name]
        assert found.outside_kw_per_k == pytest.approx(room.outside_kw_per_k, rel=0.1)
        slab_h = room.slab_kwh_per_k / room.slab_to_air_kw_per_k
        assert found.slab_kwh_per_k / found.slab_to_air_kw_per_k == pytest.approx(slab_h, rel=0.2)
        assert found.solar_m2 == pytest.approx(room.solar_m2, rel=0.2)


def test_says_how_sure_it_is(learned: LearnedRooms) -> None:
    truth = {n: getattr(REALLY.by_name[n.room], n.parameter) for n in learned.numbers if "." not in n.parameter}
    within = [n.low <= value <= n.high for n, value in truth.items()]
    assert np.mean(within) >= 0.8
    assert learned.of("living_room", "outside_kw_per_k").high < 1.2 * 0.104


def test_tells_the_operator_what_changed(learned: LearnedRooms) -> None:
    text = str(learned.of("kitchen", "outside_kw_per_k"))
    assert text.startswith("kitchen.outside_kw_per_k: 0.02")
    assert "against the house file" in text
    assert "-3" in text


def test_a_room_that_was_never_heated_keeps_its_slab_and_says_so(telemetry: pd.DataFrame) -> None:
    cold = replace(SPEC, rooms=(*SPEC.rooms[:2], replace(SPEC.rooms[2], comfort=NEVER)))
    frame = lived_in(cold, date(2025, 1, 10), 10, seed=4)
    assert frame["heating/store_relay"].max() == 0
    result = learn_rooms(SPEC, measured_rooms(frame, "heating", SPEC, PRAGUE))
    assert result.spec.by_name["store"].slab_kwh_per_k == SPEC.by_name["store"].slab_kwh_per_k
    assert "its relay was on for 0.0% of the time" in result.kept["store"]
    assert "living_room" not in result.kept


NEVER = ComfortSchedule(((time(0), ComfortBand(5.0, 4.0, 30.0)),), PRAGUE)


def test_gaps_cost_what_they_hide_and_nothing_more(telemetry: pd.DataFrame) -> None:
    broken = telemetry.copy()
    broken.loc[broken.index[300:340], "site/outdoor_temperature_c"] = np.nan
    broken.loc[broken.index[500:600], "heating/kitchen_temperature_c"] = np.nan
    broken = broken.drop(broken.index[800:830])
    measured = measured_rooms(broken, "heating", SPEC, PRAGUE)
    assert len(list(measured.stretches())) == 3
    found = learn_rooms(SPEC, measured).spec.by_name["living_room"]
    assert found.outside_kw_per_k == pytest.approx(REALLY.rooms[0].outside_kw_per_k, rel=0.1)


def test_foresees_a_day_better_than_who_says_that_nothing_changes(telemetry: pd.DataFrame) -> None:
    measured = measured_rooms(telemetry, "heating", SPEC, PRAGUE)
    now = len(telemetry) - 96
    past, ahead = measured.cut(slice(0, now)), measured.cut(slice(now, now + 96))
    found = identify(network_of(SPEC), past)
    truth = ahead.air_c.to_numpy()
    foreseen = outlook(found, past, replace(ahead, air_c=ahead.air_c * np.nan))
    held = past.air_c.iloc[-1].to_numpy()
    assert np.abs(foreseen - truth).mean() < 0.15
    assert np.abs(foreseen - truth)[8:].mean() < 0.5 * np.abs(held - truth)[8:].mean()


def test_what_is_missing_is_named_all_at_once(telemetry: pd.DataFrame) -> None:
    frame = telemetry.drop(columns=["heating/kitchen_relay", "site/ghi_w_m2"])
    with pytest.raises(BadSeries) as error:
        measured_rooms(frame, "heating", SPEC, PRAGUE)
    assert "telemetry.heating/kitchen_relay: found no value" in str(error.value)
    assert "telemetry.site/ghi_w_m2: found no value" in str(error.value)


def test_a_few_days_teach_nothing(telemetry: pd.DataFrame) -> None:
    measured = measured_rooms(telemetry.iloc[: 3 * 96], "heating", SPEC, PRAGUE)
    with pytest.raises(BadSeries, match=r"found 3\.0 days; at least 7 are needed"):
        learn_rooms(SPEC, measured)


def test_every_number_of_a_network_can_be_learned() -> None:
    kinds = {place.kind for place in places(network_of(SPEC))}
    assert kinds == {
        "air_kwh_per_k",
        "mass_kwh_per_k",
        "mass_to_air_kw_per_k",
        "surroundings_kw_per_k",
        "links_kw_per_k",
        "sun_m2",
        "gain_kw",
    }
