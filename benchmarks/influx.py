"""What the way to a time series database reaches, on real servers."""

import asyncio
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic, process_time

import pandas as pd

from pems_core.clock import SystemClock
from pems_core.config import InfluxSection
from pems_core.cycle import Site, measure, run_cycle
from pems_core.domain import HOUR, History, Readings
from pems_core.planning.planner import Planner
from pems_core.recording.influx import Buffer, Influx, InfluxWriter
from pems_core.recording.metrics import Household, Metrics, Moment
from pems_core.recording.points import Point
from pems_core.simulation.generate import generated_winter_days
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.live_trial import generated_outlook
from tests.databases import InfluxDb, Server, VictoriaMetrics

from .houses import reference_house
from .rows import Bar, Row
from .setting import Benchmark, Setting

START = datetime(2025, 1, 15, tzinfo=UTC)
RATE = 10_000
"""Points in a second."""
SERIES = 100
TURNS_PER_S = 10
PATIENT_S = 120.0
SHOWN_WITHIN_S = 30.0
TICK_S = 0.005
MS = timedelta(milliseconds=1)
OUTAGE_TURN_S = 0.02
"""Pause between turns of an outage: 50,000 points a second at most. A writer whose thread gets no turn beside this loop
holds half a million in memory, and then drops and counts them; a house gives as many in a week and a half."""


