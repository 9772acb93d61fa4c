"""The clock of a simulated house waits for those who live by it."""

import asyncio
import time
from datetime import UTC, datetime

from pems_core.simulation.patient_clock import PatientClock

BEGIN = datetime(2025, 1, 14, tzinfo=UTC)
SPEED = 100_000.0


async def lived(work: float, *, most_at_once_s: float, on_the_wall: bool = False, blocking: bool = False) -> float:
    """Seconds that pass in the house while some are worked on the wall."""
    clock = PatientClock(BEGIN, SPEED, most_at_once_s)
    running = asyncio.create_task(clock.run())
    await asyncio.sleep(0.02)
    before_s = clock.elapsed_s()
    if blocking:
        time.sleep(work)  # noqa: ASYNC251 - the machine is busy elsewhere
        await asyncio.sleep(0)
    elif on_the_wall:
        with clock.as_on_the_wall():
            await asyncio.sleep(work)
    else:
        await asyncio.sleep(work)
    passed_s = clock.elapsed_s() - before_s
    running.cancel()
    return passed_s


async def test_a_machine_that_is_busy_elsewhere_slows_the_house_down() -> None:
    assert await lived(0.2, most_at_once_s=0.001, blocking=True) <= 0.002 * SPEED


async def test_what_is_computed_takes_as_long_as_on_the_wall() -> None:
    assert 0.05 < await lived(0.2, most_at_once_s=10.0, on_the_wall=True) < 0.005 * SPEED
    assert await lived(0.2, most_at_once_s=10.0) > 0.1 * SPEED


async def test_who_sleeps_meanwhile_wakes_when_the_house_goes_on() -> None:
    clock = PatientClock(BEGIN, SPEED, 10.0)
    running = asyncio.create_task(clock.run())
    with clock.as_on_the_wall():
        sleeper = asyncio.create_task(clock.sleep(0.01 * SPEED))
        await asyncio.sleep(0.1)
        assert not sleeper.done()
    await asyncio.wait_for(sleeper, 30.0)
    running.cancel()
