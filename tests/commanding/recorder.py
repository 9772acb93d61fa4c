"""A transport that takes down what it is told, and a house whose commands can be watched."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from pems_core.clock import Clock, FastClock
from pems_core.commanding import (
    Dispatcher,
    EmergencyStop,
    Guard,
    Overrides,
    RelayBook,
    Stages,
    Store,
    Wish,
)
from pems_core.config import StagesSection
from pems_core.domain import (
    Alert,
    Command,
    NotDelivered,
    Reading,
    Readings,
    Receipt,
    SiteState,
    Stage,
    Value,
)
from pems_core.protocols import Device, Transport
from pems_core.transport.lines import Lines
from tests.devices.clocks import HandClock

from .plain import MINUTE, START, battery_at, heating, inverter, rooms_at

SETTLED_AFTER = 200
"""Turns of the event loop in which a device is told all that is due."""


class Recorder:
    """Takes every command, unless a test says otherwise."""

    name = "recorder"

    def __init__(self, clock: Clock, *devices: str, stage: Stage = Stage.READBACK_OK) -> None:
        self.clock = clock
        self.devices = devices
        self.stage = stage
        self.sent: list[Command] = []
        self.asked = 0
        self.down = False
        self.answers: Callable[[Command], Stage | Exception | None] = lambda _: None
        self.checks: Callable[[Command], Stage] = lambda _: Stage.READBACK_OK
        self.delay_s = 0.0
        """Of each command [s of the wall]."""

    async def run(self, lines: Lines) -> None:
        await asyncio.Event().wait()

    async def send(self, command: Command) -> Receipt:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        if self.down:
            raise NotDelivered("the line is down")
        answer = self.answers(command)
        if isinstance(answer, Exception):
            raise answer
        self.sent.append(command)
        return Receipt(command, answer or self.stage, self.clock.now(), "as told")

    async def check(self, command: Command) -> Receipt:
        if self.down:
            raise NotDelivered("the line is down")
        return Receipt(command, self.checks(command), self.clock.now(), "as read")

    async def beat(self, count: int) -> None:
        return

    def readings(self) -> Mapping[str, Reading]:
        return {}

    @property
    def alerts(self) -> Sequence[Alert]:
        return ()

    def words(self, device: str = "inverter") -> list[str]:
        """The controls that a device was told of, in order."""
        return [command.control for command in self.sent_to(device)]

    def sent_to(self, device: str) -> list[Command]:
        return [command for command in self.sent if command.device == device]

    def released(self, device: str) -> bool:
        """Whether the last word to a device gave it back."""
        told = self.sent_to(device)
        return bool(told) and told[-1].releases


@dataclass
class House:
    """An inverter and a heated kitchen, commanded through a recorder each."""

    folder: Path
    speed: float = 1000.0
    stages: StagesSection = field(default_factory=lambda: StagesSection(default="control"))
    devices: Sequence[Device] = field(default_factory=lambda: [inverter(), heating()])
    start: datetime = START
    soc: float = 0.5
    by_hand: HandClock | None = None
    """A clock that the test moves; without one time passes by itself."""

    def __post_init__(self) -> None:
        self.clock: Clock = self.by_hand or FastClock(self.start, self.speed)
        self.store = Store(self.folder, self.clock)
        self.inverter = Recorder(self.clock, "inverter")
        self.heating = Recorder(self.clock, "heating")
        self.receipts: list[Receipt] = []
        self.emergency = EmergencyStop(self.store, self.clock)
        self.trust = Stages(self.stages, self.store, self.clock)
        self.given_back: dict[str, datetime] = {}
        """What a guard process has given back meanwhile."""
        self.guard = Guard(
            self.devices,
            self.trust,
            self.emergency,
            RelayBook(self.store, self.clock),
            self.store,
            self.clock,
            given_back=lambda: self.given_back,
        )
        self.overrides = Overrides(self.store, self.devices, self.clock)
        transports: list[Transport] = [self.inverter, self.heating]
        self.dispatcher = Dispatcher(self.devices, transports, self.guard, self.store, self.clock, self.receipts.append)
        self.states: dict[str, object] = {"inverter": battery_at(self.soc), "heating": rooms_at()}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.dispatcher.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        """Die without a word to the devices."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.store.close()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def state(self) -> SiteState:
        return SiteState(self.now, dict(self.states))

    def want(
        self,
        device: str,
        settings: Mapping[str, Value],
        minutes: float = 240.0,
        source: str = "plan",
        by_hand: Sequence[str] = (),
        anew_since: datetime | None = None,
    ) -> None:
        now, until = self.now, self.now + minutes * MINUTE
        wish = Wish(settings, now, until, source, by_hand=frozenset(by_hand), anew_since=anew_since)
        self.dispatcher.want(device, wish, self.state)

    def saw(self, points: Mapping[str, tuple[Value, str]] | None = None) -> None:
        """Let the dispatcher see how the house is now."""
        now = self.now
        readings = {name: Reading(value, unit, now, now) for name, (value, unit) in (points or {}).items()}
        self.dispatcher.saw(self.state, Readings(now, readings))

    def seen(self, device: str, stage: Stage) -> list[Receipt]:
        return [r for r in self.receipts if r.command.device == device and r.stage is stage]

    def alerts(self, device: str = "") -> str:
        return "\n".join(f"{a.place}: {a.text}" for a in self.dispatcher.alerts if device in a.place)

    async def pass_minutes(self, minutes: float, *, watched: bool = True) -> None:
        """Let time pass; the house is measured every minute if it is watched."""
        until = self.now + minutes * MINUTE
        while self.now < until:
            if watched:
                self.saw()
            await self.clock.sleep(min(60.0, (until - self.now).total_seconds()))

    async def step(self, minutes: float) -> None:
        """Move the clock by hand, measure, and let the dispatcher do all that is due then."""
        assert self.by_hand is not None
        self.by_hand.pass_by(minutes=minutes)
        self.saw()
        for _ in range(SETTLED_AFTER):
            await asyncio.sleep(0)

    def with_battery(self, **changes: object) -> None:
        """Change what is known of the battery."""
        own = battery_at(self.soc)
        assert own.battery is not None
        self.states["inverter"] = replace(own, battery=replace(own.battery, **changes))  # type: ignore[arg-type]


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for a condition; fail if it does not come true [s of the wall]."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - any state of the house is waited for, not one event
            await asyncio.sleep(0.002)
