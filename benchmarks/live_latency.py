"""How long it takes from what a person asks for to the wire, and until it was read back."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle

import numpy as np

from pems_core.commanding.store import JournalLine, Store
from pems_core.domain import Stage, Value

from .live_plant import Plant, Size, Way, engine, folder, plant
from .rows import Bar, Row
from .setting import Benchmark, Setting

Ask = tuple[str, str, Value]
"""Device, control and value of an override."""

SEED = 7
PERCENTILE = 95
WIRE_P95, WIRE_MAX, READ_BACK_P95 = Bar("<", 0.3), Bar("<", 1.0), Bar("<", 5.0)
SETTLES_S = 30.0
"""After the first plan: what it tells the devices is not what is measured."""
READ_BACK_WITHIN_S = 30.0
WIRE_WITHIN_S = 10.0
"""[s of the wall]; what has not come by then counts as never."""
SHORT_PAUSES_S = (3.0, 6.0)
"""Between two overrides."""
LONG_PAUSES_S = (12.0, 30.0)
"""The same where a look after 10 s at what the one before has told takes the bus: they come at any moment of a poll."""
ROOMS = ("kitchen", "bathroom_down", "study", "bedroom", "guest_room", "hall_up")
STANDING: Sequence[Ask] = (("inverter", "mode", "battery_first"), ("inverter", "battery_charge_grid", True))
"""Overrides under which a power of charging means something."""
WRITES = (6, 16)
Request = tuple[int, int, int]
"""Function, address and count of a request over Modbus."""
SETTINGS_POLLED: Sequence[Request] = ((3, 43, 81), (3, 533, 76), (3, 1009, 100))
"""What a poll of an SPH asks for of its settings; for what is measured only polls ask, for all else only commands."""
REST_S = 0.85
"""What the inverter needs between a poll's request and a command's."""
OIG_COMMANDS = "energy/solar/command/"
OIG_READS = ("get", "list")


@dataclass
class Asked:
    """One override, and what became of it; seconds from its publication."""

    wire_s: float | None = None
    """To the first byte on the device's wire that it caused."""
    rest_s: float = 0.0
    """That had to pass on the bus since the last request before it."""
    write_s: float | None = None
    """To the first write."""
    read_back_s: float | None = None


@dataclass
class Measured:
    asked: list[Asked] = field(default_factory=list)
    plans: int = 0
    took_s: float = 0.0
    load: float = 0.0
    """Of the machine, 1 min."""


def override_wire(setting: Setting) -> Iterator[Row]:
    """Overrides of an inverter at either wire, and of rooms."""
    count = 60 if setting.full else 40
    for name, found in asyncio.run(all_measured("reference", WIRES, count, read_back=False)):
        yield from _wire_rows(name, found)


def read_back(setting: Setting) -> Iterator[Row]:
    """Decisions until they were read back."""
    count = 40 if setting.full else 15
    for name, found in asyncio.run(all_measured("small", WIRES[:2], count, read_back=True)):
        seconds = [asked.read_back_s for asked in found.asked if asked.read_back_s is not None]
        yield Row(f"{name}: decisions", len(found.asked))
        yield Row(f"{name}: not read back within {READ_BACK_WITHIN_S:g} s", len(found.asked) - len(seconds))
        yield from _spread(f"{name}: from the override to readback_ok", seconds, READ_BACK_P95, None)
        yield Row(f"{name}: load of the machine (1 min)", found.load)


def _wire_rows(name: str, found: Measured) -> Iterator[Row]:
    yield Row(f"{name}: overrides", len(found.asked))
    yield Row(f"{name}: plans made meanwhile, one after the other", found.plans)
    on_wire = [asked.wire_s for asked in found.asked if asked.wire_s is not None]
    yield Row(f"{name}: without anything on the wire", len(found.asked) - len(on_wire), "", Bar("=", 0))
    yield from _spread(f"{name}: from the override to the first byte on the wire", on_wire, WIRE_P95, WIRE_MAX)
    if any(asked.rest_s for asked in found.asked):
        own = [asked.wire_s - asked.rest_s for asked in found.asked if asked.wire_s is not None]
        yield from _spread(f"{name}: the same without the rest that the bus needs", own, WIRE_P95, WIRE_MAX)
    writes = [asked.write_s for asked in found.asked if asked.write_s is not None]
    yield from _spread(f"{name}: from the override to the first write", writes, None, None)
    yield Row(f"{name}: load of the machine (1 min)", found.load)


