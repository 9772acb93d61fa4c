"""How good learned forecasts are on recordings: trained on the days before, tested on the days after."""

import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np
import numpy.typing as npt
import pandas as pd
from pems_forecasters.learned import base_load, pv, spot_price
from pems_forecasters.learned import given as correction
from pems_forecasters.learned.given import Supplied
from pems_forecasters.learned.trees import QUANTILES
from pems_forecasters.learned.wall_clock import DAY, Days, Places, issued

from pems_core.config import PvSection
from pems_core.domain import HOUR, PvArray
from pems_core.forecasting.chain import ranked
from pems_core.forecasting.scoring import bias, covered, mae, skill
from pems_core.plugins import create_forecasters, load_plugins
from pems_core.protocols import Learner
from pems_core.simulation.asked import AskedOutlook
from pems_core.simulation.generate import generated_days
from pems_core.simulation.outlook import Outlook, smooth_noise
from pems_core.simulation.recorded_sets import (
    data_folder,
    emhass_home,
    fontana_homes,
    fontana_surroundings,
    prices_de_lu,
    pvdaq_power,
    pvdaq_weather,
)

from .houses import reference_house
from .loops import CURRENCY, baseline, pems
from .rows import Bar, Row
from .runs import RunSpec
from .setting import Benchmark, Setting

Array = npt.NDArray[np.float64]

HALF_HOUR = timedelta(minutes=30)
FIRST_TRAINED_DAYS = 60
TEMPERATURE_ERROR_K = 1.3
"""Standard deviation: 1.0 K of mean absolute error, as day-ahead forecasts have (README of the recordings)."""
GOLDEN = pv.Roof((PvArray(3.4, 50.0, 165.0),), 39.74, -105.18, "Etc/GMT+7")
"""The array of pvdaq system 50; its tilt and azimuth are those by which physics fits 2011 best."""
SUN_ERRORS = (
    ("perfect weather", 0.0, 8.0),
    ("irradiance wrong by 21 W/m2", 0.14, 10.0),
    ("a third of the sky", 0.34, None),
)
"""Error of the irradiance as a share of a clear sky (standard deviation), with the bar of the RMSE [% of peak]."""


def households() -> dict[str, base_load.Household]:
    """Measured homes with the weather that a day-ahead forecast would have told."""
    folder = data_folder(os.environ)
    warm = fontana_surroundings(folder)["outdoor_temperature_c"]
    warm = warm[~warm.index.duplicated()]
    told = warm + np.random.RandomState(1).normal(0.0, TEMPERATURE_ERROR_K, len(warm))
    homes = {}
    for number, home in fontana_homes(folder).groupby("home"):
        load = Days.of(home["load_kw"][~home.index.duplicated()], "America/Los_Angeles", HOUR)
        homes[f"citylearn home {number}"] = base_load.Household(load, load.of_the_same(told))
    load = Days.of(emhass_home(folder)["load_kw"], "Europe/Paris", HALF_HOUR)
    return homes | {"emhass home": base_load.Household(load)}


def load_rows(setting: Setting) -> Iterator[Row]:
    """Day-ahead from midnight, trained anew every 30 days (short: 60)."""
    ratios, covers, behind = [], [], []
    for name, household in households().items():
        predicted, truth, simple = walked(household, 30 if setting.full else 60)
        errors = {method: mae(kw, truth) for method, kw in simple.items()}
        learned, inside = mae(predicted[:, 1], truth), _covered(predicted, truth)
        ratios.append(100 * (1 - learned / errors[base_load.MEAN_OF_WEEK]))
        covers.append(inside)
        behind.append(100 * (learned / min(errors.values()) - 1))
        yield Row(f"{name}: MAE below the 7-day mean", ratios[-1], "%")
        yield Row(f"{name}: MAE above the best simple method", behind[-1], "%", Bar("<=", 2.0))
        yield Row(f"{name}: 80 % interval covers", inside, "%")
    yield Row("all homes: median MAE below the 7-day mean", median(ratios), "%", Bar(">=", 8.0))
    yield Row("all homes: 80 % interval covers, mean", sum(covers) / len(covers), "%", Bar(">=", 75.0))
    yield Row("all homes: 80 % interval covers, mean", sum(covers) / len(covers), "%", Bar("<=", 85.0))


