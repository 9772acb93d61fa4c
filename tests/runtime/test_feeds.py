"""A running house that asks exchanges and weather services: real servers, no prices.csv."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pems_forecasters
import pytest
from aiohttp import web

from pems_core.domain import QUARTER, SourceKind
from pems_core.runtime.feeds import Feeds
from pems_core.sourcing.vintages import vintage
from tests.sources import samples
from tests.sources.provider import Provider, broken, page

from .conftest import START, Start, wait_for

DAY = date(2025, 1, 15)
MORE = """
[tariff]
eur_rate = 30.0
[sources]
weather = ["open_meteo", "bright_sky"]
prices = ["energy_charts", "ote"]
exchange_rate = ["cnb"]
price_zone = "CZ"
ensemble_model = ""
[sources.urls]
open_meteo = "{url}/om"
bright_sky = "{url}/bs"
energy_charts = "{url}/ec"
ote = "{url}/ote"
cnb = "{url}/cnb"
"""
Says = Callable[[web.Request], Any]


def world(**instead: Says) -> Says:
    """All providers on one server; `instead` says what some of them answer in place of what is documented."""
    begin = datetime(2025, 1, 14, tzinfo=UTC)
    usual: dict[str, Says] = {
        "om": lambda _: samples.open_meteo(begin, 96 * 5, ghi=100.0),
        "bs": lambda _: samples.bright_sky(START - timedelta(hours=12), 96),
        "ec": lambda _: samples.energy_charts(DAY, days=1),
        "ote": lambda request: samples.ote_day(date.fromisoformat(request.query["report_date"])),
        "cnb": lambda _: samples.CNB.replace("28 Mar 2025", "14 Jan 2025"),
    }
    return lambda request: (usual | instead)[request.path.split("/")[1]](request)


def asking(there: Provider) -> dict[str, Any]:
    return {"more": MORE.format(url=there.url), "extra": {"forecasters": pems_forecasters}, "forecasters": []}


def feeds_of(running: Any) -> Feeds:
    feeds = running.engine.live.feeds
    assert isinstance(feeds, Feeds)
    return feeds


async def test_a_house_plans_by_what_exchanges_and_services_say(start_engine: Start) -> None:
    async with Provider(world()).running() as there, start_engine(**asking(there)) as running:
        live = running.engine.live
        report = await wait_for(
            lambda: (
                live.report
                if live.report
                and "weather services" in live.report.forecasts.series["pv_kw"].source
                and "import_price_per_kwh" in live.report.forecasts.series
                else None
            ),
            60.0,
        )
        spot = live.commanding.store.history(1.0)["spot_price_per_kwh"]
        ahead = report.forecasts
    # Devices without an instrument of their own are told what services say of the quarter hour that is.
    said = live.readings.number("weather/outdoor_temperature_c", timedelta(minutes=5), "°C")
    assert said == pytest.approx(float(live.feeds.weather_now(live.now)["outdoor_temperature_c"]))
    # With the rate of the bank, not that of the house file.
    assert spot[pd.Timestamp(START)] == pytest.approx(samples.price_at(START) * 24.965 / 1000)
    starts = ahead.horizon.starts[1:8]
    assert list(ahead["feed_in_price_per_kwh"][1:8]) == pytest.approx(
        [samples.price_at(start) * 24.965 / 1000 for start in starts]
    )
    assert ahead.series["outdoor_temperature_c"].source == "weather services"
    assert "sources" not in " ".join(alert.place for alert in live.alerts.own)


async def test_the_next_ones_stand_in_and_that_is_told(start_engine: Start) -> None:
    async with (
        Provider(world(ec=broken, om=page)).running() as there,
        start_engine(**asking(there)) as running,
    ):
        live = running.engine.live
        await wait_for(lambda: feeds_of(running).foretold(live.now) is not None, 60.0)
        told = await wait_for(
            lambda: found if len(found := [a for a in live.alerts.own if "stands in" in a.text]) == 2 else None, 60.0
        )
        known = live.prices.known_until(live.now)
    texts = {alert.place: alert.text for alert in told}
    assert "HTTP 500" in texts["sources prices"]
    assert "ote stands in" in texts["sources prices"]
    assert "not JSON" in texts["sources weather"]
    assert "bright_sky stands in" in texts["sources weather"]
    assert known == datetime(2025, 1, 16, 23, tzinfo=UTC)


async def test_a_house_lives_on_when_nobody_answers(start_engine: Start) -> None:
    silent = dict.fromkeys(("om", "bs", "ec", "ote", "cnb"), broken)
    async with Provider(world(**silent)).running() as there, start_engine(**asking(there)) as running:
        live = running.engine.live
        report = await wait_for(lambda: live.report, 60.0)
        assert "clear sky" in report.forecasts.series["pv_kw"].source
        await wait_for(lambda: [a for a in live.alerts.own if a.place == "sources prices"], 60.0)
        assert not running.ended.done()


async def test_answers_are_known_again_after_a_restart(start_engine: Start) -> None:
    async with Provider(world()).running() as there:
        async with start_engine(**asking(there)) as running:
            await wait_for(lambda: feeds_of(running).foretold(running.engine.live.now) is not None, 60.0)
        there.says = broken
        async with start_engine(**asking(there)) as running:
            assert feeds_of(running).foretold(running.engine.live.now) is not None


async def test_each_day_has_the_rate_that_was_last_fixed(start_engine: Start) -> None:
    async with Provider(world()).running() as there, start_engine(**asking(there)) as running:
        feeds = feeds_of(running)
        at = [START, START + timedelta(days=1)]
        said = vintage("ote", START, at, {"day_ahead_price_eur_per_mwh": [100.0, 100.0]}, QUARTER)
        fixed = [START - timedelta(hours=1), START + timedelta(hours=20)]
        rates = vintage("cnb", START, fixed, {"currency_per_eur": [24.0, 26.0]}, timedelta(days=1))
        prices = feeds.spot_prices([said], [rates])
        without = feeds.spot_prices([said], [])
    assert [prices[start] for start in at] == pytest.approx([2.4, 2.6])
    assert [without[start] for start in at] == pytest.approx([3.0, 3.0])
    assert set(feeds.chains) == set(SourceKind)
