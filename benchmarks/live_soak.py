"""A house that runs for hours: what its engine takes of memory, and of the processor between plans."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from .live_plant import EngineProcess, Plant, engine, folder, plant
from .rows import Bar, Row
from .setting import Benchmark, Setting

SPEED = 60.0
SHORT_H, FULL_H = 2.0, 24.0
WARM_SHARE = 1 / 8
"""Of the hours: by then every kind of work has been done once."""
IDLE_S = 60.0
"""How long an idle engine is looked at [s of the wall]."""
SAMPLE_S = 2.0
MOST_GROWTH_PERCENT = 5.0
MOST_IDLE_PERCENT = 5.0
HOUR_S = 3600.0
DAY_H = 24.0
MIB = 1024.0


@dataclass
class Watched:
    """What a process took."""

    rss_mib: list[tuple[float, float]] = field(default_factory=list)
    """Hours of the house's time, and memory then."""
    plans: int = 0
    unhealthy: int = 0
    """Heartbeats that said so."""
    alerts: list[str] = field(default_factory=list)
    ended: int | None = None
    """Exit code of an engine that ended before it was told to."""

    def between(self, begin_h: float, end_h: float) -> float:
        """Mean memory of a time [MiB]."""
        return mean(rss for at, rss in self.rss_mib if begin_h <= at <= end_h)


def soak(setting: Setting) -> Iterator[Row]:
    """Memory on a fast clock, then the processor on the wall's."""
    hours = setting.asked_days * DAY_H if setting.asked_days else FULL_H if setting.full else SHORT_H
    found = asyncio.run(lived(hours))
    warm_h, step_h = hours * WARM_SHARE, hours / 8
    before, after = found.between(warm_h, warm_h + step_h), found.between(hours - step_h, hours)
    yield Row(f"simulated time of the reference house at {SPEED:g} times the wall's", hours, "h")
    yield Row("plans", found.plans)
    yield Row(f"memory after {warm_h + step_h:.2g} h, of the engine's process", before, "MiB")
    growth = 100 * (after / before - 1)
    yield Row(f"growth of memory by hour {hours:g}", growth, "%", Bar("<", MOST_GROWTH_PERCENT))
    yield Row("ended by itself", int(found.ended is not None), "", Bar("=", 0))
    yield Row("heartbeats that told of a fault", found.unhealthy)
    idle, load = asyncio.run(idle_percent())
    yield Row("processor between plans, share of a core", idle, "%", Bar("<", MOST_IDLE_PERCENT))
    yield Row("load of the machine meanwhile (1 min)", load)


async def lived(hours: float) -> Watched:
    """Let a house live, and look at its engine."""
    with folder() as place:
        async with plant(place, size="reference", way="modbus", speed=SPEED, days=int(hours / DAY_H) + 2) as found:
            with engine(found.trial) as process:
                await found.planned()
                return await _watch(found, process, hours)


async def _watch(found: Plant, process: EngineProcess, hours: float) -> Watched:
    watched = Watched()
    began_s = found.clock.elapsed_s()
    plans_before = 0
    while (lived_h := (found.clock.elapsed_s() - began_s) / HOUR_S) < hours:
        if not process.alive:
            watched.ended = process.end()
            break
        watched.rss_mib.append((lived_h, rss_mib(process.pid)))
        found.server.log.clear()
        plans = found.said.get("pems/bench/plan", [])
        watched.plans += len(plans) - plans_before
        plans_before = len(plans)
        watched.unhealthy += sum(not beat["healthy"] for _, beat in found.said.pop("pems/bench/heartbeat", []))
        found.said.pop("pems/bench/state/inverter", None)
        await asyncio.sleep(SAMPLE_S)
    watched.alerts = [f"{a['place']}: {a['text']}" for _, a in found.said.get("pems/bench/alert", [])]
    return watched


async def idle_percent() -> tuple[float, float]:
    """Processor time of an engine that does not plan, on the wall's clock, and the machine's load meanwhile."""
    with folder() as place:
        async with plant(place, size="reference", way="modbus", speed=1.0) as found:
            with engine(found.trial) as process:
                await found.planned()
                # The writes of the first plan, and their check 10 s later, are not idle.
                await asyncio.sleep(30.0)
                plans = found.times_said("plan")
                began_s, before_s = time.monotonic(), cpu_s(process.pid)
                await asyncio.sleep(IDLE_S)
                share = (cpu_s(process.pid) - before_s) / (time.monotonic() - began_s)
                if found.times_said("plan") != plans:
                    raise RuntimeError("a plan was made while the idle engine was looked at")
                return 100 * share, os.getloadavg()[0]


def rss_mib(pid: int) -> float:
    """Memory of a process that is in use [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return float(line.split()[1]) / MIB
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor time of a process and its ended children [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


SOAK = Benchmark(
    "soak",
    "A day without a break",
    "The reference house runs against simulated devices on real sockets (Modbus TCP and a real Mosquitto), its engine "
    f"in a process of its own, at {SPEED:g} times the speed of the wall. Growth is from the second eighth of the time "
    f"to the last. The processor's time is measured in {IDLE_S:g} s on the wall's clock in which no plan is made, with "
    "polls, heartbeats and messages going on.",
    soak,
    in_short=False,
)
