"""The example house with pages: devices, a broker, the engine and Node-RED, each of which can go and come."""

import asyncio
import re
import signal
import subprocess
import sys
import time as wall
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path

import aiomqtt

from pems_core.clock import Clock, FastClock
from pems_core.commands.inputs import GENERATED_START, example_house, scenario_from
from pems_core.config import load_config
from pems_core.nodered import NodeRed
from pems_core.plugins import declared_sections, load_plugins
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Ended, Engine
from pems_core.runtime.run import run_house
from pems_core.simulation.live_trial import TrialHouse, generated_outlook, live_house_file
from pems_core.simulation.patient_clock import PatientClock
from pems_core.site import read_house
from tests.brokers import Mosquitto

from .lone_core import shared_clock

SITE = "reference"
SOLVER = re.compile(r"^\[solver\]\n(?:(?!^\[)[^\n]*\n)*", re.MULTILINE)
QUICK_SOLVER = """[solver]
horizon_hours = {hours}
near_hours = 4
binary_hours = {whole_hours}
time_limit_s = 5

"""


@dataclass
class Home:
    """What runs now, and what it left behind.

    :param day: local day on which the house starts to live, and at which time.
    :param horizon_hours: of the plans; short ones for tests that have no need of more.
    :param patient: whether its clock waits for a busy machine; not where times are measured.
    :param carries: devices that are told through Node-RED.
    :param whole_hours: for which a plan switches devices on and off; so long may what it tells them hold.
    :param every_minutes: between two plans.
    """

    folder: Path
    speed: float = 1.0
    day: date = GENERATED_START
    begins: time = time(14, 50)
    horizon_hours: float | None = 12
    patient: bool = True
    carries: Sequence[str] = ()
    whole_hours: float = 2
    every_minutes: int = 15
    broker: Mosquitto = field(init=False)
    house: TrialHouse = field(init=False)
    clock: Clock = field(init=False)
    front: NodeRed = field(init=False)
    _blueprint: Blueprint = field(init=False)
    _engine: Engine | None = None
    _running: asyncio.Task[Ended] | None = None

    @asynccontextmanager
    async def living(self) -> AsyncIterator["Home"]:
        """Broker, devices, engine and pages from entering to leaving."""
        async with AsyncExitStack() as stack:
            self.broker = Mosquitto(self.folder).start()
            stack.callback(self.broker.stop)
            self._build()
            if isinstance(self.clock, PatientClock):
                stack.callback(asyncio.create_task(self.clock.run()).cancel)
            devices = await stack.enter_async_context(AsyncExitStack())
            self.front = NodeRed(self.broker.url, SITE, self.folder / "node-red")
            await self.front.start()
            stack.push_async_callback(self.front.stop)
            await self.start_core()
            stack.push_async_callback(self.stop_core)
            # The Miniserver tells everything once it is there, and then every five minutes: somebody should listen.
            await self._heard()
            await devices.enter_async_context(self.house.serving())
            yield self

    async def start_core(self) -> None:
        begun = asyncio.Event()

        def began(engine: Engine) -> None:
            self._engine = engine
            begun.set()

        self._running = asyncio.create_task(run_house(self._blueprint, began))
        await begun.wait()

    async def _heard(self) -> None:
        while not self.engine.lines.mqtt.connected:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)

    async def settled(self) -> None:
        """Wait until both devices have been read and a plan is in force."""
        while self.engine.live.followed is None or len(self.engine.live.state.devices) < 2:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)

    async def stop_core(self) -> None:
        """End the engine in good order; devices are given back."""
        if self._engine is None or self._running is None:
            return
        self._engine.end("the test says so")
        await self._running
        self._engine = None

    async def restart_nodered(self) -> None:
        await self.front.stop()
        await self.front.start()

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "the engine does not run"
        return self._engine

    @property
    def pages(self) -> str:
        return self.front.pages

    def _new_clock(self, begin: datetime) -> Clock:
        return PatientClock(begin, self.speed) if self.patient else FastClock(begin, self.speed)

    def _build(self) -> None:
        file = live_house_file(example_house(), self.folder, self.broker.url, self.carries)
        if self.horizon_hours is not None:
            text = SOLVER.sub("", file.read_text())
            quick = QUICK_SOLVER.format(hours=self.horizon_hours, whole_hours=self.whole_hours)
            file.write_text(re.sub(r"^\[", quick + "[", text, count=1, flags=re.MULTILINE))
        often = f"every_minutes = {self.every_minutes}"
        file.write_text(re.sub(r"^every_minutes = \d+", often, file.read_text(), flags=re.MULTILINE))
        plugins = load_plugins()
        config = load_config(file, declared_sections(plugins), {})
        built = read_house(config, plugins)
        scenario, _ = scenario_from(built, None, None, 4, 1, self.day)
        begin = datetime.combine(self.day, self.begins, built.site.zone).astimezone(scenario.start.tzinfo)
        self.clock = self._new_clock(begin)
        self._blueprint = Blueprint(config, plugins, self.clock, self.folder, [generated_outlook(scenario, 1)])
        self.house = TrialHouse.of(built, scenario, self.clock, self.broker.port)


class Apart(Home):
    """The same with the engine as a process of its own, which can be killed. Its clock waits for nobody."""

    _began: float = 0.0
    _process: subprocess.Popen[bytes] | None = None

    def _new_clock(self, begin: datetime) -> Clock:
        self._begin, self._began = begin, wall.monotonic()
        return shared_clock(begin, self._began, self.speed)

    async def start_core(self) -> None:
        words = [str(self.folder), self._begin.isoformat(), repr(self._began), str(self.speed)]
        run = [sys.executable, "-m", "tests.pages.lone_core", *words]
        with (self.folder / "core.log").open("ab") as log:
            self._process = subprocess.Popen(run, stdout=log, stderr=log)  # noqa: ASYNC220 - it returns at once

    async def stop_core(self) -> None:
        """End it in good order."""
        await self._end_core(signal.SIGTERM)

    async def kill_core(self) -> None:
        """`kill -9`"""
        await self._end_core(signal.SIGKILL)

    async def _end_core(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait, 60)
            self._process = None

    async def _heard(self) -> None:
        """Its line is up once it says anything."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.subscribe(f"pems/{SITE}/heartbeat", qos=1)
            await anext(aiter(client.messages))

    async def settled(self) -> None:
        """Wait until both devices are held under a plan."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.subscribe(f"pems/{SITE}/lease/+", qos=1)
            leased: set[str] = set()
            async for message in client.messages:
                if message.payload:
                    leased.add(str(message.topic))
                if len(leased) == 2:
                    return
