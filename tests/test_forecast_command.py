"""`pems forecast`: what is expected now, and how good it was, in a scenario and in a house that ran."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from pems_core.cli import pems
from pems_core.clock import SystemClock
from pems_core.commanding.store import Store
from pems_core.domain import (
    HOUR,
    QUARTER,
    BadSeries,
    Forecast,
    History,
    Horizon,
    Learned,
    PvArray,
    SiteState,
    floor_time,
)
from pems_core.forecasting.scoring import compared, scores
from pems_core.simulation.asked import AskedOutlook, spot_of
from pems_core.simulation.backtest import Backtest
from pems_core.simulation.generate import generated_days
from pems_core.simulation.outlook import Outlook
from pems_core.simulation.scenario import Scenario, write_scenario
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.vintages import vintage
from pems_core.tariff import D57D

HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
[grid]
import_limit_kw = 17.0
[[pv]]
peak_kw = 5.0
tilt_deg = 35.0
azimuth_deg = 180.0
"""


@pytest.fixture(scope="module")
def days() -> Scenario:
    """Of the house above: its roof is as its file says."""
    return generated_days(date(2025, 4, 20), 3, seed=2, arrays=(PvArray(5.0, 35.0, 180.0),))


def outlook(days: Scenario, *forecasters: "LastHour") -> AskedOutlook:
    return AskedOutlook(days, forecasters, D57D, Outlook(days))


@dataclass
class LastHour:
    """The load of the last hour goes on; tells what it was shown, and learns the mean."""

    name: str = "last_hour"
    series: Sequence[str] = ("base_load_kw",)
    model: str = "last_hour"
    seen: History | None = None
    learned_until: tuple[datetime, ...] = ()

    def learn(self, history: History) -> Learned:
        known = pd.DatetimeIndex(history.series("base_load_kw").index)
        self.learned_until += (known[-1].to_pydatetime(),)
        return Learned({}, known[0].to_pydatetime(), known[-1].to_pydatetime(), {})

    def adopt(self, content: Mapping[str, object] | None) -> None:
        """Nothing is kept."""

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        self.seen = history
        known = history.series("base_load_kw")
        value = float(known[known.index >= state.now - HOUR].mean())
        return {"base_load_kw": Forecast((value,) * horizon.steps, "the last hour", state.now)}


class TestAskedOutlook:
    def test_shows_what_was_measured_and_published_and_nothing_more(self, days: Scenario) -> None:
        asked, now = LastHour(), datetime(2025, 4, 21, 9, 5, tzinfo=UTC)
        outlook(days, asked).forecasts(now, Horizon.uniform(floor_time(now, QUARTER), HOUR, 4))
        assert asked.seen is not None
        assert asked.seen.series("base_load_kw").index[-1] == floor_time(now, QUARTER) - QUARTER
        # Before 13:00 the prices of today are out, until local midnight.
        assert asked.seen.series("import_price_per_kwh").index[-1] == datetime(2025, 4, 21, 21, 45, tzinfo=UTC)
        assert asked.seen.outlook("ghi_w_m2").index[-1] > now + timedelta(days=2)

    def test_finds_the_spot_price_that_the_tariff_made_prices_from(self, days: Scenario) -> None:
        spot = spot_of(days.frame, D57D)
        assert spot is not None
        paid = D57D.prices(pd.DatetimeIndex(days.frame.index), np.asarray(spot))[0]
        assert np.abs(paid - days.frame["import_price_per_kwh"]).max() < 1e-3
        assert spot_of(days.frame.assign(feed_in_price_per_kwh=1.0), D57D) is None

    def test_what_is_told_of_the_sun_is_not_what_will_be(self, days: Scenario) -> None:
        now = datetime(2025, 4, 21, 9, tzinfo=UTC)
        told = outlook(days).history(now).outlook("ghi_w_m2")
        noon = pd.date_range(now, periods=16, freq=QUARTER)
        assert np.abs(told.reindex(noon) - days.frame["ghi_w_m2"].reindex(noon)).mean() > 5


class TestBacktest:
    def test_what_is_foretold_is_scored_against_what_happened(self, days: Scenario) -> None:
        first = days.end - timedelta(days=3)
        test = Backtest(outlook(days, LastHour()), first, days.end, 6 * HOUR, None)
        table = test.run()["base_load_kw"]
        found = scores(compared(table, test.truth("base_load_kw"), "Europe/Prague"))
        # It holds the last value: against the method that does just that it has no skill.
        assert found.loc["all", "skill_hold_last"] == pytest.approx(0.0, abs=1e-9)
        assert found["mae"]["0-1 h"] < found["mae"]["24-48 h"]

    def test_learns_only_from_what_was_measured_by_then(self, days: Scenario) -> None:
        first, asked = days.end - timedelta(days=3), LastHour()
        Backtest(outlook(days, asked), first, days.end, 12 * HOUR, timedelta(days=1)).run()
        assert asked.learned_until == tuple(first + k * timedelta(days=1) - QUARTER for k in range(3))

    def test_refuses_a_time_that_is_not_in_the_scenario(self, days: Scenario) -> None:
        test = Backtest(outlook(days, LastHour()), days.start - HOUR, days.end)
        with pytest.raises(BadSeries, match="the backtest goes from"):
            test.run()


