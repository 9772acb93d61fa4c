"""The inverter's clock, by which its slots act (protocols E.4, D.6)."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pems_growatt.oig_clock import offset_s

from pems_core.domain import NotDelivered, NotNow, Stage
from tests.brokers import Mosquitto

from .house import NOON, house

PRAGUE = ZoneInfo("Europe/Prague")
FIRST_0230 = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
SECOND_0230 = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.trap("54")
@pytest.mark.parametrize("year", ["2025", "25", "0025"])
def test_years_of_two_and_four_digits_are_read(year: str) -> None:
    """Some inverters keep 26, others 2026; PEMS reads both, padded with zeros too."""
    assert offset_s(f"{year}-01-15 13:00:10", PRAGUE, NOON) == 10.0


@pytest.mark.trap("53")
@pytest.mark.parametrize("now", [FIRST_0230, SECOND_0230])
def test_the_doubled_hour_is_taken_for_the_nearer_one(now: datetime) -> None:
    """The inverter shows 02:30 twice; PEMS takes neither for an hour's offset."""
    assert offset_s("2025-10-26 02:30:00", PRAGUE, now) == 0.0


@pytest.mark.parametrize("shown", ["", "now", "2025-13-01 00:00:00", "2025-01-15", None, 5, "2025-02-30 10:00:00"])
def test_what_is_no_time_is_not_taken_for_one(shown: object) -> None:
    with pytest.raises(NotDelivered, match="datetime/get: value: found"):
        offset_s(shown, PRAGUE, NOON)


@pytest.mark.trap("51")
async def test_a_clock_that_is_off_is_set_before_a_slot(mosquitto: Mosquitto) -> None:
    """The clock has drifted by five minutes; PEMS sets it before it trusts a slot to it."""
    async with house(mosquitto) as home:
        home.inverter.clock_ahead = timedelta(minutes=-5)
        receipts = await home.send_all(home.commands({"mode": "battery_first"}))
        assert {receipt.stage for receipt in receipts} == {Stage.READBACK_OK}
        assert abs(home.inverter.clock_ahead) < timedelta(seconds=30)
        assert home.wear.spent.count("holding/45") == 1


@pytest.mark.trap("52")
async def test_a_clock_that_somebody_puts_back_gets_no_slot(mosquitto: Mosquitto) -> None:
    """The datalogger puts the clock back by an hour again and again; PEMS sets it once a day and gives no slot."""
    async with house(mosquitto) as home:
        home.inverter.clock_ahead = timedelta(hours=-1)
        home.inverter.clock_is_locked = True
        for mode in ("battery_first", "grid_first"):
            for command in home.commands({"mode": mode, "battery_charge_grid": mode == "battery_first"}):
                by_clock = '"enabled": true' in command.payload or '"value": 1}' in command.payload
                with pytest.raises(NotNow, match="a slot would act at the wrong time") if by_clock else nullcontext():
                    await home.transport.send(command)
        assert home.inverter.get("holding", 1092) == 0
        assert home.wear.spent.count("holding/45") == 1
        assert home.inverter.get("holding", 1102) == home.inverter.get("holding", 1082) == 0
        assert any(alert.place == "inverter/clock_offset_s" for alert in home.transport.alerts)


async def test_nobody_sets_the_clock_while_clocks_are_changed(mosquitto: Mosquitto) -> None:
    night = datetime(2025, 10, 26, 0, 15, tzinfo=UTC)
    async with house(mosquitto, start=night) as home:
        home.inverter.clock_ahead = timedelta(minutes=-5)
        with pytest.raises(NotNow):
            await home.send_all(home.commands({"mode": "battery_first"}, night + timedelta(hours=4)))
        assert "holding/45" not in home.wear.spent
