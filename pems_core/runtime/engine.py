"""Runs one house until it is told to end, or something of its own fails; then gives the devices back."""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from pems_core.domain import Alert, BadSeries, CycleReport, Severity
from pems_core.domain.errors import Faults
from pems_core.protocols import Transport
from pems_core.transport.house_lines import HouseLines

from .alerts import Alerting, all_alerts
from .chronicle import Chronicle
from .contract import Contract
from .cycles import Cycles
from .door import open_door
from .follow import Follower
from .heartbeat import Heartbeat
from .house_rules import HouseRules
from .learning import Learning
from .live import Live
from .notifying import Notifier
from .outbox import Outbox
from .recording import Recording
from .requests import Requests
from .savings import Savings
from .state_folder import StateFolder, write_json
from .supervise import keep_going
from .till import Till
from .triggers import price_changes
from .watch import Watch
from .words import instant

log = logging.getLogger(__name__)

RELEASE_WITHIN_S = 20.0
"""How long giving back may take at the end [s of the wall]."""
FAREWELL_WITHIN_S = 3.0
"""How long the broker is waited for at the end, for what is still to be told [s of the wall]."""
CANCEL_AGAIN_S = 2.0
"""When a task that was cancelled and has not ended is cancelled again [s of the wall]."""
CANCEL_TIMES = 4
"""A task that does not end after so many cancellations does not keep the devices from being given back."""
LOOK_WITHIN_S = 30.0
"""How long one who only looks at a cycle is waited for [s of the wall]."""
STOP_EVERY_S = 1.0
"""How often it is looked whether somebody stopped the house while the engine did not answer [s of the wall]."""
PRICES_EVERY_S = 15.0
"""How often the file of prices is looked at [s of the clock]."""

