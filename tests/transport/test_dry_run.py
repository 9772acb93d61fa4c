"""A house that only listens."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pems_core.clock import FastClock
from pems_core.domain import NEVER, Alert, Command, Reading, Receipt, Severity, Stage
from pems_core.protocols import Transport
from pems_core.transport.dry_run import DryRun
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.lines import Lines
from pems_core.transport.uncounted import UncountedWear

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
COMMAND = Command("1", "inverter", "mode", "mqtt", "energy/solar/command", "{}", NEVER)


class Parrot:
    """A transport that remembers all it was told to say."""

    name = "parrot"
    devices = ("inverter",)

    def __init__(self) -> None:
        self.said: list[object] = []
        self.ran_over: Lines | None = None

    async def run(self, lines: Lines) -> None:
        self.ran_over = lines

    async def send(self, command: Command) -> Receipt:
        self.said.append(command)
        return Receipt(command, Stage.READBACK_OK, NOON)

    async def check(self, command: Command) -> Receipt:
        self.said.append(command)
        return Receipt(command, Stage.REVERTED, NOON)

    async def beat(self, count: int) -> None:
        self.said.append(count)

    def readings(self) -> Mapping[str, Reading]:
        return {"inverter/soc": Reading(0.5, "share", NOON, NOON)}

    @property
    def alerts(self) -> Sequence[Alert]:
        return [Alert(Severity.INFO, "inverter", "cold", NOON)]


async def test_says_nothing() -> None:
    parrot, clock = Parrot(), FastClock(NOON)
    dry: Transport = DryRun(parrot, clock)
    sent, checked = await dry.send(COMMAND), await dry.check(COMMAND)
    await dry.beat(7)
    assert parrot.said == []
    assert [(r.command, r.stage, r.detail) for r in (sent, checked)] == [(COMMAND, Stage.SENT, "dry run")] * 2
    assert sent.at >= NOON


async def test_hears_everything() -> None:
    parrot, clock = Parrot(), FastClock(NOON)
    dry = DryRun(parrot, clock)
    async with HouseLines(None, clock, UncountedWear()) as lines:
        await dry.run(lines)
        assert parrot.ran_over is lines
    assert (dry.name, dry.devices) == ("parrot", ("inverter",))
    assert (dry.readings(), dry.alerts) == (parrot.readings(), parrot.alerts)
