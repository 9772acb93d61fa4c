"""A small house with round numbers on a clock, in which nothing changes unless a device changes it."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pandas as pd

from pems_core.clock import Clock
from pems_core.domain import (
    QUARTER,
    BatterySpec,
    ComfortBand,
    ComfortSchedule,
    Equipment,
    GridSpec,
    HeatingSpec,
    HybridInverterSpec,
    RoomSpec,
    floor_time,
)
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.scenario import Scenario

from .live_house import MINUTE, LiveHouse

HISTORY = timedelta(days=14)
"""What the scenario covers before the house begins, for forecasters that look back."""
GRID = GridSpec(import_limit_kw=17.0, export_limit_kw=10.0)
BATTERY = BatterySpec(capacity_kwh=10.0, charge_limit_kw=5.0, discharge_limit_kw=5.0, soc_min=0.1)
INVERTER = HybridInverterSpec(ac_limit_kw=10.0, grid_charge_limit_kw=6.0, battery=BATTERY)
COMFORT = ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "Europe/Prague")


def small_live_house(
    clock: Clock,
    *,
    soc: float = 0.5,
    pv_kw: float = 0.0,
    base_load_kw: float = 0.5,
    days: int = 40,
    rooms: Sequence[str] = ("kitchen", "bathroom"),
    outdoor_c: float = 0.0,
    ghi_w_m2: float = 0.0,
) -> LiveHouse:
    """A house with an `inverter` (10 kWh, 5 kW both ways) and `heating` of 2 kW a room, from the clock's minute on.

    :param soc: state of charge at the start, 0..1.
    :param days: how long the house can live, at constant weather, sun and base load.
    """
    start = floor_time(clock.now(), MINUTE)
    series = {
        "import_price_per_kwh": 0.3,
        "feed_in_price_per_kwh": 0.1,
        "pv_kw": pv_kw,
        "base_load_kw": base_load_kw,
        "outdoor_temperature_c": outdoor_c,
        "ghi_w_m2": ghi_w_m2,
    }
    scenario = flat_scenario(start - HISTORY, start + timedelta(days=days), series)
    equipment: dict[str, Equipment] = {"inverter": INVERTER}
    if rooms:
        equipment["heating"] = HeatingSpec(tuple(room(name) for name in rooms), 1.0, 10.0)
    return LiveHouse(SimulatedHouse(equipment, GRID, scenario, start, noise=False, soc=soc), clock)


def room(name: str) -> RoomSpec:
    """A heated room that cools by about a third of a degree an hour when it freezes outside."""
    return RoomSpec(
        name,
        relay_kw=2.0,
        comfort=COMFORT,
        air_kwh_per_k=1.0,
        slab_kwh_per_k=2.0,
        slab_to_air_kw_per_k=0.5,
        outside_kw_per_k=0.05,
    )


def flat_scenario(start: datetime, end: datetime, series: dict[str, float]) -> Scenario:
    """Constant series over whole quarter hours that cover `start` to `end`."""
    first, last = floor_time(start, QUARTER).astimezone(UTC), end + QUARTER
    index = pd.date_range(first, last, freq=QUARTER, inclusive="left", unit="us", name="utc_start")
    return Scenario("flat", pd.DataFrame(series, index=index), QUARTER, "constant, made up for a test")
