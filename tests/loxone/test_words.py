"""What is heard may be anything: it is taken for what it says, or refused with its place, and never a command."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pems_heating_loxone.access import LoxAnswer, parse_answer, remaining_s
from pems_heating_loxone.controller import OperatingMode, foreign_override, locked, window_open
from pems_heating_loxone.encoding import InputWords, MqttWords, OverrideWords, UdpWords, loxone_seconds, said_to
from pems_heating_loxone.image import Image
from pems_heating_loxone.sensor import TemperatureSensor
from pems_heating_loxone.structure import parse_structure
from pems_heating_loxone.values import Unreadable, number, switch

from pems_core.clock import FastClock
from pems_core.devices.commands import Validity
from pems_core.domain import Quality
from pems_core.transport.lines import HttpAnswer, HttpLine, ModbusLine, MqttMessage, UdpLine, WearBook

from .bench import ends, house_file

NOON = datetime(2025, 1, 15, 12, 0, tzinfo=UTC)
QUARTER = Validity(NOON, NOON + timedelta(minutes=15))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
TOPICS = st.sampled_from(
    [
        "loxone/temperature/kitchen/current",
        "loxone/temperature/kitchen/target",
        "loxone/temperature/kitchen/setpoint",
        "loxone/heating/kitchen/set",
        "loxone/heating/kitchen/state",
        "loxone/heating/kitchen/status",
        "loxone/heating/kitchen/power_kw",
        "loxone/heating/kitchen/window",
        "loxone/heating/attic/state",
        "loxone/pems_ok",
        "loxone/status",
        "loxone/heartbeat",
        "loxone/",
    ]
)
KEYS = st.sampled_from(
    ["temperature", "target", "relay", "unit", "window", "user", "lock", "power_kw", "heat_kwh", "x"]
)
PAYLOADS = (
    st.binary(max_size=40)
    | JSON.map(lambda said: json.dumps(said).encode())
    | st.dictionaries(KEYS, JSON, max_size=5).map(lambda said: json.dumps(said).encode())
    | st.sampled_from([b"21,5 \xc2\xb0C", b"on", b"1", b"offline", b"NaN", b"1e400", b'{"temperature": 1e999}'])
)


class ListeningLine:
    """A broker's line on which every publication is a fault: nothing was told, so nothing is to be said."""

    connected, connections = True, 1

    async def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> None:
        raise AssertionError(f"{payload} was published on {topic}")

    @asynccontextmanager
    async def messages(self, topic_filter: str, *, qos: int = 0) -> AsyncIterator[AsyncIterator[MqttMessage]]:
        raise AssertionError("nobody listens here")
        yield


class ListeningLines:
    """Lines of a house with nothing but that broker."""

    clock = FastClock(NOON)
    mqtt = ListeningLine()

    @property
    def wear(self) -> WearBook:
        raise AssertionError("nothing wears")

    def modbus(
        self,
        url: str,
        unit: int = 1,
        *,
        spacing_s: float = 1.0,
        timeout_s: float = 3.0,
        hurried_s: float | None = None,
    ) -> ModbusLine:
        raise AssertionError(url)

    def http(self, url: str, user: str = "", password: str = "") -> HttpLine:
        raise AssertionError(url)

    def udp(self, target: str, listen_port: int | None = None) -> UdpLine:
        raise AssertionError(target)


@given(st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans()), max_size=8))
async def test_no_message_breaks_the_conversation_or_becomes_a_command(heard: list[tuple[str, bytes, bool]]) -> None:
    _, transport = ends(house_file("", ("kitchen",)))
    transport._running = ListeningLines()
    for index, (topic, payload, retained) in enumerate(heard):
        message = MqttMessage(topic, payload, retained, NOON + timedelta(seconds=index))
        await transport._take(message)  # type: ignore[attr-defined]
    for point, reading in transport.readings().items():
        assert point.startswith("heating/")
        assert isinstance(reading.value, bool | float | str)
    assert all("allowed: " in a.text for a in transport.alerts if "found" in a.text)


@pytest.mark.trap("88")
@pytest.mark.parametrize(
    ("said", "unit", "meant"),
    [
        ("21,5 °C", "°C", 21.5),
        ("21.5°", "°C", 21.5),
        (" -3,25 ", "°C", -3.25),
        (21, "°C", 21.0),
        ("850 W", "kW", 0.85),
        ("0,9kW", "kW", 0.9),
        ("12.5 kWh", "kWh", 12.5),
    ],
)
def test_reads_numbers_as_they_are_written(said: object, unit: str, meant: float) -> None:
    """Numbers came with comma or point, with and without a unit; each was read for what it is."""
    assert number("here", said, unit) == pytest.approx(meant)


