"""Node-RED as the one who carries messages to devices: whether it is there, what it is asked, what became of that."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import uuid4

from pems_core.clock import Clock
from pems_core.config import NodeRedSection
from pems_core.domain import NEVER, Alert, Command, NotDelivered, Severity
from pems_core.protocols import Transport
from pems_core.transport.carried import CarriedTransport, Wire
from pems_core.transport.lines import MqttLine, NoAnswer

from .outbox import as_text
from .payloads import Applied, CarrierSaid
from .words import instant

ANSWER_WITHIN_S = 5.0
"""[s of the wall]; then what was asked is not carried any more."""
GRACE_S = 20.0
"""How long Node-RED may take to be heard after a start [s of the wall]."""
PLACE = "nodered"


@dataclass
class NodeRedCarriage:
    """Asks Node-RED for each message of the devices that it carries, and waits for what became of it.

    :param prefix: of PEMS's topics, `pems/<site>`.
    """

    section: NodeRedSection
    prefix: str
    clock: Clock
    _offered: frozenset[str] = frozenset()
    _valid_until_s: float = 0.0
    """[s of the wall]"""
    _began_s: float = field(default_factory=monotonic)
    _silent_since: datetime | None = None
    _waiting: dict[str, asyncio.Future[Applied]] = field(default_factory=dict)

    def heard(self, said: CarrierSaid) -> None:
        """Node-RED says that it is there, and what it would carry."""
        self._offered = frozenset(said.devices)
        self._valid_until_s = monotonic() + said.valid_for_s if said.devices else 0.0

    def became(self, said: Applied) -> None:
        """Node-RED says what became of a message; an answer that nobody waits for any more is dropped."""
        waiting = self._waiting.get(said.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(said)

    @property
    def alive(self) -> bool:
        """Whether Node-RED was heard lately."""
        return monotonic() < self._valid_until_s

    def carries(self, device: str) -> bool:
        """Whether Node-RED carries a device now."""
        return self.alive and device in self._offered

    async def say(
        self, device: str, wire: Wire, command: Command | None, line: MqttLine, directly: Callable[[], Awaitable[None]]
    ) -> None:
        """See `Carriage.say`."""
        if not self.carries(device):
            if not self.alive and not self.section.direct_when_silent:
                raise NotDelivered(f"{device}: Node-RED, which carries it, is silent")
            await directly()
            return
        said = await self._ask(device, wire, command, line)
        if said.result == "core":
            await directly()
        elif said.result != "carried":
            raise NotDelivered(f"{device}: Node-RED {said.result}: {said.detail}")

    async def _ask(self, device: str, wire: Wire, command: Command | None, line: MqttLine) -> Applied:
        """
        :raises NotDelivered: if it could not be asked.
        :raises NoAnswer: if it did not say what became of it.
        """
        request = uuid4().hex
        waiting: asyncio.Future[Applied] = asyncio.get_running_loop().create_future()
        self._waiting[request] = waiting
        try:
            await line.publish(f"{self.prefix}/carry/{device}", as_text(self._words(request, device, wire, command)))
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await waiting
        except TimeoutError:
            raise NoAnswer(f"{device}: Node-RED did not say what became of it in {ANSWER_WITHIN_S:g} s") from None
        finally:
            self._waiting.pop(request)

    def _words(self, request: str, device: str, wire: Wire, command: Command | None) -> dict[str, Any]:
        """A request; its time is that of the answer, or that of the command if it ends sooner."""
        patience = self.clock.now() + timedelta(seconds=ANSWER_WITHIN_S * self.clock.speed)
        ends = NEVER if command is None else command.expires_at
        return {
            "request": request,
            "id": command.id if command else request,
            "device": device,
            "control": (command.control if command else "") or "all",
            "reason": command.reason if command else "",
            "releases": bool(command and command.releases),
            "expires_at": instant(min(patience, ends)),
            "wire": [dict(wire)],
        }

    @property
    def alerts(self) -> Sequence[Alert]:
        """That Node-RED is silent although it is to carry something."""
        if not self.section.carries or self.alive or monotonic() - self._began_s < GRACE_S:
            self._silent_since = None
            return ()
        self._silent_since = self._silent_since or self.clock.now()
        devices = ", ".join(self.section.carries)
        then = "PEMS reaches them directly" if self.section.direct_when_silent else "nothing is sent to them"
        text = f"Node-RED, which carries {devices}, is silent; {then}"
        return (Alert(Severity.WARNING, PLACE, text, self._silent_since),)


def carried(transport: Transport, carriage: NodeRedCarriage) -> Transport:
    """The transport, through Node-RED if that carries its device."""
    device = next((name for name in transport.devices if name in carriage.section.carries), "")
    return CarriedTransport(transport, device, carriage) if device else transport
