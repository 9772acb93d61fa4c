"""What each provider's answer means: labels, units, days of 23 and 25 hours; and what is no answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from aiohttp import web
from pems_forecasters.sources.banks import CzechNationalBank, EuropeanCentralBank
from pems_forecasters.sources.bright_sky import BrightSky
from pems_forecasters.sources.entsoe import Entsoe
from pems_forecasters.sources.exchanges import EnergyCharts, Ote, Smard
from pems_forecasters.sources.forecast_solar import ForecastSolar
from pems_forecasters.sources.met_norway import MetNorway
from pems_forecasters.sources.open_meteo import OpenMeteo, PreviousRuns

from pems_core.domain import HOUR, QUARTER, NoAnswer, PvArray, Vintage
from pems_core.protocols import Source
from pems_core.sourcing import web as asking
from pems_core.sourcing.vintages import vintage
from tests.sources import samples
from tests.sources.provider import BAD_DAYS, Provider, late

PRICE = "day_ahead_price_eur_per_mwh"
NOW = datetime(2025, 3, 28, 14, 30, tzinfo=UTC)
SPRING, AUTUMN, USUAL = date(2026, 3, 29), date(2025, 10, 26), date(2025, 10, 8)
DAYS = [(USUAL, 96), (SPRING, 92), (AUTUMN, 100)]
BEGIN = datetime(2025, 3, 28, 10, tzinfo=UTC)
PRAGUE = "Europe/Prague"


def noon_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def check_each_quarter(said: Vintage, day: date, count: int) -> None:
    """Every quarter hour of the local day has the price that tells its own time."""
    prices = said.frame[PRICE]
    starts = samples.starts_of(day, QUARTER)
    assert len(starts) == count
    assert prices.reindex(pd.DatetimeIndex(starts)).tolist() == [samples.price_at(start) for start in starts]


@pytest.mark.parametrize(("day", "count"), DAYS, ids=["usual", "23 h", "25 h"])
async def test_energy_charts_gives_each_quarter_of_the_day(day: date, count: int) -> None:
    async with Provider(lambda _: samples.energy_charts(day)).running() as there:
        said = await EnergyCharts("CZ", PRAGUE, url=there.url).fetch(noon_of(day))
    assert dict(there.asked[0].query) == {"bzn": "CZ", "start": f"{day}", "end": f"{day + timedelta(days=1)}"}
    assert said.step == QUARTER
    check_each_quarter(said, day, count)


async def test_energy_charts_in_another_unit_is_no_answer() -> None:
    answer = samples.energy_charts(USUAL) | {"unit": "ct/kWh"}
    async with Provider(lambda _: answer).running() as there:
        with pytest.raises(NoAnswer, match=r"found unit 'ct/kWh'; allowed: EUR/MWh"):
            await EnergyCharts("CZ", PRAGUE, url=there.url).fetch(noon_of(USUAL))


@pytest.mark.parametrize(("day", "count"), DAYS, ids=["usual", "23 h", "25 h"])
async def test_ote_counts_through_the_local_day(day: date, count: int) -> None:
    def says(request: web.Request) -> Any:
        asked = date.fromisoformat(request.query["report_date"])
        return samples.ote_day(asked) if asked == day else samples.ote_unpublished()

    async with Provider(says).running() as there:
        said = await Ote(url=there.url).fetch(noon_of(day))
    assert len(said.frame) == count
    check_each_quarter(said, day, count)


async def test_ote_of_hours_before_quarters_were_traded() -> None:
    async with Provider(lambda _: samples.ote_day(SPRING, HOUR)).running() as there:
        said = Ote(url=there.url).read({SPRING: samples.ote_day(SPRING, HOUR)}, NOW)
    assert (len(said.frame), said.step) == (23, HOUR)


async def test_ote_with_a_day_that_has_not_its_intervals_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="found 96 values for 2026-03-29; allowed: 23 hours or 92 quarter hours"):
        Ote().read({SPRING: samples.ote_day(USUAL)}, NOW)


async def test_ote_without_tomorrow_still_has_today() -> None:
    """The server fails for the day that is not there yet."""

    def says(request: web.Request) -> Any:
        if request.query["report_date"] == f"{USUAL}":
            return samples.ote_day(USUAL)
        return web.Response(status=500)

    async with Provider(says).running() as there:
        said = await Ote(url=there.url).fetch(noon_of(USUAL))
    assert len(said.frame) == 96


@pytest.mark.parametrize(("day", "count"), DAYS, ids=["usual", "23 h", "25 h"])
async def test_smard_finds_the_day_in_its_weeks(day: date, count: int) -> None:
    monday = day - timedelta(days=day.weekday())
    weeks = [monday - timedelta(days=7), monday]
    stamps = [int(samples.starts_of(week, QUARTER)[0].timestamp() * 1000) for week in weeks]
    until = samples.starts_of(day + timedelta(days=1), QUARTER)[0]

    def says(request: web.Request) -> Any:
        if request.path.endswith("index_quarterhour.json"):
            return samples.smard_index(stamps)
        stamp = int(request.path.rpartition("_")[2].removesuffix(".json"))
        return samples.smard_week(weeks[stamps.index(stamp)], until)

    async with Provider(says).running() as there:
        said = await Smard("261", PRAGUE, url=there.url).fetch(noon_of(day))
    assert {request.path for request in there.asked} >= {"/261/DE/index_quarterhour.json"}
    check_each_quarter(said, day, count)
    assert said.reaches(PRICE) == until


@pytest.mark.parametrize(("day", "count"), DAYS, ids=["usual", "23 h", "25 h"])
async def test_entsoe_comes_through_its_library(day: date, count: int) -> None:
    starts = samples.starts_of(day, QUARTER)
    prices = [samples.price_at(start) for start in starts]
    xml = samples.entsoe_xml(starts[0], starts[-1] + QUARTER, prices)
    async with Provider(lambda _: web.Response(text=xml, content_type="text/xml")).running() as there:
        said = await Entsoe("CZ", "secret-token", PRAGUE, url=there.url).fetch(noon_of(day))
    assert there.asked[0].query["documentType"] == "A44"
    check_each_quarter(said, day, count)


async def test_entsoe_keeps_the_price_of_points_that_were_left_out() -> None:
    starts = samples.starts_of(USUAL, QUARTER)
    xml = samples.entsoe_xml(starts[0], starts[-1] + QUARTER, [50.0] * 8 + [60.0] * 88)
    async with Provider(lambda _: web.Response(text=xml, content_type="text/xml")).running() as there:
        said = await Entsoe("CZ", "secret-token", PRAGUE, url=there.url).fetch(noon_of(USUAL))
    assert said.frame[PRICE].tolist() == [50.0] * 8 + [60.0] * 88


@pytest.mark.parametrize(
    "says",
    [
        lambda _: web.Response(text=samples.entsoe_nothing(), content_type="text/xml"),
        lambda _: web.Response(status=401, text="Unauthorized"),
        *BAD_DAYS.values(),
    ],
    ids=["nothing", "unauthorized", *BAD_DAYS],
)
async def test_entsoe_on_a_bad_day_is_no_answer_and_keeps_the_token(says: Callable[[web.Request], Any]) -> None:
    async with Provider(says).running() as there:
        with pytest.raises(NoAnswer) as told:
            await Entsoe("CZ", "secret-token", PRAGUE, url=there.url).fetch(noon_of(USUAL))
    assert "secret-token" not in str(told.value)


async def test_open_meteo_labels_radiation_by_the_start_of_its_quarter() -> None:
    async with Provider(lambda _: samples.open_meteo(BEGIN, 16)).running() as there:
        said = await OpenMeteo(49.2, 16.6, url=there.url, ensemble_model="").fetch(NOW)
    asked = there.asked[0].query
    assert (asked["latitude"], asked["timeformat"], asked["timezone"]) == ("49.2000", "unixtime", "GMT")
    # The mean that is labelled 10:15 is that of 10:00 to 10:15.
    assert said.frame["ghi_w_m2"].iloc[:3].tolist() == [301.0, 302.0, 303.0]
    # 5.0 °C at 10:00 and 5.1 °C at 10:15.
    assert said.frame["outdoor_temperature_c"].iloc[0] == pytest.approx(5.05)
    assert said.frame["cloud_share"].iloc[0] == pytest.approx(0.4)
    assert said.reaches("ghi_w_m2") == BEGIN + 15 * QUARTER


async def test_open_meteos_ensemble_gives_quantiles() -> None:
    def says(request: web.Request) -> Any:
        if request.path == "/v1/ensemble":
            return samples.open_meteo_ensemble(BEGIN, 5)
        return samples.open_meteo(BEGIN, 16)

    async with Provider(says).running() as there:
        said = await OpenMeteo(49.2, 16.6, url=there.url, ensemble_url=there.url).fetch(NOW)
    row = said.frame.iloc[0]
    # Members are 0 to 39 °C and 0 to 390 W/m2.
    assert [row[f"outdoor_temperature_c.p{q}"] for q in (10, 50, 90)] == pytest.approx([3.9, 19.5, 35.1])
    assert row["ghi_w_m2.p90"] == pytest.approx(351.0)


@pytest.mark.parametrize("ensemble", BAD_DAYS.values(), ids=BAD_DAYS)
async def test_an_ensemble_that_fails_costs_the_quantiles_alone(ensemble: Callable[[web.Request], Any]) -> None:
    def says(request: web.Request) -> Any:
        return ensemble(request) if request.path == "/v1/ensemble" else samples.open_meteo(BEGIN, 16)

    async with Provider(says).running() as there:
        said = await OpenMeteo(49.2, 16.6, url=there.url, ensemble_url=there.url).fetch(NOW)
    assert "ghi_w_m2" in said.frame
    assert "ghi_w_m2.p10" not in said.frame


async def test_previous_runs_are_what_was_known_a_day_before() -> None:
    times = [int((BEGIN + k * HOUR).timestamp()) for k in range(4)]
    hourly = {
        "time": times,
        "temperature_2m_previous_day1": [1.0, 2.0, 3.0, 4.0],
        "shortwave_radiation_previous_day1": [0.0, 10.0, 20.0, 30.0],
    }
    async with Provider(lambda _: {"hourly": hourly}).running() as there:
        said = await PreviousRuns(49.2, 16.6, url=there.url).fetch(NOW, days=30)
    assert there.asked[0].query["past_days"] == "30"
    assert said.frame["ghi_w_m2"].iloc[:3].tolist() == [10.0, 20.0, 30.0]
    assert said.frame["outdoor_temperature_c"].iloc[:3].tolist() == [1.5, 2.5, 3.5]
    assert said.issued_at == NOW - timedelta(days=1)


async def test_bright_sky_labels_the_energy_of_an_hour_by_its_start() -> None:
    async with Provider(lambda _: samples.bright_sky(BEGIN, 6)).running() as there:
        said = await BrightSky(49.2, 16.6, url=there.url).fetch(NOW)
    # 0.01 kWh/m2 in the hour before 11:00.
    assert said.frame["ghi_w_m2"].iloc[:3].tolist() == pytest.approx([10.0, 20.0, 30.0])
    assert said.frame["outdoor_temperature_c"].iloc[0] == pytest.approx(10.5)
    assert said.step == HOUR


async def test_bright_sky_says_nothing_of_an_hour_that_a_missing_row_ends() -> None:
    answer = samples.bright_sky(BEGIN, 6)
    del answer["weather"][2]
    said = BrightSky(49.2, 16.6).read(answer, NOW).frame
    assert said["ghi_w_m2"].tolist() == pytest.approx([10.0, float("nan"), 40.0, 50.0, float("nan")], nan_ok=True)
    assert said["outdoor_temperature_c"].iloc[:3].tolist() == pytest.approx([10.5, float("nan"), 13.5], nan_ok=True)


async def test_met_norway_gives_hours_as_far_as_it_has_them() -> None:
    async with Provider(lambda _: samples.met_norway(BEGIN, 12)).running() as there:
        said = await MetNorway(49.2, 16.6, url=there.url).fetch(NOW)
    assert "pems" in there.asked[0].headers["User-Agent"]
    assert len(said.frame) == 11
    assert said.frame["outdoor_temperature_c"].iloc[0] == pytest.approx(0.5)
    assert said.issued_at == BEGIN


async def test_clouds_dim_the_clear_sky() -> None:
    clear = MetNorway(49.2, 16.6).read(samples.met_norway(BEGIN, 4, cloud=0.0), NOW).frame["ghi_w_m2"].iloc[0]
    covered = MetNorway(49.2, 16.6).read(samples.met_norway(BEGIN, 4, cloud=100.0), NOW).frame["ghi_w_m2"].iloc[0]
    assert clear > 400
    assert covered == pytest.approx(0.25 * clear)


async def test_forecast_solar_gives_all_arrays_together_in_hours() -> None:
    arrays = (PvArray(7.0, 35.0, 226.0), PvArray(6.5, 30.0, 90.0))
    async with Provider(lambda _: samples.forecast_solar(date(2025, 3, 28))).running() as there:
        said = await ForecastSolar(49.2, 16.6, arrays, url=there.url).fetch(NOW)
    assert [request.path for request in there.asked] == [
        "/estimate/49.2000/16.6000/35/46/7", "/estimate/49.2000/16.6000/30/-90/6.5",
    ]  # fmt: skip
    kw = said.frame["pv_kw"]
    # Labelled by the start: 100 Wh between sunrise and 06:00, 1000 Wh in the hour before 07:00, 60 Wh after 16:00.
    assert kw.iloc[:8].tolist() == pytest.approx([0.0] * 5 + [0.2, 2.0, 2.0])
    assert kw.iloc[16:18].tolist() == pytest.approx([0.12, 0.0])
    assert said.reaches("pv_kw") == datetime(2025, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", [samples.CNB, samples.CNB_CZECH], ids=["English", "Czech"])
async def test_the_czech_bank_says_crowns_per_euro(text: str) -> None:
    async with Provider(lambda _: text).running() as there:
        said = await CzechNationalBank(url=there.url).fetch(NOW)
    assert said.frame["currency_per_eur"].tolist() == [24.965]
    assert said.frame.index[0] == pd.Timestamp("2025-03-27T23:00Z")


async def test_the_european_bank_says_any_currency_per_euro() -> None:
    async with Provider(lambda _: samples.ECB).running() as there:
        said = await EuropeanCentralBank("CZK", url=there.url).fetch(NOW)
        with pytest.raises(NoAnswer, match="no rate of XYZ; there are: CZK, USD"):
            await EuropeanCentralBank("XYZ", url=there.url).fetch(NOW)
    assert said.frame["currency_per_eur"].tolist() == [24.951]


ALL: list[Any] = [
    OpenMeteo(49.2, 16.6, ensemble_model=""),
    BrightSky(49.2, 16.6),
    MetNorway(49.2, 16.6),
    EnergyCharts("CZ", PRAGUE),
    Smard("261", PRAGUE),
    Ote(),
    CzechNationalBank(),
    EuropeanCentralBank("CZK"),
    ForecastSolar(49.2, 16.6, (PvArray(5.0, 35.0, 180.0),)),
]


@pytest.mark.parametrize("says", BAD_DAYS.values(), ids=BAD_DAYS)
@pytest.mark.parametrize("source", ALL, ids=lambda source: str(source.name))
async def test_a_bad_day_is_no_answer(source: Any, says: Callable[[web.Request], Any]) -> None:
    async with Provider(says).running() as there:
        asked: Source = replace(source, url=there.url)
        with pytest.raises(NoAnswer) as told:
            await asked.fetch(NOW)
    assert len(str(told.value)) > 20


async def test_a_server_that_asks_for_patience_gets_it() -> None:
    async with Provider(BAD_DAYS["too many"]).running() as there:
        with pytest.raises(NoAnswer, match="HTTP 429") as told:
            await BrightSky(49.2, 16.6, url=there.url).fetch(NOW)
    assert told.value.retry_after == timedelta(minutes=30)


async def test_a_server_that_is_late_or_away_is_no_answer() -> None:
    async with Provider(late).running() as there:
        with pytest.raises(NoAnswer, match=r"no answer within 0\.2 s"):
            await asking.Web(there.url, within_s=0.2).json()
        url = there.url
    with pytest.raises(NoAnswer, match=r"127\.0\.0\.1"):
        await asking.Web(url).json()


async def test_what_is_missing_stays_missing_and_nothing_else() -> None:
    answer = samples.open_meteo(BEGIN, 8)
    answer["minutely_15"]["shortwave_radiation"][3] = None
    answer["minutely_15"]["temperature_2m"][5] = float("nan")
    async with Provider(lambda _: answer).running() as there:
        said = await OpenMeteo(49.2, 16.6, url=there.url, ensemble_model="").fetch(NOW)
    assert np.flatnonzero(said.frame["ghi_w_m2"].isna()).tolist() == [2, 7]
    assert np.flatnonzero(said.frame["outdoor_temperature_c"].isna()).tolist() == [4, 5, 7]


AT = [BEGIN, BEGIN + HOUR]


@pytest.mark.parametrize(
    ("starts", "values", "fault"),
    [
        (AT, [8.0, 950.0], "outdoor_temperature_c is 950 at .*; allowed: -60 to 60"),
        (AT, [8.0], r"found \{'outdoor_temperature_c': 1\} values for 2 times"),
        (AT, [None, float("nan")], "the answer has no value"),
        ([], [], "the answer has no interval"),
        ([BEGIN, BEGIN], [1.0, 2.0], "found two values at"),
        ([BEGIN, BEGIN + 7 * HOUR / 60], [1.0, 2.0], "intervals begin 0:07:00 apart; allowed: 15, 30 or 60 min"),
    ],
    ids=["in Fahrenheit times ten", "too few", "no number", "nothing", "twice", "uneven"],
)
def test_what_cannot_be_is_no_answer(starts: list[datetime], values: list[float | None], fault: str) -> None:
    with pytest.raises(NoAnswer, match=fault):
        vintage("somebody", NOW, starts, {"outdoor_temperature_c": values})
