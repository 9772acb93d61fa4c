"""A broker that goes down while the battery discharges."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pems_core.domain import Value
from tests.brokers import Mosquitto

from .house import ROOMS, Series, gate_house

NOON = datetime(2025, 1, 15, 11, 0, 5, tzinfo=UTC)
FLAT: Mapping[str, Series] = {"import_price_per_kwh": 4.0, "feed_in_price_per_kwh": 0.5}
RECOVERS_WITHIN_S = 60.0
"""Of the wall, as a network's times are."""


@pytest.mark.gate(3)
@pytest.mark.trap("69")
@pytest.mark.slow
async def test_a_broker_down_for_half_an_hour_of_discharge_costs_neither_battery_nor_comfort(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The broker was away for 30 min of discharge: the slot ended in time, heating was local, nothing replayed."""
    async with gate_house(
        mosquitto, tmp_path, NOON, speed=150, link="oig", soc=0.8, every_minutes=5, series=FLAT
    ) as house:
        discharge: Mapping[str, Value] = {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.3}
        await house.override(discharge, house.now + timedelta(minutes=20))
        await house.until(lambda: house.live.powers_kw["battery_terminal_discharge_kw"] > 2.5, "discharge")
        await house.until(lambda: house.miniserver.pems_ok, "PEMS_OK")
        assert house.stick is not None
        commands, down_at = len(house.stick.heard), house.now
        house.mosquitto.stop()
        await house.until(lambda: house.now >= down_at + timedelta(minutes=6), "the end of the watchdog")
        assert not house.miniserver.pems_ok
        await house.until(lambda: house.now >= down_at + timedelta(minutes=30), "half an hour")
        # Nobody could tell it: its own slot has ended in time.
        assert house.inverter.order.mode == "load_first", house.inverter.order
        assert house.soc >= 0.3
        assert len(house.stick.heard) == commands
        house.mosquitto.start()
        back_s, back_at, engine = time.monotonic(), house.now, house.engine.session

        def well() -> bool:
            return (
                "inverter" in house.engine.live.state.devices
                and house.miniserver.pems_ok
                and (house.last("heartbeat") or {}).get("healthy", False)
            )

        await house.until(well, "recovery", within_s=RECOVERS_WITHIN_S)
        assert time.monotonic() - back_s < RECOVERS_WITHIN_S
        await house.passes(timedelta(minutes=15))
        assert house.engine.session == engine
        assert house.engine.lines.mqtt.connected
        replayed = [heard for heard in house.stick.heard[commands:] if heard.name == "gridfirst/set/timeslot"]
        assert not [heard for heard in replayed if b'"enabled": true' in heard.payload or b"true" in heard.payload]
        assert not [heard for heard in house.stick.heard if heard.retained]
        assert house.miniserver_mqtt.retained == []
        away = [seen for seen in house.seen if down_at + timedelta(minutes=6) < seen.at < back_at]
        assert not any(seen.pems_ok for seen in away)
        assert min(seen.temperatures_c[room] for seen in house.seen for room in ROOMS) > 19.5
        assert not any(seen.order == "grid_first" for seen in house.seen if seen.at > back_at)
