"""Nonsense at every entrance: nothing crashes, nothing is commanded, and each is refused with its place.

PEMS_GENERATED_MESSAGES says how many payloads and register blocks; 100 000 before a release.
"""

import asyncio
import json
import math
import os
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest
from pems_growatt.grott import GrottListener
from pems_growatt.oig import OigTransport

from pems_core.clock import FastClock
from pems_core.commanding.store import Store
from pems_core.config import MqttSection, parse_config
from pems_core.domain import Quality
from pems_core.domain.errors import Faults
from pems_core.plugins import declared_sections
from pems_core.protocols import Transport
from pems_core.runtime.build import Blueprint
from pems_core.runtime.follow import Follower
from pems_core.runtime.requests import Requests
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.registers import RegisterBank
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.image import ProcessImage
from pems_core.transport.lines import Space
from tests.brokers import Mosquitto, free_port
from tests.growatt.plant import make_transport
from tests.growatt_mqtt.house import SECTION, SPEC, Book
from tests.loxone.bench import NoWear, ends, house_file
from tests.runtime.conftest import HOUSE
from tests.runtime.trial import TrialInverter, TrialTransport, plugins

from .nonsense import NUMBERS, VALUES, Nonsense

MESSAGES = int(os.environ.get("PEMS_GENERATED_MESSAGES", "3000"))
START = datetime(2025, 1, 15, 10, tzinfo=UTC)
UNTIL = "2025-01-15T18:00:00Z"
AT_ONCE = 200
"""So many are said before it is seen whether they were heard."""
PATIENT_S = 60.0
MOST_KW = 500.0
"""No house has more."""
PLACE = re.compile(r"[^:]+: .*(found|is|missing|allowed)", re.DOTALL)
"""Where it is, and what is wrong there."""
TEXTS_NOT = [value for value in VALUES if not isinstance(value, str)]
REQUESTS: dict[str, tuple[dict[str, object], list[str], dict[str, list[object]]]] = {
    "override/set": (
        {"device": "inverter", "control": "mode", "value": "grid_first", "until": UNTIL, "by": "nobody"},
        ["device", "control", "value", "until", "by"],
        {
            "device": [*TEXTS_NOT, "boiler", ""],
            "control": [*TEXTS_NOT, "colour", ""],
            "value": [*NUMBERS, None, True, "full", [], {}, "x" * 3000],
            "until": [*VALUES, "2025-01-15T18:00:00", "2024-01-01T00:00:00Z", "9999-99-99"],
            "by": [*TEXTS_NOT, "", "x" * 3000],
            "for_minutes": [-1, 0, "1", math.inf, True],
        },
    ),
    "override/clear": ({"device": "inverter", "by": "nobody"}, ["by"], {"device": TEXTS_NOT, "by": [*TEXTS_NOT, ""]}),
    "emergency/set": (
        {"action": "stop", "by": "nobody"},
        ["action", "by"],
        {"action": [*VALUES, "STOP", "halt"], "by": [*TEXTS_NOT, ""], "reason": [*TEXTS_NOT, "x" * 3000]},
    ),
    "stage/set": (
        {"device": "inverter", "stage": "observe", "by": "nobody"},
        ["device", "stage", "by"],
        {"device": [*TEXTS_NOT, "boiler"], "stage": [*VALUES, "all"], "by": [*TEXTS_NOT, ""]},
    ),
    "prices/set": (
        {"unit": "EUR/MWh", "minutes": 60, "prices": [{"start": UNTIL, "value": 80.0}]},
        ["unit", "minutes", "prices"],
        {
            "unit": [*VALUES, "USD/kWh"],
            "minutes": [*NUMBERS, None, "60", 7],
            "prices": [[], None, "x", [{}], [{"start": UNTIL, "value": 1e9}], [{"start": UNTIL, "value": math.nan}]],
        },
    ),
    "applied/inverter/mode": (
        {"decision_id": "7", "result": "ok", "stage": "acked", "at": UNTIL},
        ["decision_id", "result", "stage", "at"],
        {"decision_id": [*TEXTS_NOT, ""], "at": [*VALUES], "stage": TEXTS_NOT},
    ),
    "nobody/knows": ({}, [""], {"": [None]}),
}


def share(of: float) -> int:
    return max(20, int(MESSAGES * of))


