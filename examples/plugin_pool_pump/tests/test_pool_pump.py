"""The pump keeps the promises of every device, and says what a Shelly plug understands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pems_pool_pump import PoolPump, PoolPumpSection

from pems_core.domain import FlexibleLoadState, SiteState
from pems_core.testing import DEVICE_CONTRACT, DeviceCase

NOON = datetime(2025, 7, 15, 12, tzinfo=UTC)


@pytest.fixture
def pump() -> PoolPump:
    section = PoolPumpSection(power_kw=0.8, hours_per_day=5.0, skipped_price_per_kwh=10.0)
    return PoolPump("pool_pump", section.spec("Europe/Prague"))


@pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
def test_the_pump_keeps(promise: Callable[[DeviceCase], None], pump: PoolPump) -> None:
    promise(DeviceCase(pump, {"pool_pump/energy_needed_kwh": (4.0, "kWh")}))


def test_a_rest_ends_by_itself(pump: PoolPump) -> None:
    house = SiteState(NOON, {"pool_pump": FlexibleLoadState(4.0)})
    [command] = pump.encode({"power_kw": 0.0}, NOON, NOON + timedelta(minutes=15), house)
    assert command.address == "pool_pump/rpc"
    assert json.loads(command.payload)["params"] == {"id": 0, "on": False, "toggle_after": 900.0}
