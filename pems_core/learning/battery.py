"""A battery as its log shows it: how much it holds, what it loses, and what it takes when nearly full, cold or hot.

    capacity * (soc_end - soc_begin) = charge_efficiency * charged - discharged / discharge_efficiency - standby * hours

for each stretch between two moments. A log can hardly tell the two efficiencies apart, so that the losses are taken to
be alike both ways; their product is what counts.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import BadSeries, BatterySpec
from pems_core.domain.equipment import Curve

from .identify import step_of_h

Array = npt.NDArray[np.float64]

STRETCH_H = 3.0
"""Long enough that a percent of reading is small beside what went in and out."""
LEAST_STRETCHES = 20
LEAST_CYCLED = 1.0
"""Capacities that must have gone through it before anything is said."""
SOC_NOISE = 0.005
"""Standard deviation of a reading in whole percent, with what a battery's own counting adds."""
SPREAD_CAPACITY, SPREAD_EFFICIENCY, SPREAD_STANDBY_KW = 0.2, 0.05, 0.05
EFFICIENCY_RANGE = (0.7, 0.999)
AT_LIMIT = 0.97
"""Share of the highest powers at one state of charge that counts as its limit."""
SOC_STEPS = tuple(round(0.5 + 0.05 * k, 2) for k in range(11))
DEGREES = tuple(float(c) for c in range(-10, 51, 5))
LEAST_AT_LIMIT = 8
TAPERS = 0.95
"""A limit that falls by less is none."""
Z80 = 1.2816


@dataclass(frozen=True, slots=True)
class Known:
    """A number with where the true value lies with a probability of 80 %."""

    value: float
    low: float
    high: float
    prior: float


@dataclass(frozen=True)
class LearnedBattery:
    """A battery as its log shows it; what the log does not show is as in the house file."""

    spec: BatterySpec
    capacity_kwh: Known
    round_trip: Known
    standby_kw: Known
    charge_taper: Curve | None
    """None if it never charged at its limit often enough to tell."""
    temperature_derating: Curve | None
    cycled: float
    """How many capacities went in."""
    kept: tuple[str, ...]
    """What stays as the house file says, and why."""


def learn_battery(spec: BatterySpec, log: pd.DataFrame) -> LearnedBattery:
    """Identify a battery.

    :param log: regular steps, labelled by their start: `soc` (0..1, at the start of the step), `charge_kw` and
        `discharge_kw` (means at the terminals); `temperature_c` and `wanted_charge_kw` where known.
    :raises BadSeries: if it is too short, or too little went through.
    """
    missing = [name for name in ("soc", "charge_kw", "discharge_kw") if name not in log]
    if missing:
        raise BadSeries([f"battery log: {name} is missing; it is needed" for name in missing])
    step_h = step_of_h(pd.DatetimeIndex(log.index))
    soc, charged, discharged, hours = stretches(log, step_h, spec.soc_min)
    cycled = float(charged.sum() / spec.capacity_kwh)
    if len(soc) < LEAST_STRETCHES or cycled < LEAST_CYCLED:
        found = f"found {len(soc)} stretches of {STRETCH_H:g} h and {cycled:.1f} capacities charged"
        raise BadSeries([f"battery log: {found}; at least {LEAST_STRETCHES} and {LEAST_CYCLED:g} are needed"])
    return _learned(spec, log, _balance(spec, soc, charged, discharged, hours), cycled)


def stretches(log: pd.DataFrame, step_h: float, floor_soc: float) -> tuple[Array, Array, Array, Array]:
    """Rise of the state of charge, kWh in, kWh out and hours of runs of `STRETCH_H` without a gap.

    Runs that touch the floor are left out: standby ends there.
    """
    per = max(1, round(STRETCH_H / step_h))
    frame = log[["soc", "charge_kw", "discharge_kw"]].astype(np.float64)
    whole = pd.date_range(frame.index[0], frame.index[-1], freq=pd.Timedelta(hours=step_h))
    values = frame.reindex(whole).to_numpy()
    rows = []
    for begin in range(0, len(values) - per, per):
        part = values[begin : begin + per + 1]
        if np.isfinite(part).all() and part[:, 0].min() > floor_soc + 0.01:
            rows.append((part[-1, 0] - part[0, 0], *(part[:-1, 1:].sum(axis=0) * step_h), per * step_h))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def _balance(
    spec: BatterySpec, soc: Array, charged: Array, discharged: Array, hours: Array
) -> tuple[Array, Array, Array]:
    """Logarithm of capacity over its prior, one-way efficiency, standby [kW]; their priors; their covariance."""
    one_way = float(np.sqrt(spec.charge_efficiency * spec.discharge_efficiency))
    prior = np.array([0.0, one_way, spec.standby_kw])
    spread = np.array([SPREAD_CAPACITY, SPREAD_EFFICIENCY, SPREAD_STANDBY_KW])
    noise = SOC_NOISE * np.sqrt(2)

    def errors(x: Array) -> Array:
        energy = charged * x[1] - discharged / x[1] - x[2] * hours
        return np.append((energy / (spec.capacity_kwh * np.exp(x[0])) - soc) / noise, (x - prior) / spread)

    low, high = [-1.5, EFFICIENCY_RANGE[0], 0.0], [1.5, EFFICIENCY_RANGE[1], 0.5]
    # A count that a battery sets right is far from what the powers explain: such a stretch weighs little.
    from scipy.optimize import least_squares

    found = least_squares(errors, np.clip(prior, low, high), bounds=(low, high), loss="soft_l1", x_scale=spread)
    jacobian = np.asarray(found.jac, dtype=np.float64)
    excess = max(1.0, float(np.median(np.abs(errors(found.x)[:-3])) / 0.6745))
    covariance = np.asarray(np.linalg.inv(jacobian.T @ jacobian) * excess**2, dtype=np.float64)
    return np.asarray(found.x, dtype=np.float64), prior, covariance


