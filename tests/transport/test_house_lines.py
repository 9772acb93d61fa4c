"""The lines of one house together: made once per address, kept up, closed in the end."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

import aiomqtt
import pytest
from aiohttp import web

from pems_core.clock import FastClock, SystemClock
from pems_core.config.live import MqttSection
from pems_core.domain import ConfigError, NotDelivered
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.lines import Lines, NoAnswer
from pems_core.transport.uncounted import UncountedWear
from tests.brokers import Mosquitto, free_port

from .lines_under_test import soon, until

STATUS = "pems/home/status"


def house(url: str = "", will: tuple[str, str] | None = None) -> HouseLines:
    section = MqttSection(url=url) if url else None
    return HouseLines(section, SystemClock(), UncountedWear(), "pems-test", will)


async def there_and_back(lines: Lines) -> bytes:
    """What a message to oneself says."""
    async with lines.mqtt.messages("energy/#") as heard:
        await lines.mqtt.publish("energy/solar", "hello")
        return (await soon(heard)).payload


async def test_keeps_the_broker_of_the_house_file_connected(mosquitto: Mosquitto) -> None:
    async with house(mosquitto.url) as lines:
        await until(lambda: lines.mqtt.connected, "the line is up")
        assert await there_and_back(lines) == b"hello"
    assert not lines.mqtt.connected


async def test_says_its_will_when_it_leaves(mosquitto: Mosquitto) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as watcher:
        await watcher.subscribe(STATUS)
        async with house(mosquitto.url, (STATUS, "offline")) as lines:
            await until(lambda: lines.mqtt.connected, "the line is up")
        assert (await soon(aiter(watcher.messages))).payload == b"offline"


async def test_a_trial_brings_its_own_broker() -> None:
    async with house("embedded") as lines:
        await until(lambda: lines.mqtt.connected, "the line is up")
        assert await there_and_back(lines) == b"hello"
        await lines.mqtt.publish(STATUS, "on", retain=True)
        async with lines.mqtt.messages(STATUS) as heard:
            message = await soon(heard)
        assert (message.payload, message.retained) == (b"on", True)


def test_a_trial_broker_says_nothing_of_its_own() -> None:
    trial = """
import asyncio
from tests.transport.test_house_lines import house, there_and_back
from tests.transport.lines_under_test import until

async def main():
    async with house("embedded") as lines:
        await until(lambda: lines.mqtt.connected, "the line is up")
        await there_and_back(lines)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_without_a_broker_in_the_house_file_nothing_goes_over_it() -> None:
    async with house() as lines:
        with pytest.raises(ConfigError, match="mqtt: not in the house file"):
            _ = lines.mqtt
        assert lines.alerts == []


async def test_tells_what_is_wrong_with_its_lines() -> None:
    async with house(f"mqtt://127.0.0.1:{free_port()}") as lines:
        await until(lambda: bool(lines.alerts), "the missing broker is told")
        assert lines.alerts[0].place == "mqtt"


async def test_leaves_in_good_order_after_an_error(mosquitto: Mosquitto) -> None:
    lines = house(mosquitto.url)

    async def fails() -> None:
        async with lines:
            await until(lambda: lines.mqtt.connected, "the line is up")
            raise RuntimeError("of the house")

    with pytest.raises(RuntimeError, match="of the house"):
        await fails()
    assert not lines.mqtt.connected


class TestBuses:
    async def test_all_who_ask_for_one_unit_get_one_line(self) -> None:
        async with house() as lines:
            assert lines.modbus("tcp://Gateway:502", 3) is lines.modbus("tcp://gateway:502", 3)

    async def test_units_of_one_bus_never_speak_at_once(self) -> None:
        """A gateway that never answers sees one connection at a time, whoever asks."""
        open_now = most = 0

        async def gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            while await reader.read(256):
                pass
            open_now -= 1
            writer.close()

        listening = await asyncio.start_server(gateway, "127.0.0.1", 0)
        url = f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with listening, house() as lines:
            units = [lines.modbus(url, unit, spacing_s=0.01, timeout_s=0.1) for unit in (1, 2, 3)]
            answers = await asyncio.gather(*(u.write(0, [1]) for u in units), return_exceptions=True)
            assert [type(answer) for answer in answers] == [NoAnswer] * 3
        assert most == 1

    async def test_one_bus_has_one_pace(self) -> None:
        async with house() as lines:
            lines.modbus("tcp://gateway:502", 1, spacing_s=1.0)
            with pytest.raises(ConfigError, match="allowed: one pace for all who share a bus"):
                lines.modbus("tcp://gateway:502", 2, spacing_s=2.0)

    async def test_closed_buses_carry_nothing(self) -> None:
        async with house() as lines:
            line = lines.modbus(f"tcp://127.0.0.1:{free_port()}", spacing_s=0.01, timeout_s=0.5)
        with pytest.raises(NotDelivered, match="closed"):
            await line.write(0, [1])


async def test_one_server_has_one_line_for_each_user() -> None:
    async def answers(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/", answers)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with house() as lines:
        line = lines.http(url, "pems", "secret")
        assert line is lines.http(f"{url}/", "pems", "secret")
        assert line is not lines.http(url)
        assert (await line.get("/")).body == "ok"
    await runner.cleanup()


async def test_lines_that_listen_on_one_port_share_it() -> None:
    port = free_port()
    async with house() as lines:
        one, other = lines.udp(f"127.0.0.1:{port}", port), lines.udp("127.0.0.1:9", port)
        async with one.datagrams() as heard, other.datagrams() as too:
            await one.send("pems=1")
            assert [(await soon(heard))[0], (await soon(too))[0]] == ["pems=1", "pems=1"]


async def test_lends_clock_and_wear_book() -> None:
    clock, wear = FastClock(datetime(2026, 1, 15, tzinfo=UTC), 60), UncountedWear()
    lines = HouseLines(None, clock, wear)
    assert (lines.clock, lines.wear) == (clock, wear)
