"""Takes the pictures of docs/pages.md: every page on a phone and on a wall tablet, light and dark, and what differs.

Run it with `make pictures`; it takes some minutes, for the house has to have lived through a morning.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from statistics import median

import aiomqtt
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.brokers import program

from .conftest import FLAGS, PATIENT_MS, PHONE, TABLET, VIEWS
from .home import SITE, Home

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "pages"
SUNNY = date(2025, 4, 9)
BEGINS, UNTIL_LATER_S = time(10, 15), 0.9 * 3600
SPEED = 60.0
COLOURS = 256
GUESTS = (
    '{"device": "heating", "control": "living_room_setpoint_c", "value": 22.5, "for_minutes": 240, "by": "Anna", '
    '"reason": "guests for lunch"}'
)
METER = (
    '{"device": "inverter", "control": "grid_export", "value": false, "for_minutes": 120, "by": "Petr", '
    '"reason": "the meter is being changed"}'
)
PAINTED_JS = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"


async def take_all() -> None:
    with tempfile.TemporaryDirectory(prefix="pems-pictures-") as folder:
        home = Home(Path(folder), SPEED, SUNNY, BEGINS, horizon_hours=None)
        async with home.living(), async_playwright() as playwright:
            await home.settled()
            print("The house lives through a morning.", flush=True)
            await home.clock.sleep(UNTIL_LATER_S)
            await say(home, "override/set", [GUESTS, METER])
            await asyncio.sleep(20)
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
            painted = []
            for size, viewport in (("phone", PHONE), ("tablet", TABLET)):
                for theme in ("light", "dark"):
                    painted += await take_pages(browser, home, size, viewport, theme)
            painted.sort()
            p95 = painted[round(0.95 * (len(painted) - 1))]
            print(f"First paint: median {median(painted):.0f} ms, p95 {p95:.0f} ms, longest {painted[-1]:.0f} ms")
            await take_more(browser, home)
            await browser.close()


async def take_pages(browser: Browser, home: Home, size: str, viewport: dict[str, int], theme: str) -> list[float]:
    """Every page once; after how long each was first painted [ms]."""
    painted = []
    context = await new_context(browser, viewport, theme)
    page = await context.new_page()
    for view in VIEWS:
        await go(page, home, view)
        painted.append(float(await page.evaluate(PAINTED_JS)))
        print(f"{view} {size} {theme}: first paint after {painted[-1]:.0f} ms", flush=True)
        await keep(page, f"{view}-{size}-{theme}")
    await context.close()
    return painted


async def take_more(browser: Browser, home: Home) -> None:
    """A room set by hand, Czech, and what the pages say while PEMS is stopped and off."""
    context = await new_context(browser, PHONE, "light")
    page = await context.new_page()
    await go(page, home, "rooms")
    await page.click('[data-room="kitchen"]')
    await page.wait_for_timeout(500)
    await keep(page, "set-phone-light")
    await context.close()
    czech = await new_context(browser, TABLET, "light", "cs-CZ")
    page = await czech.new_page()
    await go(page, home, "now")
    await keep(page, "now-tablet-czech")
    await czech.close()
    for theme, state, picture in (("light", "stopped", "stop-phone-stopped"), ("dark", "offline", "now-phone-offline")):
        if state == "stopped":
            await say(home, "emergency/set", ['{"action": "stop", "by": "Anna", "reason": "smell of burning"}'])
        else:
            await say(home, "emergency/set", ['{"action": "reset", "by": "Anna"}'])
            await asyncio.sleep(3)
            await home.stop_core()
        context = await new_context(browser, PHONE, theme)
        page = await context.new_page()
        await go(page, home, picture.split("-")[0])
        await page.wait_for_selector(f'.pems[data-state="{state}"]', timeout=PATIENT_MS)
        await page.wait_for_timeout(500)
        await keep(page, picture)
        await context.close()


async def new_context(
    browser: Browser, viewport: dict[str, int], theme: str, language: str = "en-GB"
) -> BrowserContext:
    return await browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        color_scheme="dark" if theme == "dark" else "light",
        locale=language,
    )


async def go(page: Page, home: Home, view: str) -> None:
    await page.goto(f"{home.pages}/{view}")
    await page.wait_for_selector(f'.pems[data-view="{view}"] .main > *:not(.waiting)', timeout=PATIENT_MS)
    await page.evaluate("document.fonts.ready")
    await page.wait_for_timeout(600)


async def keep(page: Page, name: str) -> None:
    """As small as a picture of flat colours can be."""
    picture = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    picture = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture.save(FOLDER / f"{name}.png", optimize=True)


async def say(home: Home, topic: str, payloads: Sequence[str]) -> None:
    async with aiomqtt.Client("127.0.0.1", home.broker.port) as client:
        for payload in payloads:
            await client.publish(f"pems/{SITE}/{topic}", payload, qos=1)


if __name__ == "__main__":
    sys.exit(asyncio.run(take_all()))
