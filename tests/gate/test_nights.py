"""The two nights in which the local clock is put forward and back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.brokers import Mosquitto

from .house import CHARGE, Series, gate_house

SPRING, AUTUMN = datetime(2025, 3, 30, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC)
"""UTC midnight; both change at 01:00 UTC."""
CASES = [
    pytest.param(SPRING, (10, 100), id="over the missing hour"),
    pytest.param(SPRING, (10, 70), id="until just after the missing hour"),
    pytest.param(AUTUMN, (10, 100), id="over the doubled hour"),
]
"""The night, and the minutes after UTC midnight at which the charge begins and ends."""
BEGINS_WITHIN = timedelta(minutes=20)
"""What a person sets waits for the minimum times of mode and powers, and a slot begins a minute after it is told."""
SLACK = timedelta(minutes=5)
"""The clock is fast: a write takes some minutes of it."""
CHANGE = timedelta(hours=1)
"""After UTC midnight. A slot is told anew then, and begins a minute after it is told."""
TOLD_ANEW_WITHIN = timedelta(minutes=10)


@pytest.mark.gate(4)
@pytest.mark.trap("53")
@pytest.mark.slow
@pytest.mark.parametrize(("midnight", "minutes"), CASES)
async def test_a_charge_over_the_change_of_the_clock_lasts_as_long_as_it_was_wished(
    mosquitto: Mosquitto, tmp_path: Path, midnight: datetime, minutes: tuple[int, int]
) -> None:
    """The local hour was missing, or came twice: the battery charged for just the wished minutes, and not again."""
    begin, end = (midnight + timedelta(minutes=minute) for minute in minutes)
    start = begin - timedelta(minutes=5)
    flat: dict[str, Series] = {"import_price_per_kwh": 4.0, "feed_in_price_per_kwh": 0.5, "base_load_kw": 0.1}
    async with gate_house(mosquitto, tmp_path, start, speed=400, soc=0.25, series=flat) as house:
        await house.until(lambda: house.now >= begin, "the beginning")
        await house.override(CHARGE, end)
        await house.until(lambda: house.now >= end + timedelta(minutes=75), "an hour after the end")
        charged = [seen.at for seen in house.seen if seen.powers_kw["battery_terminal_charge_kw"] > 0.5]
        change = midnight + CHANGE
        wished = [
            seen.at
            for seen in house.seen
            if begin + BEGINS_WITHIN <= seen.at < end - SLACK and not change <= seen.at < change + TOLD_ANEW_WITHIN
        ]
        assert set(wished) <= set(charged), f"lost: {sorted(set(wished) - set(charged))}; {house.situation}"
        doubled = [at for at in charged if not begin <= at < end + SLACK]
        assert not doubled, f"{doubled}; {house.situation}"
        assert not [line for line in house.failed() if line.device == "inverter"], house.situation
