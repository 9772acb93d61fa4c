"""Why a plan is made before its time."""

import asyncio
from datetime import UTC, datetime, timedelta

from pems_core.clock import FastClock
from pems_core.config import CyclesSection
from pems_core.domain import BatteryState, Forecast, Forecasts, Horizon, InverterState, Plan, Rung, SiteState
from pems_core.runtime.cycles import next_due
from pems_core.runtime.triggers import Followed, Triggers, deviations, forecast_changes, price_changes

NOW = datetime(2025, 1, 15, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
FAST = 600.0


def followed(soc_now: float, soc_after: float) -> Followed:
    """A plan of one step of an hour."""
    horizon = Horizon.uniform(NOW, HOUR, 1)
    plan = Plan(
        horizon, {}, {}, {"inverter.soc": (soc_after,)}, {}, rung=Rung.SOLVER, made_at=NOW, valid_until=NOW + HOUR
    )
    return Followed(plan, state(NOW, soc_now), Forecasts(horizon, {}))


def state(now: datetime, soc: float) -> SiteState:
    return SiteState(now, {"inverter": InverterState(BatteryState(soc))})


def expecting(pv_kw: float, start: datetime = NOW) -> Forecasts:
    return Forecasts(Horizon.uniform(start, HOUR, 8), {"pv_kw": Forecast((pv_kw,) * 8, "test", start)})


def test_a_state_of_charge_on_the_planned_course_is_no_reason() -> None:
    halfway = NOW + HOUR / 2
    assert list(deviations(followed(0.5, 0.9), state(halfway, 0.70), CyclesSection())) == []


def test_a_state_of_charge_off_the_planned_course_is_a_reason() -> None:
    halfway = NOW + HOUR / 2
    [reason] = deviations(followed(0.5, 0.9), state(halfway, 0.60), CyclesSection())
    assert reason == "inverter: state of charge is 60%, planned were 70%"


def test_a_changed_sky_is_a_reason() -> None:
    assert list(forecast_changes(expecting(4.0), expecting(3.0, NOW + HOUR), 1.5)) == []
    [reason] = forecast_changes(expecting(4.0), expecting(1.0, NOW + HOUR), 1.5)
    assert "from 4.0 to 1.0 kW" in reason


def test_new_prices_are_a_reason_and_small_corrections_are_not() -> None:
    assert "new prices until" in next(iter(price_changes({NOW + HOUR: (None, 1.0)}, NOW, 0.1)))
    assert list(price_changes({NOW + HOUR: (1.0, 1.05)}, NOW, 0.1)) == []
    assert list(price_changes({NOW + HOUR: (1.0, 1.5)}, NOW, 0.1)) == ["a price of the next 24 h changed by 0.50"]
    assert list(price_changes({NOW - HOUR: (1.0, 1.5)}, NOW, 0.1)) == []


async def test_reasons_that_come_together_make_one_plan() -> None:
    clock = FastClock(NOW, FAST)
    triggers = Triggers(clock)
    triggers.pull("one", urgent=True)
    asyncio.get_running_loop().call_later(0.5 / FAST, triggers.pull, "two")
    assert await triggers.wait(NOW + 24 * HOUR) == ("one", "two")


async def test_what_no_person_asked_for_waits_a_minute_after_the_last_plan() -> None:
    clock = FastClock(NOW, FAST)
    triggers = Triggers(clock)
    triggers.pull("first")
    await triggers.wait(NOW + 24 * HOUR)
    planned_s = clock.elapsed_s()
    triggers.pull("second")
    assert await triggers.wait(NOW + 24 * HOUR) == ("second",)
    assert clock.elapsed_s() - planned_s >= 60


async def test_a_person_need_not_wait_that_minute() -> None:
    clock = FastClock(NOW, 60)
    triggers = Triggers(clock)
    triggers.pull("first")
    await triggers.wait(NOW + 24 * HOUR)
    planned_s = clock.elapsed_s()
    triggers.pull("second")
    asyncio.get_running_loop().call_later(0.05, triggers.pull, "a person", True)
    assert set(await triggers.wait(NOW + 24 * HOUR)) == {"second", "a person"}
    assert clock.elapsed_s() - planned_s < 50


def test_regular_plans_are_made_on_quarter_hours() -> None:
    quarter = timedelta(minutes=15)
    assert next_due(NOW + timedelta(minutes=3), quarter) == NOW + quarter
    # A plan in the last seconds of a quarter would begin with a step of seconds.
    assert next_due(NOW + timedelta(minutes=14, seconds=50), quarter) == NOW + 2 * quarter
