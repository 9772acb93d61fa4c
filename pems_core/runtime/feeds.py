"""Keeps what others know of weather, prices and exchange rates at hand, in the background of a running house."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from pems_core.clock import Clock
from pems_core.domain import QUARTER, SourceKind, Vintage, floor_time
from pems_core.protocols import Source
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.chains import SourceChain, price_need, pv_need, quarters, rate_need, weather_need
from pems_core.sourcing.remembered import DayAhead, foretelling

from .alerts import HouseAlerts
from .prices import KWH_PER_MWH, PriceBook
from .triggers import Triggers, price_changes

EVERY_S = 20.0
"""How often it is looked whether something is due; most looks ask nobody [s of the clock]."""
LEAST_WAIT_S = 0.2
"""However fast the clock is [s of the wall]."""
MARKET = ZoneInfo("Europe/Prague")
"""The coupled European day-ahead market has one day for all its zones."""
PRICE, RATE = "day_ahead_price_eur_per_mwh", "currency_per_eur"
YESTERDAY, AHEAD = timedelta(days=1), timedelta(days=10)
LATELY = timedelta(days=15)
"""So far back forecasters are told what was said of each day before it began."""


@dataclass
class Feeds:
    """The chains of sources of one house.

    :param sources: of every kind, those that are asked first in front.
    :param currency: of the site; prices in EUR are turned into it.
    :param eur_rate: units of it per EUR while no bank is asked, or none has answered.
    """

    sources: Sequence[Source]
    book: VintageBook
    prices: PriceBook
    alerts: HouseAlerts
    triggers: Triggers
    clock: Clock
    currency: str
    eur_rate: float
    price_change_per_kwh: float

    def __post_init__(self) -> None:
        needs = (weather_need(), price_need(MARKET), rate_need(), pv_need())
        self.chains = {need.kind: SourceChain(need, self._of(need.kind), self.book) for need in needs}
        self._priced: tuple[object, ...] = ()
        self._before = DayAhead(self.book, foretelling(self.sources))

    def _of(self, kind: SourceKind) -> list[Source]:
        return [source for source in self.sources if source.kind is kind]

    async def run(self) -> None:
        """Fetch what is due until cancelled."""
        while True:
            await self.look(self.clock.now())
            await self.clock.sleep(max(EVERY_S, LEAST_WAIT_S * self.clock.speed))

    async def look(self, now: datetime) -> None:
        """Fetch what is due, hand new prices over, and tell what is wrong."""
        await asyncio.gather(*(chain.look(now) for chain in self.chains.values()))
        for kind, chain in self.chains.items():
            self.alerts.set(f"sources {kind}", chain.fault(now), rule="stale_data")
        self._hand_over_prices(now)

    def _hand_over_prices(self, now: datetime) -> None:
        """Keep what exchanges say as the site's prices, when they or the banks have said something new."""
        said = [vintage for vintage, _ in self.chains[SourceKind.PRICES].ranked(now)]
        rates = [vintage for vintage, _ in self.chains[SourceKind.EXCHANGE_RATE].ranked(now)]
        seen = tuple((v.source, v.fetched_at) for v in [*said, *rates])
        if not said or seen == self._priced:
            return
        changed = self.prices.put(self.spot_prices(said, rates))
        for reason in price_changes(changed, now, self.price_change_per_kwh):
            self.triggers.pull(reason)
        self._priced = seen

    def spot_prices(self, said: Sequence[Vintage], rates: Sequence[Vintage]) -> Mapping[datetime, float]:
        """Spot prices by quarter hour [currency/kWh]; each from the first who says it, with the rate of its day."""
        found: dict[datetime, float] = {}
        for vintage in said:
            known = quarters(vintage)[PRICE].dropna()
            starts = pd.DatetimeIndex(known.index).to_pydatetime()
            for start, price in zip(starts, known.tolist(), strict=True):
                found.setdefault(start, price * self._rate(rates, start) / KWH_PER_MWH)
        return found

    def _rate(self, rates: Sequence[Vintage], at: datetime) -> float:
        """Units of the site's currency per EUR: the last that was fixed for that day or before."""
        if self.currency == "EUR":
            return 1.0
        for vintage in rates:
            fixed = vintage.frame[RATE].dropna()
            before = fixed[fixed.index <= at]
            if len(before):
                return float(before.iloc[-1])
        return self.eur_rate

    def weather_now(self, now: datetime) -> Mapping[str, float]:
        """What is said of the weather of this quarter hour, by series; nothing if nobody has said anything."""
        quarter = floor_time(now, QUARTER)
        table = self.chains[SourceKind.WEATHER].table(quarter, quarter + QUARTER, now)
        return {str(name): float(value) for name, value in table.iloc[0].dropna().items()} if len(table) else {}

    def foretold(self, now: datetime) -> pd.DataFrame | None:
        """What is said of weather and PV from yesterday on, in quarter hours; None if nobody has said anything.

        Of the days before, what was said the evening before each: that is what forecasters learn from.
        """
        weather, pv = (
            self.chains[kind].table(now - YESTERDAY, now + AHEAD, now) for kind in (SourceKind.WEATHER, SourceKind.PV)
        )
        table = weather.combine_first(pv)
        if table.empty:
            return None
        return table.combine_first(self._before.table(now - LATELY, now - YESTERDAY))

    def close(self) -> None:
        self.book.close()
