"""What stands in the house, in physical terms and without any brand.

A device plugin fills these from its configuration. The model parts, the execution model and the
simulated house all start from them, so that a second brand needs no second set of equations.
"""

import itertools
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import cached_property
from math import inf
from zoneinfo import ZoneInfo

Curve = tuple[tuple[float, float], ...]
"""Points (x, y) with ascending x, linear between and constant outside."""


def on_curve(curve: Curve, x: float) -> float:
    """The value of a curve at `x`.

    >>> on_curve(((0.9, 1.0), (1.0, 0.2)), 0.95)
    0.6
    """
    if x <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(curve):
        if x <= x1:
            return round(y0 + (y1 - y0) * (x - x0) / (x1 - x0), 12)
    return curve[-1][1]


@dataclass(frozen=True)
class BatterySpec:
    """A battery as seen at its DC terminals."""

    capacity_kwh: float
    charge_limit_kw: float
    discharge_limit_kw: float
    charge_efficiency: float = 0.96
    discharge_efficiency: float = 0.96
    soc_min: float = 0.2
    soc_max: float = 1.0
    standby_kw: float = 0.0
    """Drawn from the cells as long as they hold any energy above the floor."""
    wear_cost_per_kwh: float = 0.0
    """Per kWh discharged at the terminals [currency/kWh]."""
    charge_taper: Curve = ((0.0, 1.0),)
    """Share of the charge limit by state of charge."""
    discharge_taper: Curve = ((0.0, 1.0),)
    """Share of the discharge limit by state of charge."""
    temperature_derating: Curve = ((0.0, 1.0),)
    """Share of both limits by cell temperature [°C]."""

    def charge_limit_at(self, soc: float, temperature_c: float | None = None) -> float:
        """Highest charge power [kW] at a state of charge and temperature."""
        derating = 1.0 if temperature_c is None else on_curve(self.temperature_derating, temperature_c)
        return self.charge_limit_kw * derating * on_curve(self.charge_taper, soc)

    def discharge_limit_at(self, soc: float, temperature_c: float | None = None) -> float:
        """Highest discharge power [kW] at a state of charge and temperature."""
        derating = 1.0 if temperature_c is None else on_curve(self.temperature_derating, temperature_c)
        return self.discharge_limit_kw * derating * on_curve(self.discharge_taper, soc)


@dataclass(frozen=True)
class HybridInverterSpec:
    """PV and battery on one DC bus behind one inverter.

    Modes are `load_first`, `battery_first` and `grid_first`; see docs/math.md for what each does by itself.
    """

    ac_limit_kw: float
    inverting_efficiency: float = 0.97
    rectifying_efficiency: float = 0.97
    grid_charge_limit_kw: float = 0.0
    """AC power that may flow into the DC bus."""
    battery: BatterySpec | None = None
    pv_share: float = 1.0
    """Share of the site's `pv_kw` that is connected to this inverter's DC bus."""
    mode_change_cost: float = 0.0
    """Price of one change of mode [currency]: each write wears the flash memory."""
    power_rate_step: float = 0.01
    """Resolution of charge and discharge rates, as a share of the battery's limit."""
    grid_charge_below_price_per_kwh: float | None = None
    """Optional rule: no charging from the grid at or above this import price."""
    export_above_price_per_kwh: float | None = None
    """Optional rule: no feed-in at or below this feed-in price."""


@dataclass(frozen=True, slots=True)
class ComfortBand:
    setpoint_c: float
    low_c: float
    high_c: float
    occupied: bool = True


@dataclass(frozen=True)
class ComfortSchedule:
    """Comfort by local time of day; each period holds until the next begins, the last over midnight."""

    periods: tuple[tuple[time, ComfortBand], ...]
    timezone: str

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def at(self, instant: datetime) -> ComfortBand:
        """The band in force at an instant."""
        local = instant.astimezone(self._zone).time()
        index = bisect_right([begin for begin, _ in self.periods], local) - 1
        return self.periods[index][1]


