"""What [heating_loxone] may say, what is made of it, and what a plan makes of rooms that others hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pems_heating_loxone import create_devices, create_transports
from pems_heating_loxone.config import HeatingSection
from pems_heating_loxone.encoding import InputWords, MqttWords, OverrideWords, UdpWords
from pems_heating_loxone.http import LoxoneHttp
from pems_heating_loxone.mqtt import LoxoneMqtt
from pems_heating_loxone.udp import LoxoneUdp

from pems_core.config import ConfigError, parse_config
from pems_core.domain import HeatingState, Quality, Reading, Readings, RoomState, SiteState
from pems_core.protocols import Transport
from pems_core.testing import DEVICE_CONTRACT, DeviceCase

from .bench import ends, house_file

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
UDP = 'transport = "udp"\nudp_target = "192.0.2.7:4000"\n'
HTTP = 'transport = "http"\nurl = "http://192.0.2.7"\n'
OVERRIDES = HTTP + 'http_writes = "overrides"\n'


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(house_file(text, ("kitchen",)), [("heating_loxone", HeatingSection)])
    return list(caught.value.faults)


@pytest.mark.parametrize(("text", "kind"), [("", LoxoneMqtt), (UDP, LoxoneUdp), (HTTP, LoxoneHttp)])
def test_one_key_chooses_how_the_miniserver_is_spoken_to(text: str, kind: type[Transport]) -> None:
    _, transport = ends(house_file(text))
    assert isinstance(transport, kind)
    assert isinstance(transport, Transport)
    assert (transport.name, transport.devices) == ("loxone", ("heating",))


@pytest.mark.parametrize(
    ("text", "words"), [("", MqttWords), (UDP, UdpWords), (HTTP, InputWords), (OVERRIDES, OverrideWords)]
)
def test_the_device_speaks_the_words_of_its_transport(text: str, words: type[object]) -> None:
    device, _ = ends(house_file(text, with_uuids=True))
    assert isinstance(device._words, words)


def test_without_rooms_there_is_nothing_to_speak_to() -> None:
    config = parse_config(house_file("", ()), [("heating_loxone", HeatingSection)])
    assert (create_devices(config), create_transports(config)) == ([], [])


def test_virtual_inputs_are_named_after_their_rooms_unless_told_otherwise() -> None:
    config = parse_config(house_file("setpoint_min_c = 17.0\n", ("kitchen",)), [("heating_loxone", HeatingSection)])
    room = config[HeatingSection].room[0]
    assert room.inputs == ("pems_kitchen_relay", "pems_kitchen_setpoint_c")
    assert room.model_copy(update={"relay_input": "Relais"}).inputs == ("Relais", "pems_kitchen_setpoint_c")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('transport = "knx"\n', "transport: found 'knx'; allowed: 'mqtt', 'udp' or 'http'"),
        ('mqtt_prefix = "lox#"\n', "mqtt_prefix: found 'lox#'; allowed: words joined by /, without #, + or blanks"),
        ('transport = "udp"\n', "udp_target: found ''; allowed: \"host:port\", port 1 to 65535"),
        ("udp_repeat_s = 5.0\n", "udp_repeat_s: found 5.0; allowed: greater than or equal to 10"),
        (
            'transport = "http"\nurl = "192.0.2.7"\n',
            'url: found \'192.0.2.7\'; allowed: "http://host" or "https://host", port if not 80 or 443',
        ),
        (HTTP + 'user = "pems"\n', "password: found one of user and password; allowed: both or none"),
        (OVERRIDES, "room[kitchen].uuid: missing; needed: what overrides of this room go to"),
        ("setpoint_max_c = 35.0\n", "setpoint_max_c: found 35.0; allowed: less than or equal to 30"),
    ],
)
def test_tells_what_cannot_be(text: str, fault: str) -> None:
    assert faults(text) == [f"heating_loxone.{fault}"]


def test_a_password_never_stands_in_the_house_file() -> None:
    told = faults(HTTP + 'user = "pems"\npassword = "hunter2"\n')
    assert not any("hunter2" in fault for fault in told)
    assert any("a secret does not stand in the house file" in fault for fault in told)


@pytest.mark.parametrize("text", [UDP, HTTP, OVERRIDES], ids=["udp", "inputs", "overrides"])
@pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
def test_keeps_the_promises_of_a_device_on_every_way(text: str, promise: object) -> None:
    device, _ = ends(house_file(text, ("kitchen",), with_uuids=True))
    assert callable(promise)
    promise(DeviceCase(device, {"heating/kitchen_temperature_c": (20.4, "°C")}))


class TestWhatAPlanKnowsOfARoom:
    def room(self, **points: tuple[float | str | bool, timedelta]) -> RoomState:
        """The kitchen from readings of a value and an age each."""
        device, _ = ends(house_file("", ("kitchen",)))
        heard = {"temperature_c": (20.0, timedelta(0)), **points}
        readings = {
            f"heating/kitchen_{name}": Reading(value, "°C" if name == "temperature_c" else "", NOON - age, NOON - age)
            for name, (value, age) in heard.items()
        }
        state = device.state(Readings(NOON, readings))
        assert isinstance(state, HeatingState)
        assert SiteState(NOON, {"heating": state}).of("heating", HeatingState) is state
        return state.rooms["kitchen"]

    def test_who_holds_it(self) -> None:
        room = self.room(held_by=("window", timedelta(minutes=1)))
        assert (room.held_by, room.held_until) == ("window", NOON + timedelta(hours=1))

    def test_nobody_holds_it_when_that_is_old_news(self) -> None:
        room = self.room(held_by=("user", timedelta(minutes=16)))
        assert (room.held_by, room.held_until) == ("", None)

    def test_a_relay_that_was_on_sixteen_minutes_ago_does_not_count_as_on(self) -> None:
        assert self.room(relay=(True, timedelta(minutes=14))).relay_on
        assert not self.room(relay=(True, timedelta(minutes=16))).relay_on

    @pytest.mark.trap("84")
    def test_a_load_that_takes_no_power_gives_no_heat(self) -> None:
        """The relay was on and nothing flowed: the plan counts on no heat there for an hour."""
        now = timedelta(0)
        room = self.room(relay=(True, now), available=(False, now))
        assert (room.relay_on, room.held_by) == (False, "thermostat")

    def test_a_suspect_relay_does_not_count(self) -> None:
        device, _ = ends(house_file("", ("kitchen",)))
        good = Reading(20.0, "°C", NOON, NOON)
        relay = replace(good, value=True, unit="", quality=Quality.SUSPECT)
        points = {"heating/kitchen_temperature_c": good, "heating/kitchen_relay": relay}
        assert not device.state(Readings(NOON, points)).rooms["kitchen"].relay_on