def _spread(what: str, seconds: Sequence[float], p95: Bar | None, most: Bar | None) -> Iterator[Row]:
    at = (float(np.percentile(seconds, p)) if len(seconds) else None for p in (50, PERCENTILE, 100))
    for name, value, bar in zip(("median", f"p{PERCENTILE}", "longest"), at, (None, p95, most), strict=True):
        yield Row(f"{what}, {name}", value, "s", bar)


def inverter_asks() -> Iterator[Ask]:
    """Overrides that each change something: a small word, and that of the battery."""
    return cycle(
        [
            ("inverter", "charge_power_kw", 2.94),
            ("inverter", "grid_export", False),
            ("inverter", "charge_power_kw", 4.9),
            ("inverter", "grid_export", True),
        ]
    )


def room_asks() -> Iterator[Ask]:
    return cycle([("heating", f"{room}_setpoint_c", celsius) for celsius in (19.0, 20.0) for room in ROOMS])


@dataclass(frozen=True)
class Wire:
    """A way to a device, and what is asked for on it."""

    name: str
    way: Way
    asks: Callable[[], Iterator[Ask]]
    pauses_s: tuple[float, float] = SHORT_PAUSES_S
    """Least and most between two of them."""


WIRES = (
    Wire("Modbus TCP", "modbus", inverter_asks, LONG_PAUSES_S),
    Wire("OpenInverterGateway over MQTT", "oig", inverter_asks),
    Wire("Loxone over MQTT", "oig", room_asks),
)


async def all_measured(
    size: Size, wires: Sequence[Wire], count: int, *, read_back: bool
) -> Sequence[tuple[str, Measured]]:
    """One wire after the other, each with a house, a broker and an engine of its own: a house has one engine."""
    return [(wire.name, await measured(size, wire, count, read_back=read_back)) for wire in wires]


async def measured(size: Size, wire: Wire, count: int, *, read_back: bool) -> Measured:
    """Ask for overrides at any moment, the next when the one before is through.

    :param read_back: wait for each until it was read back; otherwise a plan is searched for all the time.
    """
    chance, asks = random.Random(SEED), wire.asks()  # noqa: S311 (no secret)
    with folder() as place:
        async with plant(place, size=size, way=wire.way) as found:
            with engine(found.trial, patient=True):
                await found.planned()
                await _stand(found)
                watcher = Watcher(found, wire.way)
                searching = None if read_back else asyncio.create_task(_search_on(found))
                told = Measured(plans=-found.times_said("plan"), took_s=-time.monotonic())
                for _ in range(count):
                    await asyncio.sleep(chance.uniform(*wire.pauses_s))
                    told.asked.append(await watcher.ask(next(asks), read_back=read_back))
                told.plans += found.times_said("plan")
                told.took_s += time.monotonic()
                told.load = os.getloadavg()[0]
                if searching is not None:
                    searching.cancel()
                return told


async def _stand(found: Plant) -> None:
    for ask in STANDING:
        await say_override(found, ask)
    await asyncio.sleep(SETTLES_S)


async def _search_on(found: Plant) -> None:
    """Have another plan made whenever one is there, by an override that changes nothing."""
    while True:
        plans = found.times_said("plan")
        await say_override(found, ("heating", "living_room_setpoint_c", 20.0))
        while found.times_said("plan") == plans:  # noqa: ASYNC110 (the broker's listener tells nobody)
            await asyncio.sleep(0.02)


async def say_override(found: Plant, ask: Ask) -> None:
    device, control, value = ask
    words = {"device": device, "control": control, "value": value, "by": "bench", "until": found.until_time(8.0)}
    await found.say("override/set", words)


