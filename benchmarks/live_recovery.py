"""How soon devices are commanded again when what kept PEMS from it is over, without a restart."""

import asyncio
import os
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pems_core.commanding.store import DATABASE
from pems_core.simulation.devices.miniserver import Power

from .live_latency import OIG_COMMANDS, OIG_READS
from .live_plant import EngineProcess, Plant, Way, engine, folder, plant
from .rows import Bar, Row
from .setting import Benchmark, Setting

WITHIN = Bar("<", 60.0)
LASTS_S, LASTS_LONG_S = 40.0, 180.0
"""How long each cause lasts [s of the wall], short and in full: retries have become rare by then."""
MOST_S = 150.0
AGAIN_S = 5.0
"""Between two overrides that are asked for, until one comes through."""
Cause = Callable[[Plant, EngineProcess], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def broker_down(found: Plant, process: EngineProcess) -> AsyncIterator[None]:
    found.broker.stop()
    yield
    found.broker.start()


@asynccontextmanager
async def gateway_hangs(found: Plant, process: EngineProcess) -> AsyncIterator[None]:
    """It takes connections and requests, and answers none."""
    found.inverter.answers = False
    yield
    found.inverter.answers = True


@asynccontextmanager
async def miniserver_reboots(found: Plant, process: EngineProcess) -> AsyncIterator[None]:
    found.miniserver.reboot()
    yield
    await found.until(lambda: found.miniserver.power is Power.READY, "the Miniserver")


@asynccontextmanager
async def database_locked(found: Plant, process: EngineProcess) -> AsyncIterator[None]:
    """Another process holds the file."""
    connection = sqlite3.connect(found.trial.folder / "state" / DATABASE, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@asynccontextmanager
async def disk_full(found: Plant, process: EngineProcess) -> AsyncIterator[None]:
    """The system lets the engine write nothing more to any file."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


CAUSES: Sequence[tuple[str, Way, Cause, str]] = (
    ("broker away, and back", "oig", broker_down, "inverter"),
    ("Modbus gateway hung, and answers again", "modbus", gateway_hangs, "inverter"),
    ("Miniserver rebooted, and ready", "modbus", miniserver_reboots, "heating"),
    ("database locked, and free", "modbus", database_locked, "inverter"),
    ("disk full, and free", "modbus", disk_full, "inverter"),
)


def recovery(setting: Setting) -> Iterator[Row]:
    lasts_s = LASTS_LONG_S if setting.full else LASTS_S
    found = asyncio.run(all_recovered(lasts_s))
    yield Row("each cause lasts", lasts_s, "s")
    for (what, _, _, device), (seconds, alive) in zip(CAUSES, found, strict=True):
        yield Row(f"{what}: until {device} is commanded again", seconds, "s", WITHIN)
        yield Row(f"{what}: restarts", int(not alive), "", Bar("=", 0))
    yield Row("load of the machine (1 min)", os.getloadavg()[0])


async def all_recovered(lasts_s: float) -> Sequence[tuple[float | None, bool]]:
    """All causes at the same time, each in a house of its own."""
    return await asyncio.gather(*(recovered(way, cause, device, lasts_s) for _, way, cause, device in CAUSES))


async def recovered(way: Way, cause: Cause, device: str, lasts_s: float) -> tuple[float | None, bool]:
    """Seconds from the end of a cause until a command is at the device again, and whether the engine lives on."""
    with folder() as place:
        async with plant(place, size="small", way=way) as found:
            with engine(found.trial, patient=True) as process:
                await found.planned()
                await asyncio.sleep(15.0)
                async with cause(found, process):
                    await asyncio.sleep(lasts_s)
                began = time.monotonic()
                return await _commanded(found, device, began), process.alive


async def _commanded(found: Plant, device: str, began: float) -> float | None:
    """Ask now and then, and wait until something of it has come about."""
    wanted, asked_s = False, -AGAIN_S
    while time.monotonic() - began < MOST_S:
        if time.monotonic() - asked_s > AGAIN_S and found.client is not None:
            asked_s = time.monotonic()
            wanted = not wanted
            await _ask(found, device, wanted)
        if _done(found, device, began):
            return time.monotonic() - began
        await asyncio.sleep(0.05)
    return None


async def _ask(found: Plant, device: str, wanted: bool) -> None:
    control, value = ("grid_export", wanted) if device == "inverter" else ("kitchen_setpoint_c", 20.0 + wanted)
    words = {"device": device, "control": control, "value": value, "by": "bench", "until": found.until_time(5.0)}
    await found.say("override/set", words)


def _done(found: Plant, device: str, began: float) -> bool:
    """Whether something was written to the device since."""
    if device == "heating":
        return any(at > began for at, _ in found.said.get("loxone/temperature/kitchen/setpoint", ()))
    if found.way == "oig":
        told = [n for t, n in found.said.items() if t.startswith(OIG_COMMANDS) and not t.endswith(OIG_READS)]
        return any(at > began for notes in told for at, _ in notes)
    since_s = found.clock.elapsed_s() - (time.monotonic() - began)
    return any(request.at_s > since_s for request in found.server.writes)


RECOVERY = Benchmark(
    "recovery",
    "Back by itself",
    f"A cause lasts for {LASTS_S:g} s (full: {LASTS_LONG_S:g} s) on the clock of the wall; from its end an override is "
    f"asked for every {AGAIN_S:g} s, and the time is told until the device has been told something again. The engine "
    "is a process of its own and is not restarted.",
    recovery,
    in_short=False,
)