def _learned(
    spec: BatterySpec, log: pd.DataFrame, balance: tuple[Array, Array, Array], cycled: float
) -> LearnedBattery:
    x, prior, covariance = balance
    sd = np.sqrt(np.diag(covariance))
    capacity = spec.capacity_kwh * float(np.exp(x[0]))
    spreads = float(np.exp(Z80 * sd[0]))
    trip, trip_sd = float(x[1] ** 2), float(2 * x[1] * sd[1])
    taper = charge_taper(spec, log)
    derating = temperature_derating(spec, log)
    kept = []
    if taper is None:
        kept.append("charge_taper: it was not charged at its limit often enough at several states of charge")
    if derating is None:
        kept.append("temperature_derating: it was not charged at its limit often enough at several temperatures")
    learned = replace(
        spec,
        capacity_kwh=capacity,
        charge_efficiency=float(x[1]),
        discharge_efficiency=float(x[1]),
        standby_kw=float(x[2]),
        charge_taper=taper or spec.charge_taper,
        temperature_derating=derating or spec.temperature_derating,
    )
    return LearnedBattery(
        learned,
        Known(capacity, capacity / spreads, capacity * spreads, spec.capacity_kwh),
        Known(trip, trip - Z80 * trip_sd, trip + Z80 * trip_sd, float(prior[1] ** 2)),
        Known(float(x[2]), max(0.0, float(x[2] - Z80 * sd[2])), float(x[2] + Z80 * sd[2]), spec.standby_kw),
        taper,
        derating,
        cycled,
        tuple(kept),
    )


def charge_limited(spec: BatterySpec, log: pd.DataFrame) -> pd.DataFrame:
    """The steps in which the battery and nothing else held the charge down: less came than was asked for."""
    if "wanted_charge_kw" not in log:
        return log.iloc[:0]
    asked = log["wanted_charge_kw"]
    short = (log["charge_kw"] < AT_LIMIT * asked) & (log["charge_kw"] > 0)
    full = (asked >= AT_LIMIT * spec.charge_limit_kw) & (log["charge_kw"] > 0)
    return log[short | full]


def charge_taper(spec: BatterySpec, log: pd.DataFrame) -> Curve | None:
    """Share of the charge limit by state of charge, from the steps in which the battery itself was the limit."""
    limited = charge_limited(spec, log)
    if "temperature_c" in limited:
        limited = limited[limited["temperature_c"].between(10, 35)]
    return _curve(spec, limited, limited["soc"], SOC_STEPS, 0.025)


def temperature_derating(spec: BatterySpec, log: pd.DataFrame) -> Curve | None:
    """Share of the charge limit by cell temperature, from such steps while the battery was not nearly full."""
    if "temperature_c" not in log:
        return None
    limited = charge_limited(spec, log)
    limited = limited[limited["soc"] < 0.8]
    return _curve(spec, limited, limited["temperature_c"], DEGREES, 2.5)


def _curve(
    spec: BatterySpec, limited: pd.DataFrame, at: "pd.Series[float]", points: tuple[float, ...], around: float
) -> Curve | None:
    curve = []
    for x in points:
        near = limited.loc[(at - x).abs() <= around, "charge_kw"]
        if len(near) >= LEAST_AT_LIMIT:
            curve.append((x, min(1.0, float(near.median()) / spec.charge_limit_kw)))
    if len(curve) < 3:
        return None
    return tuple((x, 1.0 if share > TAPERS else round(share, 3)) for x, share in curve)