@dataclass(frozen=True)
class RoomSpec:
    """One heated room: an air node (with furniture and inner walls) and a heated slab.

    air_kwh_per_k * d(air)/dt = slab_to_air * (slab - air) + outside * (outdoor - air)
                              + sum(neighbour * (air_neighbour - air)) + gains
    slab_kwh_per_k * d(slab)/dt = heater - slab_to_air * (slab - air)
    """

    name: str
    relay_kw: float
    comfort: ComfortSchedule
    air_kwh_per_k: float
    slab_kwh_per_k: float
    slab_to_air_kw_per_k: float
    outside_kw_per_k: float
    neighbours: Mapping[str, float] = field(default_factory=dict)
    """Conductance to other rooms [kW/K]; listing it on one side is enough."""
    solar_m2: float = 0.0
    """Sun through the windows: heat [kW] per kW/m2 of global horizontal irradiance."""
    internal_gain_kw: float = 0.0
    """Mean heat of people and appliances."""
    min_on: timedelta = timedelta(0)
    min_off: timedelta = timedelta(0)


@dataclass(frozen=True)
class HeatingSpec:
    """The heated rooms of a house and what discomfort is worth."""

    rooms: tuple[RoomSpec, ...]
    discomfort_price_per_kh: float
    """Outside the band, up to `shallow_k` [currency/(K·h)]."""
    steep_discomfort_price_per_kh: float
    """Beyond `shallow_k` outside the band [currency/(K·h)]."""
    shallow_k: float = 0.2
    setpoint_step_c: float = 0.5
    setpoint_range_c: tuple[float, float] = (5.0, 30.0)

    def conductance(self, room: str, other: str) -> float:
        """Conductance between two rooms [kW/K], whichever side lists it (the larger if both do)."""
        by_name = self.by_name
        return max(by_name[room].neighbours.get(other, 0.0), by_name[other].neighbours.get(room, 0.0))

    @cached_property
    def by_name(self) -> Mapping[str, RoomSpec]:
        return {room.name: room for room in self.rooms}


@dataclass(frozen=True)
class FlexibleLoadSpec:
    """A load that needs some energy by some time, such as a car or a boiler."""

    power_min_kw: float
    power_max_kw: float
    on_off: bool = False
    """True: runs at `power_max_kw` or not at all."""
    unserved_price_per_kwh: float = 0.0
    """What a missing kWh at the deadline is worth [currency/kWh]."""
    energy_kwh: float = 0.0
    """Needed each day."""
    available_from: time = time(0)
    ready_by: time = time(0)
    """Local wall-clock time; equal to `available_from`: all day."""
    timezone: str = "UTC"


@dataclass(frozen=True)
class GridSpec:
    import_limit_kw: float
    export_limit_kw: float


@dataclass(frozen=True, slots=True)
class PvArray:
    peak_kw: float
    tilt_deg: float
    azimuth_deg: float
    """0 north, 90 east, 180 south."""


@dataclass(frozen=True)
class PvSpec:
    """PV with an inverter of its own, on the AC side."""

    pv_share: float = 1.0
    curtailable: bool = True


Equipment = HybridInverterSpec | HeatingSpec | FlexibleLoadSpec | PvSpec


@dataclass(frozen=True, slots=True)
class Step:
    """One step for the execution model."""

    start: datetime
    length_h: float
    inputs: Mapping[str, float]
    """Value of each forecast series in this step."""
    load_kw: float = 0.0
    """What the rest of the house draws from the bus less what it feeds in; only balancing devices use it."""
    export_limit_kw: float = inf
    import_limit_kw: float = inf
    """Of the grid connection: an inverter draws no more to charge its battery than this leaves."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What a device will really do in one step."""

    flows: Mapping[str, float]
    """By name as in the plan's dispatch, without the device's name: `charge_kw`, `kitchen_kw`."""
    state: object
    """State of the device at the end of the step."""
    levels: Mapping[str, float] = field(default_factory=dict)
    mode: str | None = None


def clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