Named = list[tuple[str, Coroutine[Any, Any, None]]]
Watcher = Callable[[CycleReport, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    why: str
    crashed: bool
    released: Mapping[str, bool]
    """By device that was given back: whether it was read back."""

    @property
    def exit_code(self) -> int:
        return 1 if self.crashed or not all(self.released.values()) else 0


@dataclass
class Engine:
    """Owns the tasks of one house.

    :param mqtt: whether the house has a broker.
    :param recording: makes metrics of what happens.
    :param chronicle: tells the ledger what happens.
    :param savings: has worked out what was saved.
    :param rules: see what is wrong by the numbers.
    :param till: counts what is paid and earned.
    :param notifier: tells people of alerts; none if nobody wants to be told.
    :param learning: hands out what was learned, and has it learned anew.
    :param finished: told each cycle's report, and why it ran.
    """

    live: Live
    lines: HouseLines
    folder: StateFolder
    prefix: str
    mqtt: bool
    recording: Recording | None = None
    chronicle: Chronicle | None = None
    savings: Savings | None = None
    rules: HouseRules | None = None
    till: Till | None = None
    notifier: Notifier | None = None
    learning: Learning | None = None
    finished: Sequence[Watcher] = ()
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    _end: asyncio.Event = field(default_factory=asyncio.Event)
    _why: str = "it was told to"

    def __post_init__(self) -> None:
        live = self.live
        self.outbox = Outbox(self.lines.mqtt if self.mqtt else None, self.prefix)
        self.follower = Follower(live)
        self.watch = Watch(live, self.follower)
        self.cycles = Cycles(live, self.watch, self._finished, self.learning)
        if self.learning is not None:
            self.learning.history = self.cycles.history
            self.finished = [*self.finished, self.learning.beside]
        self.requests = Requests(live, self.follower)
        self.contract = Contract(live, self.outbox, self.requests, self.prefix, self._alerts)
        self.requests.changed = self.cycles.price_tags.tagged = self.contract.changes
        self.contract.told = [one.told for one in (self.recording, self.chronicle, self.notifier) if one is not None]
        if self.savings is not None:
            self.savings.tell = lambda said: self.outbox.keep("savings", said)
            self.savings.keep = self.till.take if self.till is not None else None
        self.heartbeat = Heartbeat(live, self.outbox, self.folder, self.session)
        self.requests.arrived = self.heartbeat.tell

    def end(self, why: str) -> None:
        """Have `run` give the devices back and return."""
        self._why = why
        self._end.set()

    async def run(self) -> Ended:
        """Run until `end` is called or a task of PEMS itself fails; then release all devices, within bounded time."""
        live, folder = self.live, self.folder
        began = {"session": self.session, "pid": os.getpid(), "since": instant(live.now)}
        write_json(folder.engine, {**began, "devices": list(live.commanded)})
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.lines)
            carrying = [asyncio.create_task(run, name=name) for name, run in self._carriers()]
            stack.push_async_callback(_stop, carrying)
            self._begin_stopped()
            async with open_door(folder, self.requests):
                own = [asyncio.create_task(run, name=name) for name, run in self._own_tasks()]
                stack.push_async_callback(_stop, own)
                crash = await self._wait([*own, *carrying])
            # From here on nobody can ask for anything that would be taken back at once.
            released = await self._let_go(own, crash or self._why)
            await self.outbox.empty(FAREWELL_WITHIN_S)
        for one in (self.recording, self.chronicle):
            if one is not None:
                await one.close()
        if live.feeds is not None:
            live.feeds.close()
        ended = Ended(crash or self._why, bool(crash), released)
        self._tell_end(ended)
        return ended

    def _carriers(self) -> Named:
        """What must go on until the devices are given back."""
        transports = [(f"transport {t.name}", self._supervised(t)) for t in self.live.transports]
        carriers: Named = [*transports, ("dispatcher", self.live.commanding.dispatcher.run())]
        if not self.mqtt:
            return carriers
        # Giving back goes through Node-RED too: its answers are waited for to the last.
        answers = self.contract.listen_to_carrier(self.lines.mqtt)
        return [*carriers, ("outbox", self.outbox.run()), ("carriage", answers)]

    def _own_tasks(self) -> Named:
        tasks: Named = [
            ("watch", self.watch.run()),
            ("cycles", self.cycles.run()),
            ("forecasts", self.cycles.watch_forecasts()),
            ("heartbeat", self.heartbeat.run()),
            ("state", self.contract.tell()),
            ("changes", self.contract.tell_changes()),
            ("prices", self._watch_prices()),
            ("stop", self._watch_stop()),
            ("end", self._ended()),
        ]
        kept = (("recording", self.recording), ("chronicle", self.chronicle), ("savings", self.savings))
        asking = (("sources", self.live.feeds), ("learning", self.learning))
        beside = (*kept, ("rules", self.rules), ("money", self.till), *asking, ("notifications", self.notifier))
        tasks += [(name, self._beside(name, one.run)) for name, one in beside if one is not None]
        return [*tasks, ("requests", self.contract.listen(self.lines.mqtt))] if self.mqtt else tasks

    async def _ended(self) -> None:
        await self._end.wait()

    async def _wait(self, tasks: Sequence[asyncio.Task[None]]) -> str:
        """Wait for the end; what failed, or nothing if the end was asked for."""
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._end.is_set():
            return ""
        task = next(iter(done))
        error = task.exception()
        log.error("%s failed", task.get_name(), exc_info=error)
        return f"{task.get_name()} failed: {type(error).__name__}: {error}"

    async def _let_go(self, own: Sequence[asyncio.Task[None]], why: str) -> Mapping[str, bool]:
        """Stop planning, and give back what PEMS has commanded."""
        await _stop([task for task in own if task.get_name() != "changes"])
        self.contract.withdraw()
        return await self.live.commanding.dispatcher.release(self.live.taken, why, within_s=RELEASE_WITHIN_S)

    def _tell_end(self, ended: Ended) -> None:
        not_back = [name for name, back in ended.released.items() if not back]
        write_json(
            self.folder.ended,
            {
                "session": self.session,
                "at": instant(self.live.now),
                "why": ended.why,
                "crashed": ended.crashed,
                "released": not not_back,
                "not_read_back": not_back,
            },
        )

    async def _watch_stop(self) -> None:
        """Take a stop that was asked for while this engine did not answer."""
        while True:
            self._take_stop()
            await asyncio.sleep(STOP_EVERY_S)

    def _take_stop(self) -> None:
        asked = self.folder.stop_asked
        if not asked.exists():
            return
        try:
            self.requests.take("emergency/set", asked.read_bytes())
        except Faults as fault:
            self.live.alerts.begin(asked.name, str(fault), Severity.CRITICAL)
        asked.unlink(missing_ok=True)

    def _begin_stopped(self) -> None:
        """A stop that was latched before a restart holds: what an earlier run left is given back."""
        self._take_stop()
        latch = self.live.commanding.emergency.latch
        if latch is not None:
            self.live.commanding.dispatcher.let_go(self.live.taken, f"emergency stop by {latch.by}")

    async def _supervised(self, transport: Transport) -> None:
        """One transport's own task: a crash costs its devices their commands until it runs again."""
        live, place = self.live, f"transport {transport.name}"

        def crashed(fault: str) -> None:
            live.alerts.begin(place, f"crashed: {fault}", Severity.CRITICAL)

        def steady() -> None:
            live.alerts.end(place)

        await keep_going(lambda: self._one_run(transport), live.clock, crashed, steady)

    async def _beside(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """What only looks at the house: a defect in it is told, it begins anew, and the house goes on."""

        def crashed(fault: str) -> None:
            self.live.alerts.begin(name, f"crashed: {fault}")

        await keep_going(run, self.live.clock, crashed, lambda: self.live.alerts.end(name))

    async def _one_run(self, transport: Transport) -> None:
        for device in transport.devices:
            # What it had been told is unknown to a transport that begins anew.
            self.follower.forget(device)
        await transport.run(self.lines)

    async def _watch_prices(self) -> None:
        live = self.live
        while True:
            try:
                # A year of prices takes a moment, in which nobody should have to wait.
                changed = await asyncio.to_thread(live.prices.look)
            except BadSeries as fault:
                live.alerts.begin("prices.csv", str(fault))
            else:
                for reason in price_changes(changed, live.now, live.cycles.price_change_per_kwh):
                    live.triggers.pull(reason)
                if changed:
                    live.alerts.end("prices.csv")
            await live.clock.sleep(max(PRICES_EVERY_S, 0.2 * live.clock.speed))

    async def _finished(self, report: CycleReport, reasons: Sequence[str]) -> None:
        await self.contract.cycle(report)
        watchers = [one.look for one in (self.chronicle, self.recording) if one is not None]
        for watcher in [*watchers, *self.finished]:
            try:
                async with asyncio.timeout(LOOK_WITHIN_S):
                    await watcher(report, reasons)
            except Exception as error:  # noqa: BLE001 - who only looks cannot stop the house
                self.live.alerts.begin("cycle_finished", f"{type(error).__name__}: {error}")

    def _alerts(self) -> Sequence[Alert]:
        live, commanding = self.live, self.live.commanding
        sources: list[tuple[str, Alerting]] = [
            ("image", live.image),
            ("dispatcher", commanding.dispatcher),
            ("store", commanding.store),
            ("wear", commanding.wear),
            ("lines", self.lines),
            ("nodered", live.carriage),
            *(
                (name, one)
                for name, one in (("recording", self.recording), ("ledger", self.chronicle))
                if one is not None
            ),
            *((transport.name, transport) for transport in live.transports),
        ]
        return all_alerts(live.alerts, sources)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended, however they do."""
    left, tries = set(tasks), 0
    while left and tries < CANCEL_TIMES:
        tries += 1
        for task in left:
            task.cancel()
        # Again after a while: a plugin's or a library's task may have taken the first for something else.
        ended, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("%s failed at its end", task.get_name(), exc_info=error)
    for task in left:
        log.error("%s does not end; it is left behind", task.get_name())
