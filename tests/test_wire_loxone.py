"""What a Loxone Miniserver hears: topics and payloads of section C.5 of the device protocol reference."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import pytest
from pems_heating_loxone.rooms import HeatedRooms

from pems_core.domain import (
    BadSetting,
    ComfortBand,
    ComfortSchedule,
    Command,
    HeatingSpec,
    HeatingState,
    RoomSpec,
    SiteState,
    Value,
)
from tests.conversation import Conversation, Line

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
COMFORT = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "Europe/Prague")


def room(name: str) -> RoomSpec:
    return RoomSpec(name, 1.2, COMFORT, 0.5, 2.0, 0.1, 0.02)


@pytest.fixture
def rooms() -> HeatedRooms:
    return HeatedRooms("heating", HeatingSpec((room("kitchen"), room("study")), 1.0, 10.0))


def tell(rooms: HeatedRooms, settings: Mapping[str, Value], valid_from: datetime = NOON) -> list[Command]:
    until = valid_from + timedelta(minutes=15)
    return list(rooms.encode(settings, valid_from, until, SiteState(NOON, {"heating": HeatingState({})})))


def relay(name: str, state: str) -> Line:
    return f"loxone/heating/{name}/set", f'{{"state": "{state}"}}'


def setpoint(name: str, celsius: float) -> Line:
    return f"loxone/temperature/{name}/setpoint", f'{{"target_temperature": {celsius}, "unit": "celsius"}}'


def own_setpoint(name: str) -> Line:
    return f"loxone/temperature/{name}/setpoint", '{"state": "auto"}'


def test_heats_one_room_and_rests_the_other(rooms: HeatedRooms) -> None:
    expected = [setpoint("kitchen", 21.5), relay("kitchen", "on"), setpoint("study", 19.0), relay("study", "off")]
    with Conversation(expected) as miniserver:
        miniserver.hear(
            tell(
                rooms,
                {"kitchen_relay": True, "kitchen_setpoint_c": 21.5, "study_relay": False, "study_setpoint_c": 19.0},
            )
        )


def test_a_room_that_is_told_nothing_keeps_its_own_thermostat(rooms: HeatedRooms) -> None:
    expected = [setpoint("kitchen", 20.0), relay("kitchen", "auto"), own_setpoint("study"), relay("study", "auto")]
    with Conversation(expected) as miniserver:
        miniserver.hear(tell(rooms, {"kitchen_setpoint_c": 20.0}))


def test_setpoints_are_sent_in_half_degrees(rooms: HeatedRooms) -> None:
    """D.4: step 0.5 °C."""
    expected = [setpoint("kitchen", 21.5), relay("kitchen", "auto"), own_setpoint("study"), relay("study", "auto")]
    with Conversation(expected) as miniserver:
        miniserver.hear(tell(rooms, {"kitchen_setpoint_c": 21.41}))


def test_release_hands_every_relay_and_setpoint_back(rooms: HeatedRooms) -> None:
    """C.6: without PEMS relays follow the local thermostat and setpoints the local schedule."""
    expected = [own_setpoint("kitchen"), relay("kitchen", "auto"), own_setpoint("study"), relay("study", "auto")]
    with Conversation(expected) as miniserver:
        miniserver.hear(rooms.release(), at=datetime(2100, 1, 1, tzinfo=UTC))


def test_nothing_is_sent_after_it_ends(rooms: HeatedRooms) -> None:
    with Conversation([]) as miniserver:
        miniserver.hear(tell(rooms, {"kitchen_relay": True}), at=NOON + timedelta(minutes=15))


def test_the_same_wish_has_the_same_id_until_it_is_said_anew(rooms: HeatedRooms) -> None:
    heat = {"kitchen_relay": True, "study_relay": True}
    first = tell(rooms, heat)
    assert first == tell(rooms, heat)
    assert len({command.id for command in first}) == len(first)
    assert not {c.id for c in first} & {c.id for c in tell(rooms, heat, NOON + timedelta(minutes=15))}


def test_a_share_is_no_state_of_a_relay(rooms: HeatedRooms) -> None:
    with pytest.raises(BadSetting) as refused:
        tell(rooms, {"kitchen_relay": 0.4, "study_setpoint_c": 43.0, "attic_relay": True})
    assert refused.value.faults == (
        "heating: kitchen_relay is 0.4; allowed: true, false",
        "heating: study_setpoint_c is 43 °C; at most 30 is allowed",
        (
            "heating: attic_relay is no control of it; controls: kitchen_relay, kitchen_setpoint_c, study_relay, "
            "study_setpoint_c"
        ),
    )
