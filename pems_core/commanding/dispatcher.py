"""Every device is brought to its newest wish by a task of its own: one that is stuck never stops the rest."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from pems_core.clock import Clock
from pems_core.domain import Alert, Readings, Receipt, Severity, SiteState, Stage
from pems_core.protocols import Device, Transport

from .conductor import Conductor
from .guard import Guard
from .store import Store
from .wish import InForce, Wish

LOG = logging.getLogger(__name__)
AFTER_CRASH_S = 5.0
PROVEN = (Stage.ACKED, Stage.READBACK_OK)


class Dispatcher:
    """Takes wishes, and tells what became of them.

    :param transports: of which one carries the commands of each device.
    :param observer: hears every stage that any command reaches.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        transports: Sequence[Transport],
        guard: Guard,
        store: Store,
        clock: Clock,
        observer: Callable[[Receipt], None],
    ) -> None:
        self._guard = guard
        self._store = store
        self._clock = clock
        self._observer = observer
        self._running = False
        carriers = {device: transport for transport in transports for device in transport.devices}
        self._conductors = {
            device.name: Conductor(device, carriers[device.name], guard, store, clock, self._tell)
            for device in devices
            if device.name in carriers
        }
        now = clock.now()
        self._without = [
            Alert(Severity.WARNING, device.name, "no transport carries its commands; nothing is sent to it", now)
            for device in devices
            if device.name not in carriers and device.controls()
        ]
        self._crashes: dict[str, Alert] = {}

    async def run(self) -> None:
        """Send, check and watch until cancelled."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for conductor in self._conductors.values():
                    tasks.create_task(self._keep_running(conductor))
                # A house without devices to reach is planned all the same.
                await asyncio.Event().wait()
        finally:
            self._running = False

    def want(self, device: str, wish: Wish, state: SiteState) -> None:
        """Wish something of a device, in place of all that was wished of it before; begins at once.

        :param wish: of all its controls. What a device ends by itself costs a write to renew: it should end with the
            run of equal settings that the plan foresees, and at least two cycles away.
        :param state: of the house, not older than a cycle.
        """
        conductor = self._conductors.get(device)
        if conductor is not None:
            conductor.want(wish, state)

    def saw(self, state: SiteState, readings: Readings) -> None:
        """Take note of what was measured: for effects, staleness, and what must be commanded anew."""
        back = self._guard.saw(state, readings)
        for name, conductor in self._conductors.items():
            conductor.saw(state, readings, name in back)

    def let_go(self, devices: Iterable[str], why: str) -> None:
        """Begin to give devices back, at once, and forget their wishes.

        Also those that PEMS has not commanded since its start, but never one that it may only observe and has not
        commanded.
        """
        for name in devices:
            conductor = self._conductors.get(name)
            if conductor is not None and (conductor.ours or self._guard.stages.of(name) != "observe"):
                conductor.let_go(why)

    async def release(self, devices: Iterable[str], why: str, within_s: float = 20.0) -> Mapping[str, bool]:
        """Give devices back and wait until that is read back, also when `run` is not running.

        :param within_s: how long at most [s of the wall].
        :return: by device, whether it is known to be given back.
        """
        names = [name for name in devices if name in self._conductors]
        self.let_go(names, why)
        helpers = [] if self._running else [asyncio.create_task(self._conductors[name].run()) for name in names]
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await asyncio.gather(*(self._conductors[name].idle.wait() for name in names))
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return {name: self._conductors[name].idle.is_set() for name in names}

    def reset(self, device: str) -> None:
        """A person says that no foreign controller is at work on a device any more, or that it is looked after."""
        self._guard.foreign.reset(device)

    def in_force(self, device: str) -> InForce | None:
        """What a device was told and has taken; None if it is under its own control, or nobody knows."""
        conductor = self._conductors.get(device)
        return None if conductor is None else conductor.in_force

    def released(self, device: str) -> bool:
        """Whether nothing that PEMS told a device holds any more."""
        conductor = self._conductors.get(device)
        return conductor is None or conductor.idle.is_set()

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong now with the devices' commands."""
        told = [alert for conductor in self._conductors.values() for alert in conductor.alerts]
        return [*self._without, *self._crashes.values(), *told, *self._guard.alerts]

    def _tell(self, receipt: Receipt) -> None:
        self._store.note(receipt)
        self._guard.stages.collect([receipt])
        if receipt.stage in PROVEN and not receipt.command.releases:
            self._crashes.pop(receipt.command.device, None)
        self._observer(receipt)

    async def _keep_running(self, conductor: Conductor) -> None:
        """A fault in a plugin costs its own device its commands, never the others theirs."""
        name = conductor.device.name
        while True:
            try:
                await conductor.run()
            except Exception as bug:
                LOG.exception("%s: commands failed", name)
                text = f"commands failed: {type(bug).__name__}: {bug}; it is given back"
                self._crashes[name] = Alert(Severity.CRITICAL, name, text, self._clock.now())
                conductor.let_go(text)
                await self._clock.sleep(AFTER_CRASH_S)
