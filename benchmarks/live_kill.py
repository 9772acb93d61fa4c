"""`kill -9` of an engine, again and again, at any moment of its life."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import click

from pems_core.commanding.store import Store

from .live_plant import PATIENT_S, SHORT_HORIZON, Plant, folder, plant
from .rows import Bar, Row
from .setting import Benchmark, Setting

SPEED = 60.0
FULL_ROUNDS, SHORT_ROUNDS = 200, 10
SEED = 11
SHORTEST_LIFE_S = 0.05
"""From the fork to the kill [s of the wall]."""
LONGEST_LIFE = 4.0
"""The same, in times that an engine takes here and now until its first heartbeat: on a busy machine most would die
unborn."""
MEASURED_LIVES = 2
"""So many engines are let live before, to know that."""
ASKS_UNTIL = 0.95
"""Share of a life until which somebody may ask."""
SHORT_MINUTES, LONG_MINUTES = (0.5, 2.0), (20.0, 60.0)
"""How long overrides hold: some end while nobody lives."""
DOWN_S = (0.0, 1.0)
EXPORT_REGISTERS = (122, 123)
NO_EXPORT = [1, 0]
"""The limit is on, at nothing."""


@dataclass(frozen=True)
class Person:
    """An override that was asked for."""

    value: bool
    by: str
    until: datetime


@dataclass
class Deaths:
    """What they did."""

    rounds: int = 0
    asked: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    writes: int = 0
    unchanged: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    blind: int = 0
    """Lives whose first request was a write."""
    ended: int = 0
    """Engines that were gone before they were killed."""
    began_s: float = 0.0
    """From the fork to the first heartbeat."""
    log: str = ""
    """What engines and nursery wrote."""

    @property
    def faults(self) -> Sequence[str]:
        return [*self.lost, *self.unchanged, *self.stale]


def kill_9(setting: Setting) -> Iterator[Row]:
    rounds = FULL_ROUNDS if setting.full else SHORT_ROUNDS
    found = asyncio.run(deaths(rounds))
    if found.faults or found.ended or found.blind:
        keep_log(found.log)
    yield from rows_of(found)


def keep_log(text: str) -> Path:
    """Where it stays, when the house is gone."""
    with tempfile.NamedTemporaryFile("w", prefix="pems-kill-9-", suffix=".log", delete=False) as file:
        file.write(text)
    click.echo(f"what the engines wrote: {file.name}", err=True)
    return Path(file.name)


def rows_of(found: Deaths) -> Iterator[Row]:
    of = f"of {found.rounds} kills at random moments"
    for fault in found.faults:
        click.echo(fault, err=True)
    yield Row("engines killed with SIGKILL", found.rounds)
    yield Row("from the fork to the first heartbeat, before", found.began_s, "s")
    yield Row("engines that ended by themselves before they were killed", found.ended, "", Bar("=", 0))
    yield Row("overrides asked for, acknowledged before the kill", f"{found.acknowledged} of {found.asked}")
    yield Row("writes that reached the inverter", found.writes)
    yield Row(f"{of}: acknowledged overrides lost", len(found.lost), "", Bar("=", 0))
    yield Row(f"{of}: writes of what already was", len(found.unchanged), "", Bar("=", 0))
    yield Row(f"{of}: commands carried out whose time was over", len(found.stale), "", Bar("=", 0))
    yield Row(f"{of}: lives that wrote before they read", found.blind, "", Bar("=", 0))


async def deaths(rounds: int, seed: int = SEED) -> Deaths:
    """Let engines live and die."""
    with folder() as place:
        log = place / "engine.log"
        try:
            async with plant(place, speed=SPEED, solver=SHORT_HORIZON, days=3) as found, nursery(found) as nurse:
                made = await Killing(found, nurse, random.Random(seed)).run(rounds)  # noqa: S311 (no secret)
        except BaseException:
            if log.exists():
                keep_log(log.read_text(errors="replace"))
            raise
        made.log = log.read_text(errors="replace")
        return made


class Nursery:
    """A process that bears engines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ready(self) -> None:
        await self._said()

    async def new_engine(self) -> int:
        """The number of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return int(await self._said())

    async def _said(self) -> bytes:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENT_S)
        if not line:
            raise RuntimeError("the nursery has ended; its log tells why")
        return line


@asynccontextmanager
async def nursery(found: Plant) -> AsyncIterator[Nursery]:
    command = [sys.executable, "-m", "benchmarks.live_nursery", found.trial.to_text()]
    with (found.trial.folder / "engine.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
    made = Nursery(process)
    try:
        await made.ready()
        yield made
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


class Killing:
    """Asks, kills, and looks what is left."""

    def __init__(self, found: Plant, nurse: Nursery, chance: random.Random) -> None:
        self._found, self._nurse, self._chance = found, nurse, chance
        self._deaths = Deaths()
        self._asked: list[Person] = []
        self._newest: Person | None = None
        """The last that was acknowledged."""
        self._value = False
        self._watch_writes()

    async def run(self, rounds: int) -> Deaths:
        self._deaths.began_s = max([await self._birth() for _ in range(MEASURED_LIVES)])
        for number in range(rounds):
            await self._life(number)
            await asyncio.sleep(self._chance.uniform(*DOWN_S))
        return self._deaths

    async def _birth(self) -> float:
        """How long an engine takes until its first heartbeat [s of the wall]."""
        beats = self._found.times_said("heartbeat")
        pid, began = await self._nurse.new_engine(), time.monotonic()
        await self._found.until(lambda: self._found.times_said("heartbeat") > beats, "the heartbeat of an engine")
        took_s = time.monotonic() - began
        os.kill(pid, signal.SIGKILL)
        await _gone(pid)
        return took_s

    async def _life(self, number: int) -> None:
        log, chance = self._found.server.log, self._chance
        log.clear()
        lives_s = chance.uniform(SHORTEST_LIFE_S, LONGEST_LIFE * self._deaths.began_s)
        asks_s = lives_s * chance.uniform(0.0, ASKS_UNTIL)
        pid = await self._nurse.new_engine()
        began = time.monotonic()
        person = None
        while (age_s := time.monotonic() - began) < lives_s:
            if person is None and age_s >= asks_s:
                person = await self._ask(number)
            await asyncio.sleep(0.005)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            self._deaths.ended += 1
        await _gone(pid)
        # What it said last is still on its way through the broker.
        await asyncio.sleep(0.1)
        self._deaths.rounds += 1
        self._deaths.blind += bool(log and log[0].values)
        self._see_acknowledged()
        self._look_for_lost()

    async def _ask(self, number: int) -> Person:
        self._value = not self._value
        minutes = self._chance.uniform(*self._chance.choice((SHORT_MINUTES, LONG_MINUTES)))
        until = self._found.clock.now() + timedelta(minutes=minutes)
        person = Person(self._value, f"person {number}", until)
        self._asked.append(person)
        self._deaths.asked += 1
        words = {"device": "inverter", "control": "grid_export", "value": person.value, "by": person.by}
        await self._found.say("override/set", words | {"until": until.isoformat()})
        return person

    def _see_acknowledged(self) -> None:
        said = self._found.last("override/inverter/grid_export")
        by = said.get("by") if isinstance(said, dict) else None
        if by and (self._newest is None or by != self._newest.by):
            self._newest = next(person for person in self._asked if person.by == by)
            self._deaths.acknowledged += 1

    def _look_for_lost(self) -> None:
        """An acknowledged override must be in the store, or a newer one in its place."""
        found, newest = self._found, self._newest
        if newest is None or newest.until <= found.clock.now() + timedelta(seconds=30):
            return
        with Store(found.trial.folder / "state", found.clock, writing=False) as store:
            kept = store.kept("override").get("inverter/grid_export")
        after = self._asked[self._asked.index(newest) + 1 :]
        if kept is None and any(person.until <= found.clock.now() for person in after):
            return  # one that was taken, though not acknowledged, replaced it and has ended
        if kept is None or kept["by"] not in [person.by for person in (newest, *after)]:
            self._deaths.lost.append(f"{newest}; kept {kept}, asked after it {after}")

    def _watch_writes(self) -> None:
        """See each write before the inverter does."""
        inverter, clock, seen = self._found.inverter, self._found.clock, self._deaths
        write = inverter.write

        def watched(address: int, values: tuple[int, ...], single: bool) -> None:
            before = tuple(inverter.get("holding", at) for at in range(address, address + len(values)))
            now = clock.now()
            if address not in range(45, 51):
                seen.writes += 1
                if before == tuple(values):
                    seen.unchanged.append(f"{now} {address} {values}")
            write(address, values, single)
            export = [inverter.get("holding", at) for at in EXPORT_REGISTERS]
            if address in EXPORT_REGISTERS and export == NO_EXPORT and not self._wanted(now):
                seen.stale.append(f"{now} {address} {values}")

        inverter.write = watched  # type: ignore[method-assign,assignment]

    def _wanted(self, now: datetime) -> bool:
        """Whether anybody wants no feed-in now; what was asked for may not have been heard."""
        return any(not person.value and person.until > now for person in self._asked)


async def _gone(pid: int) -> None:
    for _ in range(2000):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.005)


KILL = Benchmark(
    "kill_9",
    "Killed at any moment",
    f"An engine is a real process on the small house at {SPEED:g} times the speed of the wall; its inverter (Modbus "
    "TCP), Miniserver and broker live on. At a random moment of its life, from its first moments on, it is killed "
    "with SIGKILL, and another one follows. Overrides of feed-in are asked for at random moments, some so short that "
    "they end while nobody lives. An override counts as acknowledged when PEMS has published it.",
    kill_9,
    in_short=False,
)
