"""A running engine keeps its metrics, whatever becomes of the database."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from pems_core.recording.catalogue import BY_NAME
from tests.databases import InfluxDb
from tests.runtime.conftest import START, Running, Start, start_engine, wait_for

__all__ = ["start_engine"]


def section(influxdb: InfluxDb) -> str:
    return f'[influxdb]\nurl = "{influxdb.url}"\nversion = 1\nsample_every_s = 10.0\n[cycles]\nevery_minutes = 5\n'


async def found(influxdb: InfluxDb, measurement: str, field: str) -> int:
    return await asyncio.to_thread(influxdb.counted, measurement, field)


async def some(influxdb: InfluxDb, measurement: str, field: str, count: int = 1) -> None:
    async with asyncio.timeout(40):
        while await found(influxdb, measurement, field) < count:  # noqa: ASYNC110 - another process tells nobody
            await asyncio.sleep(0.2)


async def test_writes_what_is_measured_planned_and_commanded(start_engine: Start, influxdb: InfluxDb) -> None:
    async with start_engine(more=section(influxdb)) as running:
        await wait_for(lambda: running.server.told)
        for measurement, field in (
            ("flows", "import_kwh"),
            ("battery", "soc"),
            ("export", "price_per_kwh"),
            ("prices", "marginal_value_per_kwh"),
            ("system", "memory_mb"),
            ("data_age", "newest_s"),
            ("optimizer", "gap"),
            ("decisions", "value"),
            ("commands", "response_s"),
        ):
            await some(influxdb, measurement, field)
    for series in influxdb.ask("SHOW FIELD KEYS"):
        declared = {metric.name for metric in BY_NAME[series["name"]].metrics}
        assert {key for key, _ in series["values"]} <= declared
    [sites] = influxdb.ask('SHOW TAG VALUES FROM "flows" WITH KEY = "site"')
    assert sites["values"] == [["site", "trial"]]


async def test_an_override_and_an_alert_become_annotations(start_engine: Start, influxdb: InfluxDb) -> None:
    async with start_engine(more=section(influxdb)) as running:
        await wait_for(lambda: running.server.told)
        said = {"device": "inverter", "control": "mode", "value": "grid_first", "by": "ann", "until": running.until()}
        await running.say("override/set", said)
        running.engine.live.alerts.begin("roof", "is leaking")
        await some(influxdb, "events", "title", 2)
        running.engine.live.alerts.end("roof")
        # The inverter had not been read yet at the start.
        await some(influxdb, "events", "since_s", 2)
    rows = influxdb.ask('SELECT "text", "over" FROM "events" GROUP BY "kind", "place", "phase"')
    told = {(s["tags"]["kind"], s["tags"]["place"], s["tags"]["phase"]): s["values"][0][1] for s in rows}
    assert told["alert", "roof", "begun"] == "is leaking"
    assert ("alert", "roof", "over") in told
    assert told["override", "inverter.mode", "begun"] == "mode = grid_first by ann"


async def test_runs_without_its_database_and_tells(start_engine: Start, influxdb: InfluxDb) -> None:
    influxdb.kill()
    async with start_engine(more=section(influxdb)) as running:
        await wait_for(lambda: running.server.told)
        said = await wait_for(lambda: [a for a in running.ears.said.get("alert", []) if a["place"] == "influxdb"])
        assert "points wait on the disk" in said[0]["text"]
        await asyncio.to_thread(influxdb.start)
        await some(influxdb, "battery", "soc", 5)
        await wait_for(lambda: [a for a in running.ears.said["alert"] if a["place"] == "influxdb" and a["over"]])
    first = influxdb.ask('SELECT first("soc") FROM "battery"')[0]["values"][0][0]
    assert first < (START + timedelta(minutes=10)).timestamp() * 1000


async def test_a_defect_in_metrics_costs_points_and_not_the_house(start_engine: Start, influxdb: InfluxDb) -> None:
    def broken(running: Running) -> Callable[[], None]:
        def sample() -> None:
            raise ZeroDivisionError("a defect")

        return sample

    async with start_engine(more=section(influxdb)) as running:
        await wait_for(lambda: running.server.told)
        running.engine.recording.sample = broken(running)
        await wait_for(lambda: [a for a in running.ears.said.get("alert", []) if a["place"] == "recording"])
        plans = len(running.ears.said["plan"])
        await wait_for(lambda: len(running.ears.said["plan"]) > plans)
