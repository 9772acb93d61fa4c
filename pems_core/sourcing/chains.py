"""Asks the sources of one kind one after the other: as seldom as can be, and the next when one fails."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from pems_core.domain import HOUR, QUARTER, NoAnswer, Quality, SourceKind, Vintage
from pems_core.protocols import Source

from .book import VintageBook

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=60)
"""After a failure; each further one doubles it."""
LONGEST_PATIENCE = timedelta(days=1)
LOOK_AGAIN = timedelta(minutes=10)
"""A source that answered, but not yet with what is needed, is asked again after this."""
FETCH_WITHIN_S = 60.0
PUBLISHED_AT = time(13)
WEATHER_AHEAD = timedelta(hours=24)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Need:
    """What must be known of one kind.

    :param series: by which it is judged.
    :param refresh: an answer that is older is fetched again; None: what was once published stays.
    :param stale: an answer that is older is only used when there is no other; None: never.
    :param market: local time of the exchange, for prices.
    """

    kind: SourceKind
    series: str
    refresh: timedelta | None
    stale: timedelta | None
    market: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def until(self, now: datetime) -> datetime:
        """How far it must reach."""
        if self.kind is SourceKind.PRICES:
            return published_until(now, self.market)
        return now - 5 * DAY if self.kind is SourceKind.EXCHANGE_RATE else now + WEATHER_AHEAD

    def met(self, said: Vintage | None, now: datetime) -> bool:
        """Whether nothing has to be fetched."""
        if said is None or (self.refresh is not None and now - said.fetched_at >= self.refresh):
            return False
        reaches = said.reaches(self.series)
        return reaches is not None and reaches >= self.until(now)


def weather_need(refresh: timedelta = HOUR) -> Need:
    return Need(SourceKind.WEATHER, "outdoor_temperature_c", refresh, timedelta(hours=6))


def price_need(market: ZoneInfo) -> Need:
    return Need(SourceKind.PRICES, "day_ahead_price_eur_per_mwh", None, None, market)


def pv_need(refresh: timedelta = HOUR) -> Need:
    return Need(SourceKind.PV, "pv_kw", refresh, timedelta(hours=6))


def rate_need() -> Need:
    # Banks fix rates on working days: the one of Friday holds until Monday, or longer over holidays.
    return Need(SourceKind.EXCHANGE_RATE, "currency_per_eur", timedelta(hours=6), timedelta(days=6))


def published_until(now: datetime, market: ZoneInfo) -> datetime:
    """Until when day-ahead prices are out: the end of today, from 13:00 on of tomorrow, in the market's time."""
    local = now.astimezone(market)
    days = 2 if local.time() >= PUBLISHED_AT else 1
    return datetime.combine(local.date() + timedelta(days=days), time(), market).astimezone(ZoneInfo("UTC"))


@dataclass
class _Attempts:
    failures: int = 0
    not_before: datetime | None = None
    fault: str = ""