def walked(household: base_load.Household, every_days: int) -> tuple[Array, Array, Mapping[str, Array]]:
    """What was predicted for each day, what happened, and what simple methods would have said."""
    load = household.load
    predicted, truth = [], []
    simple: dict[str, list[Array]] = {}
    for first in range(FIRST_TRAINED_DAYS, load.count, every_days):
        model = base_load.train(household, first)
        places = issued(load, first, min(load.count, first + every_days), 1)
        predicted.append(model.predict(household, places))
        truth.append(load.at(places.day, places.slot))
        before = {
            "yesterday": load.at(places.day - 1, places.slot),
            "week before": load.at(places.day - 7, places.slot),
        }
        for method, kw in {**household.profiles(places), **before}.items():
            simple.setdefault(method, []).append(kw)
    return np.concatenate(predicted), np.concatenate(truth), {name: np.concatenate(kw) for name, kw in simple.items()}


def pv_rows(setting: Setting) -> Iterator[Row]:
    """2012 as the test year, trained on all before each month (short: each quarter)."""
    folder = data_folder(os.environ)
    measured, weather, clear = _golden(folder)
    for name, error, bar in SUN_ERRORS:
        told = _told(weather, clear, error)
        predicted = _year(measured, told, 1 if setting.full else 3)
        known = predicted.notna().all(axis=1) & measured.notna()
        truth, point = measured[known], predicted.loc[known, 0.5]
        sky = GOLDEN.sky(told[known], HALF_HOUR)
        by_day = (sky.position["apparent_zenith"] < 90).to_numpy()
        at = pd.DatetimeIndex(truth.index)
        habit = truth.groupby([at.month, at.hour]).transform("mean")
        rmse = _rmse(point, truth)
        yield Row(f"{name}: RMSE over 24 h", rmse, "% of peak", None if bar is None else Bar("<=", bar))
        yield Row(f"{name}: RMSE by daylight", _rmse(point[by_day], truth[by_day]), "% of peak")
        yield Row(
            f"{name}: skill over the mean of month and hour",
            100 * (1 - rmse / _rmse(habit, truth)),
            "%",
            Bar(">", 25.0),
        )
        yield Row(
            f"{name}: 80 % interval covers by daylight",
            _covered(predicted[known][by_day].to_numpy(), np.asarray(truth[by_day], dtype=np.float64)),
            "%",
        )


def _golden(folder: Path) -> tuple["pd.Series[float]", pd.DataFrame, "pd.Series[float]"]:
    """Production, weather and clear sky in half hours; the weather comes as instants and is averaged over each."""
    power, found = pvdaq_power(folder).resample(HALF_HOUR).mean(), pvdaq_weather(folder)
    both = power.index.intersection(found.index)
    means = ((found + found.shift(-1)) / 2).reindex(both).ffill()
    named = means.rename(columns={"ghi": "ghi_w_m2", "temp_air_c": "outdoor_temperature_c"})
    return power.reindex(both), named[["ghi_w_m2", "outdoor_temperature_c"]], named["ghi_clear"]


def _told(weather: pd.DataFrame, clear: "pd.Series[float]", error: float) -> pd.DataFrame:
    random = np.random.RandomState(1)
    sun, warmth = smooth_noise(random, len(weather), 6.0), smooth_noise(random, len(weather), 16.0)
    ghi = np.clip(weather["ghi_w_m2"] + clear * error * sun, 0.0, clear.clip(lower=weather["ghi_w_m2"]))
    temperature = weather["outdoor_temperature_c"] + (TEMPERATURE_ERROR_K * warmth if error else 0.0)
    return pd.DataFrame({"ghi_w_m2": ghi, "outdoor_temperature_c": temperature})


def _year(measured: "pd.Series[float]", told: pd.DataFrame, months: int) -> pd.DataFrame:
    parts = []
    lately = pv.share_of_expected(GOLDEN, measured, told, HALF_HOUR)
    for start in pd.date_range("2012-01-01", "2012-12-31", freq=f"{months}MS", tz=GOLDEN.timezone):
        begin, end = start.tz_convert("UTC"), (start + pd.DateOffset(months=months)).tz_convert("UTC")
        before = measured.index < begin
        model = pv.train(GOLDEN, measured[before], told[before], HALF_HOUR)
        tested = told[(told.index >= begin) & (told.index < end)]
        found = model.predict(GOLDEN, tested, HALF_HOUR, lately)
        parts.append(pd.DataFrame(found, index=tested.index, columns=list(QUANTILES)))
    return pd.concat(parts).reindex(measured.index)


