"""What the battery does that no plan foresaw."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pems_core.domain import CycleReport, InverterState, Plan
from tests.brokers import Mosquitto

from .house import GateHouse, gate_house

RESERVE = 0.2
PERCENT = 0.01


SOON = timedelta(hours=1.5)
"""Plans believe the limits that a battery names for two hours, and look at them again every quarter."""


def charge_soon_kwh(plan: Plan) -> float:
    """What a plan charges soon."""
    horizon = plan.horizon
    lengths_h = [length / timedelta(hours=1) for length in horizon.lengths]
    soon = horizon.steps_before(horizon.start + SOON)
    return sum(kw * h for kw, h in zip(plan.dispatch["inverter.charge_kw"][:soon], lengths_h, strict=False))


def planned_from(report: CycleReport) -> float:
    """The state of charge that a plan starts from."""
    state = report.state.devices.get("inverter")
    return state.battery.soc if isinstance(state, InverterState) and state.battery is not None else -1.0


def charging(house: GateHouse) -> bool:
    return house.live.powers_kw["battery_terminal_charge_kw"] > 0.5


@pytest.mark.gate(5)
@pytest.mark.trap("41")
@pytest.mark.slow
async def test_on_a_cold_morning_nothing_is_charged_nor_written_in_vain_and_plans_know_it(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The battery grew too cold to charge in the cheap hours: plans left charging out until it was warm again."""
    start = datetime(2025, 1, 15, 1, 0, 5, tzinfo=UTC)
    async with gate_house(mosquitto, tmp_path, start, speed=300, soc=0.3) as house:
        await house.until(lambda: charging(house), "charging in the cheap night")
        house.traps.set("41")
        await house.until(lambda: not charging(house), "the refusal of the battery")
        cold_since = house.now
        await house.until(
            lambda: house.engine.live.followed and charge_soon_kwh(house.engine.live.followed.plan) < 0.01,
            "a plan without charging",
        )
        assert house.now - cold_since < timedelta(minutes=20)
        await house.passes(timedelta(minutes=10))
        settled = house.now
        before = len(house.inverter.settings_written)
        await house.passes(timedelta(minutes=60))
        plans = [report.plan for report, _ in house.reports if report.plan.made_at >= settled]
        assert plans
        assert max(map(charge_soon_kwh, plans)) < 0.01
        worn = house.inverter.settings_written[before:]
        assert len(worn) <= 4, worn
        assert not [write for write in house.inverter.settings_written if write.unchanged]
        house.traps.clear("41")
        await house.until(lambda: charging(house), "charging when it is warm again")


@pytest.mark.gate(10)
@pytest.mark.trap("44")
@pytest.mark.slow
async def test_a_battery_that_loses_15_percent_at_the_peak_gets_a_new_plan_and_keeps_its_reserve(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The state of charge fell by 15 % at the evening peak: a new plan within minutes, the reserve was kept."""
    start = datetime(2025, 1, 15, 15, 40, 5, tzinfo=UTC)
    async with gate_house(mosquitto, tmp_path, start, speed=400, soc=0.8) as house:
        await house.until(lambda: house.now >= start + timedelta(minutes=25), "17:05 local time")
        planned_before = len(house.reports)
        fell_at = house.now
        house.inverter.set_soc(house.soc - 0.15)
        fell_to = house.soc

        def replanned() -> Sequence[tuple[CycleReport, Sequence[str]]]:
            """Plans that start from where the battery fell to, and why they were made."""
            return [
                (r, why) for r, why in house.reports[planned_before:] if abs(planned_from(r) - fell_to) < 3 * PERCENT
            ]

        await house.until(replanned, "a plan from where it fell to")
        report, why = replanned()[0]
        # A jump is doubted first: the inverter is lost to plans until a few readings agree.
        assert any("inverter" in reason for reason in why), why
        assert report.plan.made_at - fell_at < timedelta(minutes=8)
        await house.until(lambda: house.now >= start + timedelta(hours=3), "half of the peak and more")
        lowest = min(seen.soc for seen in house.seen)
        assert lowest >= RESERVE - 2 * PERCENT, house.situation
        floors = [w.values[0] for w in house.inverter.settings_written if w.address == 1071]
        assert all(floor >= 100 * RESERVE for floor in floors), floors
        plans = [r.plan for r, _ in house.reports[planned_before:]]
        planned = [soc for plan in plans for soc in plan.levels.get("inverter.soc", ())]
        assert min(planned) >= RESERVE - PERCENT
