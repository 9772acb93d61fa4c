"""A house whose devices are real servers in this process, for engines in this process or in one of their own."""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import aiomqtt

from pems_core.clock import FastClock
from pems_core.config import PvSection, load_config
from pems_core.domain import HeatingSpec, floor_time
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.simulation.devices.growatt_inverter import SimulatedGrowatt
from pems_core.simulation.devices.live_house import MINUTE, LiveHouse
from pems_core.simulation.devices.miniserver import Miniserver
from pems_core.simulation.devices.miniserver_mqtt import MiniserverMqtt
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.oig_stick import OigStick
from pems_core.simulation.generate import generated_days
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.live_trial import generated_outlook
from pems_core.simulation.scenario import Scenario
from pems_core.site import HouseFile

from .houses import EXAMPLE
from .live_broker import Broker

Way = Literal["modbus", "oig"]
Size = Literal["small", "reference"]

SITE = "bench"
ROOMS_OF_SMALL = ("kitchen", "bathroom_down", "study")
PATIENT_S = 300.0
"""How long a running house may take to get to where a measurement begins [s of the wall]."""
BROKER_SECTION = '[mqtt]\nurl = "{url}"\n'
STAGES_SECTION = '[stages]\ndefault = "control"\n'
WAYS = {
    "modbus": 'transport = "modbus"\nurl = "tcp://127.0.0.1:{port}"\nfamily = "sph"\n',
    "oig": 'transport = "oig"\n',
}
SHORT_HORIZON = {"horizon_hours": 12, "near_hours": 6, "binary_hours": 2, "time_limit_s": 5.0}
"""Of a house whose plans are not what is measured."""


class SharedClock(FastClock):
    """The same time in several processes of one machine."""

    def __init__(self, start: datetime, speed: float, began_s: float) -> None:
        """
        :param began_s: the machine's monotonic time at `start`.
        """
        super().__init__(start, speed)
        self._began = began_s


@dataclass(frozen=True)
class Trial:
    """What a process needs to know of a running house."""

    folder: Path
    start: datetime
    speed: float
    began_s: float
    days: int

    @classmethod
    def beginning_now(cls, folder: Path, start: datetime, speed: float, days: int) -> "Trial":
        return cls(folder, start, speed, time.monotonic(), days)

    @property
    def house(self) -> Path:
        return self.folder / "pems.toml"

    def clock(self) -> SharedClock:
        return SharedClock(self.start, self.speed, self.began_s)

    def to_text(self) -> str:
        """For another process."""
        said = {"folder": str(self.folder), "start": self.start.isoformat(), "speed": self.speed}
        return json.dumps(said | {"began_s": self.began_s, "days": self.days})

    @classmethod
    def from_text(cls, text: str) -> "Trial":
        said = json.loads(text)
        start = datetime.fromisoformat(said["start"])
        return cls(Path(said["folder"]), start, said["speed"], said["began_s"], said["days"])


def house_text(size: Size, way: Way, broker: Broker, modbus_port: int, solver: dict[str, float] | None = None) -> str:
    """The reference house with its devices at these addresses, or one with three of its rooms."""
    text = EXAMPLE.read_text(encoding="utf-8")
    text = _replaced(text, "mqtt", BROKER_SECTION.format(url=broker.url))
    text = _replaced(text, "stages", STAGES_SECTION)
    text = text.replace('name = "reference"', f'name = "{SITE}"', 1)
    text = text.replace("[growatt]\n", "[growatt]\n" + WAYS[way].format(port=modbus_port), 1)
    for key, value in (solver or {}).items():
        text = re.sub(rf"^{key} = [0-9.]+", f"{key} = {value}", text, flags=re.MULTILINE)
    return text if size == "reference" else _with_rooms(text, ROOMS_OF_SMALL)


def _replaced(text: str, section: str, by: str) -> str:
    return re.sub(rf"^\[{section}\]\n(?:(?!^\[)[^\n]*\n)*", by, text, count=1, flags=re.MULTILINE)


def _with_rooms(text: str, names: Sequence[str]) -> str:
    """Leave other rooms out, and what is said of them as neighbours."""
    head, *rooms = text.split("[[heating_loxone.room]]")
    kept = [room for room in rooms if any(f'name = "{name}"' in room for name in names)]
    return "[[heating_loxone.room]]".join([head, *(re.sub(r"(?m)^neighbours = .*\n", "", room) for room in kept)])


def built_house(trial: Trial) -> HouseFile:
    return blueprint(trial).house


def scenario_of(trial: Trial, built: HouseFile) -> Scenario:
    """Generated series of the days of a trial."""
    site = built.site
    return generated_days(
        trial.start.astimezone(site.zone).date(),
        trial.days,
        tariff=built.tariff,
        arrays=[section.array() for section in built.config.all(PvSection)],
        latitude=site.latitude,
        longitude=site.longitude,
        timezone=site.timezone,
        price_rate=built.eur_rate,
    )


def blueprint(trial: Trial) -> Blueprint:
    """What an engine of this house is built from; it forecasts with realistic errors."""
    plugins = load_plugins()
    config = load_config(trial.house, declared_sections(plugins), {})
    made = Blueprint(config, plugins, trial.clock(), trial.folder, plans_apart=True)
    made.forecasters = [generated_outlook(scenario_of(trial, made.house))]
    return made