def given_rows(setting: Setting) -> Iterator[Row]:
    """The forecast that a house's own system used, put right, from the 61st day on; learned anew as told below."""
    home = emhass_home(data_folder(os.environ))
    given = Days.of(home["pv_kw_forecast"], "Europe/Paris", HALF_HOUR)
    supplied = Supplied(given, given.of_the_same(home["pv_kw"]))
    every, parts = 30 if setting.full else 60, []
    for first in range(FIRST_TRAINED_DAYS, given.count, every):
        model = correction.train(supplied, first)
        places = issued(given, first, min(given.count, first + every), 24)
        parts.append((places, model.predict(supplied, places)))
    places = Places(*(np.concatenate([getattr(p, name) for p, _ in parts]) for name in Places.__dataclass_fields__))
    found, truth, said = (
        np.concatenate([f for _, f in parts]),
        supplied.measured.at(places.day, places.slot),
        supplied.at(places),
    )
    lead_h = (places.day - places.issue_day) * 24 + (places.slot - places.issue_slot) / 2
    day_ahead, known = places.issue_slot == 0, np.isfinite(said)
    cases = {
        "day-ahead, all hours; a missing forecast is none": (day_ahead, Bar(">", 15.0)),
        "day-ahead, where a forecast was given": (day_ahead & known, Bar(">", 15.0)),
        "the next hour, where a forecast was given": ((lead_h < 1) & known, None),
        "the next 6 h, where a forecast was given": ((lead_h < 6) & known, Bar(">", 15.0)),
        "24 h from every hour, where a forecast was given": (known, None),
    }
    for name, (rows, bar) in cases.items():
        rows = rows & np.isfinite(truth)
        usual, mine = np.nan_to_num(said[rows]), found[rows, 1]
        yield Row(f"{name}: MAE below that of the given one", 100 * skill(mine, usual, truth[rows]), "%", bar)
        mean = float(np.mean(truth[rows]))
        off = 100 * bias(mine, truth[rows]) / mean
        yield Row(f"{name}: bias", off, "%", Bar(">=", -3.0) if bar and off < 0 else Bar("<=", 3.0) if bar else None)
        yield Row(f"{name}: bias of the given one", 100 * bias(usual, truth[rows]) / mean, "%")
        by_day = (usual > 0) | (truth[rows] > 0)
        inside = covered(found[rows, 0][by_day], found[rows, 2][by_day], truth[rows][by_day])
        yield Row(f"{name}: 80 % interval covers by day", 100 * inside, "%")


