"""Samples the house and looks at each cycle, and hands the points to whoever keeps them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from pems_core.alerting.judge import News
from pems_core.alerting.measured import ErrorTrend
from pems_core.domain import Alert, CycleReport
from pems_core.recording.metrics import Household, Metrics, Moment
from pems_core.recording.metrics.events import alert_points
from pems_core.recording.metrics.system import SystemGauge
from pems_core.recording.points import Point

from .live import Live

JUDGED_AHEAD_H = "6"
"""A forecast that is worse than it was is judged by its errors so long before [h]."""
LEAST_WAIT_S = 0.2
"""However fast the clock is [s of the wall]."""
TICK_S = 0.5
"""How often the loop is asked whether it is late [s of the wall]."""
FAREWELL_WITHIN_S = 5.0
"""How long those who keep points are waited for at the end [s of the wall]."""


class Keeper(Protocol):
    """Somebody who keeps points, and lets nobody wait for that."""

    def put(self, points: Iterable[Point]) -> None: ...

    def close(self, within_s: float) -> None:
        """Bring to an end what waits, within so much time."""

    @property
    def waiting(self) -> int:
        """Points that are not kept yet."""

    @property
    def alerts(self) -> Sequence[Alert]: ...


@dataclass
class Recording:
    """Makes the metrics of a house that runs.

    :param every_s: between samples [s of the clock].
    :param keepers: given every point.
    :param folder: on whose disk the state is kept.
    :param trend: told how forecasts were wrong.
    """

    live: Live
    folder: Path
    every_s: float
    keepers: Sequence[Keeper] = ()
    trend: ErrorTrend | None = None
    _before: datetime | None = None
    _quarter: tuple[datetime, Mapping[str, float]] | None = None
    _late_s: float = 0.0
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        household = Household(self.live.house.site.name, self.live.house.equipment)
        self.metrics = Metrics(household)
        self._gauge = SystemGauge(self.folder)

    async def run(self) -> None:
        """Sample now and then until cancelled."""
        clock = self.live.clock
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_loop())
            while True:
                await clock.sleep(max(self.every_s, LEAST_WAIT_S * clock.speed))
                self.sample()

    async def look(self, report: CycleReport, reasons: Sequence[str]) -> None:
        """Take a cycle into account."""
        self.put(self.metrics.cycle(report))

    def told(self, news: News) -> None:
        """Keep that alerts began and ended."""
        self.put(alert_points(self.metrics.household.site, self.live.now, news.begun, news.over))

    def sample(self) -> None:
        """Keep what is measured now."""
        live = self.live
        moment = Moment(self.metrics.household, live.readings, live.state, self._before, live.report)
        points = self.metrics.sample(moment)
        points += self._gauge.points(
            moment, live.health.faults, live.alerts.in_force, waiting=self.waiting, loop_delay_s=self._late_s
        )
        self._before, self._late_s = moment.now, 0.0
        quarter = live.recorder.kept
        if quarter is not None and quarter != self._quarter:
            self._quarter = quarter
            points += self._judged(*quarter)
        self.put(points)

    def _judged(self, quarter: datetime, measured: Mapping[str, float]) -> list[Point]:
        """How forecasts of a quarter hour were wrong."""
        points = self.metrics.quarter(quarter, measured)
        if self.trend is not None:
            judged = [point for point in points if point.tags["ahead_h"] == JUDGED_AHEAD_H]
            self.trend.note(quarter, [(p.tags["series"], float(p.fields["absolute_error"])) for p in judged])
        return points

    @property
    def waiting(self) -> int:
        return sum(keeper.waiting for keeper in self.keepers)

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong with those who keep points."""
        return [alert for keeper in self.keepers for alert in keeper.alerts]

    async def close(self) -> None:
        """Have kept what there is."""
        await asyncio.gather(*(asyncio.to_thread(keeper.close, FAREWELL_WITHIN_S) for keeper in self.keepers))

    def put(self, points: Iterable[Point]) -> None:
        """Give points to all who keep them."""
        some = list(points)
        for keeper in self.keepers:
            keeper.put(some)

    async def _watch_loop(self) -> None:
        """See how late the loop is that everybody lives by."""
        while True:
            began_s = monotonic()
            await asyncio.sleep(TICK_S)
            self._late_s = max(self._late_s, monotonic() - began_s - TICK_S)