@dataclass
class Plant:
    """The devices of a house, as servers."""

    trial: Trial
    broker: Broker
    clock: FastClock
    live: LiveHouse
    inverter: SimulatedGrowatt
    server: ModbusServer
    stick: OigStick
    miniserver: Miniserver
    miniserver_mqtt: MiniserverMqtt
    built: HouseFile
    way: Way
    client: aiomqtt.Client | None = None
    said: dict[str, list[tuple[float, Any]]] = field(default_factory=dict)
    """What was heard at the broker by topic: monotonic time of arrival [s], and the payload."""

    def last(self, topic: str) -> Any:
        """The last payload below `pems/<site>/`; None if there was none."""
        found = self.said.get(f"pems/{SITE}/{topic}")
        return found[-1][1] if found else None

    def times_said(self, topic: str) -> int:
        return len(self.said.get(f"pems/{SITE}/{topic}", ()))

    async def say(self, topic: str, words: object) -> None:
        """Publish to PEMS."""
        assert self.client is not None
        await self.client.publish(f"pems/{SITE}/{topic}", json.dumps(words), qos=1)

    async def until(self, condition: Callable[[], object], what: str, within_s: float = PATIENT_S) -> None:
        """Wait for a condition.

        :raises TimeoutError: naming what did not come about.
        """
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {within_s:g} s")
            await asyncio.sleep(0.005)

    async def planned(self) -> None:
        """Wait for the first plan, and for what it tells the devices."""
        await self.until(lambda: self.last("plan"), "a plan")
        await self.until(lambda: (self.last("status") or {}).get("state") == "running", "a running house")

    def until_time(self, hours: float) -> str:
        return (self.clock.now() + timedelta(hours=hours)).isoformat()

    async def listen(self) -> None:
        """Note whatever is said at the broker, over its restarts."""
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
                    self.client = client
                    await client.subscribe("#", qos=0)
                    async for message in client.messages:
                        self._note(message.topic.value, bytes(message.payload))
            self.client = None
            await asyncio.sleep(0.2)

    async def be_heard(self) -> None:
        """Run the Miniserver's end once PEMS listens: what it said before would be said again after 5 min only."""
        await self.until(lambda: self.last("state/site"), "a listening house")
        await self.miniserver_mqtt.run()

    def _note(self, topic: str, payload: bytes) -> None:
        text = payload.decode(errors="replace")
        try:
            words = json.loads(text)
        except ValueError:
            words = text
        notes = self.said.setdefault(topic, [])
        notes.append((time.monotonic(), words))
        # A long run says much; what is asked for is the newest.
        del notes[:-2000]


@asynccontextmanager
async def plant(
    folder: Path,
    *,
    size: Size = "small",
    way: Way = "modbus",
    speed: float = 1.0,
    start: datetime = datetime(2025, 1, 14, 5, 1, tzinfo=UTC),
    days: int = 2,
    solver: dict[str, float] | None = None,
) -> AsyncIterator[Plant]:
    """A house with all its devices and a broker; no engine yet."""
    with Broker(folder) as broker:
        async with AsyncExitStack() as stack:
            # The house must be known before its servers have ports, and they stand in its file.
            trial = Trial.beginning_now(folder, start, speed, days)
            _write(trial, house_text(size, way, broker, 1, solver))
            made = blueprint(trial).house
            scenario = scenario_of(trial, made)
            trial = Trial.beginning_now(folder, start, speed, days)
            clock = trial.clock()
            begin = floor_time(clock.now(), MINUTE)
            live = LiveHouse(SimulatedHouse(made.equipment, made.house.grid, scenario, begin, soc=0.5), clock)
            inverter = SimulatedGrowatt(live, clock, "sph", timezone=made.site.timezone)
            server = await stack.enter_async_context(ModbusServer(inverter, clock))
            _write(trial, house_text(size, way, broker, server.port, solver))
            heating = next(spec for spec in made.equipment.values() if isinstance(spec, HeatingSpec))
            miniserver = Miniserver(live, heating)
            stick = OigStick(inverter, clock, "127.0.0.1", broker.port)
            mqtt = MiniserverMqtt(miniserver, broker.url)
            found = Plant(trial, broker, clock, live, inverter, server, stick, miniserver, mqtt, made, way)
            runs = [live.run(), inverter.run(), miniserver.run(), found.listen(), found.be_heard()]
            runs += [stick.run()] if way == "oig" else []
            tasks = [asyncio.create_task(run) for run in runs]
            stack.push_async_callback(_stop, tasks)
            await found.until(lambda: found.client is not None, "the devices at the broker")
            yield found


def _write(trial: Trial, text: str) -> None:
    trial.house.write_text(text, encoding="utf-8")


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class EngineProcess:
    """A real engine in a process of its own."""

    def __init__(self, trial: Trial, *, patient: bool = False) -> None:
        """
        :param patient: it lets more writes through than memory is meant for, where what is measured needs them.
        """
        self._command = [sys.executable, "-m", "benchmarks.live_engine", trial.to_text()]
        self._command += ["--patient"] if patient else []
        self._log = trial.folder / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def end(self) -> int:
        """Have it give its devices back; its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def engine(trial: Trial, *, patient: bool = False) -> Iterator[EngineProcess]:
    """An engine that runs from entering to leaving."""
    process = EngineProcess(trial, patient=patient)
    process.start()
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pems-live-") as name:
        yield Path(name)
