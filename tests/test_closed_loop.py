"""A strategy runs a simulated house: what it saves, what it leaves in the books, and who may do without what."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.commands.inputs import house_from, scenario_from
from pems_core.reporting.result import Report, RunResult
from pems_core.simulation.billing import Billing
from pems_core.simulation.experiment import Experiment
from pems_core.simulation.outlook import ForecastQuality

HOUSE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"
currency = "CZK"

[grid]
import_limit_kw = 8.0
export_limit_kw = 4.0

[tariff]
eur_rate = 25.0
vat = 0.21
feed_in_margin_per_kwh = 0.35
"""
BATTERY = """
[growatt]
ac_limit_kw = 5.0
grid_charge_limit_kw = 5.0
battery_kwh = 8.0
charge_limit_kw = 4.0
discharge_limit_kw = 4.0
"""
PV = """
[[pv]]
peak_kw = 4.0
tilt_deg = 35
azimuth_deg = 180
"""
ROOMS = """
[heating_loxone]
discomfort_price_per_kh = 2.0
steep_discomfort_price_per_kh = 20.0

[[heating_loxone.room]]
name = "kitchen"
relay_kw = 2.0
comfort = [{ from = "00:00", setpoint_c = 21.0 }]
air_kwh_per_k = 2.0
slab_kwh_per_k = 0.8
slab_to_air_kw_per_k = 0.25
outside_kw_per_k = 0.04

[[heating_loxone.room]]
name = "hall"
relay_kw = 1.5
comfort = [{ from = "00:00", setpoint_c = 20.0 }]
neighbours = { kitchen = 0.03 }
air_kwh_per_k = 1.5
slab_kwh_per_k = 0.6
slab_to_air_kw_per_k = 0.2
outside_kw_per_k = 0.03
"""
NOTHING = '[strategy]\nname = "lowest_bill"\n'


def simulated(
    folder: Path, house: str, days: float = 1.0, forecast: ForecastQuality = ForecastQuality.REALISTIC, seed: int = 1
) -> Report:
    path = folder / "pems.toml"
    path.write_text(house, encoding="utf-8")
    built = house_from(path)
    scenario, start = scenario_from(built, None, None, days, seed)
    experiment = Experiment(built, scenario, start, days, forecast=forecast, every=timedelta(hours=1), seed=seed)
    return experiment.run()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return simulated(tmp_path_factory.mktemp("house"), HOUSE + BATTERY + PV + ROOMS)


def run_called(report: Report, name: str) -> RunResult:
    return next(run for run in report.results if run.name == name)


def test_a_planned_day_costs_less_than_thermostats_and_self_use(report: Report) -> None:
    planned = run_called(report, "lowest_bill")

    assert planned.net_cost < run_called(report, "thermostat_only").net_cost
    assert planned.net_cost < run_called(report, "self_use").net_cost


def test_nobody_beats_perfect_foresight(report: Report) -> None:
    assert report.bound is not None
    # Comfort has a price in every run and in the bound, so a run may only undercut it by leaving the band.
    assert all(run.net_cost > report.bound - 0.02 * abs(report.bound) for run in report.results)


def test_rooms_stay_comfortable_while_heat_is_shifted(report: Report) -> None:
    planned = run_called(report, "lowest_bill")

    assert planned.comfort_share < 0.01
    prices = report.prices["import_price_per_kwh"].reindex(planned.flows.index)
    heating = planned.flows["heating_kw"]
    assert np.average(prices, weights=heating) < 0.95 * prices.mean()


def test_every_plan_came_from_the_solver(report: Report) -> None:
    assert set(run_called(report, "lowest_bill").rungs) == {"solver"}


def test_what_was_planned_for_an_hour_is_what_happened(tmp_path: Path) -> None:
    run = run_called(simulated(tmp_path, HOUSE + BATTERY + PV + ROOMS, 0.5, ForecastQuality.PERFECT), "lowest_bill")

    assert run.planned is not None
    planned, happened = run.planned["grid_import_kw"], run.flows["grid_import_kw"]
    assert abs(planned.sum() - happened.sum()) < 0.02 * happened.sum()


