"""Chains: the next source when one fails, few requests, and who said each value, when."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER, NoAnswer, SourceKind, Vintage
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.chains import Need, SourceChain, price_need, published_until, rate_need, weather_need
from pems_core.sourcing.place import FILE
from pems_core.sourcing.remembered import DayAhead
from pems_core.sourcing.vintages import vintage

NOW = datetime(2025, 3, 28, 9, tzinfo=UTC)
PRAGUE = ZoneInfo("Europe/Prague")
TEMPERATURE, PRICE = "outdoor_temperature_c", "day_ahead_price_eur_per_mwh"
DAY = timedelta(days=1)


@dataclass
class SetClock:
    """A clock that a test turns."""

    at: datetime = NOW
    speed: float = 1.0

    def now(self) -> datetime:
        return self.at

    def elapsed_s(self) -> float:
        return (self.at - NOW).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Says:
    """A source that says one value for the hours to come, or fails."""

    name: str
    value: float
    place: int = 0
    kind: SourceKind = SourceKind.WEATHER
    series: str = TEMPERATURE
    hours: int = 48
    fault: Exception | None = None
    calls_per_day: int = 100
    calls_per_fetch: int = 1
    asked_at: list[datetime] = field(default_factory=list)

    async def fetch(self, now: datetime) -> Vintage:
        self.asked_at.append(now)
        if self.fault is not None:
            raise self.fault
        starts = pd.date_range(now.replace(minute=0, second=0), periods=self.hours, freq=HOUR)
        return vintage(self.name, now, starts, {self.series: [self.value] * self.hours}, HOUR)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def book(tmp_path: Path, clock: SetClock) -> Iterator[VintageBook]:
    opened = VintageBook(tmp_path / FILE, clock)
    yield opened
    opened.close()


async def go(chain: SourceChain, clock: SetClock, until: datetime, step: timedelta = timedelta(minutes=1)) -> None:
    while clock.at < until:
        await chain.look(clock.at)
        clock.at += step


async def test_a_source_is_asked_once_an_hour_and_the_second_not_at_all(book: VintageBook, clock: SetClock) -> None:
    first, second = Says("first", 1.0), Says("second", 2.0, place=1)
    await go(SourceChain(weather_need(), [first, second], book), clock, NOW + 6 * HOUR)
    assert first.asked_at == [NOW + k * HOUR for k in range(6)]
    assert second.asked_at == []


async def test_the_second_stands_in_and_the_first_comes_back(book: VintageBook, clock: SetClock) -> None:
    first, second = Says("first", 1.0, fault=NoAnswer("HTTP 500")), Says("second", 2.0, place=1)
    chain = SourceChain(weather_need(), [first, second], book)
    await go(chain, clock, NOW + HOUR)
    assert chain.fault(clock.at - timedelta(minutes=1)) == "first: HTTP 500; second stands in"
    told = chain.told(TEMPERATURE, NOW, NOW + 2 * HOUR, clock.at)
    assert set(told["source"]) == {"second"}
    # After 1, 2, 4, 8... minutes.
    assert [(at - NOW) / timedelta(minutes=1) for at in first.asked_at] == [0, 1, 3, 7, 15, 31]
    first.fault = None
    await go(chain, clock, NOW + 3 * HOUR)
    told = chain.told(TEMPERATURE, clock.at, clock.at + HOUR, clock.at)
    assert set(told["source"]) == {"first"}
    assert chain.fault(clock.at - timedelta(minutes=1)) == ""


async def test_a_source_that_asks_for_patience_is_left_alone(book: VintageBook, clock: SetClock) -> None:
    first = Says("first", 1.0, fault=NoAnswer("HTTP 429", timedelta(hours=3)))
    await go(SourceChain(weather_need(), [first], book), clock, NOW + 4 * HOUR)
    assert first.asked_at == [NOW, NOW + 3 * HOUR]


async def test_the_budget_of_a_day_holds_over_a_restart(tmp_path: Path, clock: SetClock) -> None:
    first = Says("first", 1.0, fault=NoAnswer("HTTP 500"), calls_per_day=6, calls_per_fetch=2)
    for _ in range(4):
        opened = VintageBook(tmp_path / FILE, clock)
        chain = SourceChain(weather_need(), [first], opened)
        await chain.look(clock.at)
        opened.close()
        clock.at += HOUR
    assert len(first.asked_at) == 3
    assert chain.fault(clock.at) == "first: 6 of 6 requests a day are used up"
    clock.at = NOW + DAY + HOUR
    opened = VintageBook(tmp_path / FILE, clock)
    await SourceChain(weather_need(), [first], opened).look(clock.at)
    opened.close()
    assert len(first.asked_at) == 4


async def test_a_defect_of_one_source_costs_its_answer_alone(book: VintageBook, clock: SetClock) -> None:
    first, second = Says("first", 1.0, fault=KeyError("prices")), Says("second", 2.0, place=1)
    chain = SourceChain(weather_need(), [first, second], book)
    assert await chain.look(clock.at)
    assert chain.fault(clock.at) == "first: KeyError: 'prices'; second stands in"


@dataclass
class SaysNothing(Says):
    """A source of a plugin that breaks its word."""

    async def fetch(self, now: datetime) -> Vintage:
        return None  # type: ignore[return-value]


async def test_an_answer_that_is_none_costs_that_source_alone(book: VintageBook, clock: SetClock) -> None:
    chain = SourceChain(weather_need(), [SaysNothing("first", 1.0), Says("second", 2.0, place=1)], book)
    assert await chain.look(clock.at)
    assert "first: AttributeError" in chain.fault(clock.at)


async def test_a_source_that_asks_for_ages_of_patience_is_asked_again_the_next_day(
    book: VintageBook, clock: SetClock
) -> None:
    first = Says("first", 1.0, fault=NoAnswer("HTTP 429", timedelta(days=99_999_999)))
    chain = SourceChain(weather_need(), [first], book)
    await go(chain, clock, NOW + 2 * DAY, HOUR)
    assert first.asked_at == [NOW, NOW + DAY]


def row(told: pd.DataFrame, at: datetime) -> list[object]:
    found = told[told.index == at]
    return [found[column].iloc[0] for column in ("source", "age_h", "quality")]


async def test_every_value_has_age_source_and_quality(book: VintageBook, clock: SetClock) -> None:
    first, second = Says("first", 1.0, hours=30), Says("second", 2.0, place=1, hours=30)
    chain = SourceChain(weather_need(), [first, second], book)
    book.keep(await second.fetch(NOW))
    clock.at = NOW + 2 * HOUR
    book.keep(await first.fetch(clock.at))
    now = NOW + 3 * HOUR
    told = chain.told(TEMPERATURE, NOW, NOW + 30 * HOUR, now)
    assert row(told, NOW) == ["second", 3.0, "good"]
    assert row(told, NOW + 4 * HOUR) == ["first", 1.0, "good"]
    # Six hours after it was fetched an answer is old: any that is fresh goes before it, whatever its place.
    later = chain.told(TEMPERATURE, NOW, NOW + 30 * HOUR, NOW + 7 * HOUR)
    assert row(later, NOW) == ["second", 7.0, "stale"]


async def test_prices_are_asked_for_when_they_are_due(book: VintageBook, clock: SetClock) -> None:
    """Today once, nothing until 13:00 in Prague, then every ten minutes until tomorrow is there."""

    @dataclass
    class Exchange(Says):
        published_at: datetime = datetime(2025, 3, 28, 12, 25, tzinfo=UTC)

        async def fetch(self, now: datetime) -> Vintage:
            self.asked_at.append(now)
            hours = 48 if now >= self.published_at else 24
            starts = pd.date_range(datetime(2025, 3, 27, 23, tzinfo=UTC), periods=hours, freq=HOUR)
            return vintage(self.name, now, starts, {PRICE: [50.0] * hours}, HOUR)

    exchange = Exchange("exchange", 50.0, kind=SourceKind.PRICES, series=PRICE)
    chain = SourceChain(price_need(PRAGUE), [exchange], book)
    await go(chain, clock, NOW + 10 * HOUR)
    assert [f"{at:%H:%M}" for at in exchange.asked_at] == ["09:00", "12:00", "12:10", "12:20", "12:30"]
    assert chain.fault(clock.at) == ""


async def test_an_exchange_without_tomorrow_hands_over_to_the_next(book: VintageBook, clock: SetClock) -> None:
    clock.at = datetime(2025, 3, 28, 12, 30, tzinfo=UTC)
    first = Says("first", 50.0, kind=SourceKind.PRICES, series=PRICE, hours=10)
    second = Says("second", 60.0, place=1, kind=SourceKind.PRICES, series=PRICE, hours=40)
    chain = SourceChain(price_need(PRAGUE), [first, second], book)
    await chain.look(clock.at)
    assert "first: knows until 2025-03-28 22:00 UTC; needed: until 2025-03-29 23:00 UTC" in chain.fault(clock.at)
    told = chain.told(PRICE, clock.at, clock.at + 2 * DAY, clock.at)
    assert told["source"].value_counts().to_dict() == {"second": 120, "first": 38}


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2025-03-29T11:59Z", "2025-03-29T23:00Z"),
        ("2025-03-29T12:00Z", "2025-03-30T22:00Z"),
        ("2025-10-25T11:00Z", "2025-10-26T23:00Z"),
    ],
    ids=["before publication", "the day of 23 h", "the day of 25 h"],
)
def test_prices_are_out_until_the_end_of_the_local_day(now: str, until: str) -> None:
    assert published_until(datetime.fromisoformat(now), PRAGUE) == datetime.fromisoformat(until)


def test_a_rate_of_friday_holds_over_the_weekend() -> None:
    friday = datetime(2025, 3, 27, 23, tzinfo=UTC)
    fetched = datetime(2025, 3, 30, 9, tzinfo=UTC)
    said = vintage("bank", fetched, [friday], {"currency_per_eur": [24.965]}, DAY)
    assert rate_need().met(said, fetched + HOUR)
    assert not rate_need().met(said, fetched + 6 * HOUR)


def test_answers_survive_a_restart_digit_by_digit(tmp_path: Path, clock: SetClock) -> None:
    starts = pd.date_range(NOW, periods=4, freq=QUARTER)
    said = vintage("first", NOW, starts, {TEMPERATURE: [0.1, None, 1 / 3, -7.25], f"{TEMPERATURE}.p10": [0.0] * 4})
    opened = VintageBook(tmp_path / FILE, clock)
    opened.keep(said)
    opened.close()
    again = VintageBook(tmp_path / FILE, clock)
    found = again.newest("first")
    again.close()
    assert found is not None
    pd.testing.assert_frame_equal(found.frame, said.frame, check_exact=True, check_freq=False)
    assert (found.issued_at, found.fetched_at, found.step) == (NOW, NOW, QUARTER)


async def test_vintages_tell_what_was_known_when(book: VintageBook, clock: SetClock) -> None:
    first = Says("first", 1.0)
    book.keep(await first.fetch(NOW))
    first.value = 3.0
    book.keep(await first.fetch(NOW + 5 * HOUR))
    at = NOW + 6 * HOUR
    said = book.vintages(TEMPERATURE, ["first"], at, at + HOUR)
    assert said["value"].tolist() == [1.0, 3.0]
    assert said["issued_at"].tolist() == [pd.Timestamp(NOW), pd.Timestamp(NOW + 5 * HOUR)]
    assert (said["end"] - said["start"]).tolist() == [pd.Timedelta(HOUR)] * 2


@pytest.mark.parametrize("need", [weather_need(), rate_need(), price_need(PRAGUE)], ids=lambda need: str(need.kind))
def test_nothing_said_is_never_enough(need: Need) -> None:
    assert not need.met(None, NOW)


class TestDayAhead:
    """What was said of a day before it began, which is what forecasters learn from."""

    async def test_is_the_last_answer_of_the_evening_before(self, book: VintageBook, clock: SetClock) -> None:
        source, day = Says("first", 5.0), datetime(2025, 3, 29, tzinfo=UTC)
        for hour, value in ((20, 6.0), (23, 7.0), (25, 8.0)):
            clock.at, source.value = datetime(2025, 3, 28, tzinfo=UTC) + hour * HOUR, value
            book.keep(await source.fetch(clock.at))
        found = DayAhead(book, ["first"]).table(day, day + DAY)[TEMPERATURE]
        assert len(found) == 96
        assert set(found) == {7.0}

    async def test_is_missing_of_days_of_which_nobody_spoke(self, book: VintageBook, clock: SetClock) -> None:
        book.keep(await Says("first", 5.0, hours=20).fetch(NOW))
        ahead = DayAhead(book, ["silent", "first"])
        assert ahead.table(NOW - 3 * DAY, NOW).empty
        # Answered at 09:00, 20 hours ahead: of the next day five hours were foretold.
        assert len(ahead.table(NOW, NOW + 3 * DAY)) == 5 * 4
