"""What other ways of running the house would have cost on a recorded day: simulated houses that begin as it began."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from pems_core.cycle import measure
from pems_core.domain import HOUR, Decision, Forecast, Forecasts, Horizon, Override, SiteState
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.protocols import RuleBased
from pems_core.recording.ledger.ledger import Ledger
from pems_core.reporting.result import RunResult
from pems_core.simulation.billing import Billing
from pems_core.simulation.bound import perfect_foresight
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.loop import Controller, PlanningController, RuleController, run_closed_loop
from pems_core.simulation.outlook import Outlook
from pems_core.simulation.valuation import Valuation
from pems_core.site import HouseFile

from .recorded_day import RecordedDay, placed

REPLAN_EVERY = HOUR
DAY = timedelta(days=1)
SOON = timedelta(minutes=5)


@dataclass
class AsDecided:
    """Tells the devices what they were told: what people had set, and else what was decided."""

    decided: Sequence[tuple[datetime, Sequence[Decision]]]
    overrides: Sequence[Override] = ()

    def decide(self, state: SiteState) -> Sequence[Decision]:
        now = state.now
        last = next((found for at, found in reversed(self.decided) if at <= now + SOON), ())
        decided = [d for d in last if _holds(d, now)]
        set_by_hand = {(o.device, o.control): o for o in self.overrides if _holds(o, now)}
        units = {(d.device, d.control): d.unit for d in decided}
        return [d for d in decided if (d.device, d.control) not in set_by_hand] + [
            Decision(o.device, o.control, o.value, units.get(name, ""), o.valid_from, o.valid_until, source="override")
            for name, o in set_by_hand.items()
        ]


class RecordedOutlook(Outlook):
    """Forecasts as they were known then."""

    def __init__(self, ledger: Ledger, day: RecordedDay) -> None:
        super().__init__(day.scenario, "perfect")
        entries = ledger.cycles(day.start - 2 * HOUR, day.end)
        self._known = [(entry.at, entry.number) for entry in entries if entry.whole]
        self._ledger = ledger
        self._read: dict[int, Forecasts] = {}

    @property
    def known(self) -> bool:
        return bool(self._known)

    def forecasts(self, now: datetime, horizon: Horizon) -> Forecasts:
        number = next((n for at, n in reversed(self._known) if at <= now + SOON), None)
        if number is None:
            return super().forecasts(now, horizon)
        if number not in self._read:
            self._read = {number: self._ledger.cycle(number).forecasts}
        return _onto(self._read[number], horizon)


@dataclass(frozen=True)
class Twins:
    """Simulated houses that live a recorded day, each from the same start and judged by the same worth of storage."""

    ledger: Ledger
    house: HouseFile
    day: RecordedDay

    @property
    def valuation(self) -> Valuation:
        day = self.day
        if day.end - day.start >= DAY:
            return Valuation.at(day.end, self.house.house, day.scenario)
        # Of a day that is not over, and on the shortest one, the prices until now and then from its start again.
        whole = replace(day.scenario, frame=day.scenario.frame.iloc[:-1])
        return Valuation.at(day.start + DAY, self.house.house, whole)

    def start(self) -> SimulatedHouse:
        return placed(self.house, self.day.scenario, self.day.start, self.day.before)

    def stored_value(self, valuation: Valuation) -> float:
        """Worth of what was stored more at the end of the day than at its start, as measured [currency]."""
        end = placed(self.house, self.day.scenario, self.day.end, self.day.after)
        return valuation.change(self.start().stored_energy(), end.stored_energy())

    def baseline(self, name: str, valuation: Valuation) -> RunResult:
        rules: RuleBased = self.house.rule_based[name]
        return self._run(
            name, RuleController(rules, self.house.house, RecordedOutlook(self.ledger, self.day)), valuation
        )

    def as_decided(self, valuation: Valuation) -> RunResult:
        """The house as the devices were told, overrides included."""
        return self._run("as decided", AsDecided(self.day.decided, self.day.overrides), valuation)

    def planned(self, outlook: Outlook, options: PlanOptions, valuation: Valuation) -> RunResult:
        """The house planned anew every hour, without overrides."""
        with closing(Planner(self.house.house, options)) as planner:
            return self._run("planned", PlanningController(planner, outlook, REPLAN_EVERY), valuation)

    def bound(self, valuation: Valuation) -> float:
        """Net cost of the best possible course with everything known [currency]."""
        house = replace(self.house.house, strategy=self.house.strategies["lowest_bill"])
        state = measure(house.devices, self.start().readings())
        return perfect_foresight(house, state, self.day.scenario, self.day.end, valuation).net_cost

    def _run(self, name: str, controller: Controller, valuation: Valuation) -> RunResult:
        billing = Billing(self.house.site.zone)
        return run_closed_loop(name, controller, self.house.house, self.start(), self.day.end, valuation, billing)


def _holds(told: Decision | Override, now: datetime) -> bool:
    """Whether something holds in the quarter hour that begins now; what was told seconds later speaks for it too."""
    return told.holds(now) or now < told.valid_from <= now + SOON


def _onto(forecasts: Forecasts, horizon: Horizon) -> Forecasts:
    """The same series on another horizon; beyond their end their last day again, before their start the first value."""
    own = forecasts.horizon
    steps = []
    for start, end in zip(horizon.starts, horizon.ends, strict=True):
        middle = start + (end - start) / 2
        while middle >= own.end and own.end - own.start >= DAY:
            middle -= DAY
        steps.append(own.step_at(middle))
    series: Mapping[str, Forecast] = {
        name: replace(f, values=tuple(np.array(f.values)[steps].tolist()), quantiles={})
        for name, f in forecasts.series.items()
    }
    return Forecasts(horizon, series)
