"""How long a message takes through Node-RED, and what it sends after the broker was away."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np

from pems_core.clock import SystemClock
from pems_core.config import MqttSection, NodeRedSection
from pems_core.domain import NotDelivered
from pems_core.nodered import NodeRed
from pems_core.runtime.carriage import NodeRedCarriage
from pems_core.runtime.outbox import as_text
from pems_core.runtime.payloads import Applied, CarrierSaid, understood
from pems_core.runtime.words import instant
from pems_core.transport.mqtt import MqttConnection

from .live_broker import Broker
from .rows import Bar, Row
from .setting import Benchmark, Setting

SITE, DEVICE = "trial", "inverter"
BASE = f"pems/{SITE}"
DECISIONS = 500
P95_MS = Bar("<", 100.0)
ALL, NONE, ONE = Bar("=", float(DECISIONS)), Bar("=", 0.0), Bar("=", 1.0)
AWAY_S, AWAY_FULL_S = 20.0, 600.0
WHILE_AWAY = 20
PERCENTILE = 95
STARTS_WITHIN_S = 30.0
SETTLES_S = 3.0
BEATS_EVERY_S = 1.0


class Front:
    """PEMS's side of the carriage on a line of its own, and an ear at the device's topics."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.clock = SystemClock()
        self.line = MqttConnection(MqttSection(url=broker.url), self.clock, "pems-benchmark")
        self.carriage = NodeRedCarriage(NodeRedSection(carries=(DEVICE,)), BASE, self.clock)
        self.at: dict[str, float] = {}
        self.count: Counter[str] = Counter()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Run from entering to leaving."""
        runs = (self.line.run(), self._beats(), self._applied(), self._carrier(), self._devices())
        tasks = [asyncio.ensure_future(run) for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def carried(self) -> None:
        async with asyncio.timeout(STARTS_WITHIN_S):
            while not (self.line.connected and self.carriage.carries(DEVICE)):  # noqa: ASYNC110 - it is looked, not told
                await asyncio.sleep(0.05)

    async def say(self, text: str) -> None:
        wire = {"transport": "mqtt", "topic": f"device/{text}", "payload": text, "qos": 1}
        await self.carriage.say(DEVICE, wire, None, self.line, lambda: self.line.publish(f"direct/{text}", text))

    async def _beats(self) -> None:
        """As PEMS does: Node-RED carries nothing before it knows what time that has."""
        while True:
            beat = {"counter": 1, "healthy": True, "valid_for_s": 60.0, "at": instant(self.clock.now()), "speed": 1.0}
            with suppress(NotDelivered):
                await self.line.publish(f"{BASE}/heartbeat", as_text(beat))
            await asyncio.sleep(BEATS_EVERY_S)

    async def _applied(self) -> None:
        async with self.line.messages(f"{BASE}/applied/+/+", qos=1) as messages:
            async for message in messages:
                self.carriage.became(understood(Applied, message.payload))

    async def _carrier(self) -> None:
        async with self.line.messages(f"{BASE}/carrier", qos=1) as messages:
            async for message in messages:
                self.carriage.heard(understood(CarrierSaid, message.payload))

    async def _devices(self) -> None:
        async with self.line.messages("device/+", qos=1) as messages:
            async for message in messages:
                name = message.topic.removeprefix("device/")
                self.at[name] = time.perf_counter()
                self.count[name] += 1


def through(setting: Setting) -> Iterator[Row]:
    """Decisions one after the other, and an outage."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        yield from asyncio.run(_through(broker, Path(folder), AWAY_FULL_S if setting.full else AWAY_S))


async def _through(broker: Broker, folder: Path, away_s: float) -> list[Row]:
    front = Front(broker)
    async with NodeRed(broker.url, SITE, folder / "node-red").serving(), front.up():
        await front.carried()
        asked = {}
        for k in range(DECISIONS):
            asked[str(k)] = time.perf_counter()
            await front.say(str(k))
        await asyncio.sleep(SETTLES_S)
        took_ms = [1000 * (front.at[name] - at) for name, at in asked.items() if name in front.at]
        counts = [front.count[name] for name in asked]
        return [
            Row("decisions", sum(count > 0 for count in counts), "", ALL),
            Row("lost", sum(count == 0 for count in counts), "", NONE),
            Row("doubled", sum(count > 1 for count in counts), "", NONE),
            Row("to the device's topic, median", float(np.median(took_ms)), "ms"),
            Row("to the device's topic, p95", float(np.percentile(took_ms, PERCENTILE)), "ms", P95_MS),
            Row("to the device's topic, longest", float(max(took_ms)), "ms"),
            *await _outage(broker, front, away_s),
        ]


async def _outage(broker: Broker, front: Front, away_s: float) -> list[Row]:
    """The broker goes away: what is wanted meanwhile is told as not sent, and only the newest is said afterwards."""
    before = sum(front.count.values())
    broker.stop()
    refused = 0
    for k in range(WHILE_AWAY):
        await asyncio.sleep(away_s / WHILE_AWAY)
        try:
            await front.say(f"away-{k}")
        except NotDelivered:
            refused += 1
    broker.start()
    began = time.perf_counter()
    await front.carried()
    back_s = time.perf_counter() - began
    await front.say("newest")
    await asyncio.sleep(SETTLES_S)
    return [
        Row("broker away", away_s, "s"),
        Row("wanted meanwhile and told as not sent", refused, "", Bar("=", float(WHILE_AWAY))),
        Row("carried again after", back_s, "s"),
        Row("messages after it was back", sum(front.count.values()) - before, "", ONE),
    ]


NODERED = (
    Benchmark(
        "nodered",
        "Through Node-RED",
        "Decisions are asked of a real Node-RED 5 with the shipped flows, one after the other, over a real Mosquitto; "
        "the time is from the question to the message at the device's topic. Then the broker is stopped for a while.",
        through,
        in_short=False,
    ),
)
