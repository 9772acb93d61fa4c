"""The recorded data sets in the folder that PEMS_DATA names, each as a tidy frame labelled in UTC.

The folder's README and each set's PROVENANCE.txt tell origin, licence and known problems. Nothing is filled or
corrected here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import HOUR, BadSeries, BatterySpec

VARIABLE = "PEMS_DATA"
SETS = (
    "citylearn_2022_fontana",
    "citylearn_vt_simulated_thermal",
    "emhass_home_fr",
    "fiftyshades_nl_dwellings",
    "optimizer_cases_bess_manager",
    "prices_de_lu",
    "pvdaq_system50",
    "twin_houses_annex58",
    "weather_central_europe",
)
CLEAN_FONTANA_HOMES = (1, 2, 3, 5, 8, 9, 10)
W_PER_KW = 1000.0


def data_folder(environ: Mapping[str, str]) -> Path:
    """The folder with the recorded sets.

    :param environ: the environment, such as `os.environ`.
    :raises BadSeries: if PEMS_DATA is not set or names no folder with recordings.
    """
    expected = f"expected: a folder with {', '.join(SETS)}"
    named = environ.get(VARIABLE)
    if not named:
        raise BadSeries([f"{VARIABLE} is not set; {expected}"])
    folder = Path(named)
    if not folder.is_dir():
        raise BadSeries([f"{VARIABLE} is {named}, which is no folder; {expected}"])
    missing = [name for name in SETS if not (folder / name).is_dir()]
    if missing:
        raise BadSeries([f"{VARIABLE} is {named}, where {', '.join(missing)} is missing; {expected}"])
    return folder


def read_table(folder: Path, file: str, time_column: str) -> pd.DataFrame:
    """A recorded table with its times as a UTC index; times without a zone are UTC.

    :raises BadSeries: if the file is not there.
    """
    path = folder / file
    if not path.is_file():
        raise BadSeries([f"{path} is missing; {VARIABLE} names the folder {folder}"])
    frame = pd.read_csv(path)
    times = pd.to_datetime(frame.pop(time_column), utc=True)
    return frame.set_axis(pd.DatetimeIndex(times, name="utc_start").as_unit("us"))


def prices_de_lu(folder: Path) -> dict[timedelta, "pd.Series[float]"]:
    """Day-ahead prices of DE-LU [EUR/MWh], by length of the products: hours of 2020-2024, quarters of late 2025."""
    files = {
        HOUR: "prices_de_lu/dev_de_lu_2020_2024.csv.gz",
        timedelta(minutes=15): "prices_de_lu/dev_de_lu_15min_2025-10_2025-12.csv.gz",
    }
    return {step: read_table(folder, file, "utc_start")["eur_per_mwh"] for step, file in files.items()}


def weather(folder: Path, place: str = "prague") -> pd.DataFrame:
    """One year at Prague or Potsdam (2019, 15 min) or Aachen (2021, 10 min).

    Columns `outdoor_temperature_c`, `ghi_w_m2`, `dhi_w_m2`, `wind_m_s`, and `dni_w_m2` except for Aachen; instants,
    not means.
    """
    files = {
        "prague": ("dev_prague_nsrdb_2019_15min.csv.gz", "utc"),
        "potsdam": ("dev_potsdam_nsrdb_2019_15min.csv.gz", "utc"),
        "aachen": ("dev_aachen_dwd_2021_10min.csv.gz", "time_label"),
    }
    file, time_column = files[place]
    names = {
        "temperature": "outdoor_temperature_c",
        "ghi": "ghi_w_m2",
        "global_irradiance": "ghi_w_m2",
        "dhi": "dhi_w_m2",
        "diffuse_irradiance": "dhi_w_m2",
        "dni": "dni_w_m2",
        "wind_speed": "wind_m_s",
    }
    frame = read_table(folder, f"weather_central_europe/{file}", time_column).rename(columns=names)
    return frame[[name for name in dict.fromkeys(names.values()) if name in frame]]


def emhass_home(folder: Path) -> pd.DataFrame:
    """A French home, half hours of a year: `load_kw`, `pv_kw`, `pv_kw_forecast`; NaN where nothing was measured.

    Its PV is missing at night and is 0 there.
    """
    frame = read_table(folder, "emhass_home_fr/dev_home_30min_2024-02_2025-02.csv.gz", "utc_start") / W_PER_KW
    frame["pv_w"] = frame["pv_w"].fillna(0.0)
    return frame.rename(columns={"load_w": "load_kw", "pv_w": "pv_kw", "pv_forecast_w": "pv_kw_forecast"})


def fontana_homes(folder: Path) -> pd.DataFrame:
    """Ten Californian homes, hours of a year: `home`, `load_kw`, `pv_kw`; see `CLEAN_FONTANA_HOMES`."""
    frame = read_table(folder, "citylearn_2022_fontana/dev_homes_01-10.csv.gz", "utc_start")
    # kWh of an hour are its mean kW.
    return frame[["home", "load_kwh", "pv_kwh"]].rename(columns={"load_kwh": "load_kw", "pv_kwh": "pv_kw"})


def fontana_surroundings(folder: Path) -> pd.DataFrame:
    """Weather, tariff and grid of those homes: `outdoor_temperature_c`, `price_usd_per_kwh`, `carbon_g_per_kwh`..."""
    frame = read_table(folder, "citylearn_2022_fontana/weather_price_carbon.csv.gz", "utc_start")
    frame["carbon_g_per_kwh"] = frame.pop("co2_kg_kwh") * 1000
    return frame.rename(columns={"temp_c": "outdoor_temperature_c", "price_usd_kwh": "price_usd_per_kwh"})


def vermont_homes(folder: Path) -> pd.DataFrame:
    """SIMULATED cold-climate homes, hours of a year: room temperature, setpoints and thermal energies."""
    return read_table(folder, "citylearn_vt_simulated_thermal/dev_homes.csv.gz", "local_standard_start")


def vermont_weather(folder: Path) -> pd.DataFrame:
    """Weather of the simulated homes."""
    return read_table(folder, "citylearn_vt_simulated_thermal/weather.csv.gz", "local_standard_start")


def dwelling(folder: Path, number: int) -> pd.DataFrame:
    """Dutch dwelling 1 or 2, quarter hours of a winter: `room_temp_c`, `out_temp_c`, `solar_kw_m2`, `heater_proxy`.

    The zone of its times is not stated; they are taken as UTC.
    """
    return read_table(folder, f"fiftyshades_nl_dwellings/dev_dwelling_{number}.csv.gz", "time")


def pvdaq_power(folder: Path) -> "pd.Series[float]":
    """AC power of a 3.4 kW array in Colorado, quarter hours [kW]."""
    frame = read_table(folder, "pvdaq_system50/dev_ac_power_15min_2011-04_2012-12.csv.gz", "utc")
    return (frame["ac_power_w"] / W_PER_KW).rename("pv_kw")


def pvdaq_weather(folder: Path) -> pd.DataFrame:
    """Satellite weather at that array, half hours: `temp_air_c`, `ghi` and clear sky [W/m2]."""
    return read_table(folder, "pvdaq_system50/dev_psm3_weather_30min_2011_2012.csv.gz", "utc")


def twin_house(folder: Path) -> pd.DataFrame:
    """An empty test house with seven heated rooms, ten minutes: `T_<room>` [°C], `P_<room>` [W], weather."""
    return read_table(folder, "twin_houses_annex58/dev_n2_exp1_2013.csv.gz", "cet_time")


@dataclass(frozen=True)
class OptimizerCase:
    """A recorded day of a real home with a battery, in SEK; no dates, one value per interval."""

    name: str
    step: timedelta
    import_price_per_kwh: npt.NDArray[np.float64]
    feed_in_price_per_kwh: npt.NDArray[np.float64]
    base_load_kw: npt.NDArray[np.float64]
    pv_kw: npt.NDArray[np.float64]
    battery: BatterySpec
    initial_soc: float
    terminal_value_per_kwh: float
    cost_without_battery_and_pv: float
    """As its source states it."""


def optimizer_cases(folder: Path) -> list[OptimizerCase]:
    """The days that have prices, load and PV, in order of their names."""
    files = sorted((folder / "optimizer_cases_bess_manager").glob("*.json"))
    contents = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    return [optimizer_case(name, content) for name, content in contents.items() if "base_prices" in content]


def optimizer_case(name: str, content: Mapping[str, Any]) -> OptimizerCase:
    fees, battery = content["price_data"], content["battery"]
    step_h = content.get("period_duration_hours", 1.0)
    spot = np.asarray(content["base_prices"], dtype=np.float64)
    bought = spot * fees.get("spot_multiplier", 1.0) + fees["markup_rate"]
    capacity = battery["max_soe_kwh"]
    return OptimizerCase(
        name=name,
        step=timedelta(hours=step_h),
        import_price_per_kwh=bought * fees["vat_multiplier"] + fees["additional_costs"],
        feed_in_price_per_kwh=spot * fees.get("export_spot_multiplier", 1.0) + fees["tax_reduction"],
        base_load_kw=np.asarray(content["home_consumption"], dtype=np.float64) / step_h,
        pv_kw=np.asarray(content["solar_production"], dtype=np.float64) / step_h,
        battery=BatterySpec(
            capacity_kwh=capacity,
            charge_limit_kw=battery["max_charge_power_kw"],
            discharge_limit_kw=battery["max_discharge_power_kw"],
            charge_efficiency=battery["efficiency_charge"],
            discharge_efficiency=battery["efficiency_discharge"],
            soc_min=battery["min_soe_kwh"] / capacity,
            wear_cost_per_kwh=battery["cycle_cost_per_kwh"],
        ),
        initial_soc=battery["initial_soe"] / capacity,
        terminal_value_per_kwh=content["terminal_value_per_kwh"],
        cost_without_battery_and_pv=content["expected_results"]["base_cost"],
    )
