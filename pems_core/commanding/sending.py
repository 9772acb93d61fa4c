"""Commands on their way: queued, sent once each and in order, and what became of them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pems_core.clock import Clock
from pems_core.domain import Command, NotDelivered, NotNow, Receipt, Severity, Stage
from pems_core.protocols import Transport

from .device_alerts import DeviceAlerts

SEND_WITHIN_S = 30.0
"""[s of the wall]"""

Tell = Callable[[Receipt], None]


class Superseded(Exception):
    """Something newer is wished."""


class Refused(Exception):
    """The device did not take a command."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"{receipt.command.control} {receipt.stage}: {receipt.detail}")
        self.receipt = receipt


async def carry(transport: Transport, command: Command) -> Receipt:
    """Have the transport send a command; whatever it waits for, it does not hold up what comes next for ever.

    :raises NotDelivered: if it is not known to have arrived.
    :raises WornOut: if what it writes has no writes left today.
    """
    try:
        async with asyncio.timeout(SEND_WITHIN_S):
            return await transport.send(command)
    except TimeoutError:
        raise NotDelivered(f"{transport.name} said nothing within {SEND_WITHIN_S:g} s") from None


async def look(transport: Transport, command: Command) -> Receipt:
    """Have the transport read a command back, and wait for that no longer than for a command.

    :raises NotDelivered: if it could not be read.
    """
    try:
        async with asyncio.timeout(SEND_WITHIN_S):
            return await transport.check(command)
    except TimeoutError:
        raise NotDelivered(f"{transport.name} said nothing within {SEND_WITHIN_S:g} s") from None


class Outgoing:
    """The commands of one device that are open, and those that have arrived.

    :param tell: hears every stage that a command reaches.
    """

    def __init__(self, transport: Transport, clock: Clock, alerts: DeviceAlerts, tell: Tell) -> None:
        self._transport = transport
        self._clock = clock
        self._alerts = alerts
        self._tell = tell
        self._open: dict[str, Command] = {}
        self._arrived: dict[str, Stage] = {}

    def queue(self, commands: Sequence[Command], reason: str) -> None:
        """Take new commands in place of those that are still open.

        :param reason: of those that name none.
        """
        now, ids = self._clock.now(), {command.id for command in commands}
        for command in [command for command in self._open.values() if command.id not in ids]:
            self._end(command, Stage.SUPERSEDED, "something newer is wished")
        self._arrived = {id_: stage for id_, stage in self._arrived.items() if id_ in ids}
        for command in commands:
            if command.id not in self._open and command.id not in self._arrived:
                said = replace(command, reason=command.reason or reason)
                self._open[command.id] = said
                self._tell(Receipt(said, Stage.QUEUED, now))

    async def send(self, commands: Sequence[Command], superseded: Callable[[], bool]) -> bool:
        """Send commands in order, but those that have arrived; false if it must be tried again.

        :raises Superseded: if `superseded` says so.
        :raises Refused: if the device does not take one.
        :raises NotNow: if it does not take one now.
        :raises WornOut: if what one writes has no writes left today.
        """
        for command in commands:
            if superseded():
                raise Superseded
            if command.id in self._arrived:
                continue
            if self._clock.now() >= command.expires_at:
                self._end(command, Stage.EXPIRED, "its time was over before it was sent")
                return False
            try:
                receipt = await carry(self._transport, command)
            except NotNow as cause:
                raise NotNow(f"{command.control}: {cause}") from cause
            except NotDelivered as fault:
                self._alerts.put("delivery", Severity.WARNING, f"{command.control}: {fault}")
                return False
            self._note(receipt)
            if receipt.stage.failed:
                raise Refused(receipt)
        return True

    def stages(self, commands: Sequence[Command]) -> Mapping[str, Stage]:
        """How far those of the commands have come that have arrived, by id."""
        return {command.id: self._arrived[command.id] for command in commands if command.id in self._arrived}

    def forget(self, commands: Iterable[Command]) -> None:
        """What has arrived of these does not count any more: they are sent anew."""
        for command in commands:
            self._arrived.pop(command.id, None)

    def forget_all(self) -> None:
        self._arrived.clear()

    def close(self, stage: Stage, detail: str) -> None:
        """End all that is open."""
        for command in list(self._open.values()):
            self._end(command, stage, detail)

    def _note(self, receipt: Receipt) -> None:
        self._open.pop(receipt.command.id, None)
        if not receipt.stage.failed:
            self._arrived[receipt.command.id] = receipt.stage
        self._tell(receipt)

    def _end(self, command: Command, stage: Stage, detail: str) -> None:
        self._open.pop(command.id, None)
        self._tell(Receipt(command, stage, self._clock.now(), detail))