def said(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(pems, ["forecast", *words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, days: Scenario) -> Path:
    folder = tmp_path_factory.mktemp("house")
    (folder / "pems.toml").write_text(HOUSE, encoding="utf-8")
    write_scenario(days, folder / "days.csv")
    return folder


class TestCommand:
    def test_shows_what_is_expected_by_whom_and_draws_it(self, place: Path) -> None:
        words = ("--house", str(place / "pems.toml"), "--scenario", str(place / "days.csv"))
        picture = place / "now.png"
        done = said(*words, "--at", "2025-04-21T08:00", "--picture", str(picture))
        for words_of_it in ("pv_kw", "weather services", "base_load_kw", "profile of", "import_price_per_kwh"):
            assert words_of_it in done.output
        assert picture.read_bytes()[:4] == b"\x89PNG"

    def test_tells_how_good_forecasts_would_have_been_in_a_scenario(self, place: Path) -> None:
        words = ("--house", str(place / "pems.toml"), "--scenario", str(place / "days.csv"), "--json")
        picture = place / "back.png"
        done = said(*words, "--backtest", "--days", "4", "--every", "12", "--picture", str(picture))
        found = json.loads(next(line for line in done.output.splitlines() if line.startswith("{")))
        assert set(found) == {
            "pv_kw", "base_load_kw", "import_price_per_kwh", "outdoor_temperature_c", "ghi_w_m2",
        }  # fmt: skip
        # With a forecast of the weather the sun is known better than by yesterday's.
        assert found["pv_kw"]["all"]["skill_persistence"] > 0
        assert found["outdoor_temperature_c"]["all"]["mae"] < 3
        assert picture.read_bytes()[:4] == b"\x89PNG"

    def test_a_house_looks_back_on_the_forecasts_of_its_plans(self, tmp_path: Path, place: Path) -> None:
        begin = date(2025, 1, 14)
        write_scenario(generated_days(begin, 2, seed=2), tmp_path / "days.csv")
        house, ledger = str(place / "pems.toml"), tmp_path / "ledger.sqlite3"
        words = [
            "simulate",
            "--house",
            house,
            "--scenario",
            str(tmp_path / "days.csv"),
            "--days",
            "1",
            "--every",
            "120",
        ]
        quick = ["--no-baselines", "--no-bound", "--ledger", str(ledger), "--report", str(tmp_path / "report.html")]
        lived = CliRunner().invoke(pems, [*words, *quick])
        assert lived.exit_code == 0, lived.output
        done = said("--house", house, "--ledger", str(ledger), "--backtest", "--json")
        found = json.loads(next(line for line in done.output.splitlines() if line.startswith("{")))
        assert found["base_load_kw"]["0-1 h"]["count"] > 20
        assert 0 < found["base_load_kw"]["all"]["mae"] < 1

    def test_shows_a_house_what_is_expected_from_its_own_measurements(self, tmp_path: Path) -> None:
        (tmp_path / "pems.toml").write_text(HOUSE, encoding="utf-8")
        now = floor_time(datetime.now(UTC), QUARTER)
        with Store(tmp_path / "state", SystemClock()) as store:
            for k in range(1, 96 * 3):
                store.add_history(now - k * QUARTER, {"base_load_kw": 0.4 + 0.01 * (k % 7)})
        done = said("--house", str(tmp_path / "pems.toml"))
        assert "profile of 3 days" in done.output
        assert "no service was asked" in done.output
        assert "no model of this house is in use" in done.output

    def test_says_who_told_of_the_weather_and_how_old_that_is(self, tmp_path: Path) -> None:
        sources = '[sources]\nweather = ["open_meteo", "bright_sky"]\npv = ["forecast_solar"]\n'
        (tmp_path / "pems.toml").write_text(HOUSE + sources, encoding="utf-8")
        now = datetime.now(UTC)
        starts = pd.date_range(floor_time(now, HOUR) - timedelta(days=1), periods=96, freq=HOUR)
        weather = {"ghi_w_m2": [300.0] * 96, "outdoor_temperature_c": [7.0] * 96}
        with Store(tmp_path / "state", SystemClock()):
            book = VintageBook(tmp_path / "state" / "sources.sqlite3", SystemClock())
        book.keep(vintage("bright_sky", now - timedelta(hours=8), starts, weather, HOUR))
        book.keep(vintage("forecast_solar", now - timedelta(hours=2), starts, {"pv_kw": [1.5] * 96}, HOUR))
        book.close()
        done = said("--house", str(tmp_path / "pems.toml"), "--json")
        assert "weather: bright_sky, 8.0 h old, stale" in done.output
        assert "pv: forecast_solar, 2.0 h old, good" in done.output
        found = json.loads(next(line for line in done.output.splitlines() if line.startswith("{")))["series"]
        assert found["outdoor_temperature_c"]["source"] == "weather services"
        assert found["pv_kw"]["source"] == "supplied, as it was said"
        # Means over parts of an hour, which parts depends on when the test runs: equal but for their last bit.
        assert found["pv_kw"]["values"] == pytest.approx([1.5] * len(found["pv_kw"]["values"]))

    def test_says_what_does_not_fit_together(self, place: Path) -> None:
        house = str(place / "pems.toml")
        assert "--at: found without --scenario" in said("--house", house, "--at", "2025-04-21", code=2).output
        assert "--ledger: found without --backtest" in said("--house", house, "--ledger", "x", code=2).output
        missing = said("--house", house, "--backtest", code=2)
        assert "ledger that pems run or pems simulate wrote" in missing.output


def test_asks_within_a_running_loop_are_refused_by_nobody(days: Scenario) -> None:
    """A simulation that is run from a thread of an engine has no loop of its own."""

    async def from_a_thread() -> int:
        asked = outlook(days, LastHour())
        now = datetime(2025, 4, 21, 9, tzinfo=UTC)
        found = await asyncio.to_thread(asked.forecasts, now, Horizon.uniform(now, HOUR, 4))
        return found.horizon.steps

    assert asyncio.run(from_a_thread()) == 4
