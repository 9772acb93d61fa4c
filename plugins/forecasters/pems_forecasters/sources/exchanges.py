"""Day-ahead prices of electricity: Energy-Charts, SMARD, OTE and ENTSO-E, in EUR/MWh.

Prices of a day are published together, about 13:00 of the day before. Each provider is asked for today and tomorrow;
one that has tomorrow not yet says so by leaving it out.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pems_core.domain import HOUR, QUARTER, NoAnswer, SourceKind, Vintage
from pems_core.sourcing.vintages import local_day, midnight, vintage
from pems_core.sourcing.web import Web

PRICE = "day_ahead_price_eur_per_mwh"
DAY = timedelta(days=1)
MS = 1000


@dataclass(frozen=True)
class EnergyCharts:
    """Energy-Charts of Fraunhofer ISE: https://api.energy-charts.info, `/price`."""

    zone: str
    """Bidding zone, such as "CZ" or "DE-LU"."""
    timezone: str
    place: int = 0
    url: str = "https://api.energy-charts.info"
    calls_per_day: int = 60
    name: str = "energy_charts"
    kind: SourceKind = SourceKind.PRICES
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        today = now.astimezone(ZoneInfo(self.timezone)).date()
        days = {"start": today.isoformat(), "end": (today + DAY).isoformat()}
        return self.read(await Web(self.url).json("/price", bzn=self.zone, **days), now)

    def read(self, answer: Any, now: datetime) -> Vintage:
        """What an answer says.

        :raises NoAnswer: if it is not as documented, or in another unit.
        """
        if not isinstance(answer, Mapping) or not {"unix_seconds", "price", "unit"} <= set(answer):
            raise NoAnswer(f"{self.name}: the answer has not unix_seconds, price and unit")
        if re.sub(r"\s", "", str(answer["unit"])) != "EUR/MWh":
            raise NoAnswer(f"{self.name}: found unit {answer['unit']!r}; allowed: EUR/MWh")
        return vintage(self.name, now, _instants(self.name, answer["unix_seconds"]), {PRICE: answer["price"]})


