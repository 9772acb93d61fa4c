"""Measures how long an override takes from the page to the device, and until its price tag is seen.

python -m tests.pages.measure [TAPS]

The house lives in real time and plans 48 h. Rooms take turns, since the guard lets nobody change the setpoint of one
room twice in a minute: each tap is at a room that has rested, while nothing is planned.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import aiomqtt
from playwright.async_api import Page, async_playwright

from pems_core.commanding.told import WISH
from tests.brokers import program

from .conftest import FLAGS, PATIENT_MS, PHONE
from .home import SITE, Home

TAPS = 40
PAUSE = timedelta(seconds=65)
"""The guard's for a setpoint by hand, and a moment."""
QUIET_S = 2.0
WITHIN_S = 60.0
BASE = f"pems/{SITE}"
DEVICE, PRICE = "tap to device", "device to price tag on the page"
STAGES = (
    "tap to the request at the broker",
    "request to the command at the device",
    "request to override shown by PEMS",
    "request to price told by PEMS",
    "price told to price tag on the page",
)
BARS = {DEVICE: 1.0, PRICE: 3.0}


@dataclass
class Ears:
    """When what was said on the broker [s], newest last."""

    said: list[tuple[float, str, str]] = field(default_factory=list)

    async def first(self, topic: str, since: float, holds: Callable[[str], object] = bool) -> float:
        """When a topic first said something that holds, from a moment on [s]."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for at, where, text in self.said:
                    if at >= since and where == topic and holds(text):
                        return at
                await asyncio.sleep(0.005)

    def last(self, topic: str) -> float:
        """When a topic was last heard [s]; 0 if never."""
        return max((at for at, where, _ in self.said if where == topic), default=0.0)


@asynccontextmanager
async def ears(home: Home) -> AsyncIterator[Ears]:
    found = Ears()
    async with aiomqtt.Client("127.0.0.1", home.broker.port) as client:
        await client.subscribe("#")

        async def listen() -> None:
            async for message in client.messages:
                found.said.append((perf_counter(), str(message.topic), bytes(message.payload).decode(errors="replace")))

        task = asyncio.create_task(listen())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def measure(taps: int) -> None:
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="pems-measure-") as folder:
        home = Home(Path(folder), horizon_hours=None, patient=False)
        async with home.living(), async_playwright() as playwright, ears(home) as heard:
            await home.settled()
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
            setting, showing = [await browser.new_page(viewport=PHONE) for _ in range(2)]  # type: ignore[arg-type]
            await setting.goto(f"{home.pages}/rooms")
            await showing.goto(f"{home.pages}/overrides")
            await setting.wait_for_selector("[data-room]", timeout=PATIENT_MS)
            rooms = [str(await room.get_attribute("data-room")) for room in await setting.locator("[data-room]").all()]
            for k in range(taps):
                room = await rested(home, heard, rooms)
                parts = await tap(setting, showing, heard, room, told(home, room)[0])
                for name, took_s in parts.items():
                    found.setdefault(name, []).append(took_s)
                print(f"{k + 1:2d} {room}: {', '.join(f'{n} {s:.3f}' for n, s in parts.items())}", flush=True)
                await showing.locator('[data-test="cancel"]').click()
                await showing.wait_for_selector(".empty-state", timeout=PATIENT_MS)
            await browser.close()
    for name, took in found.items():
        took.sort()
        p95 = took[min(len(took) - 1, round(0.95 * len(took)))]
        bar = f" (bar: {BARS[name]:g} s)" if name in BARS else ""
        print(
            f"{name}: median {took[len(took) // 2]:.2f} s, p95 {p95:.2f} s{bar}, longest {took[-1]:.2f} s, n = {taps}"
        )


async def tap(setting: Page, showing: Page, heard: Ears, room: str, now_c: object) -> dict[str, float]:
    """Set a room by hand; how long each part of it took [s].

    :param now_c: the setpoint that the room was told last [°C].
    """
    override = f"{BASE}/override/heating/{room}_setpoint_c"
    await setting.click(f'[data-room="{room}"]')
    wish = None
    # What the room does already needs no command.
    while wish in (None, now_c):
        await setting.get_by_label("More").click()
        wish = float((await setting.inner_text(".turn output")).split()[0])
    tapped = perf_counter()
    await setting.click('[data-test="apply"]')
    asked = await heard.first(f"{BASE}/override/set", tapped)
    setpoint = f"loxone/temperature/{room}/setpoint"
    carried = await heard.first(setpoint, asked, lambda text: f'"target_temperature": {wish}' in text)
    tag = f'[data-override="heating/{room}_setpoint_c"] [data-test="price-tag"]'
    await showing.wait_for_function(
        f"document.querySelector('{tag}')?.innerText.match(/cost|saves/)", timeout=PATIENT_MS, polling=20
    )
    seen = perf_counter()
    shown = await heard.first(override, asked)
    priced = await heard.first(override, asked, lambda text: text and json.loads(text)["costs"] is not None)
    parts = (asked - tapped, carried - asked, shown - asked, priced - asked, seen - priced)
    return {DEVICE: carried - tapped, PRICE: seen - carried, **dict(zip(STAGES, parts, strict=True))}


async def rested(home: Home, heard: Ears, rooms: list[str]) -> str:
    """The room whose setpoint was left alone for the longest time, once that is long enough and nothing is planned."""

    def since(room: str) -> datetime:
        # A room that is its own again has no time in the store.
        ago = timedelta(seconds=perf_counter() - heard.last(f"loxone/temperature/{room}/setpoint"))
        return max(told(home, room)[1], home.clock.now() - ago)

    async with asyncio.timeout(20 * WITHIN_S):
        while True:
            room = min(rooms, key=since)
            quiet_s = perf_counter() - max(heard.last(f"{BASE}/plan"), heard.last(f"{BASE}/override/clear"))
            if home.clock.now() - since(room) > PAUSE and quiet_s > QUIET_S and planned_since_cleared(heard):
                return room
            await asyncio.sleep(0.1)


def told(home: Home, room: str) -> tuple[object, datetime]:
    """The setpoint that a room was told last, and when."""
    applied = home.engine.live.commanding.store.kept(WISH).get("heating", {}).get("applied", {})
    value, at = applied.get(f"{room}_setpoint_c", (None, ""))
    return value, datetime.fromisoformat(at) if at else datetime.min.replace(tzinfo=UTC)


def planned_since_cleared(heard: Ears) -> bool:
    """Whether the plan is there that follows the end of the last override."""
    return heard.last(f"{BASE}/plan") >= heard.last(f"{BASE}/override/clear")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else TAPS))
