"""PEMS's end and a simulated Miniserver's end of one real line, with a small house behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pems_heating_loxone import create_devices, create_transports
from pems_heating_loxone.config import HeatingSection
from pems_heating_loxone.conversation import LoxoneTransport
from pems_heating_loxone.rooms import HeatedRooms

from pems_core.clock import Clock, FastClock
from pems_core.config import MqttSection, parse_config
from pems_core.domain import Command, HeatingSpec, HeatingState, NotDelivered, Reading, Receipt, SiteState, Value
from pems_core.simulation.devices.live_house import LiveHouse
from pems_core.simulation.devices.miniserver import Miniserver
from pems_core.simulation.devices.miniserver_controller import loxone_uuid
from pems_core.simulation.devices.miniserver_http import MiniserverHttp
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.miniserver_udp import MiniserverUdp
from pems_core.simulation.devices.small_live_house import room as small_room
from pems_core.simulation.devices.small_live_house import small_live_house
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.uncounted import UncountedWear
from tests.brokers import Mosquitto, free_port

START = datetime(2025, 1, 15, 11, 0, 5, tzinfo=UTC)
BEAT_S = 20.0
"""As the core does."""
DEADLINE_S = 20.0
"""Of the wall; tests wait for what is to happen, not for a time."""
ROOMS = ("kitchen", "bathroom")
STEP = timedelta(minutes=15)
HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
[grid]
import_limit_kw = 17.0
[heating_loxone]
"""
ROOM = """
[[heating_loxone.room]]
name = "{name}"
relay_kw = 2.0
comfort = [{{ from = "00:00", setpoint_c = 21 }}]
air_kwh_per_k = 1.0
slab_kwh_per_k = 2.0
slab_to_air_kw_per_k = 0.5
outside_kw_per_k = 0.05
relay_uuid = "{relay}"
power_uuid = "{power}"
uuid = "{uuid}"
"""


class NoWear(UncountedWear):
    """The Miniserver has no memory that wears out."""

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        raise AssertionError(f"{device} wears {memory}")


@dataclass
class Bench:
    """Both ends."""

    clock: Clock
    house: LiveHouse
    miniserver: Miniserver
    transport: LoxoneTransport
    device: HeatedRooms
    way: MiniserverMqtt | MiniserverUdp | MiniserverHttp
    beating: bool = True
    beats: int = 0
    undelivered: list[str] = field(default_factory=list)

    @property
    def traps(self) -> Traps:
        return self.miniserver.traps

    def encode(self, settings: Mapping[str, Value], valid_for: timedelta = STEP) -> dict[str, Command]:
        """By control."""
        now = self.clock.now()
        state = SiteState(now, {"heating": HeatingState({})})
        return {c.control: c for c in self.device.encode(settings, now, now + valid_for, state)}

    async def tell(self, control: str, value: Value, valid_for: timedelta = STEP) -> Receipt:
        """Send the command for one control."""
        return await self.transport.send(self.encode({control: value}, valid_for)[control])

    async def release(self) -> list[Receipt]:
        return [await self.transport.send(command) for command in self.device.release()]

    def reading(self, point: str) -> Reading | None:
        return self.transport.readings().get(f"heating/{point}")

    def value(self, point: str) -> Value | None:
        reading = self.reading(point)
        return None if reading is None else reading.value

    def alerted(self, *words: str) -> bool:
        """Whether there is an alert in which all the words stand."""
        return any(all(word in f"{a.place} {a.text}" for word in words) for a in self.transport.alerts)

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                told = what or "it never came about"
                raise AssertionError(f"{told}; readings {self.transport.readings()}, alerts {self.transport.alerts}")
            await asyncio.sleep(0.01)

    async def settled(self, command: Command, *stages: str) -> Receipt:
        """Check a command until it has one of these stages."""
        deadline = time.monotonic() + DEADLINE_S
        while (receipt := await self.transport.check(command)).stage not in stages:
            if time.monotonic() > deadline:
                raise AssertionError(f"{receipt}; readings {self.transport.readings()}")
            await asyncio.sleep(0.02)
        return receipt

    async def beat_on(self) -> None:
        """What the core does while the whole loop is well."""
        while True:
            if self.beating:
                self.beats += 1
                try:
                    await self.transport.beat(self.beats)
                except NotDelivered as failed:
                    self.undelivered.append(str(failed))
            await self.clock.sleep(BEAT_S)


