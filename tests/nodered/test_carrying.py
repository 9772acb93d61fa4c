"""Messages of a device that Node-RED carries: each once, and never two ways at a time."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt
import pytest

from pems_core.domain import NotDelivered
from pems_core.nodered import FOLDER, NodeRed
from pems_core.runtime.contract import TOLD
from pems_core.runtime.words import instant
from tests.brokers import Mosquitto
from tests.runtime.conftest import Running, Start, wait_for

from .conftest import CARRIED, NOT_DIRECT, Front

pytestmark = pytest.mark.slow

DECISIONS = 500
WITHIN_S = 60.0
SET = {"device": "inverter", "control": "mode", "value": "grid_first", "by": "tester", "for_minutes": 120}


async def carried(running: Running) -> None:
    await wait_for(lambda: running.engine.live.carriage.carries("inverter"), WITHIN_S)


@pytest.mark.parametrize("version", [5, 4])
async def test_a_command_reaches_its_device_through_node_red_of_today_and_of_before_and_is_reported(
    start_engine: Start, start_nodered: Front, version: int
) -> None:
    async with start_nodered(version) as front, start_engine(more=CARRIED) as running:
        await carried(running)
        await wait_for(lambda: running.ears.last("plan"))
        await running.say("override/set", SET)
        await wait_for(lambda: running.server.told.get("mode") == "grid_first")
        requests = running.ears.said["carry/inverter"]
        await wait_for(
            lambda: {said["request"] for said in _applied(running)} == {said["request"] for said in requests}
        )
        assert {said["result"] for said in _applied(running)} == {"carried"}
        asked = [request for request in requests if "grid_first" in request["wire"][0]["payload"]]
        assert sum(told.get("mode") == "grid_first" for _, told in running.server.heard) == len(asked) == 1
        assert running.ears.last("lease/inverter")["until"] > running.ears.last("heartbeat")["at"]
        log = front.log.read_text(encoding="utf-8")
        assert f"Node-RED version: v{version}." in log
        assert "[error]" not in log
        assert "missing types" not in log


async def test_at_its_end_pems_gives_back_through_node_red_and_hears_that_it_is_done(
    start_engine: Start, start_nodered: Front
) -> None:
    async with start_nodered(), start_engine(more=CARRIED) as running:
        await carried(running)
        await wait_for(lambda: running.server.told.get("mode"))
        running.engine.end("the test says so")
        ended = await running.ended
        assert ended.released == {"inverter": True}
        last = running.ears.said["carry/inverter"][-1]
        assert last["releases"]
        assert _applied(running)[-1]["request"] == last["request"]


async def test_none_of_many_decisions_is_lost_or_doubled(
    start_engine: Start, start_nodered: Front, mosquitto: Mosquitto
) -> None:
    heard: Counter[str] = Counter()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard[str(message.topic)] += 1

    async def directly() -> None:
        raise AssertionError("it went around Node-RED")

    async with start_nodered(), start_engine(more=CARRIED) as running:
        await carried(running)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.subscribe("probe/#", qos=1)
            listening = asyncio.create_task(listen(client))
            line = running.engine.lines.mqtt
            for k in range(DECISIONS):
                wire = {"transport": "mqtt", "topic": f"probe/{k}", "payload": str(k), "qos": 1}
                await running.engine.live.carriage.say("inverter", wire, None, line, directly)
            await wait_for(lambda: len(heard) == DECISIONS)
            listening.cancel()
    assert set(heard.values()) == {1}


async def test_a_node_red_that_dies_is_noticed_and_the_direct_way_is_taken(
    start_engine: Start, start_nodered: Front
) -> None:
    async with start_nodered() as front, start_engine(more=CARRIED) as running:
        await carried(running)
        running.engine.live.carriage._began_s -= 60
        await front.kill()
        alert = await wait_for(lambda: _alert_of(running, "nodered"), 30)
        assert "PEMS reaches them directly" in alert["text"]
        asked = len(running.ears.said.get("carry/inverter", []))
        await running.say("override/set", SET)
        await wait_for(lambda: running.server.told.get("mode") == "grid_first")
        assert len(running.ears.said.get("carry/inverter", [])) == asked


async def test_without_a_direct_way_a_silent_node_red_leaves_the_device_alone(start_engine: Start) -> None:
    async with start_engine(more=NOT_DIRECT) as running:
        await wait_for(lambda: running.ears.last("plan"))
        running.engine.live.carriage._began_s -= 60
        alert = await wait_for(lambda: _alert_of(running, "nodered"))
        assert "nothing is sent to them" in alert["text"]
        with pytest.raises(NotDelivered, match="silent"):
            await running.engine.live.carriage.say("inverter", {}, None, running.engine.lines.mqtt, _never)
        assert running.server.heard == []


async def test_goes_on_when_the_broker_was_away_and_nothing_is_said_twice(
    start_engine: Start, start_nodered: Front, mosquitto: Mosquitto
) -> None:
    async with start_nodered(), start_engine(more=CARRIED) as running:
        carriage, line = running.engine.live.carriage, running.engine.lines.mqtt
        await carried(running)
        mosquitto.stop()
        await wait_for(lambda: not line.connected)
        away = "while it was away"
        with pytest.raises(NotDelivered):
            await carriage.say("inverter", _wire(away), None, line, lambda: line.publish("device/set", away))
        await asyncio.sleep(2)
        mosquitto.start()
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.subscribe("device/#", qos=1)
            dead = DeadCore()
            listening = asyncio.create_task(dead.listen(client))
            await wait_for(lambda: line.connected, 30)
            await wait_for(lambda: carriage.carries("inverter"), 30)
            await carriage.say("inverter", _wire("newest"), None, line, _never)
            await wait_for(dead.told)
            await asyncio.sleep(1)
            listening.cancel()
        assert dead.told() == ["newest"]


async def _never() -> None:
    raise AssertionError("it must not be said")


def _applied(running: Running) -> list[dict[str, str]]:
    return [said for topic, told in running.ears.said.items() if topic.startswith("applied/") for said in told]


def _alert_of(running: Running, place: str) -> dict[str, str] | None:
    return next((alert for alert in running.ears.said.get("alert", []) if alert["place"] == place), None)


class DeadCore:
    """What a core that was killed left on the broker: a device that holds a lease, and the way to give it back."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    async def leave(self, client: aiomqtt.Client, lease_s: float) -> None:
        now = datetime.now(UTC)
        until = (now + timedelta(seconds=lease_s)).isoformat().replace("+00:00", "Z")
        left = {
            "status": {"state": "offline", "stage": {}, "rung": None, "version": "0", "since": now.isoformat()},
            "lease/inverter": {"device": "inverter", "until": until, "source": "plan"},
            "release/inverter": {"device": "inverter", "wire": [_wire("release")]},
            "controls/inverter": {
                "device": "inverter",
                "controls": [{"control": "mode", "options": [{"value": "grid_first", "wire": [_wire("grid_first")]}]}],
            },
        }
        for topic, payload in left.items():
            await client.publish(f"pems/trial/{topic}", json.dumps(payload), qos=1, retain=True)

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self.heard.append((str(message.topic), bytes(message.payload).decode()))

    def told(self) -> list[str]:
        return [text for topic, text in self.heard if topic == "device/set"]