def price_rows(setting: Setting) -> Iterator[Row]:
    """DE-LU 2023 and 2024, the first and the second day that is not published; trained anew as told below."""
    prices = Days.of(prices_de_lu(data_folder(os.environ))[HOUR], "Europe/Berlin", HOUR)
    first, every = int((pd.Timestamp("2023-01-01") - prices.first) // DAY), 30 if setting.full else 120
    errors: dict[tuple[int, str], list[Array]] = {}
    for begin in range(first, prices.count, every):
        end = min(prices.count, begin + every)
        model = spot_price.train(prices, begin)
        day, slot = (found.ravel() for found in np.meshgrid(np.arange(begin, end), np.arange(24), indexing="ij"))
        truth = prices.at(day, slot)
        for lead in (1, 2):
            found = np.concatenate(
                [model.predict(prices, day[day == d], slot[day == d], d - lead)[:, 1] for d in range(begin, end)]
            )
            errors.setdefault((lead, "learned"), []).append(np.abs(found - truth))
            errors.setdefault((lead, "week before"), []).append(np.abs(prices.at(day - 7, slot) - truth))
    for lead in (1, 2):
        learned, simple = (float(np.nanmean(np.concatenate(errors[lead, name]))) for name in ("learned", "week before"))
        yield Row(f"day {lead} after the last published: MAE", learned, "EUR/MWh")
        yield Row(
            f"day {lead} after the last published: below a week before",
            100 * (1 - learned / simple),
            "%",
            Bar(">=", 20.0),
        )


def cost_rows(setting: Setting) -> Iterator[Row]:
    """A year of quarter hours of the reference house, generated: all that it learns, and one cycle's forecasts."""
    built = reference_house()
    arrays = [section.array() for section in built.config.all(PvSection)]
    year = generated_days(
        date(2024, 1, 1),
        366,
        tariff=built.tariff,
        arrays=arrays,
        latitude=built.site.latitude,
        longitude=built.site.longitude,
        timezone=built.site.timezone,
        price_rate=built.eur_rate,
    )
    chain = ranked(create_forecasters(load_plugins(), built.config))
    asked = AskedOutlook(year, chain, built.tariff, Outlook(year))
    now = year.end - 5 * DAY
    known = asked.history(now, timedelta(days=400), timedelta(days=400))
    before_mb, total = _memory_mb(), 0.0
    for forecaster in chain:
        if isinstance(forecaster, Learner) and forecaster.model != "pv_given_kw":
            began = process_time()
            forecaster.adopt(forecaster.learn(known).content)
            seconds = process_time() - began
            total += seconds
            yield Row(f"training {forecaster.model} on a year of quarter hours", seconds, "CPU s")
    yield Row("training all of them", total, "CPU s", Bar("<", 120.0))
    yield Row("memory of the process, at most", _memory_mb(), "MB", Bar("<", 1500.0))
    yield Row("of that before it learned", before_mb, "MB")
    horizon = built.options.horizon(now)
    asked.answer(now, horizon)
    began, began_wall = process_time(), perf_counter()
    for hour in range(5):
        asked.answer(now + hour * HOUR, built.options.horizon(now + hour * HOUR))
    yield Row("all forecasts of a cycle", (process_time() - began) / 5, "CPU s", Bar("<", 1.0))
    yield Row("all forecasts of a cycle, wall time as the machine was", (perf_counter() - began_wall) / 5, "s")


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


VALUE_WEEKS = ("winter", "spring", "summer")


def value_runs(setting: Setting, house: str = "reference") -> Sequence[RunSpec]:
    planned = [
        pems(setting, week, forecast, house=house) for week in VALUE_WEEKS for forecast in ("learned", "perfect")
    ]
    return [*planned, *(baseline(setting, week, "self_use", house) for week in VALUE_WEEKS)]


def value_rows(setting: Setting, house: str = "reference") -> Iterator[Row]:
    """What learned forecasts save of what perfect ones do."""
    totals = {"learned": 0.0, "perfect": 0.0}
    for week in VALUE_WEEKS:
        before = setting.runs[baseline(setting, week, "self_use", house)].net_cost
        saved = {name: before - setting.runs[pems(setting, week, name, house=house)].net_cost for name in totals}
        for name, money in saved.items():
            totals[name] += money
            yield Row(f"{week}, {name} forecasts: saving against self use and thermostats", money, CURRENCY)
        yield Row(f"{week}: learned of perfect", _percent(saved["learned"], saved["perfect"]), "%", Bar(">=", 80.0))
    yield Row("weeks pooled: learned of perfect", _percent(totals["learned"], totals["perfect"]), "%", Bar(">=", 80.0))


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole > 0 else None


def _rmse(found: "pd.Series[float]", truth: "pd.Series[float]") -> float:
    """[% of the peak]"""
    return 100 * float(np.sqrt(((found - truth) ** 2).mean())) / GOLDEN.peak_kw


def _covered(found: Array, truth: Array) -> float:
    return 100 * covered(found[:, 0], found[:, -1], truth)


FORECASTS = (
    Benchmark(
        "forecast_load",
        "Base load a day ahead",
        "Issued at midnight for the next 24 h, from the 61st day of each home on; learned from the days before, anew "
        "every 30 days (short: 60). Temperatures with a day-ahead error of 1 K.",
        load_rows,
        in_short=False,
    ),
    Benchmark(
        "forecast_pv",
        "PV a day ahead",
        "2012 as the test year of pvdaq system 50, learned from all half hours before each month (short: quarter). The "
        "errors of irradiance are smooth over 3 h and shares of a clear sky: 14 % of it make 21 W/m2 of mean error.",
        pv_rows,
        in_short=False,
    ),
    Benchmark(
        "forecast_given",
        "A supplied PV forecast, put right",
        "emhass_home_fr: half hours of the forecast that its system used, of which nobody knows when it was made; "
        "issued every hour for 24 h, day-ahead at midnight. For a sixth of the energy none was given, mostly for whole "
        "days. Learned from the days before, anew every 30 days (short: 60).",
        given_rows,
        in_short=False,
    ),
    Benchmark(
        "forecast_price",
        "Prices beyond publication",
        "DE-LU 2023 and 2024, the first and second day after the last published; learned from two years before, anew "
        "every 30 days (short: 120).",
        price_rows,
        in_short=False,
    ),
    Benchmark(
        "forecast_cost",
        "What forecasts cost",
        "CPU seconds of one thread; a generated year of the reference house in quarter hours. A cycle is the mean of "
        "five, with what was measured in 35 days.",
        cost_rows,
    ),
    Benchmark(
        "forecast_value",
        "What learned forecasts are worth",
        "The reference house in closed loop on three recorded weeks, with perfect forecasts and with those of its own "
        "forecasters, which were learned from the 150 days before each week. What they are told of the weather has "
        "day-ahead errors (a third of the sky, 1 K); prices are known as far as they were published.",
        value_rows,
        value_runs,
        in_short=False,
    ),
    Benchmark(
        "forecast_value_no_rooms",
        "What learned forecasts are worth where nothing is heated",
        "The same for the reference house without its heated rooms: what is left are PV, load, prices and the battery.",
        partial(value_rows, house="no_rooms"),
        partial(value_runs, house="no_rooms"),
        in_short=False,
    ),
)