class Pump:
    """Gives a writer points at a steady rate, each of which is there once."""

    def __init__(self, writer: InfluxWriter) -> None:
        self.writer = writer
        self.count = 0

    def turn(self) -> None:
        """One tenth of a second's points."""
        share = RATE // TURNS_PER_S
        self.writer.put(self._point(self.count + k) for k in range(share))
        self.count += share

    def _point(self, k: int) -> Point:
        tags = {"site": "bench", "series": str(k % SERIES)}
        return Point("pumped", START + k // SERIES * 10 * MS, tags, {"value": float(k)})

    def run(self, seconds: float) -> None:
        began = monotonic()
        for turn in range(round(seconds * TURNS_PER_S)):
            self.turn()
            time.sleep(max(0.0, began + (turn + 1) / TURNS_PER_S - monotonic()))


def sustained(
    server: Server, section: InfluxSection, present: Callable[[], tuple[int, int]], seconds: float
) -> Iterator[Row]:
    """A steady rate for some time, and every point afterwards; half way the server is killed and comes back."""
    name = "InfluxDB 1.6" if isinstance(server, InfluxDb) else "VictoriaMetrics 1.79, v2 write"
    with tempfile.TemporaryDirectory() as place:
        pump = Pump(_writer(section, Path(place)))
        cpu_s, began = process_time(), monotonic()
        pump.run(seconds)
        given_s = monotonic() - began
        behind = pump.writer.waiting
        drained = _drained(pump.writer)
        cpu_s = process_time() - cpu_s
        rate = pump.count / given_s
        yield Row(f"{name}: points given in a second, for {seconds:g} s", rate, "1/s", Bar(">=", 0.99 * RATE))
        yield Row(f"{name}: how far the server was behind at the end", behind / RATE, "s", Bar("<", 10.0))
        yield Row(f"{name}: until the rest was taken", drained, "s")
        yield Row(f"{name}: processor for 100,000 points", cpu_s / pump.count * 100_000, "s")
        server.kill()
        outage = round(HOUR.total_seconds() * TURNS_PER_S / 60)
        for _ in range(outage):
            # An hour of 100,000 points, in each second as many as its disk takes.
            pump.turn()
            time.sleep(OUTAGE_TURN_S)
        while not _says(pump.writer, "wait on the disk"):
            time.sleep(0.05)
        server.start()
        yield Row(f"{name}: points given while the server was killed", outage * RATE // TURNS_PER_S)
        yield Row(f"{name}: until they were taken after it came back", _drained(pump.writer), "s")
        # Beyond half a million in memory they are: who counts what is missing must know who lost it.
        yield Row(f"{name}: points dropped, as the disk hung", float(_says(pump.writer, "were lost")), "", Bar("=", 0))
        pump.writer.close(30.0)
        there, doubled = _counted(present, pump.count)
        yield Row(f"{name}: points missing", pump.count - there, "", Bar("=", 0))
        yield Row(f"{name}: points doubled", doubled, "", Bar("=", 0))


def _writer(section: InfluxSection, place: Path) -> InfluxWriter:
    clock = SystemClock()
    buffer = Buffer(place / "influxdb.sqlite3", clock, 1e9)
    return InfluxWriter(lambda: Influx(section), buffer, clock, place / "refused.txt", flush_every_s=0.5).start()


def _says(writer: InfluxWriter, words: str) -> int:
    """What an alert with these words counts, at least 1; 0 if there is none."""
    found = [alert.text for alert in writer.alerts if words in alert.text]
    count = found[0].split(maxsplit=1)[0] if found else "0"
    return int(count) if count.isdigit() else 1


def _counted(present: Callable[[], tuple[int, int]], given: int) -> tuple[int, int]:
    """Points that are there, and those that are there twice; VictoriaMetrics shows what it took some seconds later."""
    began = monotonic()
    there, doubled = present()
    while there < given and monotonic() - began < SHOWN_WITHIN_S:
        time.sleep(0.5)
        there, doubled = present()
    return there, doubled


def _drained(writer: InfluxWriter) -> float | None:
    began = monotonic()
    while writer.waiting:
        if monotonic() - began > PATIENT_S:
            return None
        time.sleep(0.02)
    return monotonic() - began


def rates(setting: Setting) -> Iterator[Row]:
    seconds = 60.0 if setting.full else 20.0
    with tempfile.TemporaryDirectory() as place:
        influxdb = InfluxDb(Path(place))
        influxdb.start()
        try:
            yield from sustained(
                influxdb,
                InfluxSection(url=influxdb.url, version=1),
                lambda: (influxdb.counted("pumped", "value"), 0),
                seconds,
            )
        finally:
            influxdb.kill()
    with tempfile.TemporaryDirectory() as place:
        victoria = VictoriaMetrics(Path(place))
        victoria.start()

        def present() -> tuple[int, int]:
            found = victoria.times("pumped_value").values()
            there = sum(len(set(times)) for times in found)
            return there, sum(len(times) for times in found) - there

        try:
            yield from sustained(victoria, InfluxSection(url=victoria.url, version=2, org="bench"), present, seconds)
        finally:
            victoria.kill()


def delays(setting: Setting) -> Iterator[Row]:
    """How late the engine's loop is, and what a cycle and a sample of the reference house take of it."""
    seconds = 30.0 if setting.full else 10.0
    yield from _late("without a database", asyncio.run(_lateness(None, seconds)))
    for what, hangs in (("taking 10,000 points/s", False), ("hanging", True)):
        with tempfile.TemporaryDirectory() as place:
            server = InfluxDb(Path(place))
            if not hangs:
                server.start()
            url = server.url
            with _deaf() as port:
                section = InfluxSection(url=f"http://127.0.0.1:{port}" if hangs else url, version=1)
                late = asyncio.run(_lateness(section, seconds))
            if not hangs:
                server.kill()
        yield from _late(f"beside a database {what}", late, Bar("<", 50.0))
    samples, cycles = _making()
    yield Row("what a sample of the reference house takes of the loop, median", 1000 * samples, "ms")
    yield Row("what the points of its cycle take of the loop, median", 1000 * cycles, "ms", Bar("<", 50.0))


@contextmanager
def _deaf() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        yield int(deaf.getsockname()[1])


def _late(what: str, by_second: Sequence[float], bar: Bar | None = None) -> Iterator[Row]:
    yield Row(f"loop {what}: late at most", 1000 * max(by_second), "ms", bar)
    yield Row(f"loop {what}: late at most in the median second", 1000 * median(by_second), "ms", bar)


async def _lateness(section: InfluxSection | None, seconds: float) -> Sequence[float]:
    """The most that a loop is late in each second that gives 10,000 points a second in ten turns [s]."""
    with tempfile.TemporaryDirectory() as place:
        writer = _writer(section, Path(place)) if section is not None else None
        pump = Pump(writer) if writer is not None else None
        late, began, turns = [0.0] * (round(seconds) + 1), monotonic(), 0
        while monotonic() - began < seconds:
            due = monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            second = min(int(monotonic() - began), len(late) - 1)
            late[second] = max(late[second], monotonic() - due)
            if pump is not None and monotonic() - began > turns / TURNS_PER_S:
                turns += 1
                pump.turn()
        if writer is not None:
            await asyncio.to_thread(writer.close, 15.0)
        return late[:-1]


def _making() -> tuple[float, float]:
    """Time of the points of one sample and of one cycle, medians of many [s]."""
    built, scenario = reference_house(), generated_winter_days()
    start = START
    house = SimulatedHouse(built.equipment, built.house.grid, scenario, start)
    planner = Planner(built.house, built.options)
    site = Site(built.house.devices, [generated_outlook(scenario)], planner)
    readings = house.readings()
    state = measure(site.devices, readings)
    report = asyncio.run(run_cycle(site, readings, built.options.horizon(start), History(pd.DataFrame())))
    planner.close()
    metrics = Metrics(Household("bench", built.equipment))
    sampled, cycled = list[float](), list[float]()
    for k in range(1, 200):
        now = start + k * timedelta(seconds=1)
        moment = Moment(metrics.household, Readings(now, readings.points), state, now - timedelta(seconds=1), report)
        began = monotonic()
        metrics.sample(moment)
        sampled.append(monotonic() - began)
        began = monotonic()
        metrics.cycle(replace(report, state=replace(report.state, now=now)))
        cycled.append(monotonic() - began)
    return median(sampled), median(cycled)


INFLUX = (
    Benchmark(
        "influx",
        "Points on their way to a database",
        f"{RATE:,} points a second in {SERIES} series go through the writer, its buffer on the disk and HTTP to a real "
        "server on the same machine. Then the server is killed with SIGKILL, 600,000 points are given while it is away "
        "(weeks of a house's), it is started again with its data, and every point is counted.",
        rates,
        in_short=False,
    ),
    Benchmark(
        "influx_delay",
        "What recording costs the engine's loop",
        "A loop that wakes every 5 ms gives 10,000 points a second to the writer, and tells how late it woke: at most, "
        "and in the median second at most. A house gives some 30 points a minute. What a loop without a database is "
        "late is the machine's own.",
        delays,
        in_short=False,
    ),
)
