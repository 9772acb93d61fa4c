"""Plans in a process of their own, so that commands and the heartbeat never wait for a model that is being built.

In the engine's own process a model of a hundred thousand objects takes the
interpreter from the loop again and again, and collecting it holds everything up for tenths of a second.
"""

import logging
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pems_core.child import Child, ChildGone
from pems_core.domain import Forecasts, NoPlan, Plan, SiteState
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.planning.site import PlannedHouse

from .memory import give_back
from .patience import Overdue, patience_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the child says: a plan, or why there is none."""

    plan: Plan | None
    faults: Sequence[str]
    """Why better rungs failed; the last one, why there is no plan at all."""
    unknown_house: bool = False
    """A plugin's device or strategy could not be brought into the child."""


class PlannerApart(Planner):
    """Has a child process plan; it is told the house anew each time, as that may have been equipped anew."""

    def __init__(self, house: PlannedHouse, options: PlanOptions) -> None:
        super().__init__(house, options)
        self._child = Child("pems_core.runtime.planning_worker", "the planning process")
        self._here: Planner | None = None
        """Plans in this process if the house cannot be sent to another."""

    def plan(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """See `Planner.plan`.

        :raises Overdue: if the child does not answer in time, or died; it was ended.
        """
        if self._here is None:
            answer = self._asked(state, forecasts)
            if not answer.unknown_house:
                return self._taken(answer)
            log.warning("plans are made in the engine's own process, which keeps commands waiting: %s", *answer.faults)
            self._child.close()
            self._here = Planner(self.house, self.options)
        self._here.last = self.last
        plan = self._here.plan(state, forecasts)
        return self._taken(Answer(plan, self._here.faults))

    def close(self) -> None:
        self._child.close()
        if self._here is not None:
            self._here.close()

    def _asked(self, state: SiteState, forecasts: Forecasts) -> Answer:
        try:
            house = pickle.dumps((self.house, self.options))
        except Exception as error:  # noqa: BLE001 - a plugin's object may raise anything
            return Answer(None, [f"{type(error).__name__}: {error}"], unknown_house=True)
        try:
            return cast("Answer", self._child.ask((house, self.last, state, forecasts), patience_of(self.options)))
        except (TimeoutError, ChildGone) as gone:
            raise Overdue(str(gone)) from gone

    def _taken(self, answer: Answer) -> Plan:
        if answer.plan is None:
            raise NoPlan(answer.faults[-1])
        self.faults = list(answer.faults)
        self.last = answer.plan
        return answer.plan


class Desk:
    """In the child: plans, and keeps its solver as long as the house is the same."""

    def __init__(self) -> None:
        self._house = b""
        self._planner: Planner | None = None

    def answer(self, house: bytes, last: Plan | None, state: SiteState, forecasts: Forecasts) -> Answer:
        if self._planner is None or house != self._house:
            try:
                known = pickle.loads(house)  # noqa: S301 - from the parent
            except Exception as error:  # noqa: BLE001 - a plugin's object may raise anything
                return Answer(None, [f"{type(error).__name__}: {error}"], unknown_house=True)
            if self._planner is not None:
                self._planner.close()
            self._house, self._planner = house, Planner(*known)
        planner = self._planner
        planner.last = last
        try:
            return Answer(planner.plan(state, forecasts), planner.faults)
        except NoPlan as fault:
            return Answer(None, [str(fault)])
        finally:
            give_back()
