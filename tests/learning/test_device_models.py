"""Rooms and batteries as models: planned with only where they win on days that they were not learned from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pems_growatt.inverter import HybridInverter
from pems_heating_loxone.rooms import HeatedRooms

from benchmarks.lived_in import lived_in
from pems_core.domain import HybridInverterSpec, Reading, Readings
from pems_core.learning.battery_model import BatteryModel
from pems_core.learning.device_models import OtherHouse, in_use, tend
from pems_core.learning.equipping import device_models, equip, identified_numbers, nothing_wanted
from pems_core.learning.registry import ModelRegistry, Stage
from pems_core.learning.rooms_guard import foreseen_errors, merged
from pems_core.learning.rooms_model import RoomsModel
from pems_core.simulation.twins.rooms import with_thermal_error

from .test_battery import FILE, log
from .test_battery import REALLY as REAL_BATTERY
from .test_rooms import PRAGUE, REALLY, SPEC, WRONG

BEGIN = date(2025, 1, 10)
NOW = datetime(2025, 2, 6, tzinfo=UTC)


class Told:
    """A ledger's telemetry that a test gives."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __call__(self, series: Sequence[str], since: datetime, until: datetime) -> pd.DataFrame:
        inside = (self.frame.index >= since) & (self.frame.index < until)
        return self.frame[inside].reindex(columns=list(series))


@pytest.fixture(scope="module")
def telemetry() -> pd.DataFrame:
    return lived_in(REALLY, BEGIN, 26, seed=3)


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


