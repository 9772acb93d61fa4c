"""Giving one device back to its own control, until that is read back."""

from collections.abc import Callable
from dataclasses import replace

from pems_core.clock import Clock
from pems_core.domain import Command, NotDelivered, Receipt, Severity, Stage, WornOut
from pems_core.protocols import Device, Transport

from .device_alerts import DeviceAlerts
from .sending import Tell, carry, look
from .watching import CONFIRM_S


class GivingBack:
    """One hand-back, which may take several attempts."""

    def __init__(
        self, why: str, device: Device, transport: Transport, clock: Clock, alerts: DeviceAlerts, tell: Tell
    ) -> None:
        self.why = why
        self._device = device
        self._transport = transport
        self._clock = clock
        self._alerts = alerts
        self._tell = tell
        self._unsent: set[str] | None = None
        """Ids of commands that have yet to arrive; None before the first attempt."""
        self._unseen: set[str] = set()
        """Ids of commands that have yet to be read back."""

    async def attempt(self, urgent: Callable[[], bool]) -> bool | None:
        """Say what was not said yet, and read back what was not seen yet.

        :param urgent: whether something else cannot wait.
        :return: whether the device is back; None if that was put off for something urgent.
        """
        commands = [replace(command, reason=self.why) for command in self._device.release()]
        if self._unsent is None:
            self._unsent = {command.id for command in commands}
        for command in [command for command in commands if command.id in self._unsent]:
            if urgent():
                return None
            await self._send(command, self._unsent)
        if self._unseen:
            await self._clock.sleep(CONFIRM_S)
        for command in [command for command in commands if command.id in self._unseen]:
            await self._see(command, self._unsent)
        return not (self._unsent or self._unseen)

    async def _send(self, command: Command, unsent: set[str]) -> None:
        try:
            receipt = await carry(self._transport, command)
        except (NotDelivered, WornOut) as fault:
            self._alert(f"{command.control} is not given back yet: {fault}")
            return
        self._tell(receipt)
        if receipt.stage.failed:
            self._alert_refusal(receipt)
            return
        unsent.discard(command.id)
        if receipt.stage is Stage.ACKED:
            self._unseen.add(command.id)

    async def _see(self, command: Command, unsent: set[str]) -> None:
        """Read a command back; one of which nobody can know more is taken for done."""
        try:
            receipt = await look(self._transport, command)
        except NotDelivered as fault:
            self._alert(f"{command.control} could not be read back: {fault}")
            return
        self._unseen.discard(command.id)
        if receipt.stage.failed:
            self._tell(receipt)
            self._alert_refusal(receipt)
            unsent.add(command.id)
        elif receipt.stage is not Stage.SENT:
            self._tell(receipt)

    def _alert_refusal(self, receipt: Receipt) -> None:
        self._alert(f"{receipt.command.control} is not given back yet: {receipt.stage}, {receipt.detail}")

    def _alert(self, text: str) -> None:
        self._alerts.put("release", Severity.CRITICAL, text)
