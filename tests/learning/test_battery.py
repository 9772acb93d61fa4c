"""A battery teaches what it holds and loses, from a log with readings in whole percent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import BadSeries, BatterySpec
from pems_core.learning.battery import learn_battery
from pems_core.simulation.twins.battery import BatteryTwin

FILE = BatterySpec(10.0, 5.0, 5.0)
REALLY = BatterySpec(
    8.6,
    5.0,
    5.0,
    charge_efficiency=0.92,
    discharge_efficiency=0.92,
    standby_kw=0.02,
    charge_taper=((0.8, 1.0), (1.0, 0.3)),
    temperature_derating=((0.0, 0.3), (15.0, 1.0)),
)


def log(spec: BatterySpec, days: int, *, outdoor_c: float = 5.0, lowest: float = 0.3, seed: int = 1) -> pd.DataFrame:
    """Quarter hours of a battery that is charged as fast as it takes it, and discharged at night."""
    rng = np.random.default_rng(seed)
    twin = BatteryTwin(spec, 0.5, outdoor_c)
    rows = []
    for quarter in range(days * 96):
        hour = quarter % 96 / 4
        wanted = 5.0 if 10 <= hour < 15 else 0.0
        drawn = float(rng.uniform(0.2, 1.2)) if hour >= 17 and twin.soc > lowest else 0.0
        soc, charged, discharged = twin.soc, 0.0, 0.0
        for _ in range(15):
            charge = min(wanted, twin.can_charge_kw())
            discharge = min(drawn, twin.can_discharge_kw())
            twin.minute(charge, discharge, outdoor_c)
            charged, discharged = charged + charge / 15, discharged + discharge / 15
        rows.append((round(soc, 2), charged, discharged, wanted, round(twin.temperature_c, 1)))
    index = pd.date_range(datetime(2025, 1, 10, tzinfo=UTC), periods=len(rows), freq=timedelta(minutes=15))
    columns = ["soc", "charge_kw", "discharge_kw", "wanted_charge_kw", "temperature_c"]
    return pd.DataFrame(rows, columns=columns, index=index)


def test_finds_capacity_and_losses_with_their_confidence() -> None:
    found = learn_battery(FILE, log(REALLY, 30))
    assert found.capacity_kwh.value == pytest.approx(8.6, rel=0.04)
    assert found.capacity_kwh.low <= 8.6 <= found.capacity_kwh.high
    assert found.round_trip.value == pytest.approx(0.92**2, abs=0.03)
    assert found.round_trip.low <= 0.92**2 <= found.round_trip.high
    assert found.capacity_kwh.high / found.capacity_kwh.low < 1.15
    assert found.spec.capacity_kwh == found.capacity_kwh.value


def test_finds_how_it_slows_down_when_nearly_full() -> None:
    found = learn_battery(FILE, log(REALLY, 30))
    assert found.charge_taper is not None
    taper = dict(found.charge_taper)
    assert taper[0.7] == 1.0
    assert taper[0.95] == pytest.approx(0.475, abs=0.1)


def test_what_the_log_does_not_show_stays_and_is_named() -> None:
    found = learn_battery(FILE, log(REALLY, 30).drop(columns=["temperature_c", "wanted_charge_kw"]))
    assert found.charge_taper is None
    assert found.spec.charge_taper == FILE.charge_taper
    assert [text.split(":")[0] for text in found.kept] == ["charge_taper", "temperature_derating"]


def test_finds_what_cold_does_to_it() -> None:
    always = replace(REALLY, charge_taper=((0.0, 1.0),))
    parts = [log(always, 4, outdoor_c=c, seed=k) for k, c in enumerate((-40.0, 0.0, 20.0))]
    for k, (part, degrees) in enumerate(zip(parts, (5.0, 10.0, 20.0), strict=True)):
        part["temperature_c"] = degrees
        share = always.charge_limit_at(0.5, degrees) / 5.0
        part["charge_kw"] = part["charge_kw"].clip(upper=5.0 * share)
        part.index = part.index + timedelta(days=5 * k)
    found = learn_battery(FILE, pd.concat(parts))
    assert found.temperature_derating is not None
    derating = dict(found.temperature_derating)
    assert derating[5.0] == pytest.approx(0.533, abs=0.03)
    assert derating[20.0] == 1.0


def test_a_count_that_the_battery_sets_right_does_not_mislead() -> None:
    table = log(REALLY, 30)
    table.iloc[1500:, 0] = (table.iloc[1500:, 0] + 0.08).clip(upper=1.0)
    assert learn_battery(FILE, table).capacity_kwh.value == pytest.approx(8.6, rel=0.06)


def test_an_idle_battery_teaches_nothing() -> None:
    idle = log(REALLY, 10)
    idle[["charge_kw", "discharge_kw"]] = 0.0
    with pytest.raises(BadSeries, match=r"0\.0 capacities charged; at least 20 and 1 are needed"):
        learn_battery(FILE, idle)
