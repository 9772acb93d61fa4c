"""A Miniserver that restarts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.brokers import Mosquitto

from .house import ROOMS, GateHouse, gate_house

COLD_NOON = datetime(2025, 1, 15, 11, 0, 5, tzinfo=UTC)


def follows_pems(house: GateHouse) -> bool:
    """Whether each room's inputs hold what the plan in force wants."""
    in_force = house.engine.live.commanding.dispatcher.in_force("heating")
    if in_force is None or not house.miniserver.pems_ok:
        return False
    rooms = house.miniserver.rooms
    relays = {name: in_force.settings.get(f"{name}_relay") for name in ROOMS}
    wanted = {name: -1.0 if on is None else float(bool(on)) for name, on in relays.items()}
    return all(rooms[name].relay_input == wanted[name] for name in ROOMS)


@pytest.mark.gate(8)
@pytest.mark.trap("74")
@pytest.mark.slow
async def test_a_miniserver_that_restarts_heats_by_itself_and_then_follows_again(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The Miniserver restarted and knew nothing: local thermostats at once, everything told anew, followed again."""
    async with gate_house(mosquitto, tmp_path, COLD_NOON, speed=120, series={"outdoor_temperature_c": -5.0}) as house:
        await house.until(lambda: follows_pems(house), "heating by the plan")
        boots, told = house.miniserver.boots, len(house.miniserver_mqtt.heard)
        down_at = house.now
        house.miniserver.reboot(off_s=60.0, starting_s=120.0)
        assert not house.miniserver.pems_ok
        await house.until(lambda: house.miniserver.boots > boots, "the restart")
        # Defaults of the virtual inputs: rooms follow their own thermostats.
        assert all(room.relay_input == -1.0 for room in house.miniserver.rooms.values())
        await house.until(lambda: house.miniserver_mqtt.subscribed, "the Miniserver at the broker")
        back_at = house.now
        await house.until(lambda: follows_pems(house), "following again")
        took = house.now - back_at
        assert took < timedelta(minutes=10), took
        assert house.miniserver_mqtt.retained == []
        heard = house.miniserver_mqtt.heard[told:]
        assert {topic.split("/")[2] for topic, _ in heard if topic.endswith("/set")} >= set(ROOMS)
        meanwhile = [seen for seen in house.seen if down_at + timedelta(minutes=1) < seen.at < back_at]
        assert meanwhile
        assert not any(seen.pems_ok for seen in meanwhile)
        await house.passes(timedelta(minutes=20))
        assert min(min(seen.temperatures_c.values()) for seen in house.seen) > 19.5
        assert house.seen[-1].pems_ok
