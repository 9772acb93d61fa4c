"""What a household pays and earns by the Czech heating tariff."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER
from pems_core.tariff import D57D, DatedTariff, Days, PriceWindow, Tariff

PRAGUE = ZoneInfo("Europe/Prague")
LOW, HIGH = 0.281, 0.919


def local_day(year: int, month: int, day: int, step: timedelta = QUARTER) -> pd.DatetimeIndex:
    begin = datetime(year, month, day, tzinfo=PRAGUE)
    end = datetime(year, month, day + 1, tzinfo=PRAGUE)
    return pd.date_range(begin.astimezone(UTC), end.astimezone(UTC), freq=step, inclusive="left")


def test_import_pays_distribution_margin_and_tax_on_all_of_it() -> None:
    tariff = Tariff(distribution_price_per_kwh=0.9, margin_price_per_kwh=0.1, vat=0.2, feed_in_margin_price_per_kwh=0.3)
    import_price, feed_in_price = tariff.prices(local_day(2025, 1, 15)[:2], [2.0, -2.0])
    assert import_price == pytest.approx([3.6, -1.2])
    assert feed_in_price == pytest.approx([1.7, -2.3])


def test_low_tariff_hours_are_local_hours() -> None:
    starts = local_day(2025, 7, 15, HOUR)
    by_hour = D57D.distribution_prices(starts, HOUR)
    assert [hour for hour in range(24) if by_hour[hour] == HIGH] == [10, 12, 14, 17]


@pytest.mark.parametrize(
    ("day", "hours"), [((2025, 3, 30), 23), ((2025, 10, 26), 25)], ids=["clocks go forward", "clocks go back"]
)
def test_high_tariff_stays_on_its_wall_clock_when_clocks_change(day: tuple[int, int, int], hours: int) -> None:
    starts = local_day(*day)
    assert len(starts) == hours * 4
    high = starts[D57D.distribution_prices(starts) == HIGH].tz_convert(PRAGUE)
    assert sorted(set(high.hour)) == [10, 12, 14, 17]
    assert len(high) == 16


def test_both_quarters_named_half_past_two_have_a_price_of_their_own_spot() -> None:
    starts = local_day(2025, 10, 26)
    spot = np.arange(len(starts), dtype=float)
    _, feed_in_price = D57D.prices(starts, spot)
    assert feed_in_price == pytest.approx(spot - 0.35)


def test_an_hour_in_which_a_window_ends_has_the_mean_of_its_quarters() -> None:
    tariff = Tariff(1.0, (PriceWindow(time(0), time(10, 15), 0.0),), timezone="UTC")
    assert tariff.distribution_prices(pd.DatetimeIndex(["2025-01-15T10:00Z"]), HOUR) == pytest.approx([0.75])


def test_all_impossible_windows_are_told_together() -> None:
    with pytest.raises(ValueError, match="ends before it begins") as error:
        Tariff(
            windows=(
                PriceWindow(time(22), time(6), 0.1),
                PriceWindow(time(7, 10), time(9), 0.2),
                PriceWindow(time(8), time(10), 0.2),
            )
        )
    assert "07:10-09:00 is not on the quarter hours" in str(error.value)
    assert "07:10-09:00 and 08:00-10:00 overlap" in str(error.value)


def test_each_interval_needs_one_spot_price() -> None:
    with pytest.raises(ValueError, match="1 spot prices for 96 intervals"):
        D57D.prices(local_day(2025, 1, 15), [1.0])


WEEK = Tariff(
    windows=(
        PriceWindow(time(0), time(0), 3.0, Days.WORKDAYS),
        PriceWindow(time(0), time(0), 1.0, Days.FREE),
    ),
    timezone="Europe/Prague",
    holidays="CZ",
)


@pytest.mark.parametrize(
    ("day", "price"),
    [
        ((2025, 5, 2), 3.0),
        ((2025, 5, 3), 1.0),
        ((2025, 5, 1), 1.0),
        ((2025, 4, 18), 1.0),
        ((2025, 12, 24), 1.0),
    ],
    ids=["Friday", "Saturday", "Labour Day", "Good Friday", "Christmas Eve"],
)
def test_weekends_and_public_holidays_have_their_own_price(day: tuple[int, int, int], price: float) -> None:
    assert set(WEEK.distribution_prices(local_day(*day))) == {price}


def test_holidays_of_a_part_of_a_country() -> None:
    corpus_christi = local_day(2025, 6, 19)
    for place, price in (("DE-BY", 1.0), ("DE-BE", 3.0)):
        tariff = Tariff(windows=WEEK.windows, timezone="Europe/Prague", holidays=place)
        assert set(tariff.distribution_prices(corpus_christi)) == {price}


def test_what_is_agreed_later_holds_from_its_local_midnight() -> None:
    later = Tariff(distribution_price_per_kwh=2.0, vat=0.5, energy_tax_per_kwh=1.0, feed_in_fixed_per_kwh=0.7)
    tariff = Tariff(0.5, timezone="Europe/Prague", later=(DatedTariff(date(2026, 1, 1), later),))
    starts = pd.DatetimeIndex(["2025-12-31T22:45Z", "2025-12-31T23:00Z"])
    import_price, feed_in_price = tariff.prices(starts, [1.0, 1.0])
    assert import_price == pytest.approx([1.5, 6.0])
    assert feed_in_price == pytest.approx([1.0, 0.7])


@pytest.mark.parametrize(("fixed", "paid"), [(None, [0.8, 0.0]), (0.9, [0.9, 0.0])], ids=["spot", "fixed"])
def test_nothing_is_paid_below_zero_where_that_was_agreed(fixed: float | None, paid: list[float]) -> None:
    tariff = Tariff(
        feed_in_margin_price_per_kwh=0.2, feed_in_fixed_per_kwh=fixed, feed_in_nothing_below_zero=True, timezone="UTC"
    )
    assert tariff.prices(local_day(2025, 1, 15)[:2], [1.0, -0.5])[1] == pytest.approx(paid)
