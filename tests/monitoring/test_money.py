"""What a day cost and earned, with round numbers; and what a running house tells of its own."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pems_core.clock import FastClock
from pems_core.domain import HOUR, QUARTER
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.metrics.money import Money, Saved, metered, money_points
from pems_core.recording.points import Point, as_lines
from pems_core.runtime.till import Till
from tests.databases import InfluxDb
from tests.runtime.conftest import Start, start_engine, wait_for

from .test_recording import section, some

__all__ = ["start_engine"]

START = datetime(2025, 1, 15, 0, tzinfo=UTC)


def hours(**columns: list[float]) -> pd.DataFrame:
    """Four hours; what is not said is 0, and prices are 4, 2, 2, 8 and half of that."""
    index = pd.date_range(START, periods=4, freq=HOUR, unit="us")
    usual = {
        name: [0.0] * 4 for name in ("grid_import_kw", "grid_export_kw", "pv_kw", "base_load_kw", "heating_kw")
    } | {
        "battery_terminal_charge_kw": [0.0] * 4,
        "battery_terminal_discharge_kw": [0.0] * 4,
        "import_price_per_kwh": [4.0, 2.0, 2.0, 8.0],
        "feed_in_price_per_kwh": [2.0, 1.0, 1.0, 4.0],
    }
    return pd.DataFrame(usual | columns, index)


def test_the_bill_is_import_less_feed_in_at_the_prices_of_the_hour() -> None:
    money = metered("day", START, hours(grid_import_kw=[1.0, 1.0, 0.0, 0.0], grid_export_kw=[0.0, 0.0, 0.0, 2.0]), UTC)
    assert money.bill == pytest.approx(4.0 + 2.0 - 8.0)
    assert money.export_revenue == pytest.approx(8.0)
    assert money.peak_kw == pytest.approx(1.0)


def test_arbitrage_is_what_the_battery_gave_less_what_it_took() -> None:
    frame = hours(
        grid_import_kw=[0.0, 2.0, 0.0, 0.0],
        pv_kw=[0.0, 0.0, 1.0, 0.0],
        battery_terminal_charge_kw=[0.0, 2.0, 1.0, 0.0],
        battery_terminal_discharge_kw=[0.0, 0.0, 0.0, 2.5],
    )
    # 2 kWh of the grid at 2, 1 kWh of PV that would have earned 1, 2.5 kWh given at 8.
    assert metered("day", START, frame, UTC).arbitrage == pytest.approx(2.5 * 8 - 2 * 2 - 1 * 1)


def test_heating_in_cheap_hours_gains_against_heating_evenly() -> None:
    money = metered("day", START, hours(heating_kw=[0.0, 2.0, 2.0, 0.0], base_load_kw=[1.0] * 4), UTC)
    assert money.heating_shift == pytest.approx(4 * (4.0 - 2.0))


def test_shares_of_self_use() -> None:
    frame = hours(
        grid_import_kw=[1.0, 0.0, 0.0, 1.0],
        grid_export_kw=[0.0, 1.0, 0.0, 0.0],
        pv_kw=[0.0, 3.0, 1.0, 0.0],
        base_load_kw=[1.0, 2.0, 1.0, 1.0],
    )
    money = metered("day", START, frame, UTC)
    assert money.self_consumption_share == pytest.approx(0.75)
    assert money.self_sufficiency_share == pytest.approx(0.6)


def test_a_day_of_the_house_is_the_day_over_which_heat_is_spread() -> None:
    """The first two hours are of the day before in New York: each has a mean price of its own."""
    frame = hours(heating_kw=[0.0, 2.0, 2.0, 0.0])
    frame.index = pd.date_range(datetime(2025, 1, 15, 3, tzinfo=UTC), periods=4, freq=HOUR, unit="us")
    money = metered("month", START, frame, ZoneInfo("America/New_York"))
    assert money.heating_shift == pytest.approx(2 * (3.0 - 2.0) + 2 * (5.0 - 2.0))


def test_shares_stay_shares_when_the_battery_sells_what_it_bought() -> None:
    frame = hours(
        grid_import_kw=[4.0, 0.0, 0.0, 0.0], grid_export_kw=[0.0, 0.0, 0.0, 3.0], pv_kw=[0.0, 1.0, 0.0, 0.0],
        base_load_kw=[1.0, 1.0, 0.0, 0.0], flexible_load_kw=[0.0, 0.0, 1.0, 0.0],
    )  # fmt: skip
    money = metered("day", START, frame, UTC)
    assert (money.self_consumption_share, money.self_sufficiency_share) == (0.0, 0.0)


def test_what_a_car_takes_is_used_in_the_house() -> None:
    frame = hours(grid_import_kw=[1.0, 0.0, 0.0, 0.0], base_load_kw=[1.0] * 4, flexible_load_kw=[0.0, 4.0, 0.0, 0.0])
    assert metered("day", START, frame, UTC).self_sufficiency_share == pytest.approx(7 / 8)


def test_hours_without_a_price_or_a_meter_are_left_out() -> None:
    frame = hours(grid_import_kw=[1.0, float("nan"), 1.0, 1.0])
    frame.iloc[3, frame.columns.get_loc("import_price_per_kwh")] = float("nan")  # type: ignore[index]
    assert metered("day", START, frame, UTC).bill == pytest.approx(4.0 + 2.0)


def test_nothing_measured_is_no_bill_and_no_peak() -> None:
    money = metered("day", START, hours().iloc[:0], UTC)
    assert (money.bill, money.peak_kw, money.self_consumption_share) == (0.0, None, None)


def test_what_was_saved_is_told_against_each_baseline() -> None:
    money = metered("day", START, hours(), UTC, {"self_use": Saved(12.0, 5.0, 0.5)})
    lines = as_lines(money_points("home", money))
    assert lines[0].startswith("money,period=day,site=home ")
    assert lines[1].startswith(
        "savings,baseline=self_use,period=day,site=home baseline_bill=12,saved=5,saved_error=0.5 "
    )


class House:
    """Where a till finds the clock and the time zone of its house."""

    site = SimpleNamespace(zone=ZoneInfo("Europe/Prague"), name="home")


def test_days_weeks_and_months_are_those_of_the_house(tmp_path: Path) -> None:
    now = datetime(2025, 4, 3, 10, tzinfo=UTC)
    live: Any = SimpleNamespace(clock=FastClock(now, 1e-6), house=House())
    nobody: Any = None
    till = Till(live, tmp_path / "ledger.sqlite3", nobody, nobody)
    with Ledger(till.ledger, live.clock, writing=True) as ledger:
        at = datetime(2025, 3, 25, 23, tzinfo=UTC)
        while at < now:
            prices = {"import_price_per_kwh": 2.0, "feed_in_price_per_kwh": 1.0}
            ledger.add_telemetry(at, QUARTER, {"grid_import_kw": 1.0, "grid_export_kw": 0.0} | prices)
            at += QUARTER
    running, before = till.count(now)
    # It is noon in the house; on 30 March its clock went forward.
    hours = {"day": 12, "week": 3 * 24 + 12, "month": 2 * 24 + 12}
    assert {period: money.bill / 2.0 for period, money in running.items()} == pytest.approx(hours)
    assert [money.bill / 2.0 for money in before] == pytest.approx([24, 24, 24, 24, 23, 24, 24, 24])
    assert before[-1].start == datetime(2025, 4, 1, 22, tzinfo=UTC)


class Kept:
    """Keeps points, and what the rules were told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.judged: list[tuple[Sequence[Money], Money | None]] = []

    def put(self, points: Iterable[Point]) -> None:
        self.lines += as_lines(points)

    def take_money(self, days: Sequence[Money], month: Money | None) -> None:
        self.judged.append((days, month))


