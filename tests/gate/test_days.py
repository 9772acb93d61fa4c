"""Whole days."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import pi, sin
from pathlib import Path

import pytest

from pems_core.domain import Rung
from tests.brokers import Mosquitto

from .house import ROOMS, GateHouse, Seen, Series, gate_house, local_hour

MIDNIGHT = datetime(2025, 3, 10, 23, 0, 5, tzinfo=UTC)
"""In Prague."""
COMFORT_C = (20.0, 22.0)
SENSOR_K = 0.15
"""Temperatures are told in tenths, and a room may cross its band for the length of a relay's minimum time."""
AS_LONG_AS_S = 200.0
"""Of the wall: as many days as pass in it, and one at least; the benchmark of 30 days is another."""
WRITES_PER_DAY = 10
STARTS_PER_HOUR, STARTS_PER_DAY = 6, 18
LEAST_RUN = timedelta(minutes=5)
"""Protocols D.5."""


def sun_kw(at: datetime) -> float:
    """A clear day of March on 8 kW of modules."""
    hour = local_hour(at)
    return max(0.0, 5.0 * sin(pi * (hour - 6.5) / 11.5)) if 6.5 < hour < 18 else 0.0


def household_kw(at: datetime) -> float:
    """More in the morning and the evening."""
    hour = local_hour(at)
    return 1.2 if 6 <= hour < 8 or 17 <= hour < 22 else 0.4


def outdoor_c(at: datetime) -> float:
    return 4.0 + 5.0 * sin(pi * (local_hour(at) - 9) / 12)


DAY: Mapping[str, Series] = {"pv_kw": sun_kw, "base_load_kw": household_kw, "outdoor_temperature_c": outdoor_c}


def starts(house: GateHouse, room: str) -> list[datetime]:
    """When the room's relay closed."""
    return [after.at for before, after in pairwise(house.seen) if after.relays[room] and not before.relays[room]]


def runs(house: GateHouse, room: str) -> list[timedelta]:
    """How long the relay stayed as it was, between two changes."""
    changes = [after.at for before, after in pairwise(house.seen) if after.relays[room] != before.relays[room]]
    return [end - begin for begin, end in pairwise(changes)]


SETTLES = timedelta(minutes=12)
"""On this fast clock a command and its slot take some minutes of it."""


def astray(house: GateHouse) -> list[Seen]:
    """Minutes in which the inverter was, for longer than commands take, not in the mode that it had taken."""
    changed_at, found = house.seen[0].at, []
    for before, seen in pairwise(house.seen):
        if seen.told_mode != before.told_mode:
            changed_at = seen.at
        if seen.told_mode is not None and seen.order != seen.told_mode and seen.at - changed_at > SETTLES:
            found.append(seen)
    return found


@pytest.mark.gate(1)
@pytest.mark.slow
async def test_a_day_goes_by_plan(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async with gate_house(
        mosquitto, tmp_path, MIDNIGHT, speed=600, poll_s=30.0, watchdog_s=900.0, every_minutes=30, soc=0.4, series=DAY
    ) as house:
        # On a busy machine a plan takes minutes of a fast clock, and deals with where the battery has been.
        cycles = house.engine.cycles
        cycles.plan = house.clock.in_its_time(cycles.plan)  # type: ignore[method-assign]
        await house.until(lambda: house.now >= MIDNIGHT + timedelta(hours=24), "a day", within_s=500)
        rungs = [report.plan.rung for report, _ in house.reports]
        assert len(rungs) >= 47
        assert rungs.count(Rung.SOLVER) >= 0.95 * len(rungs), rungs
        assert len(astray(house)) <= 0.01 * len(house.seen), astray(house)
        assert max(house.inverter.worn().values()) <= WRITES_PER_DAY, house.inverter.worn()
        assert house.failed() == [], house.situation
        assert not [write for write in house.inverter.settings_written if write.unchanged]
        low, high = COMFORT_C
        temperatures_c = [seen.temperatures_c[room] for seen in house.seen for room in ROOMS]
        assert min(temperatures_c) >= low - SENSOR_K
        assert max(temperatures_c) <= high + SENSOR_K
        # The house did what pays: it bought at night, and the evening's peak was served without the grid.
        peak = [seen for seen in house.seen if 17 <= local_hour(seen.at) < 21]
        imported_kw = sum(seen.powers_kw["grid_import_kw"] for seen in peak) / len(peak)
        assert imported_kw < 0.3
        assert all(seen.pems_ok for seen in house.seen if seen.at > MIDNIGHT + timedelta(minutes=30))


@pytest.mark.gate(9)
@pytest.mark.trap("36")
@pytest.mark.slow
async def test_over_days_registers_and_relays_live_their_fifteen_years(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Unchanged values wore the memory, too: none was written, and mean writes and relay starts kept their limits."""
    began_s = time.monotonic()
    async with gate_house(
        mosquitto,
        tmp_path,
        MIDNIGHT,
        # On a faster clock a conversation on the bus takes longer than a reading is believed.
        speed=600,
        poll_s=60.0,
        watchdog_s=900.0,
        every_minutes=60,
        horizon_hours=12,
        soc=0.4,
        series=DAY,
    ) as house:
        await house.until(lambda: house.now >= MIDNIGHT + timedelta(days=1), "a day", within_s=500)
        while time.monotonic() - began_s < AS_LONG_AS_S and house.now < MIDNIGHT + timedelta(days=3):
            await house.passes(timedelta(hours=1))
        days = (house.now - MIDNIGHT) / timedelta(days=1)
        worn = house.inverter.worn()
        assert worn, "nothing was commanded"
        assert max(worn.values()) / days <= WRITES_PER_DAY, worn
        assert not [write for write in house.inverter.settings_written if write.unchanged]
        for room in ROOMS:
            began = starts(house, room)
            assert began, f"{room} was not heated"
            assert len(began) / days <= STARTS_PER_DAY, began
            hours = [[at for at in began if 0 <= (at - first) / timedelta(hours=1) < 1] for first in began]
            assert max(map(len, hours)) <= STARTS_PER_HOUR
            assert min(runs(house, room)) >= LEAST_RUN - timedelta(minutes=1)
