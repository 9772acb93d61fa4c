"""A plan and its forecasts as one course, with the columns that closed-loop runs have."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from pems_core.domain import Forecasts, Plan

from .course import Course

FORECAST_COLUMNS = (
    "import_price_per_kwh",
    "feed_in_price_per_kwh",
    "outdoor_temperature_c",
    "ghi_w_m2",
    "carbon_g_per_kwh",
)
FLOW_SUFFIXES = {
    "grid_import_kw": "grid.import_kw",
    "grid_export_kw": "grid.export_kw",
    "pv_kw": ".pv_kw",
    "pv_curtailed_kw": ".curtailed_kw",
    "battery_charge_kw": ".charge_kw",
    "battery_discharge_kw": ".discharge_kw",
    "flexible_load_kw": ".power_kw",
}


def plan_course(plan: Plan, forecasts: Forecasts) -> Course:
    """Flows [kW], levels at the end of each step, modes, prices [currency/kWh] and temperatures [°C] by step.

    Columns are named as in `RunResult.flows`; the heating and each room have their column only if they are planned.

    :raises ValueError: if the forecasts are not on the plan's horizon.
    """
    if forecasts.horizon.starts != plan.horizon.starts:
        raise ValueError(
            f"the forecasts start at {forecasts.horizon.start.isoformat()} with {forecasts.horizon.steps} steps, "
            f"the plan at {plan.horizon.start.isoformat()} with {plan.horizon.steps}; one horizon is needed"
        )
    columns: dict[str, Sequence[float] | Sequence[str]] = {}
    columns |= {name: forecasts[name] for name in FORECAST_COLUMNS if name in forecasts.series}
    columns |= _flows(plan)
    columns["base_load_kw"] = plan.dispatch.get("base_load_kw") or forecasts.get("base_load_kw", 0.0)
    columns |= _levels(plan)
    if plan.modes:
        columns["mode"] = ["/".join(modes) for modes in zip(*plan.modes.values(), strict=True)]
    starts = pd.DatetimeIndex(plan.horizon.starts, name="utc_start")
    return Course(pd.DataFrame(columns, index=starts), pd.DatetimeIndex(plan.horizon.ends))


def heated_rooms(plan: Plan) -> Mapping[str, str]:
    """Name of each room by its qualified name `<heating>.<room>`."""
    qualified = [name.removesuffix("_c") for name in plan.levels if name.endswith("_c")]
    return {name: name.partition(".")[2] for name in qualified if not name.endswith("_slab")}


def _flows(plan: Plan) -> dict[str, Sequence[float]]:
    columns = {}
    for column, suffix in FLOW_SUFFIXES.items():
        found = [values for name, values in plan.dispatch.items() if name.endswith(suffix)]
        if found:
            columns[column] = _sum(found)
    heating = [plan.dispatch[f"{room}_kw"] for room in heated_rooms(plan) if f"{room}_kw" in plan.dispatch]
    if heating:
        columns["heating_kw"] = _sum(heating)
    return columns


def _levels(plan: Plan) -> dict[str, Sequence[float]]:
    columns: dict[str, Sequence[float]] = {
        f"{room}_c": plan.levels[f"{name}_c"] for name, room in heated_rooms(plan).items()
    }
    states = [values for name, values in plan.levels.items() if name.endswith(".soc")]
    if states:
        # With several batteries the picture shows their mean; the table and JSON keep the plan's own names.
        columns["soc"] = [float(value) for value in np.mean(np.array(states), axis=0)]
    return columns


def _sum(series: Iterable[Sequence[float]]) -> Sequence[float]:
    return [float(sum(values)) for values in zip(*series, strict=True)]
