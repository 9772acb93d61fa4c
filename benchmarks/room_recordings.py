"""Rooms of recordings, and how well who learned them foresees a day with known heating and weather."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.forecasting.sun import Sky
from pems_core.learning.identify import Identified, Measured, identify
from pems_core.learning.network import Network
from pems_core.learning.outlook import outlook
from pems_core.learning.residual import Residual, corrected_outlook, learn_residual
from pems_core.simulation.recorded_sets import dwelling, twin_house, vermont_homes, vermont_weather

Array = npt.NDArray[np.float64]
DAY_H = 24
PAST_H = 240
AIR_KWH_PER_M3_K = 1.2 * 1005 / 3.6e6
SUPPLY_M3_H = 120.0


@dataclass(frozen=True)
class OpenLoop:
    """Errors of days foreseen one after the other, by room and lead."""

    model_k: Array
    """Mean absolute error, shape (leads, rooms)."""
    held_k: Array
    """The same for who says that nothing changes."""
    rooms: tuple[str, ...]
    starts: int

    @property
    def by_room_k(self) -> Array:
        return np.asarray(self.model_k.mean(axis=0))


def walked(
    prior: Network,
    measured: Measured,
    first_h: float,
    learn_every_h: float,
    start_every_h: float,
    learn_from_h: float = np.inf,
    held: Sequence[str] = (),
    residual: bool = False,
    setpoints: Sequence[pd.DataFrame] = (),
) -> OpenLoop:
    """Learn from what was before a day, then foresee 24 h from several starts, heating and weather known.

    :param first_h: history before the first tested day.
    :param learn_from_h: how far back it learns.
    :param held: surroundings that are not known ahead; they stay as they were last.
    :param residual: whether what the network gets wrong again and again is learned, too.
    :param setpoints: of thermostats, known ahead; only for the residual.
    """
    per_h = round(1 / measured.step_h)
    day, total = DAY_H * per_h, len(measured.air_c)
    found: Identified | None = None
    again: Residual | None = None
    model: list[Array] = []
    unchanged: list[Array] = []
    learned_at = -np.inf
    for start in range(round(first_h * per_h), total - day, round(start_every_h * per_h)):
        if found is None or start - learned_at >= learn_every_h * per_h:
            begin = max(0, start - round(min(learn_from_h, 1e6) * per_h))
            found, learned_at = identify(prior, measured.cut(slice(begin, start))), start
            before = [setpoint.iloc[begin:start] for setpoint in setpoints]
            again = learn_residual(prior, measured.cut(slice(begin, start)), before) if residual else None
        truth = measured.air_c.iloc[start : start + day].to_numpy(np.float64)
        last = measured.air_c.iloc[start - 1].to_numpy(np.float64)
        ahead = measured.cut(slice(start, start + day))
        around = ahead.surroundings_c.assign(**{c: measured.surroundings_c[c].iloc[start - 1] for c in held})
        past = measured.cut(slice(max(0, start - PAST_H * per_h), start))
        ahead = replace(ahead, surroundings_c=around)
        known = [setpoint.iloc[start : start + day] for setpoint in setpoints]
        foreseen = outlook(found, past, ahead) if again is None else corrected_outlook(found, again, past, ahead, known)
        model.append(np.abs(foreseen - truth))
        unchanged.append(np.abs(last - truth))
    rooms = tuple(str(c) for c in measured.air_c.columns)
    return OpenLoop(np.nanmean(model, axis=0), np.nanmean(unchanged, axis=0), rooms, len(model))


def sides(
    ghi: "pd.Series[float]", dhi: "pd.Series[float]", step: timedelta, latitude: float, longitude: float
) -> pd.DataFrame:
    """Sun on windows by side, and what comes from all the sky [kW/m2]."""
    index = pd.DatetimeIndex(ghi.index)
    sky = Sky.at(index, step, latitude, longitude)
    position = sky.position
    elevation = np.radians(position["apparent_elevation"].to_numpy())
    azimuth = np.radians(position["azimuth"].to_numpy())
    beam = (ghi - dhi).clip(lower=0).to_numpy() / np.maximum(np.sin(elevation), 0.1)
    beam = np.where(elevation > 0.03, np.minimum(beam, 1000.0), 0.0)
    found = {"diffuse": dhi.to_numpy()}
    for name, degrees in (("east", 90), ("south", 180), ("west", 270)):
        found[name] = beam * np.clip(np.cos(elevation) * np.cos(azimuth - np.radians(degrees)), 0, None)
    return pd.DataFrame(found, index=index) / 1000


TWIN_ROOMS = ("living", "corridor", "bath", "child", "kitchen", "hall", "bedroom")
TWIN_LINKS = (
    ("living", "corridor"), ("living", "kitchen"), ("living", "child"), ("living", "hall"),
    ("corridor", "bath"), ("corridor", "child"), ("corridor", "bedroom"), ("corridor", "hall"),
    ("bath", "child"), ("bath", "bedroom"), ("kitchen", "hall"), ("hall", "bedroom"), ("corridor", "kitchen"),
)  # fmt: skip
TWIN_UNHEATED = ("T_attic", "T_cellar")
"""Neither weather nor heating: while a day is foreseen they stay as they were last."""
TWIN_AREA_M2 = {
    "living": 33.0,
    "corridor": 5.5,
    "bath": 7.0,
    "child": 11.0,
    "kitchen": 7.5,
    "hall": 8.5,
    "bedroom": 11.0,
}


def twin_measured(folder: Path) -> Measured:
    """The test house of Annex 58 in half hours.

    What depends on the rooms themselves is no input: the air that is blown into the living room, and its duct in the
    kitchen, are surroundings with the temperature of the supply, not the heat that was measured of them.
    """
    step = timedelta(minutes=30)
    frame = twin_house(folder).resample(step).mean().interpolate(limit=4)
    return Measured(
        air_c=frame[[f"T_{room}" for room in TWIN_ROOMS]].set_axis(list(TWIN_ROOMS), axis=1),
        heater_kw=pd.DataFrame({room: frame.get(f"P_{room}", 0.0 * frame["T_out"]) / 1000 for room in TWIN_ROOMS}),
        surroundings_c=frame[["T_out", "T_supply_air", *TWIN_UNHEATED]],
        sun_kw_m2=sides(frame["ghi_w_m2"], frame["dhi_w_m2"], step, 47.87, 11.73),
    )


def twin_prior() -> Network:
    area = np.array([TWIN_AREA_M2[room] for room in TWIN_ROOMS])
    links = np.zeros((7, 7))
    for a, b in TWIN_LINKS:
        i, j = sorted((TWIN_ROOMS.index(a), TWIN_ROOMS.index(b)))
        links[i, j] = 0.02
    surroundings = np.outer(area, [0.0005, 0.0, 0.0003, 0.0003])
    surroundings[TWIN_ROOMS.index("living"), 1] = SUPPLY_M3_H * AIR_KWH_PER_M3_K
    surroundings[TWIN_ROOMS.index("kitchen"), 1] = 0.01
    return Network(
        air_kwh_per_k=0.01 * area,
        mass_kwh_per_k=0.08 * area,
        mass_to_air_kw_per_k=0.02 * area,
        surroundings_kw_per_k=surroundings,
        links_kw_per_k=links,
        sun_m2=np.outer(area, [0.03, 0.01, 0.01, 0.01]),
        gain_kw=np.zeros(7),
        into_air=np.full(7, 0.7),
    )


def one_room(into_air: float, sun_m2: float, gain_kw: float) -> Network:
    """A whole home as one room, of usual size."""
    return Network(
        air_kwh_per_k=np.array([1.0]),
        mass_kwh_per_k=np.array([8.0]),
        mass_to_air_kw_per_k=np.array([1.0]),
        surroundings_kw_per_k=np.array([[0.15]]),
        links_kw_per_k=np.zeros((1, 1)),
        sun_m2=np.array([[sun_m2]]),
        gain_kw=np.array([gain_kw]),
        into_air=np.array([into_air]),
    )


PROXY_KW = 0.2
"""A first guess of kW per unit of the Dutch heater's proxy; its scale is no power, and capacities take it up."""


