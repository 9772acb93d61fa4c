"""Figures that follow from the flows of one run."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .course import Course, Values


@dataclass(frozen=True, slots=True)
class Books:
    """Energy [kWh] over a run and what is commonly derived from it."""

    import_kwh: float
    export_kwh: float
    pv_kwh: float
    curtailed_kwh: float
    heating_kwh: float
    base_load_kwh: float
    flexible_load_kwh: float
    charge_kwh: float
    discharge_kwh: float
    peak_import_kw: float
    """Highest mean of a quarter of an hour, as a meter takes it."""
    peak_export_kw: float

    @property
    def used_kwh(self) -> float:
        """What people, heating and other loads drew."""
        return self.base_load_kwh + self.heating_kwh + self.flexible_load_kwh

    @property
    def self_consumption(self) -> float | None:
        """Share of the delivered PV energy that was not fed in; None without PV."""
        return _share(self.pv_kwh - self.export_kwh, self.pv_kwh)

    @property
    def self_sufficiency(self) -> float | None:
        """Share of the energy used that was not imported; None if nothing was used."""
        return _share(self.used_kwh - self.import_kwh, self.used_kwh)


def books(course: Course) -> Books:
    """Add up the flows of a run."""
    return Books(
        import_kwh=course.energy_kwh("grid_import_kw"),
        export_kwh=course.energy_kwh("grid_export_kw"),
        pv_kwh=course.energy_kwh("pv_kw"),
        curtailed_kwh=course.energy_kwh("pv_curtailed_kw"),
        heating_kwh=course.energy_kwh("heating_kw"),
        base_load_kwh=course.energy_kwh("base_load_kw"),
        flexible_load_kwh=course.energy_kwh("flexible_load_kw"),
        charge_kwh=course.energy_kwh("battery_charge_kw"),
        discharge_kwh=course.energy_kwh("battery_discharge_kw"),
        peak_import_kw=_metered_peak_kw(course, "grid_import_kw"),
        peak_export_kw=_metered_peak_kw(course, "grid_export_kw"),
    )


def mean_price_per_kwh(course: Course, power: str, prices: pd.DataFrame, price: str) -> float | None:
    """Mean of a price [currency/kWh], weighted by a power; None if it never flowed."""
    weights: Values = course.values(power) * course.step_h
    if weights.sum() < 0.01:
        return None
    values = course.onto(prices)[price].to_numpy(dtype=np.float64)
    return float(np.nansum(values * weights) / weights.sum())


def _metered_peak_kw(course: Course, name: str) -> float:
    if name not in course.frame:
        return 0.0
    series = pd.Series(course.values(name), index=course.starts)
    return float(series.resample("15min").mean().max())


def _share(part: float, whole: float) -> float | None:
    # Energy from the grid that a battery feeds in again would make the share negative.
    return min(1.0, max(0.0, part / whole)) if whole > 0.005 else None
