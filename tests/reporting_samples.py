"""A made-up house over some days, for the tests of pictures, report and tables."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pems_core.domain import Decision, Forecast, Forecasts, Horizon, Plan, Reason, Rung
from pems_core.reporting import Report, RunResult

ROOMS = (
    "living_room", "guest_room", "hall_down", "kitchen", "hall_up", "bedroom", "child_room_1", "child_room_2",
    "study", "wardrobe_down", "entrance", "utility_room", "bathroom_up", "wardrobe_up", "bathroom_down", "pantry",
    "toilet",
)  # fmt: skip
WINTER = datetime(2025, 12, 1, 23, 0, tzinfo=UTC)
CLOCKS_FORWARD = datetime(2025, 3, 28, 23, 0, tzinfo=UTC)
"""Midnight in Prague before the weekend on which 30 March has 23 hours."""


def index_of(start: datetime, hours: float) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=round(hours * 4), freq="15min", name="utc_start")


def hour_of(index: pd.DatetimeIndex) -> np.ndarray:
    local = index.tz_convert("Europe/Prague")
    return np.asarray(local.hour + local.minute / 60, dtype=np.float64)


def prices_over(index: pd.DatetimeIndex) -> pd.DataFrame:
    """Cheap nights, dear evenings, negative feed-in at the second noon."""
    hour, day = hour_of(index), np.arange(len(index)) // 96
    spot = 0.11 + 0.05 * np.exp(-((hour - 8) ** 2) / 4) + 0.16 * np.exp(-((hour - 18.5) ** 2) / 5)
    spot = (
        spot
        - 0.05 * np.exp(-((hour - 3) ** 2) / 8)
        - np.where(day % 3 == 1, 0.16, 0.03) * np.exp(-((hour - 13) ** 2) / 4)
    )
    outdoor = -1 + 4 * np.sin((hour - 9) / 24 * 2 * np.pi)
    return pd.DataFrame(
        {
            "import_price_per_kwh": spot + 0.06,
            "feed_in_price_per_kwh": spot - 0.014,
            "outdoor_temperature_c": outdoor,
        },
        index=index,
    )


def bands_over(index: pd.DatetimeIndex) -> Mapping[str, pd.DataFrame]:
    hour = hour_of(index)
    day = (hour >= 6) & (hour < 22)
    bands = {}
    for i, room in enumerate(ROOMS):
        setpoint = 19.0 + i % 4 - np.where(day, 0.0, 0.5 + 0.25 * (i % 3))
        frame = {"low_c": setpoint - 1.0, "high_c": setpoint + 1.0, "setpoint_c": setpoint}
        bands[room] = pd.DataFrame(frame, index=index)
    return bands


def flows_over(index: pd.DatetimeIndex, smart: bool = True, seed: int = 7) -> pd.DataFrame:
    """Flows that balance, with losses; the smart house heats and charges at night."""
    rng, hour, prices = np.random.default_rng(seed), hour_of(index), prices_over(index)
    sun = np.clip(np.sin((hour - 7) / 10 * np.pi), 0, None) * np.where((hour > 7) & (hour < 17), 4.5, 0)
    load = 0.25 + 0.6 * np.exp(-((hour - 19) ** 2) / 6) + 0.2 * rng.random(len(index))
    cheap = prices["import_price_per_kwh"].to_numpy() < 0.14
    evening = (hour >= 16.5) & (hour < 21)
    heating = (np.where(cheap, 8.5, 3.5) if smart else np.full(len(index), 5.2)) + rng.normal(0, 0.6, len(index))
    heating = np.where(evening & smart, 0.8, heating)
    charge = np.where((hour >= 2) & (hour < 5), 2.5, 0.0) if smart else np.zeros(len(index))
    discharge = np.where(evening, 1.7, 0.0) if smart else np.zeros(len(index))
    curtailed = np.where(prices["feed_in_price_per_kwh"] < 0, sun * 0.4, 0)
    net = load + heating + charge * 1.03 - discharge * 0.97 - (sun - curtailed)
    soc = np.clip(0.25 + np.cumsum(charge * 0.96 - discharge / 0.96) * 0.25 / 10, 0.2, 1)
    flows = pd.DataFrame(
        {
            "grid_import_kw": np.clip(net, 0, None),
            "grid_export_kw": np.clip(-net, 0, None),
            "pv_kw": sun - curtailed,
            "pv_curtailed_kw": curtailed,
            "battery_charge_kw": charge,
            "battery_discharge_kw": discharge,
            "soc": soc,
            "base_load_kw": load,
            "heating_kw": heating,
            "mode": np.where(charge > 0, "battery_first", np.where(discharge > 0, "load_first", "hold")),
            "plan_source": "solver",
        },
        index=index,
    )
    bought = flows["grid_import_kw"] * prices["import_price_per_kwh"]
    flows["cost"] = (bought - flows["grid_export_kw"] * prices["feed_in_price_per_kwh"]) * 0.25
    for i, (room, band) in enumerate(bands_over(index).items()):
        swing = (0.8 if smart else 0.25) * np.sin((hour - 1 - i % 3) / 24 * 2 * np.pi)
        slow = band["setpoint_c"].ewm(halflife=10).mean()
        flows[f"{room}_c"] = slow + swing + (-0.75 if room == "entrance" else 0.1) + rng.normal(0, 0.04, len(index))
    return flows


def run_over(
    index: pd.DatetimeIndex,
    name: str = "lowest_bill",
    smart: bool = True,
    flows: pd.DataFrame | None = None,
    planned: bool = True,
) -> RunResult:
    flows = flows_over(index, smart) if flows is None else flows
    noise = np.random.default_rng(1)
    expected = flows.select_dtypes("number").rolling(5, min_periods=1, center=True).mean()
    expected = expected + noise.normal(0, 0.01, expected.shape)
    return RunResult(
        name=name,
        flows=flows,
        bill=float(flows["cost"].sum()),
        stored_value=0.35 if smart else 0.0,
        wear=0.9 if smart else 0.0,
        comfort_share=0.004,
        comfort_kh=1.7,
        cpu_s=412.0,
        wall_s=431.0,
        plans=len(index),
        rungs={"solver": len(index) - 2, "shifted": 2} if smart else {"rules": len(index)},
        plan_p50_s=1.24,
        plan_p95_s=2.9,
        plan_max_s=6.1,
        planned=expected if planned else None,
    )


def report_over(start: datetime = WINTER, hours: float = 72) -> Report:
    index = index_of(start, hours)
    subject = run_over(index)
    return Report(
        title="Three winter days of the reference house",
        currency="EUR",
        timezone="Europe/Prague",
        scenario_name="winter days, generated",
        provenance="Generated by the project's scenario generator, seed 7.",
        start=start,
        end=start + timedelta(hours=hours),
        command="pems simulate --house pems.toml --start 2025-12-02 --days 3 --strategy lowest_bill",
        versions={"pems": "0.1.0", "highspy": "1.15.1", "python": "3.11"},
        results=(
            subject,
            run_over(index, "thermostat_only (1)", smart=False, planned=False),
            run_over(index, "self_use (2)", smart=False, flows=flows_over(index, smart=False, seed=3), planned=False),
        ),
        prices=prices_over(index),
        bound=subject.net_cost - 1.5,
        bands=bands_over(index),
        notes=("Forecasts carry realistic errors.", "Room heat is valued at the mean import price."),
        import_limit_kw=17.0,
        export_limit_kw=10.0,
    )


def forecasts_over(horizon: Horizon) -> Forecasts:
    prices = prices_over(pd.DatetimeIndex(horizon.starts))
    flows = flows_over(pd.DatetimeIndex(horizon.starts))
    columns = {**{str(name): prices[name] for name in prices}, "base_load_kw": flows["base_load_kw"]}
    columns["pv_kw"] = flows["pv_kw"] + flows["pv_curtailed_kw"]
    series = {name: Forecast(tuple(map(float, values)), "sample", horizon.start) for name, values in columns.items()}
    return Forecasts(horizon, series)


def plan_over(horizon: Horizon) -> Plan:
    """The smart house's day as a plan, with two heated rooms."""
    flows = flows_over(pd.DatetimeIndex(horizon.starts))
    columns = {name: tuple(map(float, flows[name])) for name in flows.select_dtypes("number")}
    half = tuple(kw / 2 for kw in columns["heating_kw"])
    return Plan(
        horizon=horizon,
        dispatch={
            "grid.import_kw": columns["grid_import_kw"],
            "grid.export_kw": columns["grid_export_kw"],
            "inverter.pv_kw": columns["pv_kw"],
            "inverter.curtailed_kw": columns["pv_curtailed_kw"],
            "inverter.charge_kw": columns["battery_charge_kw"],
            "inverter.discharge_kw": columns["battery_discharge_kw"],
            "base_load_kw": columns["base_load_kw"],
            "heating.kitchen_kw": half,
            "heating.study_kw": half,
        },
        modes={"inverter": tuple(flows["mode"])},
        levels={
            "inverter.soc": columns["soc"],
            "heating.kitchen_c": columns["kitchen_c"],
            "heating.kitchen_slab_c": columns["kitchen_c"],
            "heating.study_c": columns["study_c"],
        },
        costs={"energy": 21.4, "wear": 0.7, "discomfort": 0.1},
        rung=Rung.SOLVER,
        made_at=horizon.start,
        valid_until=horizon.start + timedelta(hours=2),
        bound=22.0,
        marginal_value_per_kwh=(0.2,) * horizon.steps,
        executed_cost=22.4,
        reasons={"inverter": (Reason("charging before 05:00 avoids the evening peak", 1.12),)},
        solve_s=1.9,
    )


def decisions_over(horizon: Horizon) -> tuple[Decision, ...]:
    middle, end = horizon.starts[4], horizon.starts[12]
    return (
        Decision("inverter", "mode", "hold", "", horizon.start, middle, Reason("kept for the evening", 0.4)),
        Decision("inverter", "mode", "battery_first", "", middle, end, Reason("cheapest hours of the night", 1.12)),
    )
