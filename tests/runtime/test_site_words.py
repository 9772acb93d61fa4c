"""What those who show the plan need to know of the house."""

from datetime import UTC, datetime, time, timedelta

from pems_core.commands.inputs import house_from
from pems_core.domain import ComfortBand, ComfortSchedule, HeatingSpec, Horizon, RoomSpec
from pems_core.runtime.site_words import comfort_words, site_words

from .conftest import Start, wait_for

DAY = ComfortBand(21.0, 20.5, 22.5)
NIGHT = ComfortBand(18.0, 17.5, 22.5, occupied=False)


def heating() -> HeatingSpec:
    schedule = ComfortSchedule(((time(6), DAY), (time(22), NIGHT)), "Europe/Prague")
    return HeatingSpec((RoomSpec("kitchen", 0.8, schedule, 0.5, 3.0, 0.2, 0.05),), 1.0, 4.0)


def test_tells_a_rooms_band_where_it_changes() -> None:
    evening = Horizon.uniform(datetime(2025, 1, 14, 20, tzinfo=UTC), timedelta(hours=1), 4)
    told = comfort_words("heating", heating(), evening)
    assert told["until"] == "2025-01-15T00:00:00.000Z"
    assert told["rooms"]["kitchen"] == [
        {"from": "2025-01-14T20:00:00.000Z", "setpoint_c": 21.0, "low_c": 20.5, "high_c": 22.5, "occupied": True},
        {"from": "2025-01-14T21:00:00.000Z", "setpoint_c": 18.0, "low_c": 17.5, "high_c": 22.5, "occupied": False},
    ]


def test_tells_what_is_fixed_of_the_house_but_not_where_it_is() -> None:
    told = site_words(house_from(None))
    assert told["currency"] == "CZK"
    assert told["timezone"] == "Europe/Prague"
    assert len(told["rooms"]["heating"]) == 17
    assert 0 < told["batteries"]["inverter"]["soc_min"] < told["batteries"]["inverter"]["soc_max"] <= 1
    assert "latitude" not in str(told)


async def test_the_running_engine_tells_its_site(start_engine: Start) -> None:
    async with start_engine() as running:
        site = await wait_for(lambda: running.ears.last("site"))
        assert (site["name"], site["currency"]) == ("trial", "CZK")
        assert site["grid"] == {"import_limit_kw": 17.0, "export_limit_kw": 10.0}
