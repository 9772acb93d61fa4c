"""An inverter whose meter, cloud or gateway mislead."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pems_core.domain import Quality
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from tests.brokers import Mosquitto

from .house import GateHouse, Series, gate_house, running

NOON = datetime(2025, 1, 15, 11, 0, 5, tzinfo=UTC)
FLAT: Mapping[str, Series] = {"import_price_per_kwh": 4.0, "feed_in_price_per_kwh": 0.5}
GRID_POINTS = ("import_kw", "export_kw", "load_kw")
BATTERY_FIRST_SLOT = 1100
LATE_S = 3.4
"""Later than a reply is waited for [s of the wall]."""


@pytest.mark.gate(6)
@pytest.mark.trap("2")
@pytest.mark.slow
async def test_a_cloud_that_reverts_every_write_is_left_alone_after_two_rewrites_at_most(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The cloud took each write back after 45 s: written twice more at most, then given back once, with an alarm."""
    async with gate_house(mosquitto, tmp_path, NOON, speed=240, series=FLAT) as house:
        await house.passes(timedelta(minutes=6))
        before = len(house.inverter.settings_written)
        house.traps.set("2")
        await house.override({"mode": "battery_first"}, house.now + timedelta(hours=3))
        await house.until(lambda: house.alarmed("foreign controller"), "the alarm of a foreign controller")
        await house.until(lambda: house.engine.live.commanding.dispatcher.released("inverter"), "the hand-back")
        await house.passes(timedelta(minutes=5))
        written = house.inverter.settings_written[before:]
        switched_on = [w for w in written if w.address == BATTERY_FIRST_SLOT and w.values[-1] == 1]
        assert 1 <= len(switched_on) <= 3, written
        given_back = {line.command for line in house.journal if line.control == "mode" and "foreign" in line.reason}
        assert len(given_back) == 1, house.situation
        quiet_from = len(house.inverter.settings_written)
        await house.passes(timedelta(minutes=45))
        assert house.inverter.settings_written[quiet_from:] == [], "it writes against the cloud"
        assert house.inverter.order.mode == "load_first"


@pytest.mark.gate(7)
@pytest.mark.trap("37")
@pytest.mark.slow
async def test_a_lost_meter_is_suspect_commands_nothing_and_feed_in_stays_limited(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Import, export and load read 0: suspect to plans and books, no command came of it, the export fail-safe held."""
    series: Mapping[str, Series] = {**FLAT, "pv_kw": 6.0, "base_load_kw": 0.6}
    async with gate_house(mosquitto, tmp_path, NOON, speed=240, soc=0.9, series=series) as house:
        await house.until(lambda: house.live.powers_kw["grid_export_kw"] > 1.0, "feed-in")
        await house.passes(timedelta(minutes=20))
        in_force = house.engine.live.commanding.dispatcher.in_force("inverter")
        before, history = len(house.inverter.settings_written), house.store.history(1)
        lost_at = house.now
        house.traps.set("37")
        await house.until(lambda: house.alarmed("meter"), "the alarm of the meter")
        await house.passes(timedelta(minutes=40))
        points = house.engine.live.readings.points
        for name in GRID_POINTS:
            assert points[f"inverter/{name}"].quality is not Quality.GOOD, name
        assert points["inverter/soc"].quality is Quality.GOOD
        assert house.inverter.settings_written[before:] == [], f"{in_force}; {house.situation}"
        lived = house.store.history(1)
        recorded = lived[lived.index >= lost_at].get("base_load_kw")
        assert recorded is None or recorded.dropna().empty or recorded.dropna().min() > 0.3, recorded
        assert len(lived) >= len(history)
        # By register 3000 and its siblings: without a meter no more than the fail-safe share is fed in.
        assert house.live.powers_kw["grid_export_kw"] <= 0.05, house.situation
        house.traps.clear("37")
        await house.until(
            lambda: house.engine.live.readings.points["inverter/import_kw"].quality is Quality.GOOD, "the meter"
        )


@pytest.mark.gate(11)
@pytest.mark.trap("10")
@pytest.mark.slow
async def test_late_replies_of_a_gateway_bring_no_false_value_to_the_optimizer(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Again and again replies came late and those after them one behind: what was believed had been so when it came."""
    terms = WireTrapTerms(late_s=LATE_S, behind_s=0.02)
    series: Mapping[str, Series] = {**FLAT, "base_load_kw": _uneven_kw}
    async with gate_house(
        mosquitto, tmp_path, NOON, speed=150, link="rtu+tcp", soc=0.62, terms=terms, series=series
    ) as house:
        false: list[str] = []
        async with running(_compare(house, false), _late_again_and_again(house)):
            await house.passes(timedelta(hours=1))
        late = house.modbus.connections if house.modbus else 0
        assert late > 2, "no reply was late"
        assert not false, false
        truth = [seen.soc for seen in house.seen]
        for soc in house.planned_soc():
            assert min(truth) - 0.02 <= soc <= max(truth) + 0.02
        await house.until(lambda: "inverter" in house.engine.live.state.devices, "the inverter's state")


def _uneven_kw(at: datetime) -> float:
    """A base load that is another each quarter, so that an old value can be told from a new one."""
    return 0.5 + 0.3 * ((at.hour * 4 + at.minute // 15) % 5)


async def _late_again_and_again(house: GateHouse) -> None:
    """One reply late every few minutes."""
    while True:
        house.traps.set("10")
        await house.passes(timedelta(minutes=4))
        house.traps.clear("10")
        await house.passes(timedelta(minutes=2))


async def _compare(house: GateHouse, false: list[str]) -> None:
    """Hold what is believed to what was true in the minutes around its coming."""
    course: list[tuple[datetime, Mapping[str, float]]] = []
    while True:
        powers = house.live.powers_kw
        load_kw = powers["base_load_kw"] + powers["heating_kw"]
        course.append((house.now, {"soc": house.soc, "load_kw": load_kw}))
        points = house.engine.live.readings.points
        for name, tolerance in (("soc", 0.015), ("load_kw", 0.1)):
            reading = points.get(f"inverter/{name}")
            if reading is None or reading.quality is not Quality.GOOD:
                continue
            near = [true[name] for at, true in course if abs(at - reading.received_at) < timedelta(minutes=2.5)]
            if near and not any(abs(float(reading.value) - value) <= tolerance for value in near):
                false.append(f"{name} {reading.value} at {reading.received_at}, true were {near[0]} to {near[-1]}")
        await house.clock.sleep(10.0)