def test_the_same_inputs_give_the_same_day(tmp_path: Path) -> None:
    first, second = (
        run_called(simulated(tmp_path, HOUSE + BATTERY + ROOMS, 0.25), "lowest_bill").flows for _ in range(2)
    )

    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    "parts",
    [(ROOMS,), (BATTERY, ROOMS), (BATTERY, PV), (PV, ROOMS), (PV,), (NOTHING,)],
    ids=["rooms only", "no pv", "no rooms", "no battery", "pv only", "nothing"],
)
def test_a_house_without_some_parts_is_simulated(tmp_path: Path, parts: Sequence[str]) -> None:
    run = simulated(tmp_path, HOUSE + "".join(parts), 0.25).results[0]

    flows = run.flows.fillna(0.0)
    given = flows["grid_import_kw"] + flows["pv_kw"] + flows["battery_discharge_kw"]
    taken = flows["grid_export_kw"] + flows["battery_charge_kw"] + flows["base_load_kw"] + flows["heating_kw"]
    assert np.allclose(given, taken, atol=1e-6)
    assert set(run.rungs) == {"solver"}


def test_a_recording_comes_back_as_books_that_balance(tmp_path: Path) -> None:
    house, scenario, flows = tmp_path / "pems.toml", tmp_path / "day.csv", tmp_path / "flows.csv"
    house.write_text(HOUSE + BATTERY + PV + ROOMS, encoding="utf-8")
    starts = pd.date_range("2025-01-14T00:00Z", periods=96, freq="30min")
    hour = starts.hour.to_numpy()
    pd.DataFrame(
        {
            "utc_start": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "spot_price_per_kwh": np.where((hour >= 16) & (hour < 20), 6.0, 2.0),
            "pv_kw": np.where((hour >= 9) & (hour < 14), 1.5, 0.0),
            "base_load_kw": 0.4,
            "outdoor_temperature_c": -2.0,
            "ghi_w_m2": np.where((hour >= 9) & (hour < 14), 150.0, 0.0),
        }
    ).to_csv(scenario, index=False)
    asked = ["simulate", "--house", str(house), "--scenario", str(scenario), "--export", str(flows), "--every", "60"]
    asked += ["--start", "2025-01-15T00:00Z", "--days", "0.5", "--report", str(tmp_path / "report.html")]

    done = CliRunner().invoke(pems, asked)

    assert done.exit_code == 0, done.output
    books = pd.read_csv(flows)
    given = books["grid_import_kw"] + books["pv_kw"] + books["battery_discharge_kw"]
    taken = books["grid_export_kw"] + books["battery_charge_kw"] + books["base_load_kw"] + books["heating_kw"]
    assert np.allclose(given, taken, atol=1e-5)
    assert len(books) == 48
    assert books["soc"].between(0.2 - 1e-6, 1.0).all()
    price = np.where((pd.to_datetime(books["utc_start"]).dt.hour.between(16, 19)), 6.0, 2.0)
    paid = (books["grid_import_kw"] * price * 1.21 - books["grid_export_kw"] * (price - 0.35)) / 4
    assert np.allclose(books["cost"], paid, atol=1e-4)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("minutes", [5, 60])
