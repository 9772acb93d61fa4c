"""Whatever comes over the broker: nothing crashes, nothing becomes a command, and what is refused is named."""

import json
from datetime import timedelta
from math import isfinite

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pems_growatt.grott import GrottListener
from pems_growatt.oig_gateway import parse_reply
from pems_growatt.oig_image import OigImage
from pems_growatt.oig_payload import BadPayload
from pems_growatt.oig_registers import group_registers
from pems_growatt.oig_telemetry import TABLES
from pems_growatt.oig_words import CannotSay, wish

from pems_core.alerts import AlertBook
from pems_core.domain import Quality
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.lines import MqttMessage
from tests.brokers import Mosquitto

from .house import NOON, SECTION, house, until
from .test_traps import charge_to, publish

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = sorted({name for table in TABLES.values() for entry in table for name in entry.names} | {"Cnt", "Uptime"})
TELEMETRY = st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda fields: json.dumps(fields).encode())
REPLIES = st.fixed_dictionaries(
    {}, optional={"correlationId": VALUES, "command": VALUES, "success": VALUES, "message": VALUES}
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(st.lists(st.binary(max_size=60) | TELEMETRY, max_size=4))
@QUICK
def test_telemetry_is_read_or_refused_with_its_place(payloads: list[bytes]) -> None:
    alerts = AlertBook("inverter")
    image = OigImage("inverter", alerts)
    for second, payload in enumerate(payloads):
        image.hear(MqttMessage("energy/solar", payload, False, NOON + timedelta(seconds=second)))
    for reading in image.readings.values():
        assert reading.quality is not Quality.GOOD or isinstance(reading.value, str) or isfinite(reading.value)
        if reading.unit == "share" and reading.quality is Quality.GOOD:
            assert 0 <= float(reading.value) <= 1
    assert all(alert.place.startswith("inverter") and alert.text for alert in alerts.all)


@given(st.binary(max_size=60) | REPLIES.map(lambda fields: json.dumps(fields).encode()))
@QUICK
def test_replies_are_read_or_refused_with_what_was_found(payload: bytes) -> None:
    try:
        identity, reply = parse_reply(payload)
    except BadPayload as found:
        fault = str(found)
    else:
        fault = ""
        assert identity
        assert isinstance(reply.success, bool)
    assert not fault or "needed" in fault


@given(st.sampled_from(["batteryfirst", "gridfirst"]), st.dictionaries(st.text(max_size=8), VALUES) | REPLIES, VALUES)
@QUICK
def test_settings_are_registers_or_refused(group: str, fields: dict[str, object], slots: object) -> None:
    said = {"powerRate": 50, "stopSOC": 20, "acChargeEnabled": True, **fields, "timeSlots": slots}
    try:
        registers = group_registers(group, said)
    except BadPayload as found:
        fault, registers = str(found), {}
    else:
        fault = ""
    assert not fault or "needed" in fault
    assert all(0 <= value <= 0xFFFF for value in registers.values())


@given(st.text(max_size=30), st.text(max_size=60) | st.dictionaries(st.text(max_size=8), VALUES).map(json.dumps))
@QUICK
def test_nonsense_is_no_command(name: str, payload: str) -> None:
    for build in ("124", "307", "3000"):
        for word in (name, "modbus/set", "batteryfirst/set/stopsoc", "gridfirst/set/timeslot"):
            with pytest.raises(CannotSay):
                wish(build, word, payload)


@given(st.binary(max_size=60) | st.dictionaries(st.sampled_from(["time", "buffered", "values"]), VALUES).map(
    lambda fields: json.dumps(fields).encode()
))  # fmt: skip
@QUICK
def test_records_are_read_or_refused(payload: bytes) -> None:
    listener = GrottListener("inverter", SECTION, "Europe/Prague")
    listener.hear(MqttMessage("energy/growatt", payload, False, NOON))
    assert not listener.readings()
    assert all(alert.text for alert in listener.alerts)


async def test_nonsense_on_the_broker_leaves_the_conversation_whole(mosquitto: Mosquitto) -> None:
    async with house(mosquitto, traps=Traps()) as home:
        for payload in (b"", b"\xff\xfe", b"[" * 5000, b"{}", b'{"success": true}', b"null", b'{"correlationId": 7}'):
            await publish(mosquitto, "energy/solar/result", payload)
            await publish(mosquitto, "energy/solar", payload)
        await until(lambda: home.transport.alerts, "an alert")
        heard = len(home.stick.heard)
        assert (await home.transport.send(charge_to(home, 0.8))).detail == ""
        assert len(home.stick.heard) > heard
        assert home.inverter.get("holding", 1091) == 80
