"""What a Growatt inverter hears: the words of its gateway as the protocol reference has them.

Sections named here are those of the device protocol reference: B.1 the gateway's commands, A.2 the write rules for
slots, D.3 the translation of wishes, E the traps.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pems_growatt
import pytest
from pems_growatt.encoding import LONGEST_PACKET, GatewayWord
from pems_growatt.inverter import HybridInverter

from pems_core.config import parse_config
from pems_core.devices.commands import Validity
from pems_core.domain import (
    BadSetting,
    BatterySpec,
    BatteryState,
    Command,
    HybridInverterSpec,
    InverterState,
    SiteState,
    Value,
)
from tests.conversation import Conversation, Line

SPEC = HybridInverterSpec(
    ac_limit_kw=10.0,
    grid_charge_limit_kw=10.0,
    battery=BatterySpec(capacity_kwh=10.0, charge_limit_kw=10.0, discharge_limit_kw=5.0, soc_min=0.2),
)
NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
COMMAND = "energy/solar/command/"


@pytest.fixture
def inverter() -> HybridInverter:
    return HybridInverter("inverter", SPEC, "Europe/Prague")


def tell(
    inverter: HybridInverter,
    settings: Mapping[str, Value],
    now: datetime = NOON,
    hours: float = 1.0,
    valid_from: datetime | None = None,
) -> list[Command]:
    begins = valid_from or now
    state = SiteState(now, {inverter.name: InverterState(BatteryState(0.5))})
    return list(inverter.encode(settings, begins, begins + timedelta(hours=hours), state))


def slot(group: str, number: int, start: str = "00:00", stop: str = "00:00", enabled: bool = False) -> Line:
    words = {"start": start, "stop": stop, "enabled": enabled, "slot": number}
    return f"{COMMAND}{group}/set/timeslot", json.dumps(words)


def no_slots(group: str) -> list[Line]:
    return [slot(group, 1), slot(group, 2)]


def enabled_slots(commands: list[Command]) -> list[tuple[str, str]]:
    said = [json.loads(command.payload) for command in commands]
    return [(words["start"], words["stop"]) for words in said if words.get("enabled")]


EXPORT_ON: Line = (COMMAND + "export/enable", "{}")
EXPORT_OFF: Line = (COMMAND + "export/disable", "{}")
AC_CHARGE_OFF: Line = (COMMAND + "batteryfirst/set/acchargeenabled", '{"value": 0}')


def test_charges_from_the_grid_by_a_slot_on_its_own_clock(inverter: HybridInverter) -> None:
    """B.1: stop SOC, power rate, AC charge, then the slot. A.2: the other mode's slots first. E.4: start in 1 min."""
    expected = [
        EXPORT_ON,
        *no_slots("gridfirst"),
        (COMMAND + "batteryfirst/set/stopsoc", '{"value": 80}'),
        (COMMAND + "batteryfirst/set/powerrate", '{"value": 25}'),
        (COMMAND + "batteryfirst/set/acchargeenabled", '{"value": 1}'),
        slot("batteryfirst", 1, "13:01", "14:00", enabled=True),
        slot("batteryfirst", 2),
    ]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(
            tell(
                inverter,
                {
                    "mode": "battery_first",
                    "battery_charge_grid": True,
                    "charge_power_kw": 2.5,
                    "stop_soc": 0.8,
                    "grid_export": True,
                },
            )
        )


def test_sells_from_the_battery_down_to_its_stop_soc(inverter: HybridInverter) -> None:
    """B.1 with the grid-first registers; A.2: the other mode's slots go first."""
    expected = [
        EXPORT_ON,
        *no_slots("batteryfirst"),
        (COMMAND + "gridfirst/set/stopsoc", '{"value": 35}'),
        (COMMAND + "gridfirst/set/powerrate", '{"value": 60}'),
        AC_CHARGE_OFF,
        slot("gridfirst", 1, "13:01", "14:00", enabled=True),
        slot("gridfirst", 2),
    ]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(tell(inverter, {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.35}))


def test_holds_by_battery_first_at_the_present_charge(inverter: HybridInverter) -> None:
    """A.2: a hold is a battery-first slot with the stop SOC at the present one, AC charge 0; D.3: rates from 1 %."""
    expected = [
        EXPORT_OFF,
        *no_slots("gridfirst"),
        (COMMAND + "batteryfirst/set/stopsoc", '{"value": 50}'),
        (COMMAND + "batteryfirst/set/powerrate", '{"value": 1}'),
        AC_CHARGE_OFF,
        slot("batteryfirst", 1, "13:01", "14:00", enabled=True),
        slot("batteryfirst", 2),
    ]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(
            tell(inverter, {"mode": "battery_first", "charge_power_kw": 0.0, "stop_soc": 0.5, "grid_export": False})
        )


