"""Small houses with round numbers, and what stands in them, for tests of plans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

from pems_flexible_load.load import FlexibleLoad
from pems_growatt.inverter import HybridInverter
from pems_heating_loxone.rooms import HeatedRooms
from pems_strategies import LowestBill, rules

from pems_core.domain import (
    NO_PEAK,
    BatterySpec,
    BatteryState,
    ComfortBand,
    ComfortSchedule,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecast,
    Forecasts,
    GridSpec,
    HeatingSpec,
    HeatingState,
    Horizon,
    HybridInverterSpec,
    ImportPeak,
    InverterState,
    Override,
    RoomSpec,
    RoomState,
    SiteState,
)
from pems_core.planning.planner import PlanOptions
from pems_core.planning.site import PlannedHouse
from pems_core.protocols import Device, RuleBased, Strategy

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)

GRID = GridSpec(import_limit_kw=10.0, export_limit_kw=4.0)
BATTERY = BatterySpec(
    capacity_kwh=10.0,
    charge_limit_kw=5.0,
    discharge_limit_kw=4.0,
    charge_efficiency=0.5,
    discharge_efficiency=0.8,
    soc_min=0.2,
    soc_max=0.9,
)
"""Its losses are large and differ, so that none can be mistaken for another."""
INVERTER = HybridInverterSpec(
    ac_limit_kw=8.0,
    inverting_efficiency=0.8,
    rectifying_efficiency=0.5,
    grid_charge_limit_kw=6.0,
    battery=BATTERY,
)
COMFORT = ComfortSchedule(((time(0), ComfortBand(20.0, 19.0, 21.0)),), "Europe/Prague")
KITCHEN = RoomSpec(
    "kitchen",
    relay_kw=2.0,
    comfort=COMFORT,
    air_kwh_per_k=1.0,
    slab_kwh_per_k=2.0,
    slab_to_air_kw_per_k=0.5,
    outside_kw_per_k=0.1,
)
CAR = FlexibleLoadSpec(power_min_kw=1.0, power_max_kw=4.0, unserved_price_per_kwh=3.0)


@dataclass(frozen=True)
class SmallHouse:
    """A house, how it is doing and what is expected: all that a plan is made from."""

    house: PlannedHouse
    state: SiteState
    forecasts: Forecasts
    options: PlanOptions = field(default_factory=PlanOptions)


def inverter(spec: HybridInverterSpec = INVERTER) -> Device:
    return HybridInverter("inverter", spec, "Europe/Prague")


def heating(*rooms: RoomSpec, shallow_price: float = 1.0, steep_price: float = 10.0, shallow_k: float = 0.5) -> Device:
    return HeatedRooms("heating", HeatingSpec(rooms or (KITCHEN,), shallow_price, steep_price, shallow_k))


def car(spec: FlexibleLoadSpec = CAR) -> Device:
    return FlexibleLoad("car", spec)


def with_battery(**changes: object) -> HybridInverterSpec:
    """The inverter with another battery."""
    battery: BatterySpec = replace(BATTERY, **changes)  # type: ignore[arg-type]
    return replace(INVERTER, battery=battery)


def battery_at(soc: float, temperature_c: float | None = None, mode: str = "load_first") -> InverterState:
    return InverterState(BatteryState(soc, temperature_c), mode)


def rooms_at(air_c: float = 20.0, slab_c: float = 22.0, **others: RoomState) -> HeatingState:
    return HeatingState({"kitchen": RoomState(air_c, slab_c), **others})


def car_needs(kwh: float, ready_by: datetime | None = None, available_from: datetime | None = None) -> object:
    return FlexibleLoadState(kwh, ready_by, available_from)


def override(
    device: str, control: str, value: float | str | bool, begin: datetime = START, length: timedelta = HOUR
) -> Override:
    return Override(device, control, value, begin, begin + length, "household")


def expected(horizon: Horizon, series: Mapping[str, float | Sequence[float]]) -> Forecasts:
    """Forecasts of some series; the rest of what a house needs is unremarkable."""
    usual: dict[str, float | Sequence[float]] = {
        "import_price_per_kwh": 0.3,
        "feed_in_price_per_kwh": 0.1,
        "pv_kw": 0.0,
        "base_load_kw": 1.0,
        "outdoor_temperature_c": 0.0,
        "ghi_w_m2": 0.0,
    }
    return Forecasts(
        horizon,
        {
            name: Forecast(
                (float(given),) * horizon.steps if isinstance(given, int | float) else tuple(given),
                "test",
                horizon.start,
            )
            for name, given in {**usual, **series}.items()
        },
    )


def small_house(
    devices: Mapping[Device, object],
    series: Mapping[str, float | Sequence[float]] | None = None,
    *,
    steps: int = 2,
    step: timedelta = HOUR,
    grid: GridSpec = GRID,
    strategy: Strategy | None = None,
    fallback: RuleBased | None = None,
    overrides: Sequence[Override] = (),
    peak: ImportPeak = NO_PEAK,
    options: PlanOptions | None = None,
) -> SmallHouse:
    """A house of these devices, each in its state, over equal steps from `START`."""
    states = {device.name: state for device, state in devices.items()}
    return SmallHouse(
        house=PlannedHouse(grid, tuple(devices), strategy or LowestBill(), fallback or rules()),
        state=SiteState(START, states, overrides=overrides, peak=peak),
        forecasts=expected(Horizon.uniform(START, step, steps), series or {}),
        options=options or PlanOptions(binary=steps * step),
    )
