"""A running engine with a made-up inverter on a real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from pems_core.clock import Clock, FastClock
from pems_core.commanding.store import Store
from pems_core.config import parse_config
from pems_core.plugins import declared_sections
from pems_core.protocols import Device, Forecaster, Transport
from pems_core.runtime.build import Blueprint
from pems_core.runtime.engine import Ended, Engine
from pems_core.simulation.devices.small_live_house import small_live_house
from tests.brokers import Mosquitto

from .trial import Expected, TrialInverter, TrialServer, TrialTransport, plugins

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
HOUSE = """
[site]
name = "trial"
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
currency = "CZK"
[grid]
import_limit_kw = 17.0
export_limit_kw = 10.0
[solver]
horizon_hours = 6
near_hours = 6
binary_hours = 2
time_limit_s = 5
[stages]
default = "control"
[state]
folder = "{folder}"
"""
PATIENT_S = 15.0


@dataclass
class Ears:
    """Everything that was said on the broker."""

    said: dict[str, list[Any]] = field(default_factory=dict)

    def last(self, topic: str) -> Any:
        return self.said.get(topic, [None])[-1]


@dataclass
class Running:
    engine: Engine
    server: TrialServer
    transport: TrialTransport
    ears: Ears
    client: aiomqtt.Client
    ended: "asyncio.Task[Ended]"

    async def say(self, topic: str, payload: object) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        await self.client.publish(f"pems/trial/{topic}", text, qos=1)

    def until(self, hours: float = 2.0) -> str:
        return (self.engine.live.now + timedelta(hours=hours)).isoformat()


async def wait_for(condition: Callable[[], object], within_s: float = PATIENT_S) -> Any:
    """Wait until a condition holds, and return what it gave."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not (found := condition()):
        assert asyncio.get_running_loop().time() < deadline, "it did not happen"
        await asyncio.sleep(0.02)
    return found


Start = Callable[..., Any]


@pytest.fixture
def start_engine(mosquitto: Mosquitto, tmp_path: Path) -> Start:
    @asynccontextmanager
    async def start(
        *,
        clock: Clock | None = None,
        speed: float = 60.0,
        devices: Sequence[Device] = (),
        transports: Sequence[Transport] = (),
        forecasters: Sequence[Forecaster] | None = None,
        more: str = "",
        extra: Mapping[str, object] | None = None,
        broker: bool = True,
        patience_s: float | None = None,
        dry_run: bool = False,
        tweak: Callable[[Engine], object] | None = None,
    ) -> AsyncIterator[Running]:
        clock = clock or FastClock(START, speed)
        server = TrialServer(small_live_house(clock, rooms=()), mosquitto.port, clock)
        transport = TrialTransport()
        manager = plugins([TrialInverter(), *devices], [transport, *transports])
        mqtt = f'[mqtt]\nurl = "{mosquitto.url}"\n' if broker else ""
        for name, plugin in (extra or {}).items():
            manager.register(plugin, name)
        text = HOUSE.format(folder=tmp_path / "state") + mqtt + more
        config = parse_config(text, declared_sections(manager))
        asked = [Expected()] if forecasters is None else forecasters
        blueprint = Blueprint(config, manager, clock, tmp_path, asked, patience_s, dry_run)
        async with AsyncExitStack() as stack:
            store = stack.enter_context(Store(blueprint.folder.make().path, clock))
            engine = blueprint.engine(store)
            if tweak is not None:
                tweak(engine)
            client = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", mosquitto.port))
            ears = Ears()
            await client.subscribe("pems/trial/#", qos=1)
            listening = asyncio.create_task(_listen(client, ears))
            serving = asyncio.create_task(server.run())
            ended = asyncio.create_task(engine.run())
            try:
                yield Running(engine, server, transport, ears, client, ended)
            finally:
                engine.end("the test is over")
                await asyncio.wait([ended], timeout=PATIENT_S)
                for task in (listening, serving):
                    task.cancel()
                await asyncio.wait([listening, serving])
                engine.live.site.planner.close()
            if not ended.cancelled():
                ended.result()

    return start


async def _listen(client: aiomqtt.Client, ears: Ears) -> None:
    async for message in client.messages:
        text = bytes(message.payload).decode()
        topic = message.topic.value.removeprefix("pems/trial/")
        ears.said.setdefault(topic, []).append(json.loads(text) if text.startswith("{") else text or None)
