"""What the pages say while something is gone, and that they come back by themselves.

Broker, Node-RED, engine and browser are processes of their own here; the devices live in this one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from pems_core.simulation.devices.miniserver_program import AUTO, NO_SETPOINT

from .conftest import PATIENT_MS, Open, Visit, require_pages
from .home import SITE, Apart
from .test_pages import KITCHEN, cancel_all, listening, next_heard, set_kitchen

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

OVERRIDE = '[data-override="heating/kitchen_setpoint_c"]'
PRICED_JS = "document.querySelector('[data-test=price-tag]')?.innerText.match(/cost|saves/)"
EVERY_ORDER = "NBCNBNCBN"
"""Node-RED, broker, core: the shortest course in which three in a row stand in each of the six orders."""
SPEED = 60.0
A_MOMENT = timedelta(minutes=5)
"""Of the house; some seconds of the wall."""
SETTLES_S = 12.0
ONCE_ANEW = 300
"""Messages: what PEMS, the Miniserver and the gateway tell a broker that has nothing."""
BASE = f"pems/{SITE}"
WISHES = ("energy/solar/command/#", "loxone/+/+/set", "loxone/+/+/setpoint")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def apart(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Apart]:
    """A house whose engine can be killed; what it tells through Node-RED ends soon when nobody tells it anew."""
    require_pages()
    one = Apart(
        tmp_path_factory.mktemp("apart"),
        speed=SPEED,
        carries=("heating", "inverter"),
        whole_hours=0.25,
        every_minutes=5,
    )
    async with one.living():
        async with asyncio.timeout(3 * PATIENT_MS / 1000):
            await one.settled()
        yield one


async def shows_override(one: Visit) -> None:
    await one.until_state("running")
    await one.page.wait_for_selector(OVERRIDE, timeout=PATIENT_MS)
    await one.page.wait_for_function(PRICED_JS, timeout=PATIENT_MS)


async def test_an_override_outlives_node_red_broker_and_core_in_every_order(visit: Open, apart: Apart) -> None:
    one = await visit("rooms", home=apart)
    wish = await set_kitchen(one)
    await one.go("overrides")
    await shows_override(one)
    one.quiet = False
    restart: dict[str, Callable[[Visit, Apart], Awaitable[None]]] = {
        "N": restarted_nodered,
        "B": restarted_broker,
        "C": restarted_core,
    }
    for who in EVERY_ORDER:
        await restart[who](one, apart)
        await shows_override(one)
        assert f"{wish} °C" in await one.text(OVERRIDE)
    # The room still does what was asked, and nobody else had to ask for it again.
    await until(lambda: apart.house.miniserver.rooms["kitchen"].setpoint_input == wish, "the room is told")
    await cancel_all(one)
    await one.page.wait_for_selector(".empty-state", timeout=PATIENT_MS)


async def restarted_nodered(one: Visit, home: Apart) -> None:
    await home.front.stop()
    await one.until_state("lost")
    await home.front.start()


async def restarted_broker(one: Visit, home: Apart) -> None:
    await asyncio.to_thread(home.broker.stop)
    await one.until_state("no_broker")
    await asyncio.to_thread(home.broker.start)


async def restarted_core(one: Visit, home: Apart) -> None:
    await home.stop_core()
    await one.until_state("offline")
    await home.start_core()


async def test_a_killed_core_leaves_devices_that_node_red_gives_back_and_people_who_can_still_choose(
    visit: Open, apart: Apart
) -> None:
    one = await visit("now", home=apart)
    await one.until_state("running")
    await apart.settled()
    await apart.kill_core()
    await one.until_state("offline")
    ends = await leases(apart)
    assert set(ends) == {"heating", "inverter"}
    assert "not running" in await one.text('[data-test="doing"]')
    held = await one.text('[data-test="banner"]')
    assert "do what they were told until" in held
    assert not rooms_are_own(apart)

    async with listening(apart, *WISHES) as heard:
        given_back = await when_given_back(apart, heard)
    for device, end in ends.items():
        assert end <= given_back[device] < end + A_MOMENT, (device, end, given_back)
    await until(lambda: rooms_are_own(apart), "the rooms are their own")
    await one.page.wait_for_function(
        "document.querySelector('[data-test=banner]').innerText.includes('under their own control')", timeout=PATIENT_MS
    )

    await one.go("rooms")
    async with listening(apart, KITCHEN) as heard:
        wish = await set_kitchen(one, turns=1)
        await next_heard(heard, lambda payload: f'"target_temperature": {wish}' in payload)
    await one.go("overrides")
    await one.page.wait_for_selector(OVERRIDE, timeout=PATIENT_MS)
    assert "without PEMS" in await one.text(OVERRIDE)

    await apart.start_core()
    # It is PEMS's own override now, and has a price.
    await shows_override(one)
    await one.go("health")
    assert await one.page.locator('[data-test="errors"] li').count() == 0
    await cancel_all(one)


async def leases(home: Apart) -> dict[str, datetime]:
    """Until when each device does what it was told."""
    async with listening(home, f"{BASE}/lease/+") as heard:
        await asyncio.sleep(1.0)
        said = [json.loads(text) for text in (heard.get_nowait()[1] for _ in range(heard.qsize())) if text]
    return {one["device"]: datetime.fromisoformat(one["until"]) for one in said}


async def when_given_back(home: Apart, heard: "asyncio.Queue[tuple[str, str]]") -> dict[str, datetime]:
    """When the first message came that gives each device back."""
    found: dict[str, datetime] = {}
    async with asyncio.timeout(PATIENT_MS / 1000):
        while len(found) < 2:
            topic, _ = await heard.get()
            found.setdefault("heating" if topic.startswith("loxone/") else "inverter", home.clock.now())
    return found


def rooms_are_own(home: Apart) -> bool:
    """Whether every room follows the Miniserver's own thermostat."""
    rooms = home.house.miniserver.rooms.values()
    return all((room.relay_input, room.setpoint_input) == (AUTO, NO_SETPOINT) for room in rooms)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what must happen."""
    began = datetime.now().astimezone()
    while not condition():
        assert datetime.now().astimezone() - began < timedelta(milliseconds=PATIENT_MS), what
        await asyncio.sleep(0.05)


async def test_a_broker_that_was_away_is_told_the_newest_once(visit: Open, apart: Apart) -> None:
    await without_broker(visit, apart, 10.0)


@pytest.mark.gate(3)
@pytest.mark.timeout(1500)
async def test_a_broker_that_was_away_for_ten_minutes_is_told_the_newest_once(
    visit: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    require_pages()
    one = Apart(tmp_path_factory.mktemp("slow"), carries=("heating", "inverter"), every_minutes=5)
    async with one.living():
        await one.settled()
        await without_broker(visit, one, 600.0)


async def without_broker(visit: Open, apart: Apart, away_s: float) -> None:
    """Take the broker away, and count what is said when it is back."""
    one = await visit("now", home=apart)
    await one.until_state("running")
    one.quiet = False
    async with listening(apart, "#") as heard:
        await asyncio.sleep(SETTLES_S)
        usual = [heard.get_nowait() for _ in range(heard.qsize())]
    await asyncio.to_thread(apart.broker.stop)
    await one.until_state("no_broker")
    await asyncio.sleep(away_s)
    await asyncio.to_thread(apart.broker.start)
    async with listening(apart, "#") as heard:
        # PEMS tries again with pauses of up to half a minute; what it says and does then is what counts.
        await one.until_state("running")
        await asyncio.sleep(SETTLES_S)
        said = [heard.get_nowait() for _ in range(heard.qsize())]
    wishes = [(topic, wished(text)) for topic, text in said if is_wish(topic)]
    asked = [text for topic, text in said if topic.startswith(f"{BASE}/carry/")]
    answered = [text for topic, text in said if topic.startswith(f"{BASE}/applied/")]
    print(
        f"{away_s:g} s without a broker; in {SETTLES_S:g} s after it {len(said)} messages, {len(usual)} before;",
        f"{len(wishes)} commands on {len(dict(wishes))} topics, {len(asked)} requests, {len(answered)} answers",
    )
    # What is retained is there anew: the broker keeps nothing over its end.
    kept = {topic.removeprefix(f"{BASE}/").split("/")[0] for topic, _ in said}
    assert kept >= {"site", "status", "plan", "price", "alerts", "state", "controls", "release", "decision"}
    # A device hears the newest, and nothing that was wanted meanwhile: what held, and what each new plan has. On a
    # fast clock several plans are made in these seconds; at the pace of the wall one at most.
    plans = len({text for topic, text in said if topic == f"{BASE}/plan"})
    assert max(Counter(wishes).values(), default=0) <= max(1, plans), wishes
    assert max(Counter(topic for topic, _ in wishes).values(), default=0) <= max(2, 1 + plans), wishes
    assert abs(len(asked) - len(answered)) <= 1
    assert len(said) < 2 * len(usual) + ONCE_ANEW


def is_wish(topic: str) -> bool:
    """Whether a device is commanded by it; neither the heartbeat nor what asks a gateway how it is set does."""
    inverter = topic.startswith("energy/solar/command/") and not topic.endswith(("/get", "/list"))
    return inverter or (topic.startswith("loxone/") and topic.endswith(("/set", "/setpoint")))


def wished(text: str) -> str:
    """What is wished, without what tells one message from another."""
    said = json.loads(text)
    return json.dumps({key: value for key, value in said.items() if key != "correlationId"}, sort_keys=True)
