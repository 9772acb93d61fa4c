"""A planner that is given up when it hangs: the house goes on with the next rung."""

import gc
import threading
from collections.abc import Callable
from typing import TypeVar

from pems_core.domain import Forecasts, NoPlan, PemsError, Plan, SiteState
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.planning.site import PlannedHouse

GRACE = 2.0
"""The search ends itself at its time limit; beside it a model is built and explained."""
GRACE_S = 30.0
MOST_ABANDONED = 3
"""So many searches that hang; no further one is begun while none of them has returned."""

T = TypeVar("T")


class Overdue(PemsError):
    """A search has not returned in time, or its process died."""


def patience_of(options: PlanOptions) -> float:
    """How long a plan is waited for [s of the wall]."""
    return GRACE * options.limits.time_limit_s + GRACE_S


class BoundedPlanner(Planner):
    """Plans in a thread that may be abandoned. What it knows of the last plan goes over to its successor."""

    def __init__(
        self,
        house: PlannedHouse,
        options: PlanOptions,
        patience_s: float | None = None,
        new_planner: Callable[[PlannedHouse, PlanOptions], Planner] = Planner,
    ) -> None:
        """
        :param patience_s: how long a plan is waited for [s of the wall].
        """
        super().__init__(house, options)
        self.patience_s = patience_s or patience_of(options)
        self._new_planner = new_planner
        self._inner = new_planner(house, options)
        self._abandoned: list[threading.Thread] = []
        self._wake = threading.Event()
        self._closed = False
        self._busy: list[Planner] = []
        self._changing = threading.Lock()

    def another(self) -> "BoundedPlanner":
        """One more for the same house, for plans that are made beside its own."""
        return BoundedPlanner(self.house, self.options, self.patience_s, self._new_planner)

    def remember(self, plan: Plan | None) -> None:
        """Begin with a plan of an earlier run."""
        self.last = self._inner.last = plan

    @property
    def hanging(self) -> int:
        """How many abandoned searches have not returned."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        return len(self._abandoned)

    def plan(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """See `Planner.plan`; a search that hangs counts as a rung that failed.

        :raises NoPlan: if not even a release could be planned.
        """
        if self._closed:
            raise NoPlan("the planner was closed")
        if self.hanging >= MOST_ABANDONED:
            return self._without_search(state, forecasts, f"{MOST_ABANDONED} searches hang; no further one is begun")
        try:
            plan = self._within(self._inner, lambda: self._inner.plan(state, forecasts))
            self.faults = list(self._inner.faults)
        except Overdue as overdue:
            return self._without_search(state, forecasts, str(overdue))
        self.last = plan
        return plan

    def _without_search(self, state: SiteState, forecasts: Forecasts, why: str) -> Plan:
        if self._closed:
            raise NoPlan("the planner was closed")
        rungs = _NoSearch(self.house, self.options, why)
        rungs.last = self.last
        self._inner = self._new_planner(self.house, self.options)
        try:
            plan = self._within(rungs, lambda: rungs.plan(state, forecasts))
        except Overdue as overdue:
            raise NoPlan(f"{why}; {overdue}") from overdue
        self.faults = list(rungs.faults)
        self.last = self._inner.last = plan
        return plan

    def _within(self, planner: Planner, work: Callable[[], T]) -> T:
        """What the work of a planner gives, if it is done in time."""
        done: list[T] = []
        errors: list[BaseException] = []
        # One of its own for each: a search that was given up and returns later must wake nobody else.
        wake = self._wake = threading.Event()

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread as it is
                errors.append(error)
            finally:
                self._returned(planner)
                wake.set()

        # A daemon: a thread that hangs must not keep the process from ending.
        thread = threading.Thread(target=run, name="plan", daemon=True)
        with self._changing:
            self._busy.append(planner)
        thread.start()
        if self._closed:
            wake.set()
        wake.wait(self.patience_s)
        if errors:
            raise errors[0]
        if not done:
            self._abandoned.append(thread)
            # Models are built without collection; a build that hangs must not leave it off for all.
            gc.enable()
            raise Overdue(f"no plan in {self.patience_s:g} s; the search was given up")
        return done[0]

    def _returned(self, planner: Planner) -> None:
        """A thread is done with a planner; nobody needs it any more if it was given up, or all is over."""
        with self._changing:
            self._busy.remove(planner)
            if self._closed or planner is not self._inner:
                planner.close()

    def close(self) -> None:
        """Let go whoever waits for a plan; a search that still runs closes its solver when it returns."""
        with self._changing:
            self._closed = True
            if self._inner not in self._busy:
                self._inner.close()
        self._wake.set()


class _NoSearch(Planner):
    """The ladder without its first rung."""

    def __init__(self, house: PlannedHouse, options: PlanOptions, why: str) -> None:
        super().__init__(house, options)
        self._why = why

    def _fresh(self, state: SiteState, forecasts: Forecasts) -> Plan:
        raise NoPlan(self._why)
