"""What people see and do on the pages."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiomqtt
import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from .conftest import PATIENT_MS, VIEWS, Open, Visit
from .home import SITE, Home

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

KITCHEN = "loxone/temperature/kitchen/setpoint"
BASE = f"pems/{SITE}"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@asynccontextmanager
async def listening(home: Home, *topics: str) -> AsyncIterator["asyncio.Queue[tuple[str, str]]"]:
    """What is said on some topics from now on."""
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    async with aiomqtt.Client("127.0.0.1", home.broker.port) as client:
        for topic in topics:
            await client.subscribe(topic, qos=1)

        async def listen() -> None:
            async for message in client.messages:
                heard.put_nowait((str(message.topic), bytes(message.payload).decode()))

        task = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def next_heard(heard: "asyncio.Queue[tuple[str, str]]", holds: Any) -> tuple[str, str]:
    async with asyncio.timeout(PATIENT_MS / 1000):
        while True:
            topic, payload = await heard.get()
            if holds(payload):
                return topic, payload


async def set_kitchen(one: Visit, turns: int = 2) -> float:
    """Make the kitchen warmer by hand on the page; the setpoint that was chosen [°C]."""
    await one.page.tap('[data-room="kitchen"]')
    for _ in range(turns):
        await one.page.get_by_label("More").tap()
    wish = float((await one.text(".turn output")).split()[0])
    await one.page.tap('[data-test="apply"]')
    await one.page.wait_for_selector("dialog.sheet", state="hidden", timeout=PATIENT_MS)
    return wish


async def cancel_all(one: Visit) -> None:
    """Go back to the plan with everything that is set by hand."""
    await one.go("overrides")
    cancel = one.page.locator('[data-test="cancel"]:enabled')
    while not await one.page.locator(".empty-state").count():
        # A card goes away by itself as soon as PEMS has answered.
        with suppress(PlaywrightTimeoutError):
            await cancel.first.tap(timeout=1000)


async def test_now_says_what_pems_does_and_why(visit: Open, home: Home) -> None:
    one = await visit("now")
    await one.until_state("running")
    said = await one.text('[data-test="doing"]')
    assert re.search(r"until \d\d:\d\d|reserve|full", said), said
    assert "{" not in said
    # A house that has just begun has not heard of its battery yet.
    await one.page.wait_for_function(
        "document.querySelector('.figure.battery').innerText.match(/\\d/)", timeout=PATIENT_MS
    )
    soc = home.house.live.truth()["inverter/soc"]
    told = await one.text(".figure.battery")
    assert abs(float(told.split()[0]) - 100 * float(soc)) < 5
    assert "Kč/kWh" in await one.text(".figure.price")
    assert re.match(r"\d+/17", await one.text(".rooms-card .figure"))


async def test_rooms_are_all_there(visit: Open) -> None:
    one = await visit("rooms")
    assert await one.page.locator("[data-room]").count() == 17
    assert re.search(r"\d\d\.\d°", await one.text('[data-room="kitchen"]'))


async def test_the_plan_tells_what_it_does_at_a_time_and_why(visit: Open) -> None:
    one = await visit("plan", phone=False)
    chart = one.page.locator(".chart")
    box = await chart.bounding_box()
    assert box is not None
    now = await one.text('[data-test="detail"] h2')
    await one.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 150)
    await one.page.wait_for_function("document.querySelector('[data-test=detail] h2').innerText !== 'Now'")
    assert now == "Now"
    assert "kW" in await one.text('[data-test="detail"] table')
    assert await one.text('[data-test="detail"] .why')


async def test_an_override_tapped_on_the_page_reaches_the_device_and_gets_a_price(visit: Open, home: Home) -> None:
    one = await visit("rooms")
    async with listening(home, KITCHEN) as heard:
        wish = await set_kitchen(one)
        await next_heard(heard, lambda payload: f'"target_temperature": {wish}' in payload)
    assert "by hand until" in await one.text('[data-room="kitchen"]')
    await one.go("overrides")
    card = '[data-override="heating/kitchen_setpoint_c"]'
    assert f"{wish} °C" in await one.text(card)
    await one.page.wait_for_function(
        "document.querySelector('[data-test=price-tag]')?.innerText.match(/costs/)", timeout=PATIENT_MS
    )
    async with listening(home, f"{BASE}/override/heating/kitchen_setpoint_c") as heard:
        await one.page.tap('[data-test="cancel"]')
        await next_heard(heard, lambda payload: payload == "")
    await one.page.wait_for_selector(".empty-state", timeout=PATIENT_MS)


async def test_the_battery_is_set_by_hand(visit: Open, home: Home) -> None:
    one = await visit("battery")
    async with listening(home, f"{BASE}/override/inverter/grid_export") as heard:
        await one.page.tap('[data-control="grid_export"]')
        await one.page.tap('[data-option="false"]')
        await one.page.tap('[data-test="apply"]')
        _, said = await next_heard(heard, lambda payload: payload != "")
    assert json.loads(said)["value"] is False
    await one.page.wait_for_selector("dialog.sheet", state="hidden", timeout=PATIENT_MS)
    await cancel_all(one)


async def test_what_pems_refuses_stands_on_health(visit: Open, home: Home) -> None:
    one = await visit("health")
    async with aiomqtt.Client("127.0.0.1", home.broker.port) as client:
        await client.publish(f"{BASE}/override/set", '{"device": "toaster"}', qos=1)
    await one.page.wait_for_selector('[data-test="errors"] li', timeout=PATIENT_MS)
    assert "override/set" in await one.text('[data-test="errors"]')
    assert await one.page.locator("[data-device]").count() == 2


async def test_stop_asks_once_more_and_holds_until_it_is_reset(visit: Open, home: Home) -> None:
    one = await visit("stop")
    await one.page.tap('[data-test="stop"]')
    assert home.engine.live.commanding.emergency.latch is None
    await one.page.tap('[data-test="sure"]')
    await one.until_state("stopped")
    assert home.engine.live.commanding.emergency.latch is not None
    assert "under its own control" in await one.text('[data-test="banner"]')
    await one.page.tap('[data-test="reset"]')
    await one.page.tap('[data-test="sure"]')
    await one.page.wait_for_selector('[data-test="stop"]', timeout=PATIENT_MS)
    assert home.engine.live.commanding.emergency.latch is None
    await one.until_state("running")


async def test_everything_is_said_in_czech(visit: Open) -> None:
    one = await visit("now", language="cs-CZ")
    assert [await one.text(f'[data-page="{view}"] .nav-word') for view in VIEWS] == [
        "Nyní", "Plán", "Pokoje", "Baterie", "Ručně", "Stav", "Stop",
    ]  # fmt: skip
    assert re.search(r"\d,\d\d\s?Kč/kWh", await one.text(".price-card .figure"))
    await one.go("rooms")
    assert "Kuchyně" in await one.text('[data-room="kitchen"]')
    assert re.search(r"\d\d,\d°", await one.text('[data-room="kitchen"]'))


async def test_somebody_says_that_they_know_of_an_alert(visit: Open, home: Home) -> None:
    home.engine.live.alerts.begin("cellar", "the floor is wet")
    one = await visit("health")
    mine = '[data-alert="cellar"]'
    await one.page.wait_for_selector(mine, timeout=PATIENT_MS)
    await one.page.tap(f'{mine} [data-test="ack"]')
    await one.page.wait_for_selector(f'{mine} [data-test="known"]', timeout=PATIENT_MS)
    (known,) = home.engine.live.alerts.judge.acknowledged.values()
    assert known.by == "household"
    home.engine.live.alerts.end("cellar")
    await one.page.wait_for_selector(mine, state="detached", timeout=PATIENT_MS)


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "tablet"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_page_shows_the_house_and_people_can_read_and_hit_everything(
    theme: str, phone: bool, visit: Open
) -> None:
    one = await visit("now", theme=theme, phone=phone)
    found: list[str] = []
    for view in VIEWS:
        await one.turn_to(view)
        await one.until_state("running")
        assert await one.text("h1")
        assert "undefined" not in await one.text(".page")
        assert "NaN" not in await one.page.content()
        found += await faults(one, view)
    await one.turn_to("rooms")
    await one.page.click('[data-room="kitchen"]')
    await one.page.wait_for_timeout(400)
    found += await faults(one, "sheet")
    assert found == []


async def faults(one: Visit, view: str) -> list[str]:
    """What axe finds wrong: contrast, size of what is tapped, names, landmarks."""
    said = await Axe().run(one.page, options={"runOnly": RULES})
    return [
        f"{view}: {fault['id']}: {node['html'][:120]}: {node.get('failureSummary', '')[:200]}"
        for fault in said.response["violations"]
        for node in fault["nodes"]
    ]
