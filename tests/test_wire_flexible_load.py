"""What the switch of a flexible load hears."""

from datetime import UTC, datetime, timedelta

import pytest
from pems_flexible_load.load import FlexibleLoad

from pems_core.domain import BadSetting, FlexibleLoadSpec, FlexibleLoadState, SiteState, Value
from tests.conversation import Conversation

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
def car() -> FlexibleLoad:
    return FlexibleLoad("car", FlexibleLoadSpec(power_min_kw=1.4, power_max_kw=11.0))


def say(car: FlexibleLoad, wire: Conversation, power_kw: Value | None) -> None:
    settings = {} if power_kw is None else {"power_kw": power_kw}
    state = SiteState(NOON, {"car": FlexibleLoadState(10.0)})
    wire.hear(car.encode(settings, NOON, NOON + timedelta(minutes=15), state), at=NOON)


def test_a_car_charges_rests_and_is_given_back(car: FlexibleLoad) -> None:
    topic = "flexible_load/car/set"
    expected = [
        (topic, '{"power_kw": 3.7}'),
        (topic, '{"power_kw": 0.0}'),
        (topic, '{"state": "auto"}'),
        (topic, '{"state": "auto"}'),
    ]
    with Conversation(expected) as charger:
        say(car, charger, 3.7)
        say(car, charger, 0)
        say(car, charger, None)
        charger.hear(car.release(), at=datetime(2100, 1, 1, tzinfo=UTC))


def test_watts_are_not_taken_for_kilowatts(car: FlexibleLoad) -> None:
    with (
        Conversation([]) as charger,
        pytest.raises(BadSetting, match="car: power_kw is 3700 kW; at most 11 is allowed"),
    ):
        say(car, charger, 3700.0)
