"""What a network gets wrong again and again is learned where it helps, and left where it does not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from benchmarks.lived_in import lived_in
from pems_core.learning.identify import Identified, Measured, identify
from pems_core.learning.outlook import outlook
from pems_core.learning.residual import Residual, corrected_outlook, learn_residual
from pems_core.learning.rooms import measured_rooms, network_of

from .test_rooms import PRAGUE, REALLY, SPEC

DAY = 96


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measured_rooms(lived_in(REALLY, date(2025, 1, 10), 20, seed=3), "heating", SPEC, PRAGUE)


def aired(measured: Measured) -> Measured:
    """The same rooms, of which the kitchen is aired each morning and evening; no instrument sees the window."""
    air = measured.air_c.copy()
    local = pd.DatetimeIndex(air.index).tz_convert(PRAGUE)
    air["kitchen"] -= 2.0 * np.isin(local.hour, (7, 8, 19, 20))
    return replace(measured, air_c=air)


def errors_k(
    measured: Measured, learned_until: int, setpoints: Sequence[pd.DataFrame] = ()
) -> tuple[dict[str, float], dict[str, float], dict[str, bool]]:
    """Of the network alone and with what was learned of its errors, by room, on the days after; who is corrected."""
    before = measured.cut(slice(0, learned_until))
    found = identify(network_of(SPEC), before)
    again = learn_residual(network_of(SPEC), before, [s.iloc[:learned_until] for s in setpoints])
    alone, corrected = [], []
    for start in range(learned_until, len(measured.air_c) - DAY, DAY):
        past, ahead = measured.cut(slice(0, start)), measured.cut(slice(start, start + DAY))
        truth = ahead.air_c.to_numpy()
        known = [s.iloc[start : start + DAY] for s in setpoints]
        alone.append(np.abs(outlook(found, past, ahead) - truth).mean(axis=0))
        corrected.append(np.abs(corrected_outlook(found, again, past, ahead, known) - truth).mean(axis=0))
    names = [str(name) for name in measured.air_c.columns]
    return (
        dict(zip(names, np.mean(alone, axis=0), strict=True)),
        dict(zip(names, np.mean(corrected, axis=0), strict=True)),
        dict(zip(names, again.rooms, strict=True)),
    )


def test_a_window_that_is_opened_every_day_is_learned(measured: Measured) -> None:
    alone, corrected, which = errors_k(aired(measured), 15 * DAY)
    assert which["kitchen"]
    assert corrected["kitchen"] < 0.7 * alone["kitchen"]


def test_what_does_not_help_is_not_used(measured: Measured) -> None:
    alone, corrected, which = errors_k(measured, 15 * DAY)
    for room in alone:
        assert which[room] or corrected[room] == alone[room]
        assert corrected[room] < 1.5 * alone[room] + 0.01


def test_too_short_a_history_says_so(measured: Measured) -> None:
    with pytest.raises(ValueError, match="found 3 days to learn from; at least 10 are needed"):
        learn_residual(network_of(SPEC), measured.cut(slice(0, 4 * DAY)))


@pytest.fixture(scope="module")
def house(measured: Measured) -> tuple[Identified, Residual, Measured, Measured]:
    seen, begin = aired(measured), 15 * DAY
    before = seen.cut(slice(0, begin))
    found, again = identify(network_of(SPEC), before), learn_residual(network_of(SPEC), before)
    assert any(again.rooms)
    return found, again, before, seen.cut(slice(begin, begin + DAY))


class TestWhatItLooksAt:
    """Of what is ahead only what is known: heat and weather, up to the moment that is foreseen."""

    def test_not_how_warm_it_will_be(self, house: tuple[Identified, Residual, Measured, Measured]) -> None:
        found, again, past, ahead = house
        other = replace(ahead, air_c=ahead.air_c + 5.0)
        first, second = (corrected_outlook(found, again, past, a) for a in (ahead, other))
        assert np.array_equal(first, second)

    def test_not_the_heat_that_comes_later(self, house: tuple[Identified, Residual, Measured, Measured]) -> None:
        found, again, past, ahead = house
        heat = ahead.heater_kw.copy()
        heat.iloc[DAY // 2 :] += 1.0
        first, second = (
            corrected_outlook(found, again, past, replace(ahead, heater_kw=h)) for h in (ahead.heater_kw, heat)
        )
        assert np.allclose(first[: DAY // 2], second[: DAY // 2])
        assert not np.allclose(first[DAY // 2 :], second[DAY // 2 :])

    def test_a_room_without_a_thermometer_is_left_to_the_network(
        self, house: tuple[Identified, Residual, Measured, Measured]
    ) -> None:
        found, again, past, ahead = house
        silent = past.air_c.copy()
        silent.iloc[-3 * DAY :, list(silent.columns).index("kitchen")] = np.nan
        past = replace(past, air_c=silent)
        room = list(silent.columns).index("kitchen")
        corrected, alone = corrected_outlook(found, again, past, ahead), outlook(found, past, ahead)
        assert np.array_equal(corrected[:, room], alone[:, room])

    def test_heat_that_was_never_seen_is_not_made_more_of_than_the_most_that_was(
        self, house: tuple[Identified, Residual, Measured, Measured]
    ) -> None:
        _, again, _, _ = house
        learned = next(room for room in again.by_room if room is not None)
        ridge = learned.hours[0]
        far = ridge.high + 100 * ridge.spread
        assert np.allclose(ridge.change_k(far[None]), ridge.change_k(ridge.high[None]))
