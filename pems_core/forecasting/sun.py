"""Sun and PV: what a sky gives on the ground, and what arrays make of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from pems_core.domain import PvArray

ALBEDO = 0.2
# Clean continental air; the yearly course (2.5 to 4) changes a day's clear-sky energy by less than 5 %.
LINKE_TURBIDITY = 3.0
ALTITUDE_M = 300.0
# Dirt, mismatch, wiring and the inverter: the share of the cells' power that reaches the AC side.
AC_SHARE = 0.88
POWER_PER_K = -0.0037


@dataclass(frozen=True)
class Sky:
    """Sun position and clear-sky irradiance at the middle of each interval at one place."""

    starts: pd.DatetimeIndex
    position: pd.DataFrame
    """Columns `apparent_zenith`, `zenith`, `azimuth` [°]."""
    clear: pd.DataFrame
    """Columns `ghi`, `dni`, `dhi` [W/m2]."""

    @classmethod
    def at(cls, starts: pd.DatetimeIndex, step: timedelta, latitude: float, longitude: float) -> "Sky":
        import pvlib

        middles = starts + step / 2
        position = pvlib.solarposition.get_solarposition(middles, latitude, longitude, altitude=ALTITUDE_M)
        pressure = pvlib.atmosphere.alt2pres(ALTITUDE_M)
        airmass = pvlib.atmosphere.get_absolute_airmass(
            pvlib.atmosphere.get_relative_airmass(position["apparent_zenith"]), pressure
        )
        clear = pvlib.clearsky.ineichen(position["apparent_zenith"], airmass, LINKE_TURBIDITY, ALTITUDE_M)
        return cls(starts, position.set_axis(starts), clear.set_axis(starts).fillna(0.0))

    def split(self, ghi_w_m2: "pd.Series[float]") -> pd.DataFrame:
        """Direct and diffuse parts of a global horizontal irradiance, as `ghi`, `dni`, `dhi` [W/m2]."""
        import pvlib

        parts = pvlib.irradiance.erbs(ghi_w_m2, self.position["zenith"], self.starts)
        return pd.DataFrame({"ghi": ghi_w_m2, "dni": parts["dni"], "dhi": parts["dhi"]}).fillna(0.0)


def pv_kw(
    arrays: Sequence[PvArray], sky: Sky, irradiance: pd.DataFrame, temperature_c: "pd.Series[float]"
) -> "pd.Series[float]":
    """What the arrays can deliver together on the AC side, before curtailment [kW].

    :param irradiance: `ghi`, `dni`, `dhi` [W/m2], labelled as the sky.
    :param temperature_c: of the air.
    """
    total = pd.Series(0.0, index=sky.starts)
    for array in arrays:
        total += array_kw(array, sky, irradiance, temperature_c)
    return total


def array_kw(
    array: PvArray, sky: Sky, irradiance: pd.DataFrame, temperature_c: "pd.Series[float]"
) -> "pd.Series[float]":
    """The share of one array in `pv_kw` [kW]."""
    import pvlib

    zenith, azimuth = sky.position["apparent_zenith"], sky.position["azimuth"]
    plane = pvlib.irradiance.get_total_irradiance(
        array.tilt_deg,
        array.azimuth_deg,
        zenith,
        azimuth,
        irradiance["dni"],
        irradiance["ghi"],
        irradiance["dhi"],
        albedo=ALBEDO,
        model="isotropic",
    )
    aoi = pvlib.irradiance.aoi(array.tilt_deg, array.azimuth_deg, zenith, azimuth)
    absorbed = plane["poa_direct"] * pvlib.iam.physical(aoi) + plane["poa_diffuse"]
    cell_c = pvlib.temperature.faiman(plane["poa_global"], temperature_c)
    dc_w = pvlib.pvsystem.pvwatts_dc(absorbed.fillna(0.0), cell_c, array.peak_kw * 1000, POWER_PER_K)
    by_day = np.where(zenith < 90, dc_w, 0.0)
    return pd.Series(np.clip(by_day / 1000 * AC_SHARE, 0.0, array.peak_kw), index=sky.starts)