def test_load_first_needs_no_slot(inverter: HybridInverter) -> None:
    """D.3 `auto`: slots of both modes off, AC charge 0."""
    expected = [EXPORT_ON, *no_slots("gridfirst"), *no_slots("batteryfirst"), AC_CHARGE_OFF]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(tell(inverter, {"mode": "load_first", "battery_charge_grid": False, "grid_export": True}))


def test_release_gives_the_inverter_back(inverter: HybridInverter) -> None:
    """D.3 `auto` = release; the export that a plan had disabled is enabled again."""
    expected = [*no_slots("gridfirst"), *no_slots("batteryfirst"), AC_CHARGE_OFF, EXPORT_ON]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(inverter.release(), at=datetime(2100, 1, 1, tzinfo=UTC))


def test_what_is_not_set_goes_to_what_the_execution_model_assumes(inverter: HybridInverter) -> None:
    expected = [
        EXPORT_ON,
        *no_slots("batteryfirst"),
        (COMMAND + "gridfirst/set/stopsoc", '{"value": 20}'),
        (COMMAND + "gridfirst/set/powerrate", '{"value": 100}'),
        AC_CHARGE_OFF,
        slot("gridfirst", 1, "13:01", "14:00", enabled=True),
        slot("gridfirst", 2),
    ]
    with Conversation(expected, correlated=True) as gateway:
        gateway.hear(tell(inverter, {"mode": "grid_first"}))


def test_never_discharges_below_the_floor_of_plan_or_firmware() -> None:
    """D.3: never a discharge below max(10, firmware floor, reserve)."""
    low = HybridInverterSpec(10.0, battery=BatterySpec(10.0, 5.0, 5.0, soc_min=0.0))
    said = tell(HybridInverter("inverter", low), {"mode": "grid_first", "stop_soc": 0.03})
    stop_soc = [json.loads(command.payload)["value"] for command in said if command.address.endswith("stopsoc")]
    assert stop_soc == [10]


def test_without_a_battery_only_feed_in_is_told() -> None:
    bare = HybridInverter("inverter", HybridInverterSpec(ac_limit_kw=10.0))
    with Conversation([EXPORT_OFF, EXPORT_ON], correlated=True) as gateway:
        gateway.hear(tell(bare, {"grid_export": False}))
        gateway.hear(bare.release())


def test_slot_is_split_at_midnight(inverter: HybridInverter) -> None:
    """A.2 and E.2: slots must not cross midnight, such slots are silently ignored."""
    late = datetime(2025, 1, 15, 22, 30, tzinfo=UTC)
    assert enabled_slots(tell(inverter, {"mode": "grid_first"}, late)) == [("23:31", "23:59"), ("00:00", "00:30")]


def test_slot_up_to_midnight_needs_no_second(inverter: HybridInverter) -> None:
    late = datetime(2025, 1, 15, 22, 30, tzinfo=UTC)
    assert enabled_slots(tell(inverter, {"mode": "grid_first"}, late, hours=0.5)) == [("23:31", "23:59")]


def test_slot_of_the_last_minute_of_a_day_begins_at_midnight(inverter: HybridInverter) -> None:
    late = datetime(2025, 1, 15, 22, 58, tzinfo=UTC)
    assert enabled_slots(tell(inverter, {"mode": "grid_first"}, late)) == [("00:00", "00:58")]


def test_slot_over_the_missing_hour_lasts_as_long_as_said(inverter: HybridInverter) -> None:
    """E.4: 02:00 to 03:00 is missing on 30 March 2025; an hour from 01:45 ends at 03:45."""
    night = datetime(2025, 3, 30, 0, 44, tzinfo=UTC)
    said = tell(inverter, {"mode": "grid_first"}, night, valid_from=night + timedelta(minutes=1))
    assert enabled_slots(said) == [("01:45", "03:45")]


def test_slot_over_the_doubled_hour_ends_after_it(inverter: HybridInverter) -> None:
    """E.4: 02:00 to 03:00 comes twice on 26 October 2025; three hours from 01:45 end at 03:45."""
    night = datetime(2025, 10, 25, 23, 44, tzinfo=UTC)
    said = tell(inverter, {"mode": "grid_first"}, night, hours=3, valid_from=night + timedelta(minutes=1))
    assert enabled_slots(said) == [("01:45", "03:45")]