def test_what_the_books_say_is_told_and_judged(tmp_path: Path) -> None:
    kept: Any = Kept()
    live: Any = SimpleNamespace(house=House())
    till = Till(live, tmp_path / "ledger.sqlite3", kept, kept)
    yesterday = Money("day", START, 10.0, {"self_use": Saved(15.0, 5.0)}, regret=2.0, regret_forecast=2.0)
    month = Money("month", START, 300.0)
    till.take([month], [yesterday])
    assert [line.split(" ")[0] for line in kept.lines] == [
        "money,period=day,site=home",
        "savings,baseline=self_use,period=day,site=home",
        "money,period=month,site=home",
    ]
    assert "regret=2,regret_forecast=2" in kept.lines[0]
    assert kept.judged == [([yesterday], month)]


async def test_a_running_house_tells_what_today_costs(start_engine: Start, influxdb: InfluxDb) -> None:
    async with start_engine(more=section(influxdb), speed=240.0) as running:
        await wait_for(lambda: running.server.told)
        await some(influxdb, "money", "bill", 3)
    rows = influxdb.ask('SELECT last("bill") FROM "money" WHERE "period" = \'day\'')
    # Midnight in the house.
    assert rows[0]["values"][0][0] == round(datetime(2025, 1, 14, 23, tzinfo=UTC).timestamp() * 1000)
