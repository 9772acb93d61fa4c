"""Cycles sampled from weeks: the state of the house and what is expected, without running every plan before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.cycle import measure
from pems_core.domain import QUARTER, Decision, Forecasts, SiteState
from pems_core.planning.planner import PlanOptions
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.loop import RuleController
from pems_core.simulation.outlook import ForecastQuality, Outlook
from pems_core.site import HouseFile

from .houses import scenario_for

WEEK_DAYS = 7


@dataclass(frozen=True)
class Cycle:
    """One moment at which a plan is made, and the quarter of an hour before it."""

    state: SiteState
    before: SiteState
    outlook: Outlook

    def forecasts(self, options: PlanOptions) -> Forecasts:
        return self.outlook.forecasts(self.state.now, options.horizon(self.state.now))

    def forecasts_before(self, options: PlanOptions) -> Forecasts:
        return self.outlook.forecasts(self.before.now, options.horizon(self.before.now))


def sampled(built: HouseFile, period: str, count: int, seed: int = 1) -> Iterator[Cycle]:
    """`count` cycles of a week, evenly spread over it and over the times of day; rules run the house in between."""
    scenario, start = scenario_for(built, period, WEEK_DAYS)
    outlook = Outlook(scenario, ForecastQuality.REALISTIC, seed=seed)
    simulated = SimulatedHouse(built.equipment, built.house.grid, scenario, start, seed=seed)
    controller = RuleController(built.house.rules, built.house, outlook)
    before: SiteState | None = None
    for instant in spread(start, count):
        while True:
            state = measure(built.house.devices, simulated.readings(), before)
            if before is not None and state.now >= instant:
                yield Cycle(state, before, outlook)
            decisions: Sequence[Decision] = controller.decide(state)
            simulated.apply(decisions)
            simulated.advance(simulated.now + QUARTER)
            before, reached = state, state.now >= instant
            if reached:
                break


def spread(start: datetime, count: int) -> list[datetime]:
    """Quarter hours of the week from `start`, as far apart as can be; none is the first."""
    quarters = WEEK_DAYS * timedelta(days=1) // QUARTER
    return [start + QUARTER * round((i + 0.5) * quarters / count) for i in range(count)]