@pytest.mark.parametrize("said", ["70 °F", "1.234,5", "", "NaN", "inf", "21 22", True, None, [21], "٢١"])
def test_refuses_what_is_no_temperature(said: object) -> None:
    with pytest.raises(Unreadable, match=r"^kitchen: found .*; allowed: a number in °C"):
        number("kitchen", said, "°C")


@pytest.mark.parametrize("said", ["maybe", 2, None, "", [1], float("nan")])
def test_refuses_what_is_no_switch(said: object) -> None:
    with pytest.raises(Unreadable, match=r"^kitchen: found "):
        switch("kitchen", said)


@given(JSON | st.text(max_size=40))
def test_no_value_breaks_the_readers(said: object) -> None:
    for read in (lambda: number("here", said, "°C"), lambda: switch("here", said)):
        try:
            read()
        except Unreadable as unreadable:
            assert str(unreadable).startswith("here: found ")  # noqa: PT017 - it may also be read


@given(st.text(max_size=200) | JSON.map(json.dumps) | JSON.map(lambda said: json.dumps({"LL": said})))
def test_no_body_breaks_the_reading_of_answers(body: str) -> None:
    answer = parse_answer(HttpAnswer(200, body))
    assert isinstance(answer, LoxAnswer)
    assert 100 <= answer.code <= 999
    assert 0 < remaining_s(body) <= 24 * 3600


