"""What an override costs: the same house, at the same moment, planned without it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pems_core.domain import CycleReport, Forecasts, NoPlan, Override, Plan, Rung, SiteState

from .live import Live
from .patience import BoundedPlanner

SEARCHED = (Rung.SOLVER, Rung.INCUMBENT)


@dataclass(frozen=True, eq=False)
class _Question:
    """One moment at which a plan is made that obeys overrides without a price tag.

    :param obeys: the plan that obeys all overrides; cancelled if there is none.
    """

    state: SiteState
    forecasts: Forecasts
    running: Plan | None
    untagged: Sequence[Override]
    obeys: asyncio.Future[Plan]


@dataclass
class PriceTags:
    """Puts the price tag on each new override, beside the loop that everybody waits for.

    Plans without the override are made at the same time as the one that obeys it: who has set it waits for its price.
    """

    live: Live
    tagged: Callable[[], None] = lambda: None
    """Told that an override has its price tag."""
    _open: _Question | None = field(default=None, init=False)
    """Whose plan is being made."""
    _pricing: dict[asyncio.Task[None], _Question] = field(default_factory=dict, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _planner: BoundedPlanner | None = field(default=None, init=False)

    def ask(self, state: SiteState, forecasts: Forecasts) -> None:
        """A plan is about to be made: begin to plan without each override that has no price yet."""
        self._close(None)
        known = {override for question in self._pricing.values() for override in question.untagged}
        active = [active.override for active in self.live.commanding.overrides.active if active.costs is None]
        untagged = [override for override in active if override in state.overrides and override not in known]
        if not untagged:
            return
        running = self.live.followed.plan if self.live.followed else None
        obeys: asyncio.Future[Plan] = asyncio.get_running_loop().create_future()
        self._open = _Question(state, forecasts, running, untagged, obeys)
        task = asyncio.create_task(self._price(self._open), name="price tags")
        self._pricing[task] = self._open
        task.add_done_callback(self._pricing.pop)

    def answer(self, report: CycleReport) -> None:
        """The plan that obeys all overrides is made; one that nobody searched for has no price to compare."""
        self._close(report.plan if report.plan.rung in SEARCHED else None)

    async def end(self) -> None:
        """Price no more."""
        self._close(None)
        if self._planner is not None:
            self._planner.close()
        tasks = list(self._pricing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _close(self, plan: Plan | None) -> None:
        question, self._open = self._open, None
        if question is None or question.obeys.done():
            return
        if plan is None:
            question.obeys.cancel()
        else:
            question.obeys.set_result(plan)

    async def _price(self, question: _Question) -> None:
        try:
            for override in question.untagged:
                # One after the other: each takes as much of a processor as the plan that everybody waits for.
                async with self._turn:
                    without = await self._without(question, override)
                await asyncio.wait([question.obeys])
                if without is None or question.obeys.cancelled():
                    continue
                # Who may choose more freely cannot pay more: what is below zero is the solver's gap.
                costs = max(0.0, question.obeys.result().cost - without.cost)
                self.live.commanding.overrides.price(override, costs)
                self.tagged()
        except Exception as error:  # noqa: BLE001 - an override without a price tag is still obeyed
            self.live.alerts.begin("price tags", f"{type(error).__name__}: {error}")
        else:
            self.live.alerts.end("price tags")

    async def _without(self, question: _Question, override: Override) -> Plan | None:
        """The plan without an override; None if nobody could search for it, or nobody needs it any more."""
        if question.obeys.cancelled() or override not in self.live.commanding.overrides.in_force():
            return None
        if self._planner is None:
            planner = self.live.site.planner
            assert isinstance(planner, BoundedPlanner)
            self._planner = planner.another()
        self._planner.remember(question.running)
        others = tuple(other for other in question.state.overrides if other != override)
        state = replace(question.state, overrides=others)
        try:
            plan = await asyncio.to_thread(self._planner.plan, state, question.forecasts)
        except NoPlan:
            return None
        return plan if plan.rung in SEARCHED else None
