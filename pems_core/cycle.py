"""One control cycle, from what is measured to what is reported."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from .domain import (
    NO_PEAK,
    CycleReport,
    Decision,
    Forecasts,
    History,
    Horizon,
    ImportPeak,
    Override,
    PemsError,
    Plan,
    Readings,
    SiteState,
    StaleReading,
)
from .forecasting.chain import ask
from .planning.decide import decisions
from .planning.explain import explain
from .planning.planner import Planner
from .protocols import Device, Forecaster


@dataclass(frozen=True)
class Site:
    """Everything a cycle works with."""

    devices: Sequence[Device]
    forecasters: Sequence[Forecaster]
    planner: Planner
    timezone: str = "UTC"
    """In which reasons tell the time."""
    currency: str = ""


async def run_cycle(
    site: Site,
    readings: Readings,
    horizon: Horizon,
    history: History,
    before: SiteState | None = None,
    overrides: Sequence[Override] = (),
    peak: ImportPeak = NO_PEAK,
    foreseen: Callable[[SiteState, Forecasts], None] | None = None,
) -> CycleReport:
    """Measure, forecast, plan, decide and report, in that order. Commands follow from the report's decisions.

    :param overrides: what people have set by hand.
    :param peak: of import in the running billing period.
    :param foreseen: told what the plan is made of, just before it is made.
    """
    clock = Stopwatch()
    state = measure(site.devices, readings, before, overrides, peak)
    clock.lap("measure")
    answer = await ask(site.forecasters, horizon, state, history)
    clock.lap("forecast")
    if foreseen is not None:
        foreseen(state, answer.forecasts)
    running = site.planner.last
    plan = await asyncio.to_thread(site.planner.plan, state, answer.forecasts)
    clock.lap("plan")
    unexplained: list[str] = []
    try:
        plan = await asyncio.to_thread(
            explain, plan, site.devices, state, answer.forecasts, site.timezone, site.currency
        )
    except PemsError as fault:
        # A plan by rules can do without a series that its reasons would need.
        unexplained.append(f"explain: {fault}")
    except Exception as fault:  # noqa: BLE001 - a plan is worth having without its reasons, whatever a plugin did
        unexplained.append(f"explain: {type(fault).__name__}: {fault}")
    decided = decisions(plan, site.devices)
    clock.lap("explain")
    faults = [
        *(f"{name}: {fault}" for name, fault in state.faults.items()),
        *answer.faults,
        *site.planner.faults,
        *unexplained,
    ]
    return CycleReport(state, answer.forecasts, plan, decided, (), clock.laps_s, faults, readings, running)


def measure(
    devices: Sequence[Device],
    readings: Readings,
    before: SiteState | None = None,
    overrides: Sequence[Override] = (),
    peak: ImportPeak = NO_PEAK,
) -> SiteState:
    """The state of every device that can be read; one that cannot is left out with its fault, and the rest goes on."""
    states: dict[str, object] = {}
    faults: dict[str, str] = {}
    for device in devices:
        try:
            states[device.name] = device.state(readings, before.devices.get(device.name) if before else None)
        except StaleReading as stale:
            faults[device.name] = str(stale)
        except Exception as error:  # noqa: BLE001 - one bad device never stops the rest of the house
            faults[device.name] = f"{type(error).__name__}: {error}"
    return SiteState(readings.now, states, faults, tuple(overrides), peak)


def decisions_at(plan: Plan, devices: Sequence[Device], state: SiteState, at: datetime) -> list[Decision]:
    """What each device is told for the step of the plan that holds at an instant; nothing if the plan lacks it."""
    t = plan.horizon.step_at(at)
    begin, end = plan.horizon.starts[t], plan.horizon.ends[t]
    return [
        Decision(device.name, control, value, "", begin, end, source=str(plan.rung))
        for device in devices
        if device.name in state.devices and plan.knows(device.name)
        for control, value in device.settings(plan, t).items()
    ]


class Stopwatch:
    """Wall time of consecutive stages [s]."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.laps_s: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.laps_s[stage] = now - self._last
        self._last = now
