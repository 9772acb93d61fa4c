"""When cycles run, and what becomes of their plans."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pems_core.cycle import run_cycle
from pems_core.domain import CycleReport, History, ImportPeak, PemsError, Plan, Severity, floor_time
from pems_core.forecasting.chain import ask
from pems_core.forecasting.hygiene import Cleaned, Wrong, cleaned
from pems_core.planning.planner import Planner

from .health import PLANNING
from .history import LEARN_DAYS, month_peak
from .learning import Learning
from .live import Live
from .memory import give_back
from .patience import BoundedPlanner
from .price_tags import SEARCHED, PriceTags
from .triggers import Followed, forecast_changes
from .watch import Watch

FIRST_READINGS_S = 60.0
"""So long all devices are waited for before the first plan [s of the clock]."""
FORECAST_EVERY_S = 300.0
"""How often forecasts are looked at between cycles [s of the clock]."""
NAMED = (Wrong.UNIT, Wrong.STUCK, Wrong.HOUR_OFF, Wrong.IMPOSSIBLE)
"""What is told of a history; that quarters are missing is no news after each restart."""
SHORTEST_STEP = timedelta(minutes=1)
"""A regular plan within the last moment of a quarter would have a first step of seconds."""

Finished = Callable[[CycleReport, Sequence[str]], Awaitable[None]]
"""Told the report of a cycle and why it ran."""


@dataclass
class Cycles:
    """Plans every few minutes on the grid of the day, and at once when there is a reason.

    :param finished: told each report; by then the plan is in force.
    :param learning: knows with which versions of models a cycle is planned.
    """

    live: Live
    watch: Watch
    finished: Finished
    learning: Learning | None = None

    def __post_init__(self) -> None:
        self.price_tags = PriceTags(self.live)

    async def run(self) -> None:
        """Plan until cancelled."""
        live = self.live
        self._expect_plans()
        await self._first_readings()
        reasons: Sequence[str] = ("start",)
        try:
            while True:
                await self.plan(reasons)
                reasons = await live.triggers.wait(next_due(live.now, live.every))
        finally:
            await self.price_tags.end()

    async def watch_forecasts(self) -> None:
        """Look at the forecasts now and then until cancelled: the sky may be another than the plan was made for."""
        live = self.live
        while True:
            await live.clock.sleep(FORECAST_EVERY_S)
            followed = live.followed
            if followed is None:
                continue
            horizon = live.site.planner.options.horizon(live.now)
            answer = await ask(live.site.forecasters, horizon, live.state, await self.history())
            for reason in forecast_changes(followed.forecasts, answer.forecasts, live.cycles.forecast_change_kw):
                live.triggers.pull(reason)

    async def plan(self, reasons: Sequence[str]) -> None:
        """One cycle; what goes wrong in it is an alert, and the house goes on with what it has."""
        live = self.live
        if self.learning is not None:
            await self.learning.equip()
        self.watch.look()
        overrides = tuple(live.commanding.overrides.in_force())
        horizon = live.site.planner.options.horizon(live.readings.now)
        before = live.report.state if live.report else None
        history, peak = await self.history(), await self._peak()
        try:
            report = await run_cycle(
                live.site,
                live.readings,
                horizon,
                history,
                before,
                overrides,
                peak=peak,
                foreseen=self.price_tags.ask,
            )
        except PemsError as fault:
            live.alerts.begin("cycle", f"no plan: {fault}", Severity.CRITICAL)
            return
        except Exception as error:  # noqa: BLE001 - a defect costs this cycle; the plan ages, and devices are given back
            live.alerts.begin("cycle", f"no plan: {type(error).__name__}: {error}", Severity.CRITICAL)
            return
        models = {} if self.learning is None else self.learning.versions(report.state)
        report = replace(report, receipts=tuple(live.receipts), models=models)
        live.receipts.clear()
        self._adopt(report)
        await self.finished(report, reasons)
        await asyncio.to_thread(give_back)

    def _adopt(self, report: CycleReport) -> None:
        """Follow the new plan."""
        live, plan = self.live, report.plan
        live.report = report
        live.followed = Followed(plan, report.state, report.forecasts)
        live.alerts.set("cycle", "; ".join(report.faults))
        live.alerts.set("prices", self._price_fault(report), rule="stale_data")
        self.price_tags.answer(report)
        self.watch.follower.follow()
        live.commanding.store.keep_plan(plan)
        self._judge_search(plan)

    def _judge_search(self, plan: Plan) -> None:
        """A plan is a sign of health if it was searched for or no search hangs; rules stand in for a while only."""
        planner = self.live.site.planner
        hanging = planner.hanging if isinstance(planner, BoundedPlanner) else 0
        text = f"{hanging} searches for a plan hang and were given up" if hanging else ""
        self.live.alerts.set("planner", text, Severity.CRITICAL)
        if not hanging or plan.rung in SEARCHED:
            self.live.health.beat(PLANNING)

    def _price_fault(self, report: CycleReport) -> str:
        if "import_price_per_kwh" in report.forecasts.series:
            return ""
        return "no price is known, so nothing can be planned by price; see prices in docs/operation.md"

    async def _first_readings(self) -> None:
        """Read before anything is written: wait for all devices, or so long that one must be missing."""
        live = self.live
        deadline_s = live.clock.elapsed_s() + FIRST_READINGS_S
        while live.clock.elapsed_s() < deadline_s:
            self.watch.look()
            if not live.state.faults:
                return
            await live.clock.sleep(max(1.0, 0.05 * live.clock.speed))

    def _expect_plans(self) -> None:
        live = self.live
        planner: Planner = live.site.planner
        patience_s = planner.patience_s if isinstance(planner, BoundedPlanner) else 0.0
        late_s = 2 * live.every.total_seconds() + patience_s * live.clock.speed + FIRST_READINGS_S
        live.health.expect(PLANNING, late_s)

    async def history(self) -> History:
        """What forecasters may know of the last weeks."""
        # Weeks of quarter hours take a moment to read, in which nobody should have to wait.
        cleaned = await asyncio.to_thread(self._believed)
        told = [finding for finding in cleaned.findings if finding.wrong in NAMED]
        more = f"; and {len(told) - 1} more" if len(told) > 1 else ""
        self.live.alerts.set("history", f"{told[-1]}{more}" if told else "")
        feeds = self.live.feeds
        foretold = None if feeds is None else await asyncio.to_thread(feeds.foretold, self.live.now)
        return History(cleaned.frame, foretold)

    async def _peak(self) -> ImportPeak:
        live = self.live
        return await asyncio.to_thread(month_peak, live.commanding.store, live.now, live.house.site.zone)

    def _believed(self) -> Cleaned:
        """What was measured in the last weeks, without what cannot be."""
        measured = self.live.commanding.store.history(LEARN_DAYS)
        # Of a file that could not be read there is not even an index of times.
        return Cleaned(measured, ()) if measured.empty else cleaned(measured, self.live.house.measures)


def next_due(now: datetime, every: timedelta) -> datetime:
    """The next regular cycle on the grid of the day."""
    due = floor_time(now, every) + every
    return due if due - now >= SHORTEST_STEP else due + every
