"""What the running day, week and month cost and earned so far, told as metrics and to the rules."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.metrics.money import METERED, PRICES, Money, metered, money_points

from .house_rules import HouseRules
from .live import Live
from .recording import Recording

EVERY = timedelta(minutes=15)
LEAST_WAIT_S = 1.0
"""However fast the clock is [s of the wall]."""
DAYS_BEFORE = 8
"""So many whole days are looked at, so that the last can be compared with those before it."""
DAY = timedelta(days=1)


@dataclass
class Till:
    """Counts now and then, from what the ledger has measured.

    :param ledger: its file.
    """

    live: Live
    ledger: Path
    recording: Recording
    rules: HouseRules
    _has_books: bool = False

    async def run(self) -> None:
        """Count until cancelled."""
        clock = self.live.clock
        while True:
            await clock.sleep(max(EVERY.total_seconds(), LEAST_WAIT_S * clock.speed))
            # Weeks of intervals take a moment to read, in which nobody should have to wait.
            running, before = await asyncio.to_thread(self.count, self.live.now)
            if self._has_books:
                running = {period: _as_metered(money) for period, money in running.items()}
                before = []
            self._tell([*before, *running.values()])
            self.rules.take_money(before, running["month"])

    def take(self, periods: Sequence[Money], days: Sequence[Money]) -> None:
        """Take what the books say, who know more than the meters: from then on only meters are read between them.

        :param periods: the running day, week and month.
        :param days: whole days, the last at the end.
        """
        self._has_books = True
        self._tell([*days, *periods])
        self.rules.take_money(days, next((money for money in periods if money.period == "month"), None))

    def _tell(self, figures: Sequence[Money]) -> None:
        site = self.live.house.site.name
        self.recording.put(point for money in figures for point in money_points(site, money))

    def count(self, now: datetime) -> tuple[Mapping[str, Money], list[Money]]:
        """The running day, week and month, and the whole days before."""
        zone = self.live.house.site.zone
        with Ledger(self.ledger, self.live.clock) as ledger:

            def of(period: str, begin: datetime, end: datetime) -> Money:
                return metered(period, begin, ledger.telemetry([*METERED, *PRICES], begin, end), zone)

            today = now.astimezone(zone).date()
            days = [midnight(today - k * DAY, zone) for k in range(DAYS_BEFORE, -1, -1)]
            before = [of("day", begin, end) for begin, end in pairwise(days)]
            return {period: of(period, begin, now) for period, begin in period_starts(now, zone).items()}, before


def _as_metered(money: Money) -> Money:
    """Without what the books work out better."""
    return replace(money, arbitrage=None, heating_shift=None)


def period_starts(now: datetime, zone: ZoneInfo) -> Mapping[str, datetime]:
    """When the running local day, week (from Monday on) and month began.

    >>> starts = period_starts(datetime(2025, 4, 3, 10, tzinfo=UTC), ZoneInfo("Europe/Prague"))
    >>> [f"{start:%d.%m. %H:%M}" for start in starts.values()]
    ['02.04. 22:00', '30.03. 22:00', '31.03. 22:00']
    """
    today = now.astimezone(zone).date()
    begins = {"day": today, "week": today - today.weekday() * DAY, "month": today.replace(day=1)}
    return {period: midnight(begin, zone) for period, begin in begins.items()}


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)