@dataclass
class SourceChain:
    """The sources of one kind, the best first.

    Every value that it gives says who said it, when, and whether that is still fresh.
    """

    need: Need
    sources: Sequence[Source]
    book: VintageBook
    _attempts: dict[str, _Attempts] = field(default_factory=dict, init=False)

    async def look(self, now: datetime) -> bool:
        """Fetch what is needed from the first source that has it; true if something new was said."""
        news = False
        for source in self.sources:
            if self.need.met(self.book.newest(source.name), now):
                return news
            if not self._may_ask(source, now):
                continue
            news |= await self._ask(source, now)
            if self.need.met(self.book.newest(source.name), now):
                return news
        return news

    def _may_ask(self, source: Source, now: datetime) -> bool:
        attempts = self._of(source)
        if attempts.not_before is not None and now < attempts.not_before:
            return False
        used = self.book.calls(source.name)
        if used + source.calls_per_fetch > source.calls_per_day:
            attempts.fault = f"{used} of {source.calls_per_day} requests a day are used up"
            return False
        return True

    async def _ask(self, source: Source, now: datetime) -> bool:
        attempts = self._of(source)
        self.book.count_call(source.name, source.calls_per_fetch)
        try:
            async with asyncio.timeout(FETCH_WITHIN_S):
                said = await source.fetch(now)
            self.book.keep(said)
            reaches, met = said.reaches(self.need.series), self.need.met(said, now)
        except TimeoutError:
            self._failed(attempts, NoAnswer(f"no answer within {FETCH_WITHIN_S:g} s"), now)
            return False
        except NoAnswer as fault:
            self._failed(attempts, fault, now)
            return False
        except Exception as error:  # noqa: BLE001 - a defect of one source costs its answer, not the others'
            self._failed(attempts, NoAnswer(f"{type(error).__name__}: {error}"), now)
            return False
        attempts.failures, attempts.not_before, attempts.fault = 0, now + LOOK_AGAIN, ""
        if not met:
            until = "nothing" if reaches is None else f"until {reaches:%Y-%m-%d %H:%M} UTC"
            attempts.fault = f"knows {until}; needed: until {self.need.until(now):%Y-%m-%d %H:%M} UTC"
        return True

    def _failed(self, attempts: _Attempts, fault: NoAnswer, now: datetime) -> None:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempts.failures)
        attempts.failures += 1
        # Who asks for years of patience is broken: he is heard once a day.
        attempts.not_before = now + max(pause, min(fault.retry_after or pause, LONGEST_PATIENCE))
        attempts.fault = str(fault)

    def _of(self, source: Source) -> _Attempts:
        return self._attempts.setdefault(source.name, _Attempts())

    def fault(self, now: datetime) -> str:
        """What is wrong with it now, and who stands in; empty if the first source has what is needed."""
        told: list[str] = []
        for source in self.sources:
            if self.need.met(self.book.newest(source.name), now):
                return "; ".join([*told, f"{source.name} stands in"]) if told else ""
            if fault := self._of(source).fault:
                told.append(f"{source.name}: {fault}")
        return "; ".join(told)

    def ranked(self, now: datetime) -> list[tuple[Vintage, Quality]]:
        """The newest answer of each source, the best first: fresh ones in the chain's order, then by age."""
        said = [v for source in self.sources if (v := self.book.newest(source.name)) is not None]
        stale = self.need.stale
        fresh = [v for v in said if stale is None or now - v.fetched_at < stale]
        old = sorted((v for v in said if v not in fresh), key=lambda v: v.fetched_at, reverse=True)
        return [(v, Quality.GOOD) for v in fresh] + [(v, Quality.STALE) for v in old]

    def table(self, since: datetime, until: datetime, now: datetime) -> pd.DataFrame:
        """Every series in quarter hours, each value from the best source that has it."""
        return combined([quarters(said) for said, _ in self.ranked(now)], since, until)

    def told(self, series: str, since: datetime, until: datetime, now: datetime) -> pd.DataFrame:
        """One series in quarter hours with who said each value.

        :return: columns `value`, `source`, `issued_at`, `age_h` and `quality`.
        """
        parts = []
        for said, quality in self.ranked(now):
            if series not in said.frame:
                continue
            values = quarters(said)[series].dropna()
            values = values[(values.index >= since) & (values.index < until)]
            age_h = (now - said.issued_at) / HOUR
            parts.append(
                pd.DataFrame({"value": values}).assign(
                    source=said.source, issued_at=said.issued_at, age_h=age_h, quality=quality.value
                )
            )
        if not parts:
            return pd.DataFrame(columns=["value", "source", "issued_at", "age_h", "quality"])
        whole = pd.concat(parts)
        return whole[~whole.index.duplicated(keep="first")].sort_index()


def quarters(said: Vintage) -> pd.DataFrame:
    """What was said in quarter hours: a mean or a price holds for each of its quarters."""
    count = max(1, said.step // QUARTER)
    frame = said.frame
    if count == 1:
        return frame
    parts = [frame.set_axis(pd.DatetimeIndex(frame.index) + k * QUARTER, axis=0) for k in range(count)]
    return pd.concat(parts).sort_index()


def combined(tables: Sequence[pd.DataFrame], since: datetime, until: datetime) -> pd.DataFrame:
    """Each value from the first table that has it."""
    whole = pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC").as_unit("us"))
    for table in tables:
        part = table[(table.index >= since) & (table.index < until)]
        whole = whole.combine_first(part) if len(whole) else part
    return whole
