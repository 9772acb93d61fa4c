"""What an override costs: the same house, at the same moment, planned without it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pems_core.commanding.overrides import ActiveOverride
from pems_core.domain import CycleReport, Override, Plan, Rung, SiteState
from pems_core.planning.planner import Planner

from .live import Live

SEARCHED = (Rung.SOLVER, Rung.INCUMBENT)


@dataclass
class PriceTags:
    """Puts the price tag on each new override, beside the loop that everybody waits for."""

    live: Live
    _pricing: asyncio.Task[None] | None = field(default=None, init=False)

    def put_on(self, report: CycleReport, running: Plan | None) -> None:
        """Begin to price the overrides that the plan of this cycle obeys, unless that is going on already.

        :param running: the plan that was followed when this one was made.
        """
        untagged = self._untagged(report)
        if untagged and (self._pricing is None or self._pricing.done()):
            self._pricing = asyncio.create_task(self._price(report, running, untagged), name="price tags")

    async def end(self) -> None:
        """Price no more."""
        if self._pricing is not None:
            self._pricing.cancel()
            await asyncio.wait([self._pricing])

    def _untagged(self, report: CycleReport) -> Sequence[ActiveOverride]:
        obeyed = report.state.overrides if report.plan.rung in SEARCHED else ()
        overrides = self.live.commanding.overrides.active
        return [active for active in overrides if active.costs is None and active.override in obeyed]

    async def _price(self, report: CycleReport, running: Plan | None, untagged: Sequence[ActiveOverride]) -> None:
        live, planner = self.live, Planner(self.live.site.planner.house, self.live.site.planner.options)
        try:
            for override in (active.override for active in untagged):
                planner.last = running
                without = await asyncio.to_thread(planner.plan, _without(report.state, override), report.forecasts)
                if without.rung in SEARCHED:
                    # Who may choose more freely cannot pay more: what is below zero is the solver's gap.
                    live.commanding.overrides.price(override, max(0.0, report.plan.cost - without.cost))
        except Exception as error:  # noqa: BLE001 - an override without a price tag is still obeyed
            live.alerts.begin("price tags", f"{type(error).__name__}: {error}")
        else:
            live.alerts.end("price tags")
        finally:
            planner.close()


def _without(state: SiteState, override: Override) -> SiteState:
    return replace(state, overrides=tuple(other for other in state.overrides if other != override))