def dutch_measured(folder: Path) -> Measured:
    """Dwelling 2: lived in, with a proxy of its heating."""
    frame = dwelling(folder, 2)
    return Measured(
        air_c=frame[["room_temp_c"]],
        heater_kw=(frame[["heater_proxy"]] * PROXY_KW).set_axis(["room_temp_c"], axis=1),
        surroundings_c=frame[["out_temp_c"]],
        sun_kw_m2=frame[["solar_kw_m2"]],
        timezone="UTC",
    )


def vermont_measured(folder: Path, home: int) -> Measured:
    """A SIMULATED home: heat less cold that the system gives, hours of a year."""
    homes, sky = vermont_homes(folder), vermont_weather(folder)
    frame = homes[homes["home"] == home].join(sky)
    heat = frame["heating_kwh_th"] - frame["cooling_kwh_th"]
    position = Sky.at(pd.DatetimeIndex(frame.index), timedelta(hours=1), 44.5, -73.2).position
    up = np.clip(np.cos(np.radians(position["zenith"])), 0, None)
    return Measured(
        air_c=frame[["room_temp_c"]],
        heater_kw=heat.to_frame("room_temp_c"),
        surroundings_c=frame[["temp_c"]],
        sun_kw_m2=((frame["dhi_w_m2"] + frame["dni_w_m2"] * up) / 1000).to_frame("ghi"),
        timezone="America/New_York",
    )


def vermont_setpoints(folder: Path, home: int) -> list[pd.DataFrame]:
    """Of the thermostat of a SIMULATED home, for heating and for cooling; a schedule, which is known ahead."""
    homes = vermont_homes(folder)
    frame = homes[homes["home"] == home]
    return [frame[[name]].set_axis(["room_temp_c"], axis=1) for name in ("setpoint_heat_c", "setpoint_cool_c")]
