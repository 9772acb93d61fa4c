"""A running house with models in its registry: they answer, and the simple forecast does when one is broken."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pems_forecasters.learned.pv import Roof
from pems_forecasters.learned.pv_forecaster import LearnedPv

from pems_core.clock import FastClock
from pems_core.domain import QUARTER, History, Learned, PvArray
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.learning.battery_model import numbers_of
from pems_core.learning.registry import DATABASE, ModelRegistry
from pems_core.learning.training import train
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.records import Cycle
from pems_core.simulation.devices.small_live_house import BATTERY
from tests.sources import samples
from tests.sources.provider import Provider

from .conftest import START, Start, wait_for
from .test_feeds import asking, world

ARRAY = """
[[pv]]
peak_kw = 5.0
tilt_deg = 35.0
azimuth_deg = 180.0
"""
ROOF = Roof((PvArray(5.0, 35.0, 180.0),), 49.2, 16.6, "Europe/Prague")


def half_of_physics() -> History:
    """A roof that gives half of what physics says, whatever the sky."""
    index = pd.date_range(START - timedelta(days=30), START, freq=QUARTER, inclusive="left")
    sky, random = Sky.at(index, QUARTER, ROOF.latitude, ROOF.longitude), np.random.RandomState(1)
    ghi = sky.clear["ghi"] * np.repeat(0.2 + 0.8 * random.rand(31), 96)[: len(index)]
    given = pv_kw(ROOF.arrays, sky, sky.split(ghi), pd.Series(0.0, index=index))
    table = {"pv_kw": 0.5 * given, "ghi_w_m2": ghi, "outdoor_temperature_c": 0.0}
    return History(pd.DataFrame(table, index=index))


def source_of_pv(running: Any) -> str:
    report = running.engine.live.report
    found = report.forecasts.series.get("pv_kw") if report else None
    return found.source if found else ""


async def test_a_model_answers_and_is_done_without_and_told_when_its_file_breaks(
    start_engine: Start, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "state" / "models")
    [outcome] = train([LearnedPv(ROOF)], half_of_physics(), registry, START)
    assert outcome.version is not None
    registry.use("pv_kw", outcome.version.number, START, "tester", "it is good")
    async with Provider(world()).running() as there:
        options = asking(there)
        options["more"] += ARRAY
        async with start_engine(**options) as running:
            await wait_for(lambda: "learned from this roof" in source_of_pv(running), 60.0)
        (tmp_path / "state" / "models" / "pv_kw-1.json").write_text("{}", encoding="utf-8")
        async with start_engine(**options) as running:
            await wait_for(lambda: "weather services" in source_of_pv(running), 60.0)
            told = [alert.text for alert in running.engine.live.alerts.own if alert.place == "learning"]
    assert "pv_kw-1.json: found another checksum" in told[0]


async def test_a_registry_that_cannot_be_read_costs_its_models_and_no_plan(start_engine: Start, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "state" / "models")
    train([LearnedPv(ROOF)], half_of_physics(), registry, START)
    registry.use("pv_kw", 1, START, "tester", "it is good")
    (registry.folder / DATABASE).write_bytes(b"no database " * 500)
    async with Provider(world()).running() as there:
        options = asking(there)
        options["more"] += ARRAY
        async with start_engine(**options) as running:
            await wait_for(lambda: "weather services" in source_of_pv(running), 60.0)
            alerts = running.engine.live.alerts.own
            told = [alert.text for alert in alerts if alert.place == "learning"]
            crashed = [alert.text for alert in alerts if "begins anew" in alert.text or "crash" in alert.text]
    assert "models.sqlite3: file is not a database; models cannot be used" in told[0]
    assert crashed == []


async def test_a_supplied_forecast_of_pv_is_asked_for_and_used(start_engine: Start) -> None:
    answers = world(fs=lambda _: samples.forecast_solar(date(2025, 1, 15)))
    async with Provider(answers).running() as there:
        options = asking(there)
        more = options["more"].replace("[sources]\n", '[sources]\npv = ["forecast_solar"]\n')
        options["more"] = more.replace("open_meteo =", f'forecast_solar = "{there.url}/fs"\nopen_meteo =') + ARRAY
        async with start_engine(**options) as running:
            await wait_for(lambda: "supplied, as it was said" in source_of_pv(running), 60.0)
            expected = running.engine.live.report.forecasts["pv_kw"]
    # 1000 Wh an hour by day.
    assert expected[1] == 1.0


async def test_one_in_shadow_foresees_beside_and_what_was_identified_is_planned_with(
    start_engine: Start, tmp_path: Path
) -> None:
    registry = ModelRegistry(tmp_path / "state" / "models")
    train([LearnedPv(ROOF)], half_of_physics(), registry, START)
    smaller = replace(BATTERY, capacity_kwh=8.2)
    content = {"configured": numbers_of(BATTERY), "numbers": numbers_of(smaller), "kept": []}
    version = registry.add("inverter_battery", Learned(content, START, START, {"mae_soc": 0.01}), START)
    registry.use("inverter_battery", version.number, START, "identification", "it wins")

    def ledger() -> Ledger:
        return Ledger(tmp_path / "state" / "ledger.sqlite3", FastClock(START))

    def beside() -> object:
        with ledger() as found:
            rows = found.vintages("pv_kw@version 1", START, START + timedelta(days=1))
            return len(rows) and len(found.vintages("pv_kw@fallback", START, START + timedelta(days=1)))

    def recorded() -> list[Cycle]:
        with ledger() as found:
            return [found.cycle(entry.number) for entry in found.cycles(START, START + timedelta(days=2))]

    async with Provider(world()).running() as there:
        options = asking(there)
        options["more"] += ARRAY
        async with start_engine(speed=600.0, **options) as running:
            report = await wait_for(lambda: running.engine.live.report, 60.0)
            assert report.models == {"inverter_battery": "version 1"}
            [inverter] = running.engine.live.devices
            assert inverter.equipment.battery == smaller
            await wait_for(beside, 60.0)
            assert "learned" not in source_of_pv(running)
            registry.roll_back("inverter_battery", START, "tester", "a doubt")
            running.engine.learning.look()
            await wait_for(lambda: recorded()[-1].models == {}, 60.0)
            assert inverter.equipment.battery == BATTERY
    first, *_, last = recorded()
    assert first.models == {"inverter_battery": "version 1"}
    assert first.house["identified"]["inverter"]["capacity_kwh"] == 8.2
    assert last.house["identified"] == {}
    assert first.fingerprint != last.fingerprint
