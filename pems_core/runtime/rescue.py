"""Gives devices back without an engine, over lines of one's own."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pems_core.clock import SystemClock
from pems_core.commanding.sending import carry, look
from pems_core.commanding.store import Store
from pems_core.commanding.told import WISH
from pems_core.commanding.wear import changed_settings
from pems_core.domain import Command, NotDelivered, PemsError, Receipt, Stage, WornOut
from pems_core.protocols import Device, Transport
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.lines import WearBook
from pems_core.transport.uncounted import UncountedWear

from .build import Blueprint
from .outbox import as_text
from .supervise import keep_going
from .words import instant

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 5.0
"""Between two rounds of giving back, until each device has been read back."""
CONNECT_WITHIN_S = 20.0
READ_BACK = (Stage.READBACK_OK, Stage.EFFECT_OK)
READ, TOLD = "read back", "told, and nobody can read it back"
TELL_TIMES = 3
"""So often a device is told that cannot be read back."""


class ReleasesOnly(UncountedWear):
    """Lets every write pass that gives a device back, and no other.

    The engine's own book cannot be written while a hung engine holds it; releases are few and always allowed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes: Counter[tuple[str, str]] = Counter()

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        """See `WearBook.spend`."""
        if not releases:
            raise WornOut(f"{device}: the guard gives devices back and writes nothing else")
        self.writes.update((device, one) for one in memory)


def devices_told(blueprint: Blueprint) -> Sequence[str]:
    """Devices that the engine commanded and has not taken back; all that it may command if nobody knows."""
    known = {device.name for device in blueprint.house.house.devices if device.controls()}
    try:
        with Store(blueprint.folder.path, blueprint.clock, writing=False) as store:
            wishes = {*store.kept(WISH), *blueprint.folder.taken}
    except PemsError:
        # A store that cannot be read is no reason to leave a device as it is.
        log.exception("the store cannot be read")
        return sorted(known)
    return sorted(known & wishes)


@dataclass
class Rescue:
    """Gives devices back over lines of its own, again and again until each was read back."""

    blueprint: Blueprint
    devices: Sequence[str]
    why: str
    wear: WearBook = field(default_factory=ReleasesOnly)
    who: str = "guard"
    done: dict[str, str] = field(default_factory=dict)
    """By device: what is known of its release."""
    _told: Counter[str] = field(default_factory=Counter)

    async def run(self, needed: Callable[[], bool]) -> bool:
        """Until all are back, or it is not needed any more; true if all were read back.

        :param needed: false as soon as an engine is well again: it has to have the last word.
        """
        lines = HouseLines(
            self.blueprint.mqtt_section,
            self.blueprint.clock,
            self.wear,
            f"pems-{self.blueprint.house.site.name}-{self.who}",
        )
        transports = self.blueprint.transports()
        self._remember_changes()
        async with lines:
            running = [asyncio.create_task(self._keep_running(transport, lines)) for transport in transports]
            try:
                await self._connected(lines)
                await self._tell(lines)
                while needed():
                    await self._round(transports)
                    if not self._left:
                        await self._tell(lines)
                        return True
                    await asyncio.sleep(AGAIN_AFTER_S)
            finally:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        return False

    def _remember_changes(self) -> None:
        """What only PEMS can put back, from the engine's book, which a hung engine holds."""
        try:
            with Store(self.blueprint.folder.path, self.blueprint.clock, writing=False) as store:
                for device in self.devices:
                    for setting, change in changed_settings(store, device).items():
                        self.wear.note_changed(device, setting, change)
        except PemsError:
            log.exception("the store cannot be read: settings that PEMS has changed for good stay so")

    async def _keep_running(self, transport: Transport, lines: HouseLines) -> None:
        """A transport that crashes is begun again: its devices have nobody else."""

        def crashed(fault: str) -> None:
            log.error("transport %s crashed: %s", transport.name, fault)

        await keep_going(lambda: transport.run(lines), lines.clock, crashed, lambda: None)

    @property
    def _left(self) -> Sequence[str]:
        """Devices that have to be told (again)."""
        return [n for n in self.devices if self.done.get(n) != READ and self._told[n] < TELL_TIMES]

    async def _round(self, transports: Sequence[Transport]) -> None:
        """All at once: a device that answers slowly holds up none of the others."""
        left = self._left
        known = await asyncio.gather(*(self._release(self._device(name), transports) for name in left))
        for name, how in zip(left, known, strict=True):
            self.done[name] = how
            self._told[name] += how == TOLD

    def _device(self, name: str) -> Device:
        return next(device for device in self.blueprint.house.house.devices if device.name == name)

    async def _connected(self, lines: HouseLines) -> None:
        """Wait for the broker if there is one; without it some devices can be reached nevertheless."""
        if self.blueprint.mqtt_section is None:
            return
        deadline = time.monotonic() + CONNECT_WITHIN_S
        while not lines.mqtt.connected and time.monotonic() < deadline:  # noqa: ASYNC110 - a line has no event for it
            await asyncio.sleep(0.05)

    async def _release(self, device: Device, transports: Sequence[Transport]) -> str:
        carrier = next((t for t in transports if device.name in t.devices), None)
        if carrier is None:
            return "nobody carries its commands"
        receipts = []
        for command in device.release():
            receipt = await self._carry(carrier, command)
            if isinstance(receipt, str):
                return receipt
            receipts.append(receipt)
        return await self._known(carrier, receipts)

    async def _carry(self, carrier: Transport, command: Command) -> Receipt | str:
        try:
            receipt = await carry(carrier, command)
        except (NotDelivered, WornOut) as fault:
            return f"not delivered: {fault}"
        except Exception as error:  # noqa: BLE001 - a plugin's own error takes its device, which is tried again
            return f"not delivered: {type(error).__name__}: {error}"
        if receipt.stage.failed:
            return f"{receipt.stage}: {receipt.detail}"
        return receipt

    async def _known(self, carrier: Transport, receipts: Sequence[Receipt]) -> str:
        """What is known of a whole release: its weakest part, read anew where it was not read back at once."""
        known = READ
        for receipt in receipts:
            if receipt.stage in READ_BACK:
                continue
            try:
                checked = await look(carrier, receipt.command)
            except NotDelivered as fault:
                return f"not read back: {fault}"
            if checked.stage.failed:
                return f"{checked.stage}: {checked.detail}"
            if checked.stage not in READ_BACK:
                known = TOLD
        return known

    async def _tell(self, lines: HouseLines) -> None:
        """Say on the broker what the guard does; it matters less than doing it."""
        if self.blueprint.mqtt_section is None:
            return
        text = f"the {self.who} gives back {', '.join(self.devices)}: {self.why}; {json.dumps(self.done)}"
        alert = {"severity": "critical", "place": self.who, "text": text, "since": instant(SystemClock().now())}
        try:
            await lines.mqtt.publish(f"{self.blueprint.prefix}/alert", as_text(alert | {"over": False}))
            for device in (name for name, how in self.done.items() if how in (READ, TOLD)):
                # Nobody else needs to give it back when its lease ends.
                await lines.mqtt.publish(f"{self.blueprint.prefix}/lease/{device}", "", retain=True)
        except NotDelivered as fault:
            log.warning("nobody heard it: %s", fault)
