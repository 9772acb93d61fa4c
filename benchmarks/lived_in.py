"""Days of heated rooms under their own thermostats, as a ledger would hold them."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, HeatingSpec
from pems_core.simulation.generate import generated_days
from pems_core.simulation.sensors import Sensors
from pems_core.simulation.twins.heating import HeatingTwin

MINUTES = 15


def lived_in(spec: HeatingSpec, start: date, days: int, *, seed: int, heating: str = "heating") -> pd.DataFrame:
    """Quarter-hour telemetry of rooms that thermostats heat by their schedules; sensors are noisy and coarse.

    :param spec: the rooms as they really are.
    """
    scenario = generated_days(start, days, seed=seed)
    begin = pd.Timestamp(start, tz="Europe/Prague").tz_convert("UTC")
    weather = scenario.frame.loc[begin : begin + timedelta(days=days) - QUARTER]
    outdoor = weather["outdoor_temperature_c"].to_numpy()
    ghi = weather["ghi_w_m2"].to_numpy()
    sensors = Sensors(seed, noise=True)
    house = HeatingTwin(spec, begin.to_pydatetime(), float(outdoor[0]), float(ghi[:96].mean()))
    air = np.zeros((len(weather), len(spec.rooms)))
    duty = np.zeros_like(air)
    now = begin.to_pydatetime()
    for quarter in range(len(weather)):
        for minute in range(MINUTES):
            house.switch(now)
            house.finish(float(outdoor[quarter]), float(ghi[quarter]), weather_changed=minute == 0)
            air[quarter] += [sensors.temperature_c(c) / MINUTES for c in house.thermal.air_c]
            duty[quarter] += house.relay_on / MINUTES
            now += timedelta(minutes=1)
    columns: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {
        **{f"{heating}/{room.name}_temperature_c": air[:, i] for i, room in enumerate(spec.rooms)},
        **{f"{heating}/{room.name}_relay": duty[:, i] for i, room in enumerate(spec.rooms)},
        "site/outdoor_temperature_c": outdoor,
        "site/ghi_w_m2": ghi,
    }
    return pd.DataFrame(columns, index=weather.index)