class Watcher:
    """Sees what an override causes."""

    def __init__(self, found: Plant, way: Way) -> None:
        self._found, self._way = found, way

    async def ask(self, ask: Ask, *, read_back: bool) -> Asked:
        """Ask, and wait until it was written, or read back if that is asked for, or for too long."""
        found, asked = self._found, Asked()
        began, at = time.monotonic(), found.clock.now()
        await say_override(found, ask)
        began_s = found.clock.elapsed_s() - (time.monotonic() - began)
        caused = self._caused(ask, began_s, began)
        within_s = READ_BACK_WITHIN_S if read_back else WIRE_WITHIN_S
        while time.monotonic() - began < within_s and (asked.read_back_s if read_back else asked.write_s) is None:
            await asyncio.sleep(0.02)
            asked.wire_s, asked.write_s = caused()
            asked.read_back_s = self._read_back(ask, at) if read_back else None
        if self._way == "modbus":
            asked.rest_s = self._rest_s(began_s)
        return asked

    def _rest_s(self, began_s: float) -> float:
        before = [request.at_s for request in self._found.server.log if request.at_s < began_s]
        return max(0.0, before[-1] + REST_S - began_s) if before else 0.0

    def _caused(self, ask: Ask, began_s: float, began: float) -> Callable[[], tuple[float | None, float | None]]:
        """A function that gives the seconds to the first byte, and to the first write, as far as they are known."""
        if ask[0] == "heating":
            room = ask[1].removesuffix("_setpoint_c")
            return lambda: _both(self._first_said(f"loxone/temperature/{room}/setpoint", began, reads=False))
        if self._way == "oig":
            return lambda: (
                self._first_said(OIG_COMMANDS, began, reads=True),
                self._first_said(OIG_COMMANDS, began, reads=False),
            )
        return lambda: self._first_asked(began_s)

    def _first_said(self, prefix: str, began: float, *, reads: bool) -> float | None:
        times = [
            at - began
            for topic, notes in self._found.said.items()
            if topic.startswith(prefix) and (reads or not topic.endswith(OIG_READS))
            for at, _ in notes
            if at > began
        ]
        return min(times, default=None)

    def _first_asked(self, began_s: float) -> tuple[float | None, float | None]:
        log = self._found.server.log[-60:]
        of_commands = which_are_of_commands([(r.function, r.address, r.count) for r in log])
        since = [r for r in log if r.at_s > began_s]
        caused = [r.at_s - began_s for r, of in zip(log, of_commands, strict=True) if of and r.at_s > began_s]
        writes = [r.at_s - began_s for r in since if r.values]
        return min(caused, default=None), min(writes, default=None)

    def _read_back(self, ask: Ask, at: datetime) -> float | None:
        """When all commands of the override's device were read back."""
        found = self._found
        with Store(found.trial.folder / "state", found.clock, writing=False) as store:
            lines = [line for line in store.journal(60, ask[0]) if line.at >= at]
        return _seconds_until_read_back(lines, at)


def which_are_of_commands(asked: Sequence[Request]) -> Sequence[bool]:
    """For each request, whether it is none of a poll.

    >>> which_are_of_commands([(3, 43, 81), (3, 1009, 100), (3, 1070, 39), (16, 1090, 1), (3, 1090, 1), (4, 0, 119)])
    [False, False, True, True, True, False]
    """
    return [request[0] in WRITES or (request[0] == 3 and request not in SETTINGS_POLLED) for request in asked]


def _both(seconds: float | None) -> tuple[float | None, float | None]:
    return seconds, seconds


def _seconds_until_read_back(lines: Sequence[JournalLine], at: datetime) -> float | None:
    over = {line.command for line in lines if line.stage == Stage.SUPERSEDED}
    queued = {line.command for line in lines if line.stage == Stage.QUEUED} - over
    done = {line.command: line.at for line in lines if line.stage == Stage.READBACK_OK and line.command in queued}
    if not queued or set(done) != queued:
        return None
    return (max(done.values()) - at).total_seconds()


LATENCY = (
    Benchmark(
        "override_wire",
        "From an override to the wire",
        "Overrides are published at a real Mosquitto at any moment; what they cause is seen in the log of the Modbus "
        "server, or at the broker. The engine is a process of its own on the wall's clock, and plans the reference "
        "house, one plan after the other, all the time; a house for each wire, one after the other. Over Modbus "
        "1 s stays between two requests, and 0.85 s between a poll's and a command's, as the inverter needs. For so "
        "many overrides in minutes, budgets of writes "
        "and times by hand are lifted.",
        override_wire,
        in_short=False,
    ),
    Benchmark(
        "readback",
        "From an override to its read-back",
        "From the publication of an override to readback_ok of all its commands in the journal; else as before, in a "
        "house with three rooms and plans as they come.",
        read_back,
        in_short=False,
    ),
)