class TestRooms:
    def test_win_against_a_house_file_that_is_wrong_and_are_planned_with(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        device = HeatedRooms("heating", SPEC)
        (model,) = device_models([device], PRAGUE)
        said = tend(model, registry, Told(telemetry), NOW)
        assert "version 1 is in use" in said
        assert "foresee 24 h better than the house file" in said
        found = in_use(model, registry)
        assert found is not None
        device.equip(found[1])
        true = REALLY.by_name["living_room"].outside_kw_per_k
        assert device.spec.by_name["living_room"].outside_kw_per_k == pytest.approx(true, rel=0.05)
        assert device.network.spec is device.spec
        assert device.spec.by_name["living_room"].comfort == SPEC.by_name["living_room"].comfort
        version = found[0]
        assert version.metrics["mae_k"] < 0.5 * version.metrics["mae_k of the house file"]

    def test_keep_the_house_file_where_it_is_right_and_say_so(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        model = RoomsModel("heating", REALLY, PRAGUE)
        said = tend(model, registry, Told(telemetry), NOW)
        assert "the house file keeps its numbers" in said
        assert registry.in_use("heating_rooms") is None
        (noted,) = registry.story("heating_rooms")
        assert noted.stage is Stage.NOTED
        # It is looked at every night, and told once.
        tend(model, registry, Told(telemetry), NOW + timedelta(hours=1))
        assert len(registry.story("heating_rooms")) == 1

    def test_are_identified_by_what_services_say_where_nobody_measures_the_weather(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        told = telemetry.rename(columns=lambda name: name.replace("site/", "weather/"))
        assert "version 1 is in use" in tend(RoomsModel("heating", SPEC, PRAGUE), registry, Told(told), NOW)

    def test_go_out_of_use_when_the_house_file_foresees_better(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        """Somebody has insulated the house, and has told the house file of it: what was identified is of before."""
        wrong = RoomsModel("heating", SPEC, PRAGUE)
        tend(wrong, registry, Told(telemetry), NOW)
        insulated = lived_in(SPEC, date(2025, 2, 7), 10, seed=4)
        both = pd.concat([telemetry, insulated])
        said = tend(wrong, registry, Told(both), NOW + timedelta(days=11))
        out = next(use for use in registry.story("heating_rooms") if use.number is None)
        assert out.by == "daily check"
        assert "the house file foresaw the last days better" in out.why
        assert "better" in said

    def test_a_version_of_another_house_file_is_not_planned_with(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        tend(RoomsModel("heating", SPEC, PRAGUE), registry, Told(telemetry), NOW)
        changed = RoomsModel("heating", with_thermal_error(SPEC, {"kitchen.solar_m2": 2.0}), PRAGUE)
        with pytest.raises(OtherHouse, match="the house file has other numbers"):
            in_use(changed, registry)

    def test_a_young_house_is_told_how_much_is_missing(self, telemetry: pd.DataFrame, registry: ModelRegistry) -> None:
        said = tend(RoomsModel("heating", SPEC, PRAGUE), registry, Told(telemetry.iloc[: 96 * 9]), NOW)
        assert "at least 7 are needed" in said

    def test_a_clock_that_stands_identifies_nothing_twice(
        self, telemetry: pd.DataFrame, registry: ModelRegistry
    ) -> None:
        model = RoomsModel("heating", SPEC, PRAGUE)
        tend(model, registry, Told(telemetry), NOW)
        assert "clock" in tend(model, registry, Told(telemetry), NOW)
        assert len(registry.versions("heating_rooms")) == 1

    def test_a_room_that_keeps_its_numbers_keeps_what_joins_it_to_others(self) -> None:
        spec = merged(SPEC, with_thermal_error(SPEC, {"neighbours": 2.0} | WRONG), ("living_room", "kitchen"))
        assert spec.conductance("living_room", "kitchen") == pytest.approx(0.30)
        assert spec.conductance("living_room", "store") == pytest.approx(0.03)
        assert spec.by_name["store"] == replace(SPEC.by_name["store"], neighbours={})

    def test_gaps_and_missing_rooms_cost_only_what_they_touch(self, telemetry: pd.DataFrame) -> None:
        model = RoomsModel("heating", REALLY, PRAGUE)
        broken = telemetry.copy()
        broken.loc[broken.index[-300:-270], "heating/kitchen_relay"] = np.nan
        broken.loc[broken.index[-200:-100], "heating/store_temperature_c"] = np.nan
        since = NOW - timedelta(days=40)
        errors = foreseen_errors(REALLY, model.measured(Told(broken), since, NOW))
        assert errors.notna().all().all()
        assert float(errors.mean().max()) < 0.15


class TestBattery:
    def telemetry(self, days: int = 44) -> tuple[pd.DataFrame, "pd.Series[float]"]:
        found = log(REAL_BATTERY, days)
        names = {"charge_kw": "battery_terminal_charge_kw", "discharge_kw": "battery_terminal_discharge_kw"}
        points = {"soc": "inverter/soc", "temperature_c": "inverter/battery_temperature_c"}
        return found.rename(columns=names | points), found["wanted_charge_kw"]

    def test_is_planned_with_what_it_holds_and_loses_and_how_it_slows_down(self, registry: ModelRegistry) -> None:
        frame, wanted = self.telemetry()
        spec = HybridInverterSpec(10.0, battery=FILE)
        model = BatteryModel("inverter", spec, PRAGUE, lambda *_: wanted)
        said = tend(model, registry, Told(frame), datetime(2025, 2, 23, tzinfo=UTC))
        assert "version 1 is in use" in said
        found = in_use(model, registry)
        assert found is not None
        device = HybridInverter("inverter", spec)
        device.equip(found[1])
        battery = device.spec.battery
        assert battery is not None
        assert battery.capacity_kwh == pytest.approx(8.6, rel=0.04)
        assert battery.charge_efficiency * battery.discharge_efficiency == pytest.approx(0.92**2, abs=0.03)
        assert battery.charge_limit_at(0.95) < 0.75 * battery.charge_limit_kw
        assert battery.discharge_limit_kw == FILE.discharge_limit_kw

    def test_keeps_the_house_file_where_it_is_right(self, registry: ModelRegistry) -> None:
        frame, _ = self.telemetry()
        right = replace(REAL_BATTERY, charge_taper=FILE.charge_taper, temperature_derating=FILE.temperature_derating)
        model = BatteryModel("inverter", HybridInverterSpec(10.0, battery=right), PRAGUE, nothing_wanted)
        said = tend(model, registry, Told(frame), datetime(2025, 2, 23, tzinfo=UTC))
        assert "the house file keeps its numbers" in said
        assert registry.in_use("inverter_battery") is None

    def test_without_a_log_nothing_is_said(self, registry: ModelRegistry) -> None:
        model = BatteryModel("inverter", HybridInverterSpec(10.0, battery=FILE), PRAGUE, nothing_wanted)
        frame = pd.DataFrame(columns=["inverter/soc"], index=pd.DatetimeIndex([], tz="UTC"), dtype=float)
        assert "found no value" in tend(model, registry, Told(frame), NOW)


def test_numbers_that_were_recorded_make_the_same_device_again() -> None:
    battery = replace(FILE, capacity_kwh=8.1, charge_taper=((0.8, 1.0), (1.0, 0.4)))
    inverter = HybridInverter("inverter", HybridInverterSpec(10.0, battery=FILE))
    rooms = HeatedRooms("heating", SPEC)
    numbers = {
        "inverter": identified_numbers(HybridInverterSpec(10.0, battery=battery)),
        "heating": identified_numbers(REALLY),
    }
    equip([inverter, rooms], numbers)
    assert inverter.spec.battery == battery
    assert identified_numbers(rooms.spec) == identified_numbers(REALLY)


def test_rooms_are_estimated_with_what_services_say_where_nobody_measures_the_weather() -> None:
    now = datetime(2025, 1, 20, tzinfo=UTC)

    def settled_c(**weather_c: float) -> float:
        points = {f"heating/{room.name}_temperature_c": 21.0 for room in SPEC.rooms}
        points |= {f"{who}/outdoor_temperature_c": c for who, c in weather_c.items()}
        readings = Readings(now, {name: Reading(c, "°C", now, now) for name, c in points.items()})
        return HeatedRooms("heating", SPEC).state(readings).rooms["living_room"].slab_c

    # The colder it is, the warmer is the slab that holds a room where it is.
    assert settled_c(weather=-15.0) > settled_c(weather=0.0) + 1.0
    assert settled_c(weather=-15.0, site=0.0) == settled_c(site=0.0)