def test_slot_into_the_doubled_hour_rests_in_it_and_ends_in_time(inverter: HybridInverter) -> None:
    """In force from 01:45 to 02:30 and from 02:00 to 02:30 the second time, never after what was said."""
    night = datetime(2025, 10, 25, 23, 44, tzinfo=UTC)
    said = tell(inverter, {"mode": "grid_first"}, night, hours=1.75, valid_from=night + timedelta(minutes=1))
    assert enabled_slots(said) == [("01:45", "02:30")]


def test_slot_that_the_clock_cannot_say_ends_when_it_is_put_back(inverter: HybridInverter) -> None:
    """From 02:40 the first time to 02:10 the second time."""
    night = datetime(2025, 10, 26, 0, 39, tzinfo=UTC)
    said = tell(inverter, {"mode": "grid_first"}, night, hours=0.5, valid_from=night + timedelta(minutes=1))
    assert enabled_slots(said) == [("02:40", "02:59")]


def test_slot_never_meets_its_own_beginning_on_the_next_day(inverter: HybridInverter) -> None:
    said = tell(inverter, {"mode": "grid_first"}, hours=48)
    assert enabled_slots(said) == [("13:01", "23:59"), ("00:00", "11:01")]


def test_mode_with_no_whole_minute_left_is_not_commanded(inverter: HybridInverter) -> None:
    """A slot that is in force ends by itself; a new one could not start before."""
    with Conversation([EXPORT_ON], correlated=True) as gateway:
        gateway.hear(tell(inverter, {"mode": "grid_first"}, hours=1 / 60))


def test_slot_that_comes_late_is_not_sent(inverter: HybridInverter) -> None:
    """E.4: a start that has passed would be taken for tomorrow's."""
    late = NOON + timedelta(minutes=1)
    sent = [command for command in tell(inverter, {"mode": "grid_first"}) if command.expires_at > late]
    assert enabled_slots(sent) == []
    assert len(sent) == len(tell(inverter, {"mode": "grid_first"})) - 1


def test_commands_are_told_apart_by_what_they_say_and_since_when(inverter: HybridInverter) -> None:
    charge: dict[str, Value] = {"mode": "battery_first", "stop_soc": 0.8}
    first, again = tell(inverter, charge), tell(inverter, charge)
    later = tell(inverter, charge, valid_from=NOON + timedelta(minutes=15))
    assert first == again
    assert not {command.id for command in first} & {command.id for command in later}
    assert len({command.id for command in first}) == len(first)


def test_refuses_what_it_cannot_be_told_and_names_all_of_it(inverter: HybridInverter) -> None:
    with pytest.raises(BadSetting) as refused:
        tell(inverter, {"mode": "sell", "stop_soc": 80.0, "wallbox_kw": 11.0})
    assert refused.value.faults == (
        "inverter: mode is 'sell'; allowed: load_first, battery_first, grid_first",
        "inverter: stop_soc is 80 share; at most 1 is allowed",
        (
            "inverter: wallbox_kw is no control of it; controls: mode, battery_charge_grid, grid_export, "
            "charge_power_kw, discharge_power_kw, stop_soc, export_limit_kw, battery_mode"
        ),
    )


def test_all_words_fit_the_gateways_buffer(inverter: HybridInverter) -> None:
    """B.1 and E.5: topic and payload have 256 bytes together; what is longer is dropped without a trace."""
    every = [*tell(inverter, {"mode": "battery_first"}), *tell(inverter, {"mode": "grid_first"}), *inverter.release()]
    assert max(len(command.address) + len(command.payload) for command in every) <= LONGEST_PACKET


def test_a_word_too_long_for_the_gateway_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 256 are allowed"):
        GatewayWord("mode", "echo", {"text": "x" * 200}).command("inverter", Validity.release())


def test_the_slots_are_in_the_time_of_the_site() -> None:
    house = """
        [site]
        latitude = 49.2
        longitude = 16.6
        timezone = "Europe/Prague"
        [grid]
        import_limit_kw = 17.0
        [growatt]
        ac_limit_kw = 10.0
        battery_kwh = 10.0
        charge_limit_kw = 9.8
        discharge_limit_kw = 9.8
    """
    (inverter,) = pems_growatt.create_devices(parse_config(house, [pems_growatt.declare_config()]))
    assert enabled_slots(tell(inverter, {"mode": "grid_first"})) == [("13:01", "14:00")]