def _wire(payload: str) -> dict[str, object]:
    return {"transport": "mqtt", "topic": "device/set", "payload": payload, "qos": 1}


def with_ears(front: NodeRed, port: int) -> None:
    """Flows in which a test can speak to the house as a page does, and hear what pages hear."""
    front.folder.mkdir(parents=True)
    flows = json.loads((FOLDER / "flows.json").read_text(encoding="utf-8"))
    house = next(node for node in flows if node["type"] == "pems-house" and node["name"] == "the house")
    broker = {"id": "testbroker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port), "protocolVersion": 4}
    ask = {
        "id": "testask", "type": "mqtt in", "z": house["z"], "topic": "test/ask", "qos": "1", "datatype": "json",
        "broker": "testbroker", "wires": [["testturn"]], "x": 0, "y": 0, "inputs": 0, "nl": False, "rap": True, "rh": 0,
    }  # fmt: skip
    turn = {
        "id": "testturn", "type": "function", "z": house["z"], "func": "return msg.payload", "outputs": 1,
        "wires": [[house["id"]]], "x": 0, "y": 0,
    }  # fmt: skip
    tell = {
        "id": "testtell", "type": "mqtt out", "z": house["z"], "topic": "test/house", "qos": "1", "retain": "false",
        "broker": "testbroker", "wires": [], "x": 0, "y": 0,
    }  # fmt: skip
    for output in house["wires"]:
        output.append("testtell")
    (front.folder / "flows.json").write_text(json.dumps([*flows, broker, ask, turn, tell]), encoding="utf-8")


async def test_gives_a_device_back_when_the_lease_of_a_dead_core_ends(
    start_nodered: Front, mosquitto: Mosquitto
) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client, start_nodered():
        dead = DeadCore()
        await client.subscribe("device/#", qos=1)
        listening = asyncio.create_task(dead.listen(client))
        await dead.leave(client, lease_s=3)
        await asyncio.sleep(2)
        assert dead.told() == []
        await wait_for(lambda: dead.told() == ["release"], 20)
        await asyncio.sleep(2)
        assert dead.told() == ["release"]
        listening.cancel()


async def test_what_people_choose_while_the_core_is_down_is_done_survives_node_red_and_is_handed_over(
    start_nodered: Front, start_engine: Start, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    front = NodeRed(mosquitto.url, "trial", tmp_path / "node-red")
    with_ears(front, mosquitto.port)
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        dead = DeadCore()
        await client.subscribe([("device/#", 1), ("test/house", 1)])
        listening = asyncio.create_task(dead.listen(client))
        await dead.leave(client, lease_s=2)
        async with start_nodered():
            await wait_for(lambda: any('"offline"' in text for topic, text in dead.heard if topic == "test/house"))
            await client.publish("test/ask", json.dumps({"topic": "override/set", "payload": SET}), qos=1)
            await wait_for(lambda: dead.told() == ["grid_first"])
            # A person holds it: the end of the lease is no reason to take it back.
            await asyncio.sleep(5)
            assert dead.told() == ["grid_first"]
        async with start_nodered():
            await asyncio.sleep(3)
            assert dead.told() == ["grid_first"]
            async with start_engine(speed=1.0, more="") as running:
                told = await wait_for(lambda: running.ears.last("override/inverter/mode"), WITHIN_S)
                assert (told["value"], told["by"]) == ("grid_first", "tester")
        listening.cancel()


WRONG = [
    ("status", "no json"),
    ("heartbeat", json.dumps({"healthy": "yes", "valid_for_s": 60})),
    ("site", json.dumps([1])),
    ("plan", json.dumps({"made_at": "yesterday", "starts": [], "ends": []})),
    ("plan", json.dumps({"made_at": "2025-01-15T06:00:00Z", "starts": [None], "ends": [3]})),
    ("price", json.dumps({"at": "2025-01-15T06:00:00Z"})),
    ("emergency", json.dumps({"stopped": 1})),
    ("alert", json.dumps({"severity": "warning"})),
    ("alerts", json.dumps({})),
    ("alerts", json.dumps({"alerts": [None]})),
    ("error", json.dumps({"topic": "", "faults": []})),
    ("comfort/heating", json.dumps({})),
    ("state/inverter", json.dumps({"device": "inverter", "points": [1]})),
    ("controls/inverter", json.dumps({"device": "inverter"})),
    (
        "controls/heating",
        json.dumps({"device": "heating", "controls": [{"control": "kitchen_setpoint_c", "options": 3}]}),
    ),
    ("state/heating", json.dumps({"device": "heating", "points": {"kitchen_temperature_c": None}})),
    ("release/inverter", json.dumps({"device": "inverter", "wire": "now"})),
    ("lease/inverter", json.dumps({"device": "inverter", "until": "2025-01-15T06:00"})),
    ("decision/inverter/mode", json.dumps({"id": "x"})),
    ("override/inverter/mode", json.dumps({"device": "inverter", "control": "mode", "until": 5})),
    ("carry/inverter", json.dumps({"request": "r", "id": "i", "device": "inverter", "control": "mode", "wire": {}})),
    ("savings", "3"),
]


BEAT = {"counter": 1, "healthy": True, "valid_for_s": 60.0, "speed": 1.0}


async def test_refuses_wrong_payloads_on_every_topic_with_their_place_and_sends_nothing(
    start_nodered: Front, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    front = NodeRed(mosquitto.url, "trial", tmp_path / "node-red")
    with_ears(front, mosquitto.port)
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client, start_nodered():
        dead = DeadCore()
        await client.subscribe([("#", 1)])
        listening = asyncio.create_task(dead.listen(client))
        await wait_for(lambda: any(topic == "pems/trial/carrier" for topic, _ in dead.heard))
        assert {topic.split("/")[0] for topic, _ in WRONG} == {topic.split("/")[0] for topic in TOLD}
        for topic, payload in WRONG:
            await client.publish(f"pems/trial/{topic}", payload, qos=1)
        wanted = {topic for topic, _ in WRONG}

        def refused() -> set[str]:
            said = [json.loads(text) for topic, text in dead.heard if topic == "test/house"]
            return {error["topic"] for house in said for error in house.get("errors", [])}

        await wait_for(lambda: refused() >= wanted)
        # It still lives, and hears what is right.
        await client.publish("pems/trial/heartbeat", json.dumps(BEAT | {"at": instant(datetime.now(UTC))}), qos=1)
        await wait_for(lambda: any('"core":"running"' in text for topic, text in dead.heard if topic == "test/house"))
        ours = {f"pems/trial/{topic}" for topic in wanted | {"heartbeat"}} | {"pems/trial/carrier", "test/house"}
        assert {topic for topic, _ in dead.heard} <= ours
        listening.cancel()
