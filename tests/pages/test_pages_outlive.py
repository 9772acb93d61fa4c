"""What the pages say while something is gone, and that they come back by themselves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .conftest import PATIENT_MS, Open, Visit
from .home import Home
from .test_pages import KITCHEN, cancel_all, listening, next_heard, set_kitchen

pytestmark = pytest.mark.asyncio(loop_scope="session")

OVERRIDE = '[data-override="heating/kitchen_setpoint_c"]'
EVERY_ORDER = "NBCNCBN"
"""Node-RED, broker, core: each is restarted right after each other one."""


async def shows_override(one: Visit) -> None:
    await one.until_state("running")
    await one.page.wait_for_selector(OVERRIDE, timeout=PATIENT_MS)


async def test_an_override_outlives_node_red_broker_and_core_in_every_order(visit: Open, home: Home) -> None:
    one = await visit("rooms")
    await set_kitchen(one)
    await one.go("overrides")
    one.quiet = False
    restart: dict[str, Callable[[Visit, Home], Awaitable[None]]] = {
        "N": restarted_nodered,
        "B": restarted_broker,
        "C": restarted_core,
    }
    for who in EVERY_ORDER:
        await restart[who](one, home)
        await shows_override(one)
    await cancel_all(one)
    await one.page.wait_for_selector(".empty-state", timeout=PATIENT_MS)


async def restarted_nodered(one: Visit, home: Home) -> None:
    await home.front.stop()
    await one.until_state("lost")
    await home.front.start()


async def restarted_broker(one: Visit, home: Home) -> None:
    await asyncio.to_thread(home.broker.stop)
    await one.until_state("no_broker")
    await asyncio.to_thread(home.broker.start)


async def restarted_core(one: Visit, home: Home) -> None:
    await home.stop_core()
    await one.until_state("offline")
    await home.start_core()


async def test_people_set_rooms_by_hand_while_pems_is_down(visit: Open, home: Home) -> None:
    one = await visit("now")
    await home.stop_core()
    await one.until_state("offline")
    assert "not running" in await one.text('[data-test="doing"]')
    assert "not running" in await one.text('[data-test="banner"]')
    await one.go("rooms")
    async with listening(home, KITCHEN) as heard:
        wish = await set_kitchen(one, turns=1)
        await next_heard(heard, lambda payload: f'"target_temperature": {wish}' in payload)
    await one.go("overrides")
    await one.page.wait_for_selector(OVERRIDE, timeout=PATIENT_MS)
    await home.start_core()
    await one.until_state("running")
    # It is PEMS' own override now, and gets a price.
    await one.page.wait_for_function(
        "document.querySelector('[data-test=price-tag]')?.innerText.match(/cost/)", timeout=PATIENT_MS
    )
    await cancel_all(one)