async def test_requests_are_refused_with_their_place(tmp_path: Path) -> None:
    manager = plugins([TrialInverter()], [TrialTransport()])
    config = parse_config(HOUSE.format(folder=tmp_path / "state"), declared_sections(manager))
    clock = FastClock(START)
    blueprint = Blueprint(config, manager, clock, tmp_path)
    nonsense = Nonsense(1)
    with Store(blueprint.folder.make().path, clock) as store:
        live = blueprint.live(store)
        requests = Requests(live, Follower(live))
        try:
            for _ in range(share(0.4)):
                topic = nonsense.chance.choice(list(REQUESTS))
                good, needed, wrong = REQUESTS[topic]
                payload = nonsense.faulty(good, needed, wrong) if good else nonsense.payload()
                with pytest.raises(Faults) as refused:
                    requests.take(topic, payload)
                assert all(PLACE.match(fault) for fault in refused.value.faults), (topic, payload, refused.value.faults)
            assert not live.commanding.overrides.active
            assert live.commanding.emergency.latch is None
            assert live.commanding.stages.of("inverter") == "control"
            assert not live.taken
        finally:
            live.site.planner.close()


def believed(transport: Transport, now: datetime) -> list[str]:
    """What stands as good in the process image though it cannot be."""
    found = []
    for name, reading in ProcessImage().take(now, [transport.readings()]).points.items():
        if reading.quality is not Quality.GOOD or isinstance(reading.value, str | bool):
            continue
        number = float(reading.value)
        impossible = not math.isfinite(number) or (reading.unit == "share" and not 0 <= number <= 1)
        if impossible or (reading.unit == "kW" and not 0 <= number <= MOST_KW):
            found.append(f"{name}: {reading}")
    return found


@asynccontextmanager
async def carried(lines: HouseLines, *transports: Transport) -> AsyncIterator[None]:
    """Let transports run; one that ends by itself has crashed."""
    tasks = [asyncio.create_task(transport.run(lines)) for transport in transports]
    try:
        yield
        for task in tasks:
            assert not task.done(), f"it ended: {task.exception()!r}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: object, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENT_S
    while not condition():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.01)


OIG = {
    "InverterStatus": 5,
    "InputPower": 345.6,
    "SOC": 60,
    "DischargePower": 0.0,
    "correlationId": "7",
    "success": True,
}
GROTT = {"device": "X", "time": "2025-01-15T10:00:00", "buffered": "no", "values": {"pvpowerin": 100, "SOC": 600}}
LOXONE = {"temperature": 21.0, "unit": "celsius", "state": "on", "relay": 1}


async def test_devices_at_the_broker_are_not_believed(mosquitto: Mosquitto) -> None:
    clock, nonsense = FastClock(START), Nonsense(2)
    oig = OigTransport("inverter", SECTION, SPEC, "Europe/Prague")
    grott = GrottListener("inverter", SECTION, "Europe/Prague")
    _, loxone = ends(house_file(""))
    topics: dict[str, Mapping[str, object]] = {
        "energy/solar": OIG,
        "energy/solar/result": OIG,
        "energy/growatt": GROTT,
        "loxone/temperature/kitchen/current": LOXONE,
        "loxone/temperature/bathroom/target": LOXONE,
        "loxone/heating/kitchen/state": LOXONE,
        "loxone/heating/kitchen/status": LOXONE,
        "loxone/heating/bathroom/power_kw": LOXONE,
        "loxone/pems_ok": LOXONE,
        "loxone/heating/cellar/state": LOXONE,
    }
    transports: list[Transport] = [oig, grott, loxone]
    said: Counter[str] = Counter()
    alerted: set[str] = set()
    async with HouseLines(MqttSection(url=mosquitto.url), clock, Book()) as lines:
        await until(lambda: lines.mqtt.connected, "no broker")
        async with carried(lines, *transports), aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.subscribe("#", qos=1)
            listening = asyncio.create_task(_count(client, said))
            async with aiomqtt.Client("127.0.0.1", mosquitto.port) as speaker:
                for number in range(share(0.35)):
                    topic = nonsense.chance.choice(list(topics))
                    await speaker.publish(topic, nonsense.payload(topics[topic]), qos=1 if number % AT_ONCE == 0 else 0)
                    if number % AT_ONCE == 0:
                        for transport in transports:
                            assert believed(transport, clock.now()) == []
                            alerted |= {alert.place for alert in transport.alerts}
                await speaker.publish("loxone/temperature/kitchen/current", "20.5", qos=1)
                await until(lambda: loxone.readings()["heating/kitchen_temperature_c"].value == 20.5, "it went deaf")
            listening.cancel()
            for transport in transports:
                assert believed(transport, clock.now()) == []
                alerted |= {alert.place for alert in transport.alerts}
    assert any("inverter" in place for place in alerted), alerted
    assert any("heating" in place or "loxone" in place for place in alerted), alerted
    commanding = [topic for topic in said if topic.endswith(("/set", "/setpoint")) and topic not in topics]
    assert commanding == []


