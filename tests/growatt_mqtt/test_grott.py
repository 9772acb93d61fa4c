"""Records of a grott proxy (protocols B.2, E.4, E.5)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pems_growatt.grott import GrottListener

from pems_core.clock import FastClock
from pems_core.config.live import MqttSection
from pems_core.domain import NEVER, Command, NotDelivered, Quality
from pems_core.simulation.devices.grott_proxy import GrottProxy
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.lines import MqttMessage
from tests.brokers import Mosquitto

from .house import NOON, SECTION, Book, Inverter, running, until

TOPIC = "energy/growatt"


def record(time: str, soc: object = 60, buffered: str = "no", **more: object) -> dict[str, object]:
    return {"device": "X", "time": time, "buffered": buffered, "values": {"SOC": soc, "pvpowerin": 34567, **more}}


def heard(payload: object, at: datetime = NOON, retained: bool = False) -> MqttMessage:
    return MqttMessage(TOPIC, json.dumps(payload).encode(), retained, at)


@pytest.fixture
def listener() -> GrottListener:
    return GrottListener("inverter", SECTION, "Europe/Prague")


@asynccontextmanager
async def proxied(mosquitto: Mosquitto, listener: GrottListener, traps: Traps) -> AsyncIterator[FastClock]:
    clock = FastClock(NOON, speed=60)
    proxy = GrottProxy(Inverter(clock), clock, "127.0.0.1", mosquitto.port, timezone="Europe/Prague", traps=traps)
    async with HouseLines(MqttSection(url=mosquitto.url), clock, Book()) as lines:
        await until(lambda: lines.mqtt.connected, "a connection to the broker")
        async with running(listener.run(lines), proxy.run()):
            await until(listener.readings, "a record")
            yield clock


@pytest.mark.trap("67")
async def test_raw_integers_become_kilowatts(mosquitto: Mosquitto, listener: GrottListener) -> None:
    """Grott publishes 0.1 W where the gateway publishes W; each adapter has its own unit."""
    async with proxied(mosquitto, listener, Traps()):
        known = listener.readings()
        assert known["inverter/pv_kw"].value == pytest.approx(3.4567)
        assert known["inverter/charge_kw"].value == pytest.approx(1.2)
        assert known["inverter/export_kw"].value == pytest.approx(1.2345)
        assert known["inverter/soc"].value == pytest.approx(0.6)
        assert listener.alerts == ()


@pytest.mark.trap("66")
async def test_records_of_the_past_say_nothing_about_now(mosquitto: Mosquitto, listener: GrottListener) -> None:
    """After an outage old records come among new ones, marked or not; PEMS keeps what is newest."""
    async with proxied(mosquitto, listener, Traps("66")) as clock:
        first = listener.readings()["inverter/soc"]
        await until(lambda: listener.readings()["inverter/soc"].measured_at > first.measured_at, "another live record")
        assert listener.readings()["inverter/soc"].value == pytest.approx(0.6)
        assert clock.now() - listener.readings()["inverter/soc"].measured_at < timedelta(minutes=3)


@pytest.mark.trap("66")
def test_a_record_older_than_the_last_is_dropped(listener: GrottListener) -> None:
    """A live record is overtaken by another; the older of the two is dropped."""
    listener.hear(heard(record("2025-01-15T12:59:00", soc=50)))
    listener.hear(heard(record("2025-01-15T12:58:00", soc=70)))
    assert listener.readings()["inverter/soc"].value == pytest.approx(0.5)


@pytest.mark.trap("57")
def test_a_retained_record_is_dropped(listener: GrottListener) -> None:
    """Retaining is off by default; where it is on, nobody knows how old a record is."""
    listener.hear(heard(record("2025-01-15T13:00:00"), retained=True))
    assert not listener.readings()


@pytest.mark.trap("56")
def test_local_time_is_understood_on_both_sides_of_the_change(listener: GrottListener) -> None:
    """02:30 comes twice without a zone; PEMS takes the one that is now."""
    for at in (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 10, 26, 1, 30, tzinfo=UTC)):
        listener.hear(heard(record("2025-10-26T02:30:00"), at))
        assert listener.readings()["inverter/soc"].measured_at == at


@pytest.mark.trap("56")
def test_in_the_doubled_hour_what_may_be_old_is_dropped(listener: GrottListener) -> None:
    """Grott cannot tell old from new, and the time may be an hour old; PEMS drops the record and says so."""
    listener.hear(heard(record("2025-10-26T02:30:00", buffered="nodetect"), datetime(2025, 10, 26, 1, 30, tzinfo=UTC)))
    assert not listener.readings()
    assert "comes twice" in listener.alerts[0].text


def test_a_record_in_another_zone_is_refused_with_its_time(listener: GrottListener) -> None:
    listener.hear(heard(record("2025-01-15T20:00:00")))
    assert not listener.readings()
    assert listener.alerts[0].text.startswith("energy/growatt: time: found 2025-01-15T19:00:00+00:00")


@pytest.mark.trap("71")
def test_broken_values_are_missing_and_named(listener: GrottListener) -> None:
    """A value is null or text; the others are taken."""
    listener.hear(heard(record("2025-01-15T12:58:00", soc=50)))
    listener.hear(heard(record("2025-01-15T12:59:00", soc="full")))
    known = listener.readings()
    assert known["inverter/soc"].quality is Quality.MISSING
    assert known["inverter/pv_kw"].quality is Quality.GOOD
    assert "inverter/soc" in {alert.place for alert in listener.alerts}


async def test_carries_no_commands(listener: GrottListener) -> None:
    assert listener.devices == ()
    command = Command("1", "inverter", "mode", "mqtt", "energy/solar/command/echo", "{}", NEVER)
    with pytest.raises(NotDelivered, match="only listens"):
        await listener.send(command)
    with pytest.raises(NotDelivered, match="only listens"):
        await listener.check(command)