@given(st.text(max_size=100) | JSON.map(json.dumps), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_no_structure_breaks_the_mapping(text: str, controls: dict[str, object]) -> None:
    for said in (text, json.dumps({"controls": controls, "rooms": {}}), json.dumps({"controls": {"a": controls}})):
        try:
            assert parse_structure("here", said).uuid_of("kitchen") == ""
        except Unreadable as unreadable:
            assert "here: found" in str(unreadable)  # noqa: PT017 - it may also be read


STATES = st.dictionaries(
    st.sampled_from(["openWindow", "overrideReason", "jLocked", "overrideEntries", "operatingMode"]),
    JSON | JSON.map(json.dumps),
)


@given(STATES)
def test_no_state_breaks_the_reading_of_a_controller(states: dict[str, object]) -> None:
    mode = OperatingMode()
    for read in (window_open, locked, mode.changed, lambda place, said: foreign_override(place, said, (), 0)):
        try:
            assert read("here", states) in (True, False, None)
        except Unreadable as unreadable:
            assert str(unreadable).startswith("here.")  # noqa: PT017 - it may also be read


@pytest.mark.trap("88")
@pytest.mark.parametrize("key", ["Code", "code"])
@pytest.mark.parametrize("code", [404, "404"])
def test_reads_either_spelling_of_the_code(key: str, code: object) -> None:
    """The code stood under `Code` or `code`, as number or text, behind the status 200."""
    assert parse_answer(HttpAnswer(200, json.dumps({"LL": {key: code, "value": "0"}}))).code == 404


WAYS: list[MqttWords | UdpWords | InputWords | OverrideWords] = [
    MqttWords("haus/loxone"),
    UdpWords("192.0.2.7:4000"),
    InputWords("http://192.0.2.7", {"living_room": ("Relais Wohnen", "Soll/Wohnen")}),
    OverrideWords("http://192.0.2.7", {"living_room": "0f-1"}),
]


@pytest.mark.parametrize("words", WAYS, ids=lambda words: type(words).__name__)
@pytest.mark.parametrize("wish", [None, 16.0, 21.5, 24.0])
def test_every_way_says_setpoints_so_that_they_are_known_again(
    words: MqttWords | UdpWords | InputWords | OverrideWords, wish: float | None
) -> None:
    said = words.setpoint("heating", "living_room", wish, QUARTER)
    assert said_to(said) == ("living_room", "setpoint_c")
    assert words.wish(said) == wish


@pytest.mark.parametrize("words", WAYS[:3], ids=lambda words: type(words).__name__)
@pytest.mark.parametrize("wish", [None, True, False])
def test_every_way_says_relays_so_that_they_are_known_again(
    words: MqttWords | UdpWords | InputWords | OverrideWords, wish: bool | None
) -> None:
    said = words.relay("heating", "living_room", wish, QUARTER)
    assert said is not None
    assert said_to(said) == ("living_room", "relay")
    assert words.wish(said) is wish


def test_what_goes_on_each_wire() -> None:
    mqtt, udp, inputs, overrides = WAYS
    assert isinstance(overrides, OverrideWords)
    heard = [
        mqtt.relay("heating", "living_room", True, QUARTER),
        udp.setpoint("heating", "living_room", 21.5, QUARTER),
        inputs.relay("heating", "living_room", None, QUARTER),
        inputs.setpoint("heating", "living_room", 21.5, QUARTER),
        overrides.setpoint("heating", "living_room", 21.5, QUARTER),
        overrides.setpoint("heating", "living_room", None, QUARTER),
    ]
    end = loxone_seconds(NOON + timedelta(minutes=15))
    assert [(c.transport, c.address, c.payload) for c in heard if c] == [
        ("mqtt", "haus/loxone/heating/living_room/set", '{"state": "on"}'),
        ("udp", "192.0.2.7:4000", ";living_room_setpoint_c=21.5;"),
        ("http", "http://192.0.2.7/jdev/sps/io/Relais%20Wohnen", "-1"),
        ("http", "http://192.0.2.7/jdev/sps/io/Soll%2FWohnen", "21.5"),
        ("http", "http://192.0.2.7/jdev/sps/io/0f-1", f"override/3/{end}/21.5"),
        ("http", "http://192.0.2.7/jdev/sps/io/0f-1", "stopOverride"),
    ]


class TestSensor:
    @pytest.mark.trap("91")
    def test_is_stuck_after_six_hours_of_one_value(self) -> None:
        """A sensor said 20.0 for six hours, and was believed again as soon as it said something else."""
        sensor = TemperatureSensor(timedelta(hours=6))
        judged = [sensor.judge(20.0, NOON + timedelta(minutes=10 * i)) for i in range(37)]
        assert [j.stuck for j in judged] == [False] * 36 + [True]
        assert not sensor.judge(20.1, NOON + timedelta(hours=7)).doubt

    def test_does_not_believe_a_jump_until_it_is_confirmed(self) -> None:
        sensor = TemperatureSensor(timedelta(hours=6))
        assert not sensor.judge(21.0, NOON).doubt
        assert sensor.judge(28.0, NOON + timedelta(minutes=1)).doubt
        assert not sensor.judge(28.1, NOON + timedelta(minutes=2)).doubt


class TestImage:
    def hear(self, image: Image, what: str, said: object, at: datetime) -> None:
        image.hear("kitchen", what, said, at, place="here", received_at=at)

    @pytest.mark.trap("82")
    def test_a_person_holds_a_room_for_four_hours_at_most(self) -> None:
        """A person's setting had no end: after four hours PEMS took the room back."""
        image = Image("heating", ["kitchen"], timedelta(hours=6))
        for hours in range(6):
            self.hear(image, "user", 1, NOON + timedelta(hours=hours))
            assert image.held_by("kitchen", NOON + timedelta(hours=hours)) == ("user" if hours <= 4 else "")

    @pytest.mark.trap("91")
    def test_a_sensor_that_fell_silent_is_not_vouched_for_any_longer(self) -> None:
        """A sensor said nothing more while the Miniserver lived on: its last value became stale, the room local."""
        image = Image("heating", ["kitchen"], timedelta(hours=6))
        self.hear(image, "temperature", 21.0, NOON)
        for hours, vouched in ((5, True), (7, False)):
            now = NOON + timedelta(hours=hours)
            image.alive(now)
            reading = image.readings(now)["heating/kitchen_temperature_c"]
            assert (reading.measured_at == now) is vouched
            assert bool(image.rooms["kitchen"].unreliable(now)) is not vouched

    def test_what_comes_late_does_not_replace_what_is_newer(self) -> None:
        image = Image("heating", ["kitchen"], timedelta(hours=6))
        self.hear(image, "relay", "on", NOON)
        self.hear(image, "relay", "off", NOON - timedelta(seconds=1))
        assert image.readings(NOON)["heating/kitchen_relay"].value is True

    def test_what_the_broker_kept_is_stale_however_much_else_is_heard(self) -> None:
        image = Image("heating", ["kitchen"], timedelta(hours=6))
        image.hear("kitchen", "temperature", 21.0, NOON, place="here", received_at=NOON, old=True)
        image.alive(NOON + timedelta(minutes=1))
        assert image.readings(NOON)["heating/kitchen_temperature_c"].quality is Quality.STALE

    @pytest.mark.trap("84")
    def test_asks_again_after_an_hour_whether_a_load_takes_power(self) -> None:
        """A heater took no power; an hour after its relay went off it counted as available again."""
        image = Image("heating", ["kitchen"], timedelta(hours=6))
        self.hear(image, "relay", "on", NOON)
        self.hear(image, "power_kw", 0, NOON)
        at = NOON + timedelta(minutes=3)
        assert image.readings(at)["heating/kitchen_available"].value is False
        self.hear(image, "relay", "off", at)
        assert image.readings(at + timedelta(minutes=30))["heating/kitchen_available"].value is False
        assert "heating/kitchen_available" not in image.readings(at + timedelta(minutes=70))