def test_the_books_of_any_step_are_flows_times_prices(tmp_path: Path, minutes: int) -> None:
    """Also where prices, sun and load change within a quarter hour, below zero, and in a zone far away."""
    house, scenario, flows = tmp_path / "pems.toml", tmp_path / "day.csv", tmp_path / "flows.csv"
    house.write_text((HOUSE + BATTERY + PV).replace("Europe/Prague", "Asia/Tokyo"), encoding="utf-8")
    starts = pd.date_range("2025-06-10T00:00Z", periods=3 * 1440 // minutes, freq=f"{minutes}min")
    random, hour = np.random.default_rng(1), starts.hour.to_numpy()
    price = random.normal(0.5, 2.0, len(starts)).round(3)
    series = pd.DataFrame(
        {
            "utc_start": starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "import_price_per_kwh": price + 1.0,
            "feed_in_price_per_kwh": price,
            "pv_kw": np.where((hour >= 1) & (hour < 8), random.uniform(0.0, 4.0, len(starts)), 0.0).round(3),
            "base_load_kw": random.gamma(1.0, 0.6, len(starts)).round(3),
            "outdoor_temperature_c": 15.0,
            "ghi_w_m2": 0.0,
        }
    )
    series.to_csv(scenario, index=False)
    asked = ["simulate", "--house", str(house), "--scenario", str(scenario), "--export", str(flows), "--every", "60"]
    asked += ["--start", "2025-06-11", "--days", "0.5", "--no-bound", "--report", str(tmp_path / "report.html")]

    done = CliRunner().invoke(pems, asked)

    assert done.exit_code == 0, done.output
    books = pd.read_csv(flows, index_col="utc_start")
    given = books["grid_import_kw"] + books["pv_kw"] + books["battery_discharge_kw"]
    taken = books["grid_export_kw"] + books["battery_charge_kw"] + books["base_load_kw"] + books["heating_kw"]
    assert np.allclose(given, taken, atol=1e-5)
    books.index = pd.DatetimeIndex(pd.to_datetime(books.index, utc=True))
    known = series.set_index(starts).drop(columns="utc_start").reindex(books.index, method="ffill")
    assert len(books) == 12 * 60 // min(15, minutes)
    assert np.allclose(books["pv_kw"] + books["pv_curtailed_kw"], known["pv_kw"], atol=1e-5)
    hours = min(15, minutes) / 60
    paid = books["grid_import_kw"] * known["import_price_per_kwh"]
    paid -= books["grid_export_kw"] * known["feed_in_price_per_kwh"]
    assert np.allclose(books["cost"], paid * hours, atol=1e-5)
    stored_kwh = 8.0 * books["soc"].diff().iloc[1:]
    # 4 % of the battery are lost each way; 3 % of the inverter too, but for PV on its way in.
    out_kw = books["battery_discharge_kw"] / 0.97 / 0.96
    most = (books["battery_charge_kw"] / 0.97 * 0.96 - out_kw).iloc[1:] * hours
    least = (books["battery_charge_kw"] * 0.97 * 0.96 - out_kw).iloc[1:] * hours
    assert (stored_kwh <= most + 1e-4).all()
    assert (stored_kwh >= least - 1e-4).all()


@pytest.mark.slow
def test_a_capacity_charge_is_billed_and_its_peak_shaved(tmp_path: Path) -> None:
    charged = HOUSE.replace("[tariff]", "[tariff]\ncapacity_charge_per_kw = 100.0") + BATTERY + ROOMS
    report = simulated(tmp_path, charged, forecast=ForecastQuality.PERFECT)
    for run in report.results:
        assert run.capacity_cost == pytest.approx(100.0 * run.flows["grid_import_kw"].max())
        assert run.net_cost == pytest.approx(run.bill + run.capacity_cost + run.wear - run.stored_value)
        assert run.bill == pytest.approx(run.flows["cost"].sum())
    assert run_called(report, "lowest_bill").capacity_cost < 0.7 * run_called(report, "self_use").capacity_cost
    assert report.bound is not None
    assert report.bound < run_called(report, "lowest_bill").net_cost


def test_each_local_month_is_billed_for_its_own_peak() -> None:
    billing = Billing(ZoneInfo("Europe/Prague"), capacity_charge_per_kw=10.0)
    # The last hour of January in UTC is February in Prague.
    quarters = pd.date_range("2025-01-31T22:00Z", periods=8, freq="15min")
    flows = pd.DataFrame({"grid_import_kw": [1.0, 2.0, 3.0, 1.0, 7.0, 1.0, 1.0, 1.0]}, index=quarters)
    assert billing.capacity_cost(flows) == pytest.approx(10.0 * (3.0 + 7.0))
    assert billing.period_end(quarters[3]) == quarters[4]
    assert billing.period_end(quarters[4]) == quarters[4] + timedelta(days=28)
