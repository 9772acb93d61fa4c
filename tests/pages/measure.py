"""Measures how long an override takes from the page to the device, and until its price tag is seen.

python -m tests.pages.measure [TAPS]
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from playwright.async_api import Page, async_playwright

from tests.brokers import program

from .conftest import FLAGS, PATIENT_MS, PHONE
from .home import Home
from .test_pages import listening, next_heard

SETPOINT = "loxone/temperature/kitchen/setpoint"
TAG = '[data-override="heating/kitchen_setpoint_c"] [data-test="price-tag"]'


async def measure(taps: int) -> None:
    with tempfile.TemporaryDirectory(prefix="pems-measure-") as folder:
        home = Home(Path(folder), speed=4.0, horizon_hours=None)
        async with home.living(), async_playwright() as playwright:
            await home.settled()
            browser = await playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
            setting, showing = [await browser.new_page(viewport=PHONE) for _ in range(2)]  # type: ignore[arg-type]
            await setting.goto(f"{home.pages}/rooms")
            await showing.goto(f"{home.pages}/overrides")
            await setting.wait_for_selector('[data-room="kitchen"]', timeout=PATIENT_MS)
            told_s, priced_s = [], []
            async with listening(home, SETPOINT) as heard:
                for k in range(taps):
                    while not heard.empty():
                        heard.get_nowait()
                    began, wish = await tap(setting, k)
                    await next_heard(heard, lambda payload, wish=wish: f'"target_temperature": {wish}' in payload)
                    told_s.append(perf_counter() - began)
                    priced_s.append(await until_priced(showing, began))
                    print(f"{k + 1:2d}: device {told_s[-1]:.3f} s, price tag {priced_s[-1]:.1f} s", flush=True)
                    await showing.locator('[data-test="cancel"]').click()
                    await showing.wait_for_selector(".empty-state", timeout=PATIENT_MS)
                    await setting.wait_for_selector('[data-room="kitchen"]:not(:has(.hand))', timeout=PATIENT_MS)
            await browser.close()
    for name, found in (("tap to device", told_s), ("tap to price tag", priced_s)):
        found.sort()
        p95 = found[min(len(found) - 1, round(0.95 * len(found)))]
        print(f"{name}: median {found[len(found) // 2]:.2f} s, p95 {p95:.2f} s, longest {found[-1]:.2f} s, n = {taps}")


async def tap(page: Page, k: int) -> tuple[float, float]:
    """Set the kitchen by hand; when it was tapped, and what was chosen [°C]."""
    await page.click('[data-room="kitchen"]')
    for _ in range(1 + k % 3):
        await page.get_by_label("More").click()
    wish = float((await page.inner_text(".turn output")).split()[0])
    began = perf_counter()
    await page.click('[data-test="apply"]')
    return began, wish


async def until_priced(page: Page, began: float) -> float:
    """Seconds from the tap until the price tag can be read on another screen."""
    await page.wait_for_function(
        f"document.querySelector('{TAG}')?.innerText.match(/cost|saves/)", timeout=PATIENT_MS, polling=50
    )
    return perf_counter() - began


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