def house_file(text: str, rooms: Sequence[str] = ROOMS, *, with_uuids: bool = False) -> str:
    """A house file with some keys of [heating_loxone]."""
    tables = (
        ROOM.format(
            name=name,
            relay=loxone_uuid(f"{name} relay"),
            power=loxone_uuid(f"{name} power"),
            uuid=loxone_uuid(name) if with_uuids else "",
        )
        for name in rooms
    )
    return HOUSE + text + "".join(tables)


def ends(text: str) -> tuple[HeatedRooms, LoxoneTransport]:
    """The device and the transport of a house file."""
    config = parse_config(text, [("heating_loxone", HeatingSection)], {"LOXONE_PASSWORD": "secret"})
    return create_devices(config)[0], create_transports(config)[0]


@asynccontextmanager
async def running(*jobs: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Let jobs run in the background; one that fails fails the test."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=1)
            if not task.cancelled():
                task.result()


def a_house(speed: float, traps: Sequence[str], rooms: Sequence[str], start: datetime) -> tuple[LiveHouse, Miniserver]:
    clock = FastClock(start, speed)
    house = small_live_house(clock, rooms=rooms)
    heating = HeatingSpec(tuple(small_room(name) for name in rooms), 1.0, 10.0)
    return house, Miniserver(house, heating, traps=Traps(*traps))


@asynccontextmanager
async def over_mqtt(
    broker: Mosquitto,
    *traps: str,
    speed: float = 60.0,
    rooms: Sequence[str] = ROOMS,
    text: str = "",
    gateway: bool = False,
    as_json: bool = False,
    beating: bool = True,
) -> AsyncIterator[Bench]:
    house, miniserver = a_house(speed, traps, rooms, START)
    device, transport = ends(house_file(text, rooms))
    way = MiniserverMqtt(miniserver, broker.url, gateway=gateway, as_json=as_json)
    bench = Bench(house.clock, house, miniserver, transport, device, way, beating)
    async with (
        HouseLines(MqttSection(url=broker.url), house.clock, NoWear()) as lines,
        running(transport.run(lines), miniserver.run(), way.run(), house.run()),
    ):
        await bench.until(lambda: lines.mqtt.connected, "no broker")
        await bench.until(lambda: way.subscribed, "the Miniserver is not at the broker")
        async with running(bench.beat_on()):
            yield bench


@asynccontextmanager
async def over_udp(
    *traps: str, speed: float = 60.0, start: datetime = START, name: str = "Miniserver", beating: bool = True
) -> AsyncIterator[Bench]:
    house, miniserver = a_house(speed, traps, ROOMS, start)
    port = free_port()
    way = MiniserverUdp(miniserver, port, name=name)
    await way.start()
    text = f'transport = "udp"\nudp_target = "{way.target}"\nudp_listen_port = {port}\n'
    device, transport = ends(house_file(text))
    bench = Bench(house.clock, house, miniserver, transport, device, way, beating)
    async with HouseLines(None, house.clock, NoWear()) as lines:
        jobs = (transport.run(lines), miniserver.run(), way.run(), house.run(), bench.beat_on())
        async with running(*jobs):
            yield bench
    way.close()


@asynccontextmanager
async def over_http(
    *traps: str,
    speed: float = 60.0,
    text: str = "",
    overrides: bool = False,
    password: str = "secret",  # noqa: S107 - of a simulated Miniserver
    beating: bool = True,
) -> AsyncIterator[Bench]:
    house, miniserver = a_house(speed, traps, ROOMS, START)
    async with AsyncExitStack() as stack:
        way = MiniserverHttp(miniserver, password=password)
        await way.start()
        stack.push_async_callback(way.close)
        written = "overrides" if overrides else "inputs"
        told = f'transport = "http"\nurl = "{way.url}"\nuser = "pems"\npassword = {{ env = "LOXONE_PASSWORD" }}\n'
        told += f'http_writes = "{written}"\npoll_s = 10.0\n{text}'
        device, transport = ends(house_file(told, with_uuids=overrides))
        bench = Bench(house.clock, house, miniserver, transport, device, way, beating)
        async with HouseLines(None, house.clock, NoWear()) as lines:
            jobs = (transport.run(lines), miniserver.run(), way.run(), house.run(), bench.beat_on())
            async with running(*jobs):
                yield bench
