"""A transport that listens and says nothing."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pems_core.clock import Clock
from pems_core.domain import Alert, Command, Reading, Receipt, Stage

from .lines import Lines

DETAIL = "dry run"


class Listening(Protocol):
    """The half of a `Transport` that only hears."""

    @property
    def name(self) -> str: ...

    @property
    def devices(self) -> Sequence[str]: ...

    async def run(self, lines: Lines) -> None: ...

    def readings(self) -> Mapping[str, Reading]: ...

    @property
    def alerts(self) -> Sequence[Alert]: ...


class DryRun:
    """A `Transport` around another whose readings pass and whose commands end here."""

    def __init__(self, transport: Listening, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    @property
    def name(self) -> str:
        return self._transport.name

    @property
    def devices(self) -> Sequence[str]:
        return self._transport.devices

    async def run(self, lines: Lines) -> None:
        await self._transport.run(lines)

    async def send(self, command: Command) -> Receipt:
        """Send nothing.

        :return: `sent`, which is as far as a command comes that nobody reads back.
        """
        return Receipt(command, Stage.SENT, self._clock.now(), DETAIL)

    async def check(self, command: Command) -> Receipt:
        """Read nothing: the device was never told."""
        return Receipt(command, Stage.SENT, self._clock.now(), DETAIL)

    async def beat(self, count: int) -> None:
        """Say nothing: a device that hears a heartbeat would wait for commands."""

    def readings(self) -> Mapping[str, Reading]:
        return self._transport.readings()

    @property
    def alerts(self) -> Sequence[Alert]:
        return self._transport.alerts