async def _count(client: aiomqtt.Client, said: Counter[str]) -> None:
    async for message in client.messages:
        said[message.topic.value] += 1


async def test_datagrams_are_not_believed() -> None:
    clock, nonsense, port = FastClock(START), Nonsense(3), free_port()
    told = f'transport = "udp"\nudp_target = "127.0.0.1:{free_port()}"\nudp_listen_port = {port}\n'
    _, transport = ends(house_file(told))
    async with HouseLines(None, clock, NoWear()) as lines, carried(lines, transport):
        await asyncio.sleep(0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for number in range(share(0.1)):
                out.sendto(_datagram(nonsense), ("127.0.0.1", port))
                if number % 20 == 0:
                    await asyncio.sleep(0)
                    assert believed(transport, clock.now()) == []
        await asyncio.sleep(0.2)
        assert transport.alerts
        assert believed(transport, clock.now()) == []


def _datagram(nonsense: Nonsense) -> bytes:
    names = ("kitchen_temperature_c", "bathroom_relay", "pems_ok", "cellar_power_kw", "", "Miniserver")
    words = [f"{nonsense.chance.choice(names)}={nonsense.chance.choice(VALUES)}" for _ in range(3)]
    text = nonsense.chance.choice((";", " ", "\n", ",")).join(words).encode()[:1000]
    return nonsense.chance.choice((text, nonsense.payload()[:1000]))


async def test_bodies_of_a_web_server_are_not_believed() -> None:
    clock, nonsense, served = FastClock(START, 20_000.0), Nonsense(4), 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        while await reader.readuntil(b"\r\n\r\n"):
            body, served = _body(nonsense), served + 1
            status = nonsense.chance.choice(("200 OK", "200 OK", "200 OK", "500 Oops", "401 No", "302 Elsewhere"))
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = f'transport = "http"\nurl = "http://127.0.0.1:{port}"\nuser = "pems"\n'
    told += 'password = { env = "LOXONE_PASSWORD" }\npoll_s = 10.0\n'
    _, transport = ends(house_file(told))
    async with server, HouseLines(None, clock, NoWear()) as lines:
        async with carried(lines, transport):
            deadline = asyncio.get_running_loop().time() + max(PATIENT_S, share(0.05) / 20)
            while served < share(0.05):
                assert asyncio.get_running_loop().time() < deadline, f"{served} asked for"
                assert believed(transport, clock.now()) == []
                await asyncio.sleep(0.02)
            assert transport.alerts
        server.close()


def _body(nonsense: Nonsense) -> bytes:
    values: Sequence[object] = [*VALUES, "21.5°", "1 kW", "0"]
    found = {"LL": {"control": "dev/sps/io", "value": nonsense.chance.choice(values), "Code": "200"}}
    return nonsense.chance.choice((json.dumps(found).encode(), nonsense.payload(found)))


class Broken(RegisterBank):
    """Registers that hold anything."""

    def __init__(self, nonsense: Nonsense) -> None:
        super().__init__({"holding": [range(65536)], "input": [range(65536)]})
        self.nonsense = nonsense
        self.written: list[int] = []
        self.reads = 0

    def read(self, space: Space, address: int, count: int) -> Sequence[int]:
        self.reads += 1
        found = self.nonsense.registers(count)
        if space == "holding" and address <= 43 < address + count and self.nonsense.chance.random() < 0.7:
            # It is known as an SPH, so that everything else is asked for.
            found[43 - address] = 3502
        return found

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        self.written.append(address)


async def test_registers_are_not_believed() -> None:
    clock = FastClock(START, 5000.0)
    device, wear = Broken(Nonsense(5)), Book()
    places: set[str] = set()
    async with ModbusServer(device, clock) as server, HouseLines(None, clock, wear) as lines:
        transport = make_transport(f"tcp://127.0.0.1:{server.port}")
        line = transport.line(lines)
        while device.reads < share(0.1):
            await transport.poll(lines, line)
            assert believed(transport, clock.now()) == []
            places |= {alert.place for alert in transport.alerts}
    assert device.written == []
    assert wear.spent == []
    assert places