@dataclass(frozen=True)
class Smard:
    """SMARD of the Bundesnetzagentur: weeks of prices as files; https://github.com/bundesAPI/smard-api."""

    filter: str = "4169"
    """Number of the series: 4169 is DE-LU; 261 is the Czech Republic."""
    timezone: str = "Europe/Berlin"
    resolution: str = "quarterhour"
    place: int = 1
    url: str = "https://www.smard.de/app/chart_data"
    calls_per_day: int = 60
    name: str = "smard"
    kind: SourceKind = SourceKind.PRICES
    calls_per_fetch: int = 3

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`. A file has a week; today and tomorrow may lie in two."""
        web, of = Web(self.url), f"/{self.filter}/DE"
        index = await web.json(f"{of}/index_{self.resolution}.json")
        stamps = index.get("timestamps") if isinstance(index, Mapping) else None
        if not isinstance(stamps, list) or not stamps or not all(isinstance(stamp, int) for stamp in stamps):
            raise NoAnswer(f"{self.name}: the index has no timestamps")
        last = sorted(stamps)[-2:]
        files = [f"{of}/{self.filter}_DE_{self.resolution}_{stamp}.json" for stamp in last]
        return self.read(await asyncio.gather(*(web.json(file) for file in files)), now)

    def read(self, weeks: list[Any], now: datetime) -> Vintage:
        """What the files of some weeks say about today and later.

        :raises NoAnswer: if they are not as documented.
        """
        rows = [row for week in weeks if isinstance(week, Mapping) for row in week.get("series") or []]
        if not rows or not all(isinstance(row, list) and len(row) == 2 for row in rows):
            raise NoAnswer(f"{self.name}: the answer has no series of times and values")
        begin = midnight(now.astimezone(ZoneInfo(self.timezone)).date(), ZoneInfo(self.timezone))
        # Hours that are not published yet are null.
        ahead = [(at / MS, value) for at, value in rows if at / MS >= begin.timestamp() and value is not None]
        if not ahead:
            raise NoAnswer(f"{self.name}: no price of {begin:%Y-%m-%d} or later")
        step = QUARTER if self.resolution == "quarterhour" else HOUR
        starts = _instants(self.name, [at for at, _ in ahead])
        return vintage(self.name, now, starts, {PRICE: [value for _, value in ahead]}, step)


PRAGUE = "Europe/Prague"


@dataclass(frozen=True)
class Ote:
    """OTE, the Czech market: the data of the chart of one day, counted from 1 through the local day.

    https://www.ote-cr.cz/en/short-term-markets/electricity/day-ahead-market. Quarter hours since October 2025, hours
    before; the line is found by its title, since which lines there are has changed.
    """

    place: int = 1
    url: str = "https://www.ote-cr.cz/en/short-term-markets/electricity/day-ahead-market/@@chart-data"
    calls_per_day: int = 100
    name: str = "ote"
    kind: SourceKind = SourceKind.PRICES
    calls_per_fetch: int = 2

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`. Tomorrow that fails is left out; today is needed."""
        today = now.astimezone(ZoneInfo(PRAGUE)).date()
        days = [today, today + DAY]
        told = await asyncio.gather(
            *(Web(self.url).json(report_date=day.isoformat()) for day in days), return_exceptions=True
        )
        for answer in told:
            if isinstance(answer, BaseException) and not (answer is told[1] and isinstance(answer, NoAnswer)):
                raise answer
        return self.read({d: a for d, a in zip(days, told, strict=True) if not isinstance(a, NoAnswer)}, now)

    def read(self, answers: Mapping[date, Any], now: datetime) -> Vintage:
        """What the charts of some days say.

        :raises NoAnswer: if a chart is not as known, or has not as many points as the day has intervals.
        """
        parts = [part for day, answer in answers.items() for part in self._day(day, answer)]
        if not parts:
            raise NoAnswer(f"{self.name}: no prices of {', '.join(map(str, answers))}")
        step = min(step for _, step in parts)
        prices = pd.concat([_finer(prices, from_step, step) for prices, from_step in parts])
        return vintage(self.name, now, pd.DatetimeIndex(prices.index), {PRICE: prices.tolist()}, step)

    def _day(self, day: date, answer: Any) -> "list[tuple[pd.Series[float], timedelta]]":
        try:
            lines = {str(line["title"]): line["point"] for line in answer["data"]["dataLine"]}
            priced = {title: points for title, points in lines.items() if _is_price(title) and points}
            ordered = sorted(priced, key=lambda title: ("15" not in title, title))
            if not ordered:
                return []
            points = sorted((int(float(point["x"])), float(point["y"])) for point in priced[ordered[0]])
        except (KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"{self.name}: not a chart of {day}: {type(error).__name__}: {error}") from None
        starts, step = local_day(self.name, day, ZoneInfo(PRAGUE), len(points))
        if [x for x, _ in points] != list(range(1, len(points) + 1)):
            raise NoAnswer(f"{self.name}: the points of {day} are not counted from 1 to {len(points)}")
        return [(pd.Series([y for _, y in points], index=starts), step)]


def _is_price(title: str) -> bool:
    """Whether a line of the chart is a price in EUR; there are volumes and, at times, prices in CZK."""
    return "eur/mwh" in title.lower().replace(" ", "") and ("price" in title.lower() or "cena" in title.lower())


def _finer(prices: "pd.Series[float]", from_step: timedelta, step: timedelta) -> "pd.Series[float]":
    """A price of an hour is that of its quarters."""
    index = pd.DatetimeIndex(prices.index)
    parts = [prices.set_axis(index + k * step) for k in range(from_step // step)]
    return pd.concat(parts).sort_index()


def _instants(source: str, seconds: Any) -> list[datetime]:
    try:
        return [datetime.fromtimestamp(second, UTC) for second in seconds]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise NoAnswer(f"{source}: times are not seconds since 1970: {error}") from None
